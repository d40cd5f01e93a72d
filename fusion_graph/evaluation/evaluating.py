"""An evaluation from end to end. Each part is kept as it comes: run again, nothing that is there is paid again."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.metadata import version
from platform import python_version
from typing import Any, NamedTuple

from fusion_graph import prompts
from fusion_graph.deployment import Parts
from fusion_graph.errors import FusionError, MissingKeyError
from fusion_graph.evaluation.archive import open_archive
from fusion_graph.evaluation.config import EvaluationConfig
from fusion_graph.evaluation.figures import (
    common_scores,
    comparisons,
    member_figures,
    pair_figures,
    target_figures,
    task_rows,
)
from fusion_graph.evaluation.folder import note
from fusion_graph.evaluation.generating import Generator
from fusion_graph.evaluation.grading import VERDICT
from fusion_graph.evaluation.guard import Guard
from fusion_graph.evaluation.pairwise import PAIR
from fusion_graph.evaluation.prompted import Prompted
from fusion_graph.evaluation.protocols import PairProtocol, Protocol, load_pair_protocol, load_protocol
from fusion_graph.evaluation.purse import Paying, Purse
from fusion_graph.evaluation.shapes import Dataset, Results
from fusion_graph.evaluation.stages import Room, Wanted, Watch, ask_targets, compare_answers, grade_answers
from fusion_graph.evaluation.targets import Settled, make_parts, open_benches, settled
from fusion_graph.ledger import spent
from fusion_graph.spending import spending


class Outcome(NamedTuple):
    """What an evaluation came to, and what stopped it before its end, if something did."""

    results: Results
    error: FusionError | None


async def evaluate(wanted: Wanted, purse: Purse, watch: Watch) -> Outcome:
    """Ask the targets, grade the answers, and return the figures; also of what there is when something stops it.

    Raises:
        SettingsError, ModelLoadError: it could not work; nothing was paid.
    """
    async with _room(wanted, purse, watch) as room:
        error: FusionError | None = None
        try:
            await ask_targets(room)
        except FusionError as stopped:
            error = stopped
        try:
            if isinstance(room.protocol, PairProtocol):
                await compare_answers(room, room.protocol)
            elif isinstance(room.protocol, Protocol):
                await grade_answers(room, room.protocol)
        except FusionError as stopped:
            error = error or stopped
        return Outcome(await _results(room, error), error)


@asynccontextmanager
async def _room(wanted: Wanted, purse: Purse, watch: Watch) -> AsyncIterator[Room]:
    protocol = protocol_for(wanted.config, has_rubrics=wanted.dataset.has_rubrics)
    parts = await asyncio.to_thread(make_parts, wanted.config)
    targets = [await asyncio.to_thread(settled, wanted.config, target, parts) for target in wanted.config.target]
    _check_grader(protocol.model, parts)
    await asyncio.to_thread(note, wanted)
    async with open_archive(wanted.folder / "archive.db") as archive:
        guard = Guard(wanted.dataset, archive)
        async with open_benches(wanted.folder / "runs.db", parts, guard) as benches:
            generator = Generator(benches, Paying(parts.ask, purse), archive, guard, purse)
            yield Room(wanted, parts, protocol, targets, benches, archive, generator, purse, watch)


def _check_grader(model: str, parts: Parts) -> None:
    try:
        parts.ask.check({model: ["the grader"]})
    except MissingKeyError as error:
        hint = "set it, or have another model grade: --grader MODEL"
        raise MissingKeyError(error.what, needed_by="the grader", hint=hint) from None


def protocol_for(config: EvaluationConfig, *, has_rubrics: bool) -> Protocol | PairProtocol:
    """Return the protocol that fits tasks with rubrics or without, as the configuration changes it. Raises SettingsError."""
    asked = config.grader
    if not has_rubrics:
        pairs = load_pair_protocol(asked.pairs)
        return replace(pairs, model=asked.model or pairs.model)
    rubrics = load_protocol(asked.protocol)
    return replace(rubrics, model=asked.model or rubrics.model, gradings=asked.gradings or rubrics.gradings)


async def _results(room: Room, error: FusionError | None) -> Results:
    config, answers, protocol = room.wanted.config, room.by_target(), room.protocol
    is_graded, common = isinstance(protocol, Protocol), common_scores(answers)
    targets = {each.target.name: each for each in room.targets}
    panels = [each for each in room.targets if each.target.kind == "fusion" and is_graded and config.grader.members]
    results: Results = {
        "name": config.name,
        "dataset": _dataset_told(room.wanted.dataset, room.wanted.sampled),
        "protocol": _protocol_told(protocol),
        "is_simulated": config.simulation is not None,
        "targets": [
            target_figures(targets[name].target, _models(targets[name]), found, common[name])
            for name, found in answers.items()
        ],
        "comparisons": comparisons(config.pairs, answers) if is_graded else [],
        "pairs": pair_figures(room.verdicts),
        "members": [
            member_figures(each.target, answers[each.target.name], [seat.model for seat in each.settings.seats])
            for each in panels
        ],
        "tasks": task_rows(room.wanted.dataset.tasks, answers),
        "spent": await _spent(room),
        "manifest": _manifest(room),
    }
    if error:
        results["unfinished"] = [str(error), *([error.hint] if error.hint else [])]
    return results


def _dataset_told(dataset: Dataset, sampled: Mapping[str, int] | None) -> dict[str, Any]:
    domains = [task.domain for task in dataset.tasks]
    return {
        "name": dataset.name,
        "source": dataset.source,
        "revision": dataset.revision,
        "sha256": dataset.sha256,
        "tasks": len(dataset.tasks),
        "domains": {domain: domains.count(domain) for domain in dict.fromkeys(domains)},
        "sampled": dict(sampled) if sampled else None,
    }


def _protocol_told(protocol: Prompted) -> dict[str, Any]:
    return {
        "name": protocol.name,
        "sha256": protocol.sha256,
        "model": protocol.model,
        "gradings": protocol.gradings if isinstance(protocol, Protocol) else 1,
        "temperature": protocol.temperature,
        "reasoning": protocol.reasoning,
    }


def _models(target: Settled) -> list[str]:
    seats, settings = [seat.model for seat in target.settings.seats], target.settings
    if target.target.kind == "fusion":
        return [*seats, settings.judge, settings.writer]
    return [*seats, settings.judge] if target.target.kind == "best_of" else seats


async def _spent(room: Room) -> dict[str, Any]:
    """Return all that is paid for in this folder: also what was asked again, or graded by another protocol."""
    runs = await spending(room.benches.fused.store.db, ["role"])
    called = [a.generation for found in room.by_target().values() for a in found if not a.generation["run_id"]]
    kept = [value for kind in (VERDICT, PAIR) for value in (await room.archive.all(kind)).values()]
    grading = spent(call for value in kept for call in value["calls"])
    by_role = {row["role"]: row["cost_usd"] for row in runs}
    by_role |= {"endpoint": _sum(made["cost_usd"] for made in called)} if called else {}
    by_role |= {"grader": grading["cost_usd"]} if kept else {}
    is_lower_bound = any(row["unpriced"] for row in runs) or any(made["cost_is_lower_bound"] for made in called)
    return {
        "cost_usd": _sum(by_role.values()),
        "cost_is_lower_bound": is_lower_bound or grading["cost_is_lower_bound"],
        "by_role": by_role,
        "calls": sum(row["calls"] for row in runs) + len(called) + grading["calls"],
    }


def _sum(costs: Iterable[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return round(sum(known), 8) if known else None


def _manifest(room: Room) -> dict[str, Any]:
    packages = ("fusion-graph", "langgraph", "langchain-core")
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "versions": {"python": python_version()} | {name: version(name) for name in packages},
        "prompts": prompts.FINGERPRINT,
        "configuration": room.wanted.config.model_dump(mode="json"),
        "settings": {each.target.name: each.settings.dump() for each in room.targets},
        "digests": {each.target.name: each.digest for each in room.targets},
    }
