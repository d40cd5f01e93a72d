"""Lenient readings of what models write where text, letters or numbers are wanted."""

import re
from collections.abc import Mapping
from typing import Any

_NAMED = re.compile(r"\banswers?[\W_]*((?:[a-z]\b(?:\s*(?:,|;|/|&|\+|and\b)\s*)*)+)", re.IGNORECASE)
_NOTHING = frozenset({"", "-", "none", "nothing", "n/a"})


def listed(value: Any) -> list[Any]:
    """Return a list: null is an empty one, a single thing a list of one."""
    return [] if value is None else value if isinstance(value, list) else [value]


def text(value: Any) -> str:
    """Return a text: of a list its texts, of an object the first text in it, of null ''."""
    if isinstance(value, Mapping):
        return next((part for part in value.values() if isinstance(part, str)), "")
    if isinstance(value, list):
        return "; ".join(texts(value))
    return "" if value is None else str(value)


def texts(value: Any) -> list[str]:
    """Return a list of texts, without those that say there is nothing."""
    read = (text(each).strip() for each in listed(value))
    return [each for each in read if each.lower().rstrip(".") not in _NOTHING]


def labels(value: Any) -> list[str]:
    """Return the letters that a label, or a list of labels, names."""
    return [letter for each in texts(value) for letter in _letters(each)]


def _letters(label: str) -> list[str]:
    """Return the letters of `Answer A`, `a`, `[A]`, `Answers A and b`, or `A, B`."""
    if named := _NAMED.findall(label):
        return [letter.upper() for group in named for letter in re.findall(r"\b[A-Za-z]\b", group)]
    if re.fullmatch(r"[\W_]*[a-z][\W_]*", label):
        return re.findall(r"[A-Z]", label.upper())
    return re.findall(r"(?<![A-Za-z0-9])[A-Z](?![A-Za-z0-9])", label)


def joined_labels(value: Any) -> str:
    """Return the letters as one text, `A, B`."""
    return ", ".join(labels(value))


def one_label(value: Any) -> str:
    """Return the one letter that is named; '' if there is none, or several as in `neither A nor B`."""
    letters = set(labels(value))
    return letters.pop() if len(letters) == 1 else ""


def numbers(value: Any) -> list[int]:
    """Return the source numbers of `[1]`, `"1"`, `"[1], [2]"` and `Source 3`; a URL has none."""
    read = (re.sub(r"\.0$|sources?|and", "", str(each).lower()) for each in listed(value))
    return [int(digits) for each in read if not re.search("[a-z]", each) for digits in re.findall(r"\d{1,4}", each)]
