"""From verdicts to scores, by DRACO's rules. Scores and pass rates are 0 to 100.

A grading is scored and clipped on its own, then the gradings of a task are averaged; the other order gives other scores.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import fsum
from statistics import fmean

from fusion_graph.evaluation.shapes import Criterion, Gradings, Verdicts

MIN_COVERAGE = 0.95
_SAYS = {True: 1, False: -1, None: 0}


@dataclass(frozen=True, slots=True)
class Score:
    """One grading of one answer. `normalized` and `pass_rate` are None where it is unscored.

    `coverage` is the share of criteria with a verdict, 0 to 1; `raw` is the sum of the weights that were MET.
    """

    normalized: float | None
    pass_rate: float | None
    coverage: float
    raw: float


def score(criteria: Sequence[Criterion], verdicts: Verdicts) -> Score:
    """Return the score of one grading; criteria of weight 0 count nowhere.

    A criterion without a verdict is left out of both sums, the weights that were MET and those that could be: in the second
    alone it would count as UNMET. Left out of a rubric that has positive criteria, a negative one would count as UNMET all
    the same, and -500 would be forgiven. So a grading is unscored below 95 % coverage, without the verdict on a negative
    criterion beside positive ones, and with a verdict on none of the positive ones.
    """
    weighed = [criterion for criterion in criteria if criterion.weight]
    judged = [criterion for criterion in weighed if verdicts.get(criterion.id) is not None]
    coverage = len(judged) / len(weighed) if weighed else 0.0
    raw = fsum(criterion.weight for criterion in judged if verdicts[criterion.id])
    if coverage < MIN_COVERAGE or _forgives(weighed, judged):
        return Score(None, None, coverage, raw)
    passed = sum(verdicts[criterion.id] == (criterion.weight > 0) for criterion in judged)
    return Score(_normalized(judged, raw), 100 * passed / len(judged), coverage, raw)


def settled(gradings: Gradings) -> dict[str, bool | None]:
    """Return the verdict of most gradings on each criterion; None where as many say the other, or all say nothing."""
    balance: dict[str, int] = {}
    for verdicts in gradings:
        for criterion, verdict in verdicts.items():
            balance[criterion] = balance.get(criterion, 0) + _SAYS[verdict]
    return {criterion: said > 0 if said else None for criterion, said in balance.items()}


def task_score(criteria: Sequence[Criterion], gradings: Gradings) -> float | None:
    """Return the mean score of the gradings that are scored, None if none is."""
    return _mean(criteria, gradings, lambda found: found.normalized)


def task_pass_rate(criteria: Sequence[Criterion], gradings: Gradings) -> float | None:
    """Return the mean pass rate of the gradings that are scored, None if none is."""
    return _mean(criteria, gradings, lambda found: found.pass_rate)


def axis_scores(criteria: Sequence[Criterion], gradings: Gradings) -> dict[str, float | None]:
    """Return the score of each axis as if its criteria were the whole rubric, in the order of the rubric."""
    axes = dict.fromkeys(criterion.axis for criterion in criteria)
    return {axis: task_score([c for c in criteria if c.axis == axis], gradings) for axis in axes}


def _forgives(weighed: Sequence[Criterion], judged: Sequence[Criterion]) -> bool:
    """Tell whether leaving out what has no verdict would change what the rest is measured by."""
    if not any(criterion.weight > 0 for criterion in weighed):
        return False
    has_all_errors = sum(c.weight < 0 for c in judged) == sum(c.weight < 0 for c in weighed)
    return not has_all_errors or not any(criterion.weight > 0 for criterion in judged)


def _normalized(judged: Sequence[Criterion], raw: float) -> float:
    positive = fsum(criterion.weight for criterion in judged if criterion.weight > 0)
    if positive:
        return 100 * min(1.0, max(0.0, raw / positive))
    return 100 * (1 + raw / fsum(-criterion.weight for criterion in judged))


def _mean(criteria: Sequence[Criterion], gradings: Gradings, figure: Callable[[Score], float | None]) -> float | None:
    figures = [figure(score(criteria, verdicts)) for verdicts in gradings]
    scored = [found for found in figures if found is not None]
    return fmean(scored) if scored else None
