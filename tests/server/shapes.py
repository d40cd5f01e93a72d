"""Values that fit a JSON schema, and values that nearly do: hypothesis strategies for the schemas of /openapi.json."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

Strategy = st.SearchStrategy[Any]
_MOST = 3  # entries of a list that has no other limit
_TEXT = st.text(max_size=12)
_NUMBERS = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
ANYTHING: Strategy = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)


def fitting(schema: Mapping[str, Any], named: Mapping[str, Strategy]) -> Strategy:
    """Return values of a schema; of properties in `named` those, whatever their schema lets be."""
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([fitting(branch, named) for branch in schema["anyOf"]])
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return st.one_of([_of_kind(kind, schema, named) for kind in kinds]) if kinds else ANYTHING


def _of_kind(kind: str, schema: Mapping[str, Any], named: Mapping[str, Strategy]) -> Strategy:
    if kind == "object":
        return _objects(schema, named)
    if kind == "array":
        most = min(schema.get("maxItems", _MOST), schema.get("minItems", 0) + _MOST)
        return st.lists(fitting(schema.get("items", {}), named), min_size=schema.get("minItems", 0), max_size=most)
    least, most = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMaximum" in schema:
        most = int(schema["exclusiveMaximum"]) - 1
    others: dict[str, Strategy] = {
        "string": st.text(min_size=schema.get("minLength", 0), max_size=schema.get("maxLength", 12)),
        "integer": st.integers(least, most),
        "number": st.floats(least, most, allow_nan=False, allow_infinity=False),
        "boolean": st.booleans(),
        "null": st.none(),
    }
    return others[kind]


def _objects(schema: Mapping[str, Any], named: Mapping[str, Strategy]) -> Strategy:
    known = {
        name: named[name] if name in named else fitting(part, named)
        for name, part in schema.get("properties", {}).items()
    }
    needed = schema.get("required", [])
    optional = {name: part for name, part in known.items() if name not in needed}
    objects = st.fixed_dictionaries({name: known[name] for name in needed}, optional=optional)
    if schema.get("additionalProperties") is False:
        return objects
    more = st.dictionaries(_TEXT.map("unknown {}".format), ANYTHING, max_size=1)
    return st.tuples(more, objects).map(lambda pair: pair[0] | pair[1])


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    inner: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from _places(part, (*place, key))


@st.composite
def damaged(draw: st.DrawFn, whole: Strategy) -> Any:
    """Draw a value with one place changed: another value, a neighbouring number, more of a list, a key less or more."""
    value = deepcopy(draw(whole))
    place = draw(st.sampled_from([place for place in _places(value) if place]))
    *above, last = place
    holder = value
    for key in above:
        holder = holder[key]
    changes = [ANYTHING, *_neighbours(holder[last])]
    holder[last] = draw(st.one_of(changes))
    if isinstance(holder, dict) and draw(st.integers(0, 5)) == 0:
        del holder[last]
    return value


def _neighbours(value: Any) -> Sequence[Strategy]:
    if isinstance(value, bool) or not isinstance(value, int | float | list | dict | str):
        return []
    if isinstance(value, list):
        return [st.just(value * 9), st.just([])]
    if isinstance(value, dict):
        return [st.just(value | {"unknown": 1}), st.just([value])]
    if isinstance(value, str):
        return [st.just(""), st.just(" "), st.just([value])]
    return [st.sampled_from([0, -1, value + 1, value * 100, str(value), value + 0.5])]
