"""What an evaluation would cost, before it is paid: by target and role, by this machine's price tables."""

from collections.abc import Iterable, Mapping
from math import fsum
from typing import NamedTuple

from fusion_graph.environment import ENVIRON
from fusion_graph.estimate import CostSpan, EstimatePrice, estimate_run
from fusion_graph.evaluation.config import EvaluationConfig, Target
from fusion_graph.evaluation.shapes import Dataset
from fusion_graph.evaluation.targets import given_settings
from fusion_graph.models.listing import make_estimate_price
from fusion_graph.presets import resolve
from fusion_graph.settings import FusionSettings

DRACO_TASKS, DRACO_CRITERIA = 100, 3934  # of the published file, where it cannot be read
# One verdict on one criterion: instructions, question and an answer of a few pages; a sentence, and some thinking.
VERDICT_TOKENS = (3_800, 600)
PAIR_TOKENS = (6_500, 800)
_ENDPOINT_TOKENS = ((8_000, 60_000), (1_500, 6_000))  # usual, high: a panel of somebody else's
_ROLES = {"solo": {"panelist"}, "best_of": {"panelist", "judge"}, "fusion": {"panelist", "judge", "writer"}}


class Cost(NamedTuple):
    """One line of an estimate; `usd` is None where no price is known."""

    what: str
    model: str
    calls: int
    usd: CostSpan | None


class Size(NamedTuple):
    """How much there is to be done."""

    tasks: int
    criteria: int


def draco_size(sample: int) -> Size:
    """Return the published size of DRACO, or of a sample of it, without reading it."""
    tasks = min(sample or DRACO_TASKS, DRACO_TASKS)
    return Size(tasks, round(DRACO_CRITERIA * tasks / DRACO_TASKS))


def counted(dataset: Dataset) -> Size:
    """Return the size of tasks."""
    return Size(len(dataset.tasks), sum(len(task.criteria) for task in dataset.tasks))


def estimate_costs(
    config: EvaluationConfig, size: Size, grader: str, gradings: int, environ: Mapping[str, str] = ENVIRON
) -> list[Cost]:
    """Return what each target and its grading would cost, whether or not their keys are there. Blocks; raises SettingsError."""
    price = _free if config.simulation else make_estimate_price(environ)
    lines: list[Cost] = []
    for target in config.target:
        settings = resolve(given_settings(config, target), environ=environ)
        lines.append(_answers(target, settings, size, price))
        if size.criteria:
            members = len(settings.seats) if target.kind == "fusion" and config.grader.members else 0
            verdicts = size.criteria * gradings * (1 + members)
            lines.append(_grading(f"grading of {target.name}", grader, verdicts, VERDICT_TOKENS, price))
    if not size.criteria:
        verdicts = 2 * size.tasks * len(config.pairs)
        lines.append(_grading("comparisons in pairs", grader, verdicts, PAIR_TOKENS, price))
    return lines


def _free(_name: str, _input: int, _output: int) -> tuple[float | None, str | None]:
    return 0.0, "simulated"


def _answers(target: Target, settings: FusionSettings, size: Size, price: EstimatePrice) -> Cost:
    if target.kind == "endpoint":
        low, high = (price(target.model, *tokens)[0] for tokens in zip(*_ENDPOINT_TOKENS, strict=True))
        usd = None if low is None or high is None else CostSpan(low=low * size.tasks, high=high * size.tasks)
        return Cost(target.name, target.model, size.tasks, usd)
    parts = [part for part in estimate_run(settings, [], price)["parts"] if part["role"] in _ROLES[target.kind]]
    costs = [part["cost_usd"] for part in parts]
    known = [cost for cost in costs if cost is not None]
    usd = None
    if len(known) == len(costs):
        usd = CostSpan(
            low=size.tasks * fsum(cost["low"] for cost in known), high=size.tasks * fsum(cost["high"] for cost in known)
        )
    calls = sum(part["calls"]["low"] for part in parts) * size.tasks
    return Cost(target.name, ", ".join(dict.fromkeys(part["model"] for part in parts)), calls, usd)


def _grading(what: str, model: str, calls: int, tokens: tuple[int, int], price: EstimatePrice) -> Cost:
    one, _ = price(model, *tokens)
    return Cost(what, model, calls, None if one is None else CostSpan(low=one * calls, high=one * calls))


def total(lines: Iterable[Cost]) -> tuple[CostSpan | None, list[str]]:
    """Return the sum of what is known, and the models without a known price."""
    costs = list(lines)
    known = [line.usd for line in costs if line.usd]
    unknown = list(dict.fromkeys(line.model for line in costs if line.usd is None))
    low, high = fsum(cost["low"] for cost in known), fsum(cost["high"] for cost in known)
    return (CostSpan(low=low, high=high) if known else None), unknown
