"""Answers as the simulated models write and read them: sentences on lines of their own, each with its citations."""

import re
from collections.abc import Sequence

from fusion_graph.demo.text import cite

NOTHING = "Nothing was found about this."
_CITED = re.compile(r"\s*\[([\d,; ?]+)\]")


def plain(text: str) -> str:
    """Return a text on one line and without its citations."""
    return " ".join(_CITED.sub("", text).split())


def is_said(sentence: str, text: str) -> bool:
    """Return whether a text holds a sentence, however it cites and breaks its lines."""
    return plain(sentence) in plain(text)


def cited_for(sentence: str, text: str) -> list[int]:
    """Return the numbers that a text cites for a sentence."""
    lines = [line for line in text.splitlines() if is_said(sentence, line)]
    return [int(digits) for line in lines for group in _CITED.findall(line) for digits in re.findall(r"\d+", group)]


def composed(sentences: Sequence[tuple[str, Sequence[int]]], forms: Sequence[str]) -> str:
    """Return an answer: headings, then a list of the sentences with the numbers they cite, then tables."""
    lines = [f"- {cite(sentence, *numbers) if numbers else sentence}" for sentence, numbers in sentences]
    headings = [form for form in forms if form.startswith("#")]
    others = [form for form in forms if not form.startswith("#")]
    return "\n\n".join([*headings, "\n".join(lines) or NOTHING, *others])
