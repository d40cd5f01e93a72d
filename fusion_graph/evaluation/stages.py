"""The stages of an evaluation: targets are asked, answers are graded, or compared in pairs.

What each brings is noted in the `Room` as it comes, so that figures can be made of it when something stops it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeVar

from fusion_graph.deployment import Parts
from fusion_graph.errors import FusionError
from fusion_graph.evaluation.archive import Archive
from fusion_graph.evaluation.config import EvaluationConfig
from fusion_graph.evaluation.figures import ANSWERED, Answer
from fusion_graph.evaluation.generating import Generator
from fusion_graph.evaluation.grading import Grader
from fusion_graph.evaluation.pairwise import PairGrader, PairVerdict
from fusion_graph.evaluation.prompted import Prompted
from fusion_graph.evaluation.protocols import PairProtocol
from fusion_graph.evaluation.protocols import Protocol as RubricProtocol
from fusion_graph.evaluation.purse import Paying, Purse
from fusion_graph.evaluation.shapes import Dataset, Task, Verdicts
from fusion_graph.evaluation.targets import Benches, Settled

CONCURRENCY, GRADER_CONCURRENCY = 4, 16
_Item = TypeVar("_Item")


class Watch(Protocol):
    """Who is told how far an evaluation is."""

    def begin(self, stage: str, total: int) -> None:
        """Hear that a stage begins, with so many steps."""
        ...

    def step(self, spent_usd: float, told: str) -> None:
        """Hear that a step is done: what is spent in all, and in words what it was."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be evaluated on what, where it is kept, and how much of it goes on at a time."""

    config: EvaluationConfig
    dataset: Dataset
    folder: Path
    sampled: Mapping[str, int] | None = None
    concurrency: int = CONCURRENCY
    grader_concurrency: int = GRADER_CONCURRENCY
    only_kept: bool = False  # ask no target: grade the answers that are there


@dataclass(frozen=True, slots=True)
class Room:
    """All that the stages work with, and what they have come to: answers by target and task, verdicts by pair."""

    wanted: Wanted
    parts: Parts
    protocol: Prompted
    targets: Sequence[Settled]
    benches: Benches
    archive: Archive
    generator: Generator
    purse: Purse
    watch: Watch
    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    verdicts: dict[tuple[str, str], list[PairVerdict]] = field(default_factory=dict)

    def by_target(self) -> dict[str, list[Answer]]:
        """Return the answers of each target, in the order of the tasks."""
        names, tasks = [each.target.name for each in self.targets], self.wanted.dataset.tasks
        found = self.answers
        return {name: [found[name, task.id] for task in tasks if (name, task.id) in found] for name in names}


async def ask_targets(room: Room) -> None:
    """Ask every target every task; task by task, so that what is there when it is stopped is common to the targets."""
    work = [(target, task) for task in room.wanted.dataset.tasks for target in room.targets]
    for target, task in work:
        if kept := await room.generator.kept(target, task):
            room.answers[target.target.name, task.id] = Answer(task, kept)
    if room.wanted.only_kept:
        return
    room.watch.begin("answers", len(work))

    async def ask(item: tuple[Settled, Task]) -> None:
        target, task = item
        made = await room.generator.generate(target, task)
        room.answers[target.target.name, task.id] = Answer(task, made)
        room.watch.step(room.purse.spent, f"{target.target.name} · {task.id}: {made['ending']}")

    await each(work, ask, room.wanted.concurrency)


async def grade_answers(room: Room, protocol: RubricProtocol) -> None:
    """Grade every answer, and those of the panels' members as if each had answered alone."""
    grader = Grader(
        Paying(room.parts.ask, room.purse),
        protocol,
        room.archive,
        guard=room.purse.check,
        concurrency=room.wanted.grader_concurrency,
    )
    room.watch.begin("gradings", len(room.answers))

    async def grade(key: tuple[str, str]) -> None:
        answer = room.answers[key]
        if answer.generation["ending"] in ANSWERED:
            found = await grader.grade(answer.task, answer.generation["text"])
            room.answers[key] = replace(answer, gradings=found.gradings, calls=found.calls)
        if room.wanted.config.grader.members:
            members = [await _member(grader, answer.task, each["text"]) for each in answer.generation["members"]]
            room.answers[key] = replace(room.answers[key], members=members)
        room.watch.step(room.purse.spent, " · ".join(key))

    await each(list(room.answers), grade, room.wanted.concurrency)


async def _member(grader: Grader, task: Task, text: str) -> Sequence[Verdicts]:
    return (await grader.grade(task, text)).gradings if text else ()


async def compare_answers(room: Room, protocol: PairProtocol) -> None:
    """Compare the answers of each pair of targets where both answered."""
    grader = PairGrader(
        Paying(room.parts.ask, room.purse),
        protocol,
        room.archive,
        guard=room.purse.check,
        concurrency=room.wanted.grader_concurrency,
    )
    there = {key: answer for key, answer in room.answers.items() if answer.is_there}
    pairs = room.wanted.config.pairs
    work = [
        (pair, task)
        for task in room.wanted.dataset.tasks
        for pair in pairs
        if all((name, task.id) in there for name in pair)
    ]
    room.verdicts.update({pair: [] for pair in pairs})
    room.watch.begin("comparisons", len(work))

    async def compare(item: tuple[tuple[str, str], Task]) -> None:
        pair, task = item
        a, b = (there[name, task.id].generation["text"] for name in pair)
        room.verdicts[pair].append(await grader.compare(task, a, b))
        room.watch.step(room.purse.spent, f"{' against '.join(pair)} · {task.id}")

    await each(work, compare, room.wanted.concurrency)


async def each(items: Iterable[_Item], work: Callable[[_Item], Awaitable[object]], at_once: int) -> None:
    """Work on every item; after an error nothing is begun any more, and what is begun comes to its end.

    Raises:
        FusionError: the first error.
    """
    waiting, errors = iter(items), list[FusionError]()

    async def worker() -> None:
        for item in waiting:
            if errors:
                return
            try:
                await work(item)
            except FusionError as error:
                errors.append(error)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())
    if errors:
        raise errors[0]
