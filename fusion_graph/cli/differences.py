"""What two runs say, in lines of plain text: `-` is of A, `+` of B. A section's heading says in short what it holds."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, TypeAlias

from fusion_graph.comparison import (
    ANALYSIS_PARTS,
    Comparison,
    Kind,
    Part,
    Point,
    SeatComparison,
    point_text,
)
from fusion_graph.terminal.answer import READ
from fusion_graph.terminal.words import counted, in_line

_KINDS: dict[Kind, str] = {
    "changed": "changed",
    "only_a": "only in A",
    "only_b": "only in B",
    "same": "the same",
}
_ITEM = re.compile(r"\A[-*+] ")
_NONE: dict[Kind, str] = {"only_a": "B has none", "only_b": "A has none"}
_Entries: TypeAlias = Sequence[Part] | Sequence[Point] | Sequence[SeatComparison]


def answer(found: Comparison) -> list[str]:
    """Return the answers' sentences where they differ; the second line, behind a blank one, sums them up."""
    parts = found["answer"]
    if not parts:
        return section("Answer", "neither run has one", [])
    return section("Answer", _counts(parts), _folded(parts))


def _folded(parts: Sequence[Part]) -> Iterator[str]:
    for is_same, group in groupby(parts, key=lambda part: part["kind"] == "same"):
        run = list(group)
        if is_same:
            yield fold(len(run))
        else:
            for part in run:
                yield from marked(shown(part["a"]), shown(part["b"]))


def shown(sentence: str | None) -> str | None:
    """Return a sentence as it is printed: the mark of a list item must not be taken for one of ours."""
    return None if sentence is None else _ITEM.sub("• ", in_line(sentence))


def fold(number: int) -> str:
    """Return what stands for unchanged sentences."""
    return f"  … {counted(number, 'sentence')} {'is' if number == 1 else 'are'} the same"


def marked(a: str | None, b: str | None, label: str = "") -> Iterator[str]:
    """Yield what one run has and the other has not, each in its line."""
    if a is not None:
        yield f"- {label}{in_line(a)}"
    if b is not None:
        yield f"+ {label}{in_line(b)}"


def _counts(entries: _Entries) -> str:
    """Return how many are changed, only in one, and the same; and which run has none at all."""
    numbers = {kind: sum(entry["kind"] == kind for entry in entries) for kind in _KINDS}
    found = [kind for kind, number in numbers.items() if number]
    if len(found) == 1 and found[0] in _NONE:
        return f"{_NONE[found[0]]}, {numbers[found[0]]} {_KINDS[found[0]]}"
    return "the same" if found == ["same"] else ", ".join(f"{numbers[kind]} {_KINDS[kind]}" for kind in found)


def analysis(found: Comparison) -> list[str]:
    """Return the points in which the judges' analyses differ."""
    points = found["analysis"]
    failures = [
        f"{letter}'s judge failed: {in_line(run['judge_failure']).replace('_', ' ')}"
        for letter, run in (("A", found["a"]), ("B", found["b"]))
        if run["judge_failure"]
    ]
    if points is None:
        return section("Analysis", "neither run has one", failures)
    lists: list[tuple[str, Sequence[Point]]] = [(name, points[name]) for name in ANALYSIS_PARTS]
    entries = [entry for _, part in lists for entry in part]
    lines = [line for name, part in lists for line in _points(name.replace("_", " "), part)]
    return section("Analysis", _counts(entries) if entries else "no points", [*failures, *lines])


def _points(label: str, entries: Sequence[Point]) -> Iterator[str]:
    if any(entry["kind"] != "same" for entry in entries):
        yield f"  {label}: {_counts(entries)}"
    for entry in entries:
        if entry["kind"] != "same":
            yield from _differing(entry["a"], entry["b"])


def _differing(a: Any, b: Any) -> Iterator[str]:
    """Yield a point in both wordings; of a contradiction that both have, the subject and the stances that differ."""
    if not (isinstance(a, Mapping) and isinstance(b, Mapping) and "topic" in a):
        yield from marked(_text(a), _text(b))
        return
    yield from [f"  {in_line(a['topic'])}"] if a["topic"] == b["topic"] else marked(a["topic"], b["topic"])
    ours, theirs = (Counter(f"{stance['model']}: {stance['stance']}" for stance in side["stances"]) for side in (a, b))
    yield from (f"- {in_line(stance)}" for stance in (ours - theirs).elements())
    yield from (f"+ {in_line(stance)}" for stance in (theirs - ours).elements())


def _text(point: Any) -> str | None:
    return None if point is None else point_text(point)


def panel(found: Comparison) -> list[str]:
    """Return which seats' answers differ."""
    entries = found["responses"]
    lines: list[str] = []
    for entry in entries:
        seat = f"seat {entry['seat']} "
        if entry["kind"] == "changed" and entry["a"] == entry["b"]:
            lines.append(f"  {seat}{in_line(entry['a'])}: another answer")
        elif entry["kind"] != "same":
            lines += marked(entry["a"], entry["b"], seat)
    return section("Panel", _counts(entries) if entries else "no answers", lines)


def sources(found: Comparison) -> list[str]:
    """Return the sources that one run has and the other has not; pages that were only found are counted."""
    only = [("-", "A", found["sources"]["only_a"]), ("+", "B", found["sources"]["only_b"])]
    lines: list[str] = []
    for mark, letter, pages in only:
        read = [page for page in pages if page["status"] == "read"]
        lines += [f"{mark} {_source(page)}" for page in read]
        if more := len(pages) - len(read):
            lines.append(f"{mark} {counted(more, 'page')} {READ['seen']}, only in {letter}")
    both = found["sources"]["in_both"]
    return section("Sources", f"{both} in both" if both or lines else "none", lines)


def _source(page: Mapping[str, Any]) -> str:
    title = f"{in_line(page['title'])} " if page["title"] else ""
    return f"{title}<{in_line(page['url'])}> ({READ[page['status']]})"


def section(title: str, summary: str, lines: Iterable[str]) -> list[str]:
    """Return lines under a heading that sums them up, behind a blank line."""
    return ["", f"{title}: {summary}" if summary else title, *lines]
