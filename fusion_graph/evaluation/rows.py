"""Values of a file of tasks, checked one by one. No message quotes a text: it may be of a rubric, and ends in logs."""

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from fusion_graph.characters import encodable
from fusion_graph.checked import shown
from fusion_graph.errors import SettingsError, did_you_mean

_KINDS = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
_SHORT = 20  # characters of a text that is no sentence
_MOST = 1e12


def parse_json(text: str, what: str, *, hint: str) -> Any:
    """Return what a JSON text holds.

    Raises:
        SettingsError: it is not JSON, or holds NaN or an infinity.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        why = f"{line}column {error.colno}: {error.msg}"
    except RecursionError:
        why = "it is nested too deep"
    except ValueError as error:
        why = str(error)
    raise SettingsError(f"{what} is not valid JSON: {why}", field=what, hint=hint)


def object_of(value: Any, what: str, known: frozenset[str]) -> dict[str, Any]:
    """Return an object that has no other fields than the known ones.

    Raises:
        SettingsError: it has, or is none.
    """
    if not isinstance(value, dict):
        hint = f"write an object with the fields {', '.join(sorted(known))}"
        raise SettingsError(f"{what} is {_kind(value)}, not an object", field=what, hint=hint)
    for key in value:
        if key not in known:
            message = f"{what} has the unknown field {shown(key)}"
            raise SettingsError(message, field=key, hint=did_you_mean(key, known))
    return value


def list_of(table: Mapping[str, Any], field: str, what: str) -> list[Any]:
    """Return a list, empty if there is none.

    Raises:
        SettingsError: it is something else.
    """
    value = table.get(field)
    if value is None or isinstance(value, list):
        return value or []
    raise SettingsError(f"{what}: {field} is {_kind(value)}, not a list", field=field, hint="write a list: [...]")


def text_of(table: Mapping[str, Any], field: str, what: str) -> str:
    """Return a text as it was written.

    Raises:
        SettingsError: it is missing, empty or no text.
    """
    value = table.get(field)
    if isinstance(value, str) and value.strip():
        return encodable(value)
    said = "empty" if isinstance(value, str) else "missing" if value is None else f"{_kind(value)}, not text"
    raise SettingsError(f"{what}: {field} is {said}", field=field, hint=f"give it a {field}")


def id_of(table: Mapping[str, Any], what: str) -> str:
    """Return an id, which may be written as a number.

    Raises:
        SettingsError: it is missing, empty or neither.
    """
    value = table.get("id")
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number else text_of(table, "id", what).strip()


def number_of(table: Mapping[str, Any], field: str, what: str) -> float:
    """Return a number, which may be written as text.

    Raises:
        SettingsError: it is none, or too large to be added up exactly.
    """
    value = table.get(field)
    number = _number(value)
    if abs(number) <= _MOST:
        return number
    is_short = isinstance(value, int | float) or (isinstance(value, str) and len(value) <= _SHORT)
    told = shown(value) if is_short else _kind(value)
    hint = 'write a number: 10, -25, or "10"'
    raise SettingsError(f"{what}: {field} = {told} is no number", field=field, value=told, hint=hint)


def _number(value: Any) -> float:
    """Return NaN for what is no number, which is below and above nothing."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "a number")


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")
