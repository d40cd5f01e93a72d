"""Tasks one by one, for a harness that has a loop of its own; what is paid for is kept in a folder all the same."""

import asyncio
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from fusion_graph.errors import FusionError, SettingsError, did_you_mean
from fusion_graph.evaluation.archive import open_archive
from fusion_graph.evaluation.config import EvaluationConfig, Grader, config_of, load_config
from fusion_graph.evaluation.dataset import load_dataset
from fusion_graph.evaluation.generating import Generator
from fusion_graph.evaluation.guard import Guard
from fusion_graph.evaluation.protocols import Protocol, load_protocol
from fusion_graph.evaluation.purse import Purse
from fusion_graph.evaluation.shapes import Dataset, Generation, Task
from fusion_graph.evaluation.targets import make_parts, open_benches, settled
from fusion_graph.folders import home


@lru_cache(maxsize=4)
def rubrics(dataset: str) -> Dataset:
    """Return a data set that has rubrics. Blocks.

    Raises:
        SettingsError: it is not there, or has none.
    """
    found = load_dataset(dataset)
    if not found.has_rubrics:
        hint = "compare answers in pairs with fusion draco run"
        raise SettingsError(f"{dataset!r} has no rubrics", field="dataset", value=dataset, hint=hint)
    return found


async def task_of(dataset: str, task_id: str) -> Task:
    """Return one task with its rubric."""
    return next(task for task in (await asyncio.to_thread(rubrics, dataset)).tasks if task.id == task_id)


def protocol_of(config: str, name: str, gradings: int) -> Protocol:
    """Return the protocol of a configuration, or the one that is named. Raises SettingsError."""
    asked = load_config(config).grader if config else Grader()
    found = load_protocol(name or asked.protocol)
    return replace(found, model=asked.model or found.model, gradings=gradings or asked.gradings or found.gradings)


def target_of(config: str, target: str) -> EvaluationConfig:
    """Return a configuration of one target: one that is named in a configuration, or told in a few words.

    Raises:
        SettingsError: there is none of that name, or the words are none of those that are known.
    """
    if not config:
        return config_of([target])
    found = load_config(config)
    named = [each for each in found.target if each.name == target]
    if not named:
        hint = did_you_mean(target, [each.name for each in found.target])
        raise SettingsError(f"{config}: there is no target {target!r}", field="target", value=target, hint=hint)
    return found.model_copy(update={"target": named, "compare": []})


def folder_at(folder: str) -> Path:
    """Return where answers and verdicts are kept; it is made if it is not there."""
    path = Path(folder).expanduser() if folder else home("data") / "inspect"
    path.mkdir(parents=True, exist_ok=True)
    return path


async def answer(dataset: str, wanted: EvaluationConfig, folder: Path, task_id: str) -> Generation:
    """Return what the one target of a configuration answers to a task.

    Raises:
        FusionError: it could not be asked, or failed; asked again, it is tried again.
    """
    task = await task_of(dataset, task_id)
    parts = await asyncio.to_thread(make_parts, wanted)
    target = await asyncio.to_thread(settled, wanted, wanted.target[0], parts)
    async with open_archive(folder / "archive.db") as archive:
        guard = Guard(rubrics(dataset), archive)
        async with open_benches(folder / "runs.db", parts, guard) as benches:
            made = await Generator(benches, parts.ask, archive, guard, Purse()).generate(target, task)
    if made["ending"] == "failed":
        raise FusionError(f"{made['target']} failed: {'; '.join(made['reasons']) or 'it gave no reason'}")
    return made
