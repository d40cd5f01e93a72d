"""What can be said of a target, and of two, from scores of some tasks: intervals, tests, and what to do without a score.

Tasks are what is drawn again, never criteria or gradings: those of one task stand and fall together. Every figure is the
same whatever the order of its values, and in every process: drawings are seeded.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from statistics import NormalDist
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from fusion_graph.evaluation.shapes import Estimate, Share

Floats: TypeAlias = npt.NDArray[np.float64]

RESAMPLES = 10_000
SIGN_DRAWS = 20_000
EXACT_TASKS = 16  # up to here all 2**n ways to flip signs are gone through
TIE_POINTS = 1.0  # a smaller difference is a tie: one criterion of a usual rubric is worth about three
_AT_ONCE = 100  # resamples drawn in one step, so that memory stays small
_Z = NormalDist().inv_cdf(0.975)


class Paired(NamedTuple):
    """One target against another on the tasks where both have a score. `p` is two-sided."""

    difference: Estimate
    p: float | None
    wins: int
    ties: int
    losses: int


class Conventions(NamedTuple):
    """A target's scores by task, under three conventions for tasks without an answer."""

    own: dict[str, float]
    zero_filled: dict[str, float]
    common: dict[str, float]


def estimate(values: Sequence[float], *, seed: int = 0) -> Estimate:
    """Return the mean over tasks with its 95 % bootstrap interval (percentiles; with ten tasks it holds the truth 9 times in 10).

    Raises:
        ValueError: A value is NaN or infinite.
    """
    drawn = _checked(values)
    n = len(drawn)
    if n < 2:  # noqa: PLR2004 - one task says nothing of how tasks differ
        return {"n": n, "mean": float(drawn[0]) if n else None, "low": None, "high": None}
    rng = np.random.default_rng(seed)
    means = [drawn[rng.integers(n, size=(_AT_ONCE, n))].mean(axis=1) for _ in range(RESAMPLES // _AT_ONCE)]
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return {"n": n, "mean": float(drawn.mean()), "low": float(low), "high": float(high)}


def quantile(values: Sequence[float], q: float) -> float | None:
    """Return the value below which the share `q` of the values lies, interpolated; None of none."""
    return float(np.quantile(_checked(values), q)) if values else None


def share(hits: int, n: int) -> Share:
    """Return the share with its 95 % Wilson interval."""
    if not n:
        return {"n": 0, "hits": 0, "share": None, "low": None, "high": None}
    rate, z2 = hits / n, _Z * _Z
    middle, half = rate + z2 / (2 * n), _Z * sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    low, high = (middle - half) / (1 + z2 / n), (middle + half) / (1 + z2 / n)
    # At the ends the interval reaches them, which rounding would miss.
    return {"n": n, "hits": hits, "share": rate, "low": low if hits else 0.0, "high": high if hits < n else 1.0}


def paired(a: Mapping[str, float], b: Mapping[str, float], *, seed: int = 0, tie: float = TIE_POINTS) -> Paired:
    """Return how `a` differs from `b` on their common tasks; up to `tie` points of difference are a tie.

    Raises:
        ValueError: A score is NaN or infinite.
    """
    differences = [a[task] - b[task] for task in a if task in b]
    wins = sum(difference > tie for difference in differences)
    losses = sum(difference < -tie for difference in differences)
    return Paired(
        difference=estimate(differences, seed=seed),
        p=sign_flip_test(differences, seed=seed),
        wins=wins,
        ties=len(differences) - wins - losses,
        losses=losses,
    )


def sign_flip_test(differences: Sequence[float], *, seed: int = 0) -> float | None:
    """Return how often the mean would lie this far from 0 if each difference could as well have the other sign.

    Exact for up to 16 tasks. Raises ValueError for NaN and infinity.
    """
    if not differences:
        return None
    sizes = _checked([abs(difference) for difference in differences])
    seen = abs(sum(sorted(differences, key=abs)))
    least = seen - 1e-9 * float(sizes.sum())  # sums of the same numbers differ by rounding
    is_exact = len(sizes) <= EXACT_TASKS
    signs = _all_signs(len(sizes)) if is_exact else _drawn_signs(len(sizes), np.random.default_rng(seed))
    hits = sum(int((np.abs(some @ sizes) >= least).sum()) for some in signs)
    # What was seen counts as one of the drawings, so that no p is 0.
    return hits / 2 ** len(sizes) if is_exact else (hits + 1) / (SIGN_DRAWS + 1)


def _all_signs(n: int) -> Iterator[Floats]:
    yield np.where(np.arange(2**n)[:, None] >> np.arange(n) & 1, -1.0, 1.0)


def _drawn_signs(n: int, rng: np.random.Generator) -> Iterator[Floats]:
    for _ in range(SIGN_DRAWS // _AT_ONCE):
        yield rng.choice((-1.0, 1.0), size=(_AT_ONCE, n))


def sign_test(wins: int, losses: int) -> float | None:
    """Return the two-sided binomial p of so many wins and losses if both were as likely; None without any."""
    n = wins + losses
    if not n:
        return None
    ways = tail = 1  # to have so many of one side: none at first
    for k in range(min(wins, losses)):
        ways = ways * (n - k) // (k + 1)
        tail += ways
    return min(1.0, 2 * tail / (1 << n))  # of integers: floats end at n = 1023


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Return the p-values adjusted for all that are tested together; None stays None and does not count."""
    ranked = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = [None] * len(ps)
    highest = 0.0
    for rank, (p, place) in enumerate(ranked):
        highest = max(highest, min(1.0, p * (len(ranked) - rank)))
        adjusted[place] = highest
    return adjusted


def judge_noise(scores_by_task: Sequence[Sequence[float]]) -> float | None:
    """Return the standard deviation between gradings of one task, pooled over tasks; None if none has two.

    Raises:
        ValueError: A score is NaN or infinite.
    """
    graded = [_checked(scores) for scores in scores_by_task]
    freedom = sum(len(scores) - 1 for scores in graded if scores.size)
    if not freedom:
        return None
    return sqrt(sum(float(((scores - scores.mean()) ** 2).sum()) for scores in graded if scores.size) / freedom)


def by_convention(scores: Mapping[str, Mapping[str, float | None]]) -> dict[str, Conventions]:
    """Return each target's scores of the tasks it completed, with 0 for those it did not, and of those all completed.

    `scores` is {target: {task: score}}: None where there is no answer. A task that has an answer and could not be scored is
    not in it: that is no zero.
    """
    completed = {target: {t: s for t, s in row.items() if s is not None} for target, row in scores.items()}
    shared = set[str].intersection(*map(set, completed.values())) if completed else set()
    return {
        target: Conventions(
            own=own,
            zero_filled={task: own.get(task, 0.0) for task in scores[target]},
            common={task: score for task, score in own.items() if task in shared},
        )
        for target, own in completed.items()
    }


def _checked(values: Sequence[float]) -> Floats:
    """Return the values in order of size, so that nothing depends on the order of tasks."""
    found: Floats = np.sort(np.asarray(values, dtype=np.float64))
    if not np.isfinite(found).all():
        odd: Any = found[~np.isfinite(found)][0]
        raise ValueError(f"{float(odd)!r} is no score: leave a task without a score out")
    return found
