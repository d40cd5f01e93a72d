"""OpenAI's strict JSON schemas: every object closed, every property required, some keywords not at all."""

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from tests.model_server.problems import Problem
from tests.model_server.wire import Request

Path: TypeAlias = tuple[str, ...]

_NOT_PERMITTED = frozenset(
    {"default", "allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas"}
    | {"patternProperties"}
)


def violations(schema: dict[str, Any], path: Path = ()) -> Iterator[str]:
    """Yield what is wrong with a schema, in the words of the error message."""
    if "$ref" in schema:
        yield from _ref(schema, path)
        return
    yield from (f"In context={path}, '{word}' is not permitted." for word in schema if word in _NOT_PERMITTED)
    if "properties" in schema or "object" in _types(schema):
        yield from _object(schema, path)
    for step, child in _children(schema):
        yield from violations(child, (*path, *step))


def _types(schema: dict[str, Any]) -> list[str]:
    given = schema.get("type", [])
    return given if isinstance(given, list) else [given]


def _ref(schema: dict[str, Any], path: Path) -> Iterator[str]:
    if beside := sorted(set(schema) - {"$ref"}):
        names = ", ".join(repr(name) for name in beside)
        yield f"context={path}, $ref cannot have keywords {{{names}}}."


def _object(schema: dict[str, Any], path: Path) -> Iterator[str]:
    if schema.get("additionalProperties") is not False:
        yield f"In context={path}, 'additionalProperties' is required to be supplied and to be false."
    missing = [name for name in schema.get("properties", {}) if name not in schema.get("required", [])]
    if missing:
        demand = "'required' is required to be supplied and to be an array including every key in properties."
        yield f"In context={path}, {demand} Missing '{missing[0]}'."


def _children(schema: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    for keyword in ("properties", "$defs", "definitions"):
        yield from (((keyword, name), child) for name, child in schema.get(keyword, {}).items())
    yield from (((keyword,), schema[keyword]) for keyword in ("items",) if keyword in schema)
    yield from (((("anyOf"), str(index)), child) for index, child in enumerate(schema.get("anyOf", [])))


def _response_format(request: Request, *, always: bool) -> Problem | None:
    given = (request.response_format or {}).get("json_schema")
    if not isinstance(given, dict):
        return None
    name, schema = str(given.get("name", "")), given.get("schema", {})
    if not re.fullmatch(r"[a-zA-Z0-9_-]+", name):
        words = "string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
        return Problem(f"Invalid 'response_format.json_schema.name': {words}", param="response_format.json_schema.name")
    if found := _first(schema) if always or given.get("strict") else None:
        return Problem(f"Invalid schema for response_format '{name}': {found}", param="response_format")
    return None


def _first(schema: dict[str, Any]) -> str | None:
    if schema.get("type") != "object":
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema.get('type')}\"'."
    return next(violations(schema), None)


def _tools(request: Request, *, always: bool) -> Problem | None:
    for index, tool in enumerate(request.tools):
        function = tool["function"]
        found = _first(function.get("parameters", {})) if always or function.get("strict") else None
        if found:
            words = f"Invalid schema for function '{function['name']}': {found}"
            return Problem(words, param=f"tools[{index}].function.parameters", code="invalid_function_parameters")
    return None


def schema_where_strict(request: Request) -> Problem | None:
    """Check the schemas that say `strict: true`."""
    return _response_format(request, always=False) or _tools(request, always=False)


def schema_always(request: Request) -> Problem | None:
    """Check every response schema, and the tools that say `strict: true`."""
    return _response_format(request, always=True) or _tools(request, always=False)
