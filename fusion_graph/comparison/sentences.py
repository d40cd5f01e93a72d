"""Markdown as a list of sentences. Headings, list items, table rows and lines of code stay whole.

What only lays a text out is no part of it: blank lines, rules, quotation marks `>`, where lines are wrapped.
"""

import re
from collections.abc import Iterator
from typing import Literal, TypeAlias

_Line: TypeAlias = Literal["code", "heading", "item", "row", "rule", "text"]

_QUOTED = re.compile(r"\s*(?:>\s?)+")
_FENCE = re.compile(r"\s*(?:[-*+]\s+)?(`{3,}|~{3,})")
_HEADING = re.compile(r"\s{0,3}#{1,6}(?:\s|$)")
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])\s+\S")
_ROW = re.compile(r"\s*\|")
_RULE = re.compile(r"[\s|:=*_+-]*")  # a blank line, a rule, what underlines a heading, what stands below a table's head
_CODE_SPAN = re.compile(r"`[^`]+`")
# Possessive, and only at the first of several stops: a long run of them would take its square in time.
_CITED = r"(?:\s?\[\d[\d,; \u2010-\u2015-]{0,40}\])*+"
_QUOTES = "\"'\u2019\u201d\u00bb\u300d\u300f"
_CLOSERS = rf"[{_QUOTES})\uff09\]*_]*+"
_END = re.compile(rf"(?<![.!?…])[.!?…]++{_CLOSERS}{_CITED}\s+|[\u3002\uff01\uff1f]++{_CLOSERS}{_CITED}\s*")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")  # e.g., U.S., z.B., J. Smith
_TITLES = frozenset(["cf", "vs", "al", "approx", "ca", "resp", "dr", "mr", "mrs", "ms", "prof", "st", "bzw"])
_BEFORE_NUMBERS = frozenset(["no", "nos", "nr", "pp", "fig", "figs", "eq", "eqs", "sec", "ch", "vol", "art"])


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a Markdown text in order, each in one line."""
    return [sentence for block, is_whole in _blocks(text) for sentence in ([block] if is_whole else _sentences(block))]


def _blocks(text: str) -> Iterator[tuple[str, bool]]:
    """Yield what belongs together, and whether it is to stay whole: all but a paragraph is."""
    lines: list[str] = []
    is_item = False
    for kind, line in _lines(text):
        if kind == "text" and lines:
            lines.append(line)
            continue
        if lines:
            yield _joined(lines), is_item
        lines = [line] if kind in {"text", "item"} else []
        is_item = kind == "item"
        if kind in {"code", "heading", "row"}:
            yield (line.rstrip() if kind == "code" else _joined([line])), True
    if lines:
        yield _joined(lines), is_item


def _joined(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


def _lines(text: str) -> Iterator[tuple[_Line, str]]:
    """Yield each line with what it is; a fence is code as what stands in it."""
    fence = ""
    for line in text.splitlines():
        opened = _FENCE.match(line)
        if fence:
            if line.strip():
                yield "code", line
            fence = "" if opened and opened[1].startswith(fence) and line.strip() == opened[1] else fence
        elif opened:
            fence = opened[1]
            yield "code", line
        else:
            bare = _QUOTED.sub("", line, count=1) if _QUOTED.match(line) else line
            yield _kind(bare), bare


def _kind(line: str) -> _Line:
    kinds: tuple[tuple[re.Pattern[str], _Line], ...] = (
        (_HEADING, "heading"),
        (_ITEM, "item"),
        (_ROW, "row"),
    )
    if _RULE.fullmatch(line):
        return "rule"
    return next((kind for pattern, kind in kinds if pattern.match(line)), "text")


def _sentences(paragraph: str) -> Iterator[str]:
    plain = _CODE_SPAN.sub(lambda span: "x" * len(span[0]), paragraph)
    begin = 0
    for end in _END.finditer(plain):
        if _is_end(plain, end):
            yield paragraph[begin : end.end()].rstrip()
            begin = end.end()
    if begin < len(paragraph):
        yield paragraph[begin:]


def _is_end(text: str, stop: re.Match[str]) -> bool:
    """Tell whether a sentence ends at this stop: not behind an abbreviation, not before a small letter."""
    following = text[stop.end() : stop.end() + 1]
    if following.islower():
        return False
    if stop[0].rstrip() != ".":
        return True
    word = text[text.rfind(" ", 0, stop.start()) + 1 : stop.start()].lstrip("([\"'“„*_")
    is_short = word.casefold() in _TITLES or bool(_INITIALS.fullmatch(word))
    return not (is_short or (following.isdigit() and word.casefold() in _BEFORE_NUMBERS))
