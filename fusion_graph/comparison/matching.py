"""Which texts of one list are those of another: in order for sentences, in any order for points."""

import re
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

from fusion_graph.comparison.values import Kind, Part, Point

SIMILAR = 0.5  # of the words are shared: then it is one text in two wordings
MAX_SENTENCES = 4_000  # that are aligned; the rest of a longer answer counts as one
MAX_PAIRS = 1_000_000  # that are looked at for similarity; beyond, texts are removed and added

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"  # scripts that do not space words
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")


def words(text: str) -> list[str]:
    """Return the words of a text without case and punctuation; of unspaced scripts, the characters."""
    return _WORD.findall(text.casefold())


def similarity(a: frozenset[str], b: frozenset[str]) -> float:
    """Return how far two sets of words are the same, from 0 to 1."""
    return 2 * len(a & b) / (len(a) + len(b)) if a and b else 0.0


def align(a: Sequence[str], b: Sequence[str]) -> list[Part]:
    """Return the sentences of both texts in order, those that are the same or alike beside one another."""
    a, b = _bounded(a), _bounded(b)
    # SequenceMatcher passes over what is frequent, unless both texts begin with it.
    last = _shared(a[::-1], b[::-1])
    ends = a[len(a) - last :]
    return [*_differences(a[: len(a) - last], b[: len(b) - last]), *(_part("same", text, text) for text in ends)]


def _bounded(sentences: Sequence[str]) -> list[str]:
    rest = sentences[MAX_SENTENCES:]
    return [*sentences[:MAX_SENTENCES], *([" ".join(rest)] if rest else [])]


def _shared(a: Sequence[str], b: Sequence[str]) -> int:
    """Return how many texts both begin with."""
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _differences(a: Sequence[str], b: Sequence[str]) -> Iterator[Part]:
    for tag, i, i_end, j, j_end in SequenceMatcher(None, a, b).get_opcodes():
        if tag == "equal":
            yield from (_part("same", text, text) for text in a[i:i_end])
        else:
            yield from _replaced(a[i:i_end], b[j:j_end])


def _replaced(a: Sequence[str], b: Sequence[str]) -> Iterator[Part]:
    """Yield two passages, with the sentences that are alike beside one another."""
    at_a = at_b = 0
    for i, j in [*_paired(a, b), (len(a), len(b))]:
        yield from (_part("only_a", text, None) for text in a[at_a:i])
        yield from (_part("only_b", None, text) for text in b[at_b:j])
        if i < len(a):
            yield _part("changed", a[i], b[j])
        at_a, at_b = i + 1, j + 1


def _part(kind: Kind, a: str | None, b: str | None) -> Part:
    return {"kind": kind, "a": a, "b": b}


def _paired(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """Return which sentences are alike, in the order of both texts, so that they are as alike as can be in all."""
    if not a or not b or len(a) * len(b) > MAX_PAIRS:
        return []
    sums = _sums([frozenset(words(text)) for text in a], [frozenset(words(text)) for text in b])
    pairs: list[tuple[int, int]] = []
    i, j = len(a), len(b)
    while i and j:
        if sums[i][j] == sums[i - 1][j]:
            i -= 1
        elif sums[i][j] == sums[i][j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]


def _sums(a: Sequence[frozenset[str]], b: Sequence[frozenset[str]]) -> list[list[float]]:
    """Return the largest sum of similarities of ordered pairs among the first i and the first j texts."""
    sums = [[0.0] * (len(b) + 1)]
    for one in a:
        above, row = sums[-1], [0.0]
        for j, other in enumerate(b):
            alike = similarity(one, other)
            beside = above[j] + alike if alike >= SIMILAR else 0.0
            row.append(max(above[j + 1], row[j], beside))
        sums.append(row)
    return sums


def match(a: Sequence[Any], b: Sequence[Any], key: Callable[[Any], str], whole: Callable[[Any], str]) -> list[Point]:
    """Return the points of both lists: those of a in their order, then those that only b has.

    Two points are one if their keys have the same words, or are alike; it is the same in both if all of it is, by `whole`.
    """
    partner = _partners([words(key(point)) for point in a], [words(key(point)) for point in b])
    found: list[Point] = []
    for i, point in enumerate(a):
        if i not in partner:
            found.append({"kind": "only_a", "a": point, "b": None})
            continue
        other = b[partner[i]]
        same = words(whole(point)) == words(whole(other))
        found.append({"kind": "same" if same else "changed", "a": point, "b": other})
    taken = set(partner.values())
    found += [{"kind": "only_b", "a": None, "b": point} for j, point in enumerate(b) if j not in taken]
    return found


def _partners(a: Sequence[list[str]], b: Sequence[list[str]]) -> dict[int, int]:
    """Return which text of b is which of a: first by equal words, then the most alike first."""
    waiting: dict[tuple[str, ...], list[int]] = {}
    for j in reversed(range(len(b))):
        waiting.setdefault(tuple(b[j]), []).append(j)
    partner = {i: places.pop() for i, text in enumerate(a) if (places := waiting.get(tuple(text)))}
    taken = set(partner.values())
    for i, j in _alike(
        {i: frozenset(text) for i, text in enumerate(a) if i not in partner},
        {j: frozenset(text) for j, text in enumerate(b) if j not in taken},
    ):
        if i not in partner and j not in taken:
            partner[i] = j
            taken.add(j)
    return partner


def _alike(a: dict[int, frozenset[str]], b: dict[int, frozenset[str]]) -> list[tuple[int, int]]:
    if len(a) * len(b) > MAX_PAIRS:
        return []
    found = [(similarity(one, other), i, j) for i, one in a.items() for j, other in b.items()]
    alike = sorted((entry for entry in found if entry[0] >= SIMILAR), key=lambda entry: (-entry[0], *entry[1:]))
    return [(i, j) for _, i, j in alike]
