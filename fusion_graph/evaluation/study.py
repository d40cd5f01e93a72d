"""Simulation: when a panel beats its best member, and what a grader's errors do to the comparison.

Rubrics have DRACO's shape; whether a member meets a criterion, and whether a fusion keeps it, is chance. Nothing here has
been measured of a language model: it tells what follows if a panel's chances are such.
"""

from dataclasses import dataclass, replace
from math import sqrt
from statistics import NormalDist
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Met: TypeAlias = npt.NDArray[np.bool_]

TASKS = 4_000
# Of each section: criteria of a task, one of them negative, and from where to where its positive weights go. The numbers
# of criteria are DRACO's; the data set's weights end at 20, how they spread below is assumed.
SECTIONS = ((20, 5, 20), (8, 2, 10), (6, 2, 8), (5, 2, 10))
PENALTY = (10, 25)
SEVERE_TASKS, SEVERE_PENALTY = 0.06, (50, 500)  # one criterion of a medical task


@dataclass(frozen=True, slots=True)
class Panel:
    """What members and fusion do, as chances from 0 to 1, named as in the ledger of members.

    `correlation` is that of normal values below the members' yes or no; the phi that comes of it is lower. `luck` is how
    much of what is not shared by members is shared by all criteria of a task: a member has good and bad runs.
    """

    recalls: tuple[float, ...] = (0.65, 0.6, 0.55)  # of each member: to meet a positive criterion
    error: float = 0.15  # of any member: to meet a negative one
    correlation: float = 0.5
    luck: float = 0.15
    keep1: float = 0.6
    keep2: float = 0.95
    gain0: float = 0.03
    caught: float = 0.5
    caught_shared: float = 0.1
    invented: float = 0.01


@dataclass(frozen=True, slots=True)
class Grader:
    """How verdicts go wrong, as chances. `favour` is toward the answer: it is found right, and forgiven its errors."""

    noise: float = 0.0  # of any verdict to be the wrong one
    leniency: float = 0.0  # of UNMET to be called MET besides, errors too
    favour: float = 0.0  # of a verdict that costs points to be called the other
    gradings: int = 3


class Answers(NamedTuple):
    """Which criteria are met in truth: weights and `fused` by task and criterion, `members` by seat as well."""

    weights: Floats
    members: Met
    fused: Met
    best: int  # the seat of the highest recall


class Outcome(NamedTuple):
    """Mean scores in points. `gain` is fused minus best member, `sd` its standard deviation from task to task."""

    best: float
    fused: float
    gain: float
    sd: float


def rubrics(tasks: int = TASKS, *, seed: int = 0) -> Floats:
    """Return the weights of 39 criteria for each task."""
    rng = np.random.default_rng([seed, 0])
    sections = [rng.integers(low, high, size=(tasks, n), endpoint=True) for n, low, high in SECTIONS]
    for section in sections:
        section[:, 0] = -rng.integers(*PENALTY, size=tasks, endpoint=True)
    severe, (least, most) = rng.random(tasks) < SEVERE_TASKS, SEVERE_PENALTY
    sections[0][severe, 0] = -least * (most / least) ** rng.random(severe.sum())
    return np.concatenate(sections, axis=1).astype(np.float64)


def answer(panel: Panel, *, tasks: int = TASKS, seed: int = 0) -> Answers:
    """Return what the members and the fusion meet. Equal seeds draw the same luck for every panel."""
    weights = rubrics(tasks, seed=seed)
    shared = np.random.default_rng([seed, 1]).standard_normal(weights.shape)
    members = np.stack([_member(panel, seat, weights, shared, seed) for seat in range(len(panel.recalls))])
    by = np.minimum(members.sum(axis=0), 2)
    finds = np.array([panel.gain0, panel.keep1, panel.keep2])[by]
    errs = np.array([panel.invented, 1 - panel.caught, 1 - panel.caught_shared])[by]
    fused = np.random.default_rng([seed, 2]).random(weights.shape) < np.where(weights > 0, finds, errs)
    return Answers(weights, members, fused, best=panel.recalls.index(max(panel.recalls)))


def _member(panel: Panel, seat: int, weights: Floats, shared: Floats, seed: int) -> Met:
    rng = np.random.default_rng([seed, 3, seat])
    run = rng.standard_normal((len(weights), 1)) * np.sign(weights)  # a good run finds more, and errs less
    own = sqrt(panel.luck) * run + sqrt(1 - panel.luck) * rng.standard_normal(weights.shape)
    below = sqrt(panel.correlation) * shared + sqrt(1 - panel.correlation) * own
    met: Met = below < np.where(weights > 0, _bar(panel.recalls[seat]), _bar(panel.error))
    return met


def _bar(chance: float) -> float:
    return NormalDist().inv_cdf(min(max(chance, 1e-12), 1 - 1e-12))


def scores(weights: Floats, met: Met) -> Floats:
    """Return the score of each task, clipped to 0 to 100, as `scoring.score` does."""
    raw, most = (weights * met).sum(axis=-1), np.maximum(weights, 0).sum(axis=-1)
    found: Floats = 100 * np.clip(raw / most, 0, 1)
    return found


def phi(answers: Answers) -> float:
    """Return the members' mean correlation over positive criteria: the ledger's, of two seats or more."""
    found: Floats = np.asarray(np.corrcoef(answers.members[:, answers.weights > 0]))
    pairs = np.triu_indices(found.shape[0], 1)
    return float(found[pairs].mean())


def compare(panel: Panel, *, tasks: int = TASKS, seed: int = 0) -> Outcome:
    """Return how the fusion does against the best member, with verdicts that are all true."""
    found = answer(panel, tasks=tasks, seed=seed)
    return _outcome(scores(found.weights, found.members[found.best]), scores(found.weights, found.fused))


def measure(answers: Answers, grader: Grader, *, of_fused: Grader | None = None, seed: int = 0) -> Outcome:
    """Return what a grader sees of the same comparison; `of_fused` grades the fused answers, if it grades them otherwise."""
    rng = np.random.default_rng([seed, 4])
    best = _graded(answers.weights, answers.members[answers.best], grader, rng)
    return _outcome(best, _graded(answers.weights, answers.fused, of_fused or grader, rng))


def _graded(weights: Floats, met: Met, grader: Grader, rng: np.random.Generator) -> Floats:
    chance = np.where(met, 1 - grader.noise, grader.noise + grader.leniency)
    chance = (1 - grader.favour) * chance + grader.favour * (weights > 0)
    gradings = [scores(weights, rng.random(met.shape) < chance) for _ in range(grader.gradings)]
    mean: Floats = np.mean(gradings, axis=0)
    return mean


def _outcome(best: Floats, fused: Floats) -> Outcome:
    gains = fused - best
    return Outcome(float(best.mean()), float(fused.mean()), float(gains.mean()), float(gains.std(ddof=1)))


def break_even(panel: Panel) -> float | None:
    """Return the keep1 from which on the fusion beats its best member; None if it does not even with 1."""
    low, high = 0.0, 1.0
    if compare(replace(panel, keep1=high)).gain < 0:
        return None
    while high - low > 0.005:  # noqa: PLR2004 - to two digits
        middle = (low + high) / 2
        low, high = (low, middle) if compare(replace(panel, keep1=middle)).gain > 0 else (middle, high)
    return round(high, 2)
