"""The same evaluation as a task of inspect-ai, for its models and its log viewer: `inspect eval .../inspect_task.py`.

The model of `--model` answers by itself, or a target of ours does: `-T target=preset:quality`, or `-T config=NAME` with
the name of a target of it. The model of `--model-role grader=...` grades; without one, the protocol's by our own means.
Answers and verdicts are kept in `folder` as `fusion draco` keeps them, and rubrics are not written into samples.
"""

import asyncio
import math
from dataclasses import replace
from statistics import fmean

from fusion_graph.calls import Ask, Asker
from fusion_graph.deployment import Parts
from fusion_graph.errors import MissingPackageError
from fusion_graph.evaluation import shapes
from fusion_graph.evaluation.archive import open_archive
from fusion_graph.evaluation.config import load_config
from fusion_graph.evaluation.dataset import sampled
from fusion_graph.evaluation.grading import Graded, Grader
from fusion_graph.evaluation.one_by_one import answer, folder_at, protocol_of, rubrics, target_of, task_of
from fusion_graph.evaluation.protocols import Protocol
from fusion_graph.evaluation.scoring import score, task_pass_rate, task_score
from fusion_graph.evaluation.statistics import estimate
from fusion_graph.evaluation.targets import make_parts

try:
    from inspect_ai import Task, task
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model, model_roles
    from inspect_ai.scorer import Metric, SampleScore, Score, Scorer, Target, Value, metric, scorer
    from inspect_ai.solver import Generate, Solver, TaskState, generate, solver

    from fusion_graph.evaluation.inspect_model import RoleModel, price
except ImportError as error:
    raise MissingPackageError(
        "inspect-ai is not installed", needed_by="this task", hint="pip install 'fusion-graph[eval]'"
    ) from error

GRADER = "grader"  # the role
_FIGURES = ("score", "zero_filled", "pass_rate", "coverage", "unscored", "unanswered")
_NOTED = ("ending", "reasons", "seconds", "cost_usd", "cost_is_lower_bound", "cost_by_role", "leaks", "run_id")


@task
def draco(
    dataset: str = "draco",
    config: str = "",
    target: str = "",
    sample: int = 0,
    seed: int = 0,
    protocol: str = "",
    gradings: int = 0,
    folder: str = "",
) -> Task:
    """Grade a model, or a target of ours, by the rubrics of a data set.

    Raises:
        SettingsError: data set, configuration, target or protocol are not there, or there are no rubrics.
    """
    drawn = rubrics(dataset)
    drawn = sampled(drawn, sample, seed) if sample else drawn
    by = protocol_of(config, protocol, gradings)
    return Task(
        dataset=MemoryDataset(
            [Sample(id=each.id, input=each.problem, metadata={"domain": each.domain}) for each in drawn.tasks],
            name=drawn.name,
        ),
        solver=ask_target(dataset, config, target, folder) if target else generate(),
        scorer=grade_rubric(dataset, config, protocol, gradings, folder),
        continue_on_fail=True,  # else a failed sample is missing from the log, and a retry does not see it
        metadata={
            "dataset": {"source": drawn.source, "revision": drawn.revision, "sha256": drawn.sha256},
            "protocol": {"name": by.name, "sha256": by.sha256, "gradings": by.gradings},
        },
    )


@solver
def ask_target(dataset: str, config: str, target: str, folder: str) -> Solver:
    """Return what lets a target of ours answer: a panel, a model alone, the best of several tries, an endpoint."""
    wanted = target_of(config, target)

    async def solve(state: TaskState, generate: Generate) -> TaskState:  # noqa: ARG001  (inspect-ai's signature)
        made = await answer(dataset, wanted, folder_at(folder), str(state.sample_id))
        state.output = _output(made)
        state.messages.append(state.output.message)
        state.metadata["generation"] = {name: part for name, part in made.items() if name in _NOTED}
        return state

    return solve


@metric
def ci95() -> Metric:
    """Return the mean over tasks with its 95 % interval."""

    def ci95(scores: list[SampleScore]) -> Value:
        found = estimate([each.score.as_float() for each in scores])
        return {"mean": _number(found["mean"]), "low": _number(found["low"]), "high": _number(found["high"])}

    return ci95


@scorer(metrics={name: [ci95()] for name in _FIGURES})
def grade_rubric(dataset: str, config: str, protocol: str, gradings: int, folder: str) -> Scorer:
    """Return what grades an answer by the rubric of its task; NaN is unscored, which is neither 0 nor in any mean."""
    by = protocol_of(config, protocol, gradings)

    async def grade(state: TaskState, target: Target) -> Score:  # noqa: ARG001  (inspect-ai's signature)
        text = state.output.completion if state.output.choices else ""
        if not text.strip() or state.output.stop_reason == "content_filter":
            return Score(value=_figures(None, None, 0.0, is_answered=False), explanation="no answer")
        asked = await task_of(dataset, str(state.sample_id))
        ask, protocol = await asyncio.to_thread(_ask, config, by)
        async with open_archive(folder_at(folder) / "archive.db") as archive:
            return _score(asked, await Grader(ask, protocol, archive).grade(asked, text))

    return grade


def _output(made: shapes.Generation) -> ModelOutput:
    output = ModelOutput.from_content(
        made["target"], made["text"], stop_reason="content_filter" if made["ending"] == "refused" else "stop"
    )
    tokens = made["tokens"]
    output.usage = ModelUsage(
        input_tokens=tokens["input"] - tokens["cached"],
        input_tokens_cache_read=tokens["cached"],
        output_tokens=tokens["output"],
        reasoning_tokens=tokens["reasoning"],
        total_tokens=tokens["input"] + tokens["output"],
        total_cost=made["cost_usd"],
    )
    output.time = made["seconds"]
    return output


def _score(asked: shapes.Task, found: Graded) -> Score:
    points, passed = task_score(asked.criteria, found.gradings), task_pass_rate(asked.criteria, found.gradings)
    coverage = fmean(score(asked.criteria, verdicts).coverage for verdicts in found.gradings)
    lines = [f"{criterion}: {why}" for criterion, why in {**found.reasons, **found.ungradable}.items()]
    return Score(
        value=_figures(points, passed, coverage, is_answered=True),
        explanation="\n".join(lines),
        metadata={"gradings": found.gradings, "ungradable": found.ungradable},
    )


def _figures(
    points: float | None, passed: float | None, coverage: float, *, is_answered: bool
) -> dict[str, str | int | float | bool | None]:
    return {
        "score": _number(points),
        "zero_filled": _number(points) if is_answered else 0.0,
        "pass_rate": _number(passed),
        "coverage": coverage,
        "unscored": float(is_answered and points is None),
        "unanswered": float(not is_answered),
    }


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _ask(config: str, protocol: Protocol) -> tuple[Ask, Protocol]:
    """Return who is asked for verdicts: the model that the evaluation has for the role, or the protocol's."""
    if GRADER not in model_roles():
        return (make_parts(load_config(config)) if config else Parts.real()).ask, protocol

    def load(_name: str, /, *, temperature: float | None, max_tokens: int | None, reasoning: str | None) -> RoleModel:
        return RoleModel(role=GRADER, temperature=temperature, max_tokens=max_tokens, reasoning=reasoning)

    return Asker(load, price), replace(protocol, model=str(get_model(role=GRADER)))
