"""The JSON object in whatever a model wraps it in."""

import json
import re
from collections.abc import Collection, Iterator
from itertools import accumulate, islice
from typing import Any

import json_repair

_OBJECT = re.compile(r"\{\s*[\"'\u201c}]")  # a brace that opens JSON, unlike one in prose or in a formula
_MAX_DEPTH = 50  # brackets; a report has 5, and mending a model that repeats itself takes minutes
_MENDED = 3  # braces tried as the start of a broken object: prose before it may have some of its own


def parse_json_object(text: str, keys: Collection[str] = (), asked: str = "") -> dict[str, Any] | None:
    """Return the JSON object in a model's text: whole, in a code fence, amid prose, after its thoughts, or broken.

    Meant are the objects that have one of `keys`, at the top or one level down; of several, a later one adds to or
    corrects the earlier. Where none has, it is the first object there is, or None. An object that stands in `asked`, the
    request, is a quotation: the model shows what it was given, and does not say it itself.
    """
    first: dict[str, Any] | None = None
    own = _without_quotations(text, asked)
    for said in dict.fromkeys([own.rpartition("</think>")[2], own]):
        for found in (_sound(said), _mended(said)):
            objects = list(found)
            if fitting := [each for each in objects if _has(each, keys)]:
                return {name: part for each in fitting for name, part in each.items()}
            first = first or next(iter(objects), None)
    return first


def _has(found: dict[str, Any], keys: Collection[str]) -> bool:
    inner = (key for value in found.values() if isinstance(value, dict) for key in value)
    return not keys or any(key in keys for key in [*found, *inner])


def _without_quotations(text: str, asked: str) -> str:
    """Return the text without the sound objects that stand in the request, however they are spaced."""
    source = "".join(asked.split())
    parts: list[str] = []
    at = 0
    for _, start, end in _located(text) if source else ():
        if "".join(text[start:end].split()) in source:
            parts, at = [*parts, text[at:start]], end
    return "".join([*parts, text[at:]])


def _sound(text: str) -> Iterator[dict[str, Any]]:
    """Yield the sound objects of a text, outermost ones only."""
    yield from (found for found, _, _ in _located(text))


def _located(text: str) -> Iterator[tuple[dict[str, Any], int, int]]:
    """Yield the sound objects of a text, each with where it begins and ends."""
    decoder, at = json.JSONDecoder(), 0
    while opening := _OBJECT.search(text, at):
        try:
            found, at = decoder.raw_decode(text, opening.start())
        except ValueError:
            at = opening.start() + 1
        except RecursionError:  # thousands of open brackets: a model that repeats itself
            return
        else:
            yield from [(found, opening.start(), at)] if found else []


def _mended(text: str) -> Iterator[dict[str, Any]]:
    """Yield the object that a tolerant reading makes of the text from each of its first braces on."""
    if _depth(text) > _MAX_DEPTH:
        return
    for opening in islice(_OBJECT.finditer(text), _MENDED):
        try:
            found = json_repair.loads(text[opening.start() :], skip_json_loads=True)
        except (ValueError, RecursionError):
            continue
        found = found[0] if isinstance(found, list) and found else found
        yield from [found] if isinstance(found, dict) and found else []


def _depth(text: str) -> int:
    """Return how many brackets are open at once at most."""
    return max(accumulate(1 if bracket in "{[" else -1 for bracket in re.findall(r"[][{}]", text)), default=0)
