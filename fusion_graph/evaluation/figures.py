"""From answers and verdicts to the figures of a report. Pure: the same answers give the same figures."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

from fusion_graph.evaluation.config import Target
from fusion_graph.evaluation.members import Case, ledger
from fusion_graph.evaluation.pairwise import PairVerdict
from fusion_graph.evaluation.scoring import axis_scores, score, settled, task_pass_rate, task_score
from fusion_graph.evaluation.shapes import (
    Comparison,
    Ending,
    Estimate,
    Generation,
    MemberFigures,
    PairFigures,
    Share,
    TargetFigures,
    Task,
    TaskRow,
    Verdicts,
)
from fusion_graph.evaluation.statistics import (
    by_convention,
    estimate,
    holm,
    judge_noise,
    paired,
    quantile,
    share,
    sign_test,
)
from fusion_graph.ledger import spent
from fusion_graph.schemas import CallEntry

ANSWERED: frozenset[Ending] = frozenset({"answered", "unverified"})
_SLOW = 0.9


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to a task: what was generated, and what graders said of it (nothing: it was not graded)."""

    task: Task
    generation: Generation
    gradings: Sequence[Verdicts] = ()
    calls: Sequence[CallEntry] = ()  # of the grader
    members: Sequence[Sequence[Verdicts]] = field(default=())  # by seat, their gradings

    @property
    def score(self) -> float | None:
        """The task's score; None where it is unscored, or there is no answer."""
        return task_score(self.task.criteria, self.gradings)

    @property
    def is_there(self) -> bool:
        """Whether the target answered at all."""
        return self.generation["ending"] in ANSWERED


def target_figures(
    target: Target, models: Sequence[str], answers: Sequence[Answer], common: Mapping[str, float]
) -> TargetFigures:
    """Return what one target came to; `common` are its scores of the tasks that every target completed."""
    graded = [answer for answer in answers if answer.is_there and answer.gradings]
    scores = {answer.task.id: found for answer in graded if (found := answer.score) is not None}
    by_task = {answer.task.id: answer for answer in answers}
    return {
        "name": target.name,
        "kind": target.kind,
        "models": list(models),
        "published": target.published.model_dump() if target.published else None,
        "own": estimate(list(scores.values())),
        "zero_filled": estimate([*scores.values(), *(0.0 for answer in answers if not answer.is_there)]),
        "common": estimate(list(common.values())),
        "clean": estimate([found for task, found in scores.items() if not by_task[task].generation["leaks"]]),
        "pass_rate": estimate(_known(task_pass_rate(answer.task.criteria, answer.gradings) for answer in graded)),
        "judge_noise": judge_noise([_grading_scores(answer) for answer in graded]),
        "coverage": _coverage(graded),
        "axes": _axes(graded),
        "domains": _grouped((by_task[task].task.domain, found) for task, found in scores.items()),
        "endings": dict(Counter(answer.generation["ending"] for answer in answers)),
        "unscored": len(graded) - len(scores),
        "contaminated": sum(bool(answer.generation["leaks"]) for answer in answers),
        **_costs(answers),  # type: ignore[typeddict-item]
    }


def _grading_scores(answer: Answer) -> list[float]:
    return _known(score(answer.task.criteria, verdicts).normalized for verdicts in answer.gradings)


def _coverage(graded: Sequence[Answer]) -> float | None:
    verdicts = [verdict for answer in graded for grading in answer.gradings for verdict in grading.values()]
    return sum(verdict is not None for verdict in verdicts) / len(verdicts) if verdicts else None


def _axes(graded: Sequence[Answer]) -> dict[str, Estimate]:
    return _grouped(
        (axis, found)
        for answer in graded
        for axis, found in axis_scores(answer.task.criteria, answer.gradings).items()
        if found is not None
    )


def _grouped(pairs: Iterable[tuple[str, float]]) -> dict[str, Estimate]:
    groups: dict[str, list[float]] = {}
    for name, value in pairs:
        groups.setdefault(name, []).append(value)
    return {name: estimate(values) for name, values in groups.items()}


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _costs(answers: Sequence[Answer]) -> dict[str, object]:
    generations = [answer.generation for answer in answers]
    costs = _known(generation["cost_usd"] for generation in generations)
    seconds = _known(generation["seconds"] for generation in generations)
    roles = dict.fromkeys(role for generation in generations for role in generation["cost_by_role"])
    by_role = {role: _mean(generation["cost_by_role"].get(role) for generation in generations) for role in roles}
    graders = [spent(answer.calls)["cost_usd"] for answer in answers if answer.calls]
    return {
        "cost_usd": fmean(costs) if costs else None,
        "cost_is_lower_bound": len(costs) < len(generations) or any(g["cost_is_lower_bound"] for g in generations),
        "cost_by_role": by_role | ({"grader": _mean(graders)} if graders else {}),
        "seconds": median(seconds) if seconds else None,
        "seconds_high": quantile(seconds, _SLOW),
    }


def _mean(values: Iterable[float | None]) -> float | None:
    known = _known(values)
    return fmean(known) if known else None


def common_scores(answers: Mapping[str, Sequence[Answer]]) -> dict[str, dict[str, float]]:
    """Return each target's scores of the tasks that every target completed."""
    scores = {
        target: {a.task.id: a.score for a in found if not (a.is_there and a.score is None)}
        for target, found in answers.items()
    }
    return {target: found.common for target, found in by_convention(scores).items()}


def comparisons(pairs: Sequence[tuple[str, str]], answers: Mapping[str, Sequence[Answer]]) -> list[Comparison]:
    """Return how the targets of each pair differ on their common tasks, with p adjusted for all of them."""
    scores = {
        target: {answer.task.id: found for answer in each if (found := answer.score) is not None}
        for target, each in answers.items()
    }
    told = [(a, b, paired(scores[a], scores[b])) for a, b in pairs]
    adjusted = holm([found.p for _, _, found in told])
    return [
        {"a": a, "b": b, **found._asdict(), "p_holm": p}  # type: ignore[typeddict-item]
        for (a, b, found), p in zip(told, adjusted, strict=True)
    ]


def pair_figures(verdicts: Mapping[tuple[str, str], Sequence[PairVerdict]]) -> list[PairFigures]:
    """Return what pairwise verdicts come to, with p adjusted for all pairs."""
    counted = {pair: Counter(verdict.winner for verdict in found) for pair, found in verdicts.items()}
    adjusted = holm([sign_test(counts["a"], counts["b"]) for counts in counted.values()])
    return [
        {
            "a": pair[0],
            "b": pair[1],
            "n": len(verdicts[pair]),
            "wins": counts["a"],
            "ties": counts["tie"],
            "losses": counts["b"],
            "undecided": counts[None],
            "p": sign_test(counts["a"], counts["b"]),
            "p_holm": p,
            "same_in_both_orders": _same(verdicts[pair]),
        }
        for (pair, counts), p in zip(counted.items(), adjusted, strict=True)
    ]


def _same(verdicts: Sequence[PairVerdict]) -> Share:
    known = [verdict.same_in_both_orders for verdict in verdicts if verdict.same_in_both_orders is not None]
    return share(sum(known), len(known))


def member_figures(target: Target, answers: Sequence[Answer], models: Sequence[str]) -> MemberFigures:
    """Return what became of the members' findings in a fused target; `models` are its seats'."""
    cases = [
        Case(answer.task, settled(answer.gradings), [settled(gradings) for gradings in answer.members])
        for answer in answers
        if answer.is_there
    ]
    seats = [_seat_figures(number, model, answers) for number, model in enumerate(models, 1)]
    return {"target": target.name, "members": seats, **ledger(cases)}


def _seat_figures(number: int, model: str, answers: Sequence[Answer]) -> TargetFigures:
    alone = [_alone(answer, number) for answer in answers if number <= len(answer.generation["members"])]
    seat = Target(name=f"seat {number}: {model}", kind="solo", model=model)
    return target_figures(seat, [model], alone, {a.task.id: s for a in alone if (s := a.score) is not None})


def _alone(answer: Answer, number: int) -> Answer:
    """Return a seat's answer as if it had been the only one."""
    member = answer.generation["members"][number - 1]
    made: Generation = {
        **answer.generation,
        "target": f"seat {number}",
        "ending": member["ending"],
        "text": member["text"],
        "members": [],
        "seconds": None,
        "cost_usd": member["cost_usd"],
        "cost_is_lower_bound": member["cost_is_lower_bound"],
        "cost_by_role": {"panelist": member["cost_usd"]},
    }
    gradings = answer.members[number - 1] if number <= len(answer.members) else ()
    return Answer(answer.task, made, gradings)


def task_rows(tasks: Sequence[Task], answers: Mapping[str, Sequence[Answer]]) -> list[TaskRow]:
    """Return one row a task: each target's score, ending and leaks."""
    found = {target: {answer.task.id: answer for answer in each} for target, each in answers.items()}

    def of(task: Task, what: Callable[[Answer], object]) -> dict[str, object]:
        return {target: what(by_task[task.id]) for target, by_task in found.items() if task.id in by_task}

    return [
        {
            "task": task.id,
            "domain": task.domain,
            "scores": of(task, lambda answer: answer.score),  # type: ignore[typeddict-item]
            "endings": of(task, lambda answer: answer.generation["ending"]),  # type: ignore[typeddict-item]
            "leaks": {target: leaks for target, leaks in of(task, lambda a: a.generation["leaks"]).items() if leaks},  # type: ignore[misc]
        }
        for task in tasks
    ]
