"""The verdict in whatever a grader wraps it in; what cannot be read as exactly one is no verdict."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fusion_graph.checked import shown
from fusion_graph.evaluation.prompted import Prompted, plain
from fusion_graph.report import parse_json_object, readings

_ALSO = ("verdict", "status")  # what graders call the field unasked


def read_verdict(text: str, protocol: Prompted, told: str) -> tuple[str, str]:
    """Return the verdict, one of the protocol's `words`, and the reason given for it.

    An object that stands in `told`, the material of the request, is a quotation and no verdict.

    Raises:
        ValueError: there is none, or more than one; in words that its author can be told.
    """
    if not text.strip():
        raise ValueError("it was empty")
    found = parse_json_object(text, [protocol.verdict, *_ALSO], told)
    if found is None:
        return _alone(text, protocol, told), ""
    said = set(_said(text, protocol, told))
    if len(said) > 1:
        raise ValueError(f"it gives several verdicts: {', '.join(sorted(said))}")
    value = _part(found, protocol.verdict, *_ALSO)
    if value is None:
        raise ValueError(f"{protocol.verdict!r} is missing")
    if (word := _word(value, protocol)) is None:
        raise ValueError(f"{protocol.verdict!r} is {shown(value)}, not {_asked_for(protocol)}")
    return word, readings.text(_part(found, protocol.reason))


def _said(text: str, protocol: Prompted, told: str) -> Iterator[str]:
    """Yield the verdict of each object of the text: the last of two would else silently stand for both."""
    source = "".join(told.split())
    for found in re.finditer(rf'"{re.escape(protocol.verdict)}"\s*:\s*"([^"\\]*)"', text.rpartition("</think>")[2]):
        word = _word(found[1], protocol)
        if word and "".join(found[0].split()) not in source:
            yield word


def _alone(text: str, protocol: Prompted, told: str) -> str:
    """Return the verdict of a text without JSON: that of a line which says nothing else."""
    names = "|".join(re.escape(name) for name in (protocol.verdict, *_ALSO))
    quoted = set(told.splitlines())
    own = (line for line in text.splitlines() if line not in quoted)
    lines = (re.sub(rf"^\W*(?:{names})\b\W*", "", line, flags=re.IGNORECASE) for line in own)
    words = {word for line in lines if (word := _word(line, protocol))}
    if len(words) != 1:
        raise ValueError(f"it gives several verdicts: {', '.join(sorted(words))}" if words else "it was no JSON object")
    return words.pop()


def _part(found: Mapping[str, Any], *names: str) -> Any:
    """Return what stands under the first of these names, at the top or one level down, however it is spelled."""
    inner = [part for part in found.values() if isinstance(part, Mapping)]
    by_name = [{plain(key): value for key, value in each.items()} for each in (found, *inner)]
    return next((each[plain(name)] for name in names for each in by_name if plain(name) in each), None)


def _word(value: object, protocol: Prompted) -> str | None:
    """Return the verdict a word stands for, whatever its case and the marks around it."""
    table = {plain(word): verdict for verdict, words in protocol.words.items() for word in words}
    return table.get(plain(value))


def _asked_for(protocol: Prompted) -> str:
    return " or ".join(words[0] for words in protocol.words.values())
