"""What became of the members' findings in a fused answer: which it kept, which errors it caught, what it made up.

Told from settled verdicts, criterion by criterion. A criterion on which anybody lacks a verdict is left out: to go by the
verdicts that are there would favour MET, of which one suffices for "any member met it". Intervals take criteria as
independent of one another.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from statistics import fmean
from typing import Literal, NamedTuple

from typing_extensions import TypedDict

from fusion_graph.evaluation.scoring import score
from fusion_graph.evaluation.shapes import Criterion, Estimate, Share, Task, Verdicts
from fusion_graph.evaluation.statistics import estimate, share


@dataclass(frozen=True, slots=True)
class Case:
    """One task: the verdicts on the fused answer and, in the order of seats, on each member's; {} for no answer."""

    task: Task
    fused: Verdicts
    members: Sequence[Verdicts]


class Ledger(TypedDict):
    """The figures of `shapes.MemberFigures` that are made here; they are explained there."""

    keep1: Share
    keep2: Share
    gain0: Share
    caught: Share
    caught_shared: Share
    invented: Share
    correlation: float | None
    union: Estimate
    intersection: Estimate


class _Fate(NamedTuple):
    """One criterion: whether its weight is positive, how many members met it (2: or more), and whether the fusion does."""

    is_positive: bool
    by: int
    is_met: bool


def ledger(cases: Sequence[Case], *, seed: int = 0) -> Ledger:
    """Return what a fusion made of its members' findings; a member without an answer has none, and is not counted."""
    fates = [fate for case in cases for fate in _fates(case)]
    return {
        "keep1": _share(fates, "positive", by=1, is_met=True),
        "keep2": _share(fates, "positive", by=2, is_met=True),
        "gain0": _share(fates, "positive", by=0, is_met=True),
        "caught": _share(fates, "negative", by=1, is_met=False),
        "caught_shared": _share(fates, "negative", by=2, is_met=False),
        "invented": _share(fates, "negative", by=0, is_met=True),
        "correlation": _correlation(cases),
        "union": _oracle(cases, _union, seed),
        "intersection": _oracle(cases, _intersection, seed),
    }


def _said(case: Case) -> Iterator[tuple[Criterion, list[bool]]]:
    """Yield each criterion with the verdicts on all members that answered, where none of them lacks one."""
    answered = [verdicts for verdicts in case.members if verdicts]
    for criterion in case.task.criteria:
        said = [verdicts.get(criterion.id) for verdicts in answered]
        met = [verdict for verdict in said if verdict is not None]
        if met and len(met) == len(said):
            yield criterion, met


def _fates(case: Case) -> Iterator[_Fate]:
    for criterion, met in _said(case):
        is_met = case.fused.get(criterion.id)
        if is_met is not None and criterion.weight:
            yield _Fate(criterion.weight > 0, min(sum(met), 2), is_met)


def _share(fates: Sequence[_Fate], sign: Literal["positive", "negative"], *, by: int, is_met: bool) -> Share:
    found = [fate.is_met for fate in fates if fate.is_positive == (sign == "positive") and fate.by == by]
    return share(found.count(is_met), len(found))


def _correlation(cases: Sequence[Case]) -> float | None:
    """Return the mean of phi over pairs of seats, each over all positive criteria that both have a verdict on."""
    seats = range(max((len(case.members) for case in cases), default=0))
    phis = [_phi(list(_both(cases, one, other))) for one, other in combinations(seats, 2)]
    known = [phi for phi in phis if phi is not None]
    return fmean(known) if known else None


def _both(cases: Sequence[Case], one: int, other: int) -> Iterator[tuple[bool, bool]]:
    for case in cases:
        if max(one, other) < len(case.members):
            a, b = case.members[one], case.members[other]
            for criterion in case.task.criteria:
                mine, theirs = a.get(criterion.id), b.get(criterion.id)
                if criterion.weight > 0 and mine is not None and theirs is not None:
                    yield mine, theirs


def _phi(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """Return the correlation of two yes-or-no series; None where one of them is all the same."""
    n, both = len(pairs), sum(a and b for a, b in pairs)
    first, second = sum(a for a, _ in pairs), sum(b for _, b in pairs)
    spread = first * (n - first) * second * (n - second)
    return (n * both - first * second) / sqrt(spread) if spread else None


def _union(case: Case) -> Verdicts:
    """Return the verdicts on all that any member got right. It has no error, so theirs need no verdict."""
    right = {criterion.id: any(met) for criterion, met in _said(case) if criterion.weight > 0}
    return right | {criterion.id: False for criterion in case.task.criteria if criterion.weight < 0}


def _intersection(case: Case) -> Verdicts:
    return {criterion.id: all(met) for criterion, met in _said(case)}


def _oracle(cases: Sequence[Case], verdicts: Callable[[Case], Verdicts], seed: int) -> Estimate:
    """Return the score of answers with these verdicts; a task with too few of them, or without an answer, has none."""
    scores = [score(case.task.criteria, verdicts(case)).normalized for case in cases if any(case.members)]
    return estimate([found for found in scores if found is not None], seed=seed)
