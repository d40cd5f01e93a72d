"""What a request may hold: JSON that can be stored, sent on to a model and answered. Python's parser takes more."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from fusion_graph.errors import SettingsError

MAX_DEPTH = 100  # lists and objects within each other; the store fails at about a thousand
MAX_INTEGER = 2**63 - 1  # the store's
_HINT = f"valid Unicode, finite numbers of 64 bits, at most {MAX_DEPTH} lists and objects within each other"


def check_payload(body: Mapping[str, Any]) -> None:
    """Raise a SettingsError that names the first field of `body` which holds what cannot be kept."""
    for name, value in body.items():
        field = "body" if fault_in(name) else name
        if fault := fault_in(name) or fault_in(value):
            raise SettingsError(f"{field} holds {fault}", field=field, hint=_HINT)


def fault_in(value: Any) -> str:
    """Return what is wrong with a value of JSON, "" if nothing is."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        if fault := next(filter(None, map(_fault, level)), ""):
            return fault
        level = [part for each in level for part in _parts(each)]
        if not level:
            return ""
    return f"more than {MAX_DEPTH} lists and objects within each other"


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else ()


def _fault(value: Any) -> str:
    if isinstance(value, str) and not _is_unicode(value):
        return "half of a surrogate pair"
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return "an integer of more than 64 bits"
    if isinstance(value, float) and not math.isfinite(value):
        return "a number that is not finite"
    return ""


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
