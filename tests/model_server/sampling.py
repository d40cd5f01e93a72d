"""An instance of a JSON schema, so that a scripted model can answer in any shape it is asked for."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Values: TypeAlias = Mapping[str, Any]

_DEEP = 12  # levels after which a recursive schema is cut short


def sample(schema: Mapping[str, Any], values: Values | None = None) -> Any:
    """Return a valid instance: every property, one item per array, the first of an enumeration.

    `values` gives a property its value wherever one of that name occurs.
    """
    return _Sampler(schema, values or {}).of(schema, "value", 0)


def schema_in(text: str) -> dict[str, Any] | None:
    """Return the first JSON schema of an object that is written out in a text: where a prompt in JSON mode has it."""
    decoder = json.JSONDecoder()
    for brace in re.finditer(r"{", text):
        try:
            found, _ = decoder.raw_decode(text, brace.start())
        except ValueError:
            continue
        if isinstance(found, dict) and isinstance(found.get("properties"), dict):
            return found
    return None


class _Sampler:
    def __init__(self, root: Mapping[str, Any], values: Values) -> None:
        self._root = root
        self._values = values
        self._makers: dict[str, Callable[[Mapping[str, Any], str, int], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": _string,
            "integer": _integer,
            "number": _integer,
            "boolean": lambda schema, name, depth: True,
            "null": lambda schema, name, depth: None,
        }

    def of(self, schema: Mapping[str, Any], name: str, depth: int) -> Any:
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        if branches := schema.get("anyOf") or schema.get("oneOf"):
            return self.of(_preferred(branches, depth), name, depth)
        return self._makers[_type(schema)](schema, name, depth)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema:
            node: Any = self._root
            for step in schema["$ref"].removeprefix("#/").split("/"):
                node = node[step]
            schema = node
        for part in schema.get("allOf", []):
            schema = {**self._resolved(part), **schema}
        return schema

    def _object(self, schema: Mapping[str, Any], name: str, depth: int) -> dict[str, Any]:
        properties: Mapping[str, Any] = schema.get("properties", {})
        wanted = schema.get("required", []) if depth > _DEEP else properties
        return {key: self._property(properties[key], key, depth) for key in wanted}

    def _property(self, schema: Mapping[str, Any], name: str, depth: int) -> Any:
        return self._values[name] if name in self._values else self.of(schema, name, depth + 1)

    def _array(self, schema: Mapping[str, Any], name: str, depth: int) -> list[Any]:
        least = schema.get("minItems", 0)
        count = least if depth > _DEEP else min(max(1, least), schema.get("maxItems", max(1, least)))
        return [self.of(schema.get("items", {"type": "string"}), name, depth + 1) for _ in range(count)]


def _type(schema: Mapping[str, Any]) -> str:
    given = schema.get("type", "object" if "properties" in schema else "string")
    return str(given if isinstance(given, str) else next((t for t in given if t != "null"), "null"))


def _preferred(branches: list[Mapping[str, Any]], depth: int) -> Mapping[str, Any]:
    nulls = [branch for branch in branches if branch.get("type") == "null"]
    if nulls and depth > _DEEP:
        return nulls[0]
    return next((branch for branch in branches if branch.get("type") != "null"), branches[0])


def _string(schema: Mapping[str, Any], name: str, depth: int) -> str:
    text = f"sample {name}".ljust(schema.get("minLength", 0), ".")
    return text[: schema.get("maxLength", len(text))]


def _integer(schema: Mapping[str, Any], name: str, depth: int) -> int:
    least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
    return int(min(least, schema.get("maximum", least)))
