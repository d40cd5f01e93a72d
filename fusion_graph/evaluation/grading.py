"""Rubrics, criterion by criterion: one call for each of them and each grading."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

from fusion_graph.calls import Ask
from fusion_graph.evaluation.asking import CONCURRENCY, Asking, Found, Kept
from fusion_graph.evaluation.prompted import material
from fusion_graph.evaluation.protocols import Protocol, kind_of
from fusion_graph.evaluation.shapes import Criterion, Task
from fusion_graph.schemas import CallEntry

__all__ = ["Graded", "Grader", "Kept", "all_of"]

VERDICT = "verdict"  # the kind under which verdicts are kept
_MET = {"met": True, "unmet": False}
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Graded:
    """All verdicts on one response: by grading and criterion, None where there is none.

    `calls` are those that the verdicts took, `new_calls` those of them that were made now. `reasons` holds the
    explanation of a criterion's first verdict, `ungradable` why a criterion lacks one in some grading.
    """

    gradings: list[dict[str, bool | None]]
    calls: list[CallEntry]
    new_calls: list[CallEntry]
    reasons: dict[str, str]
    ungradable: dict[str, str]


class Grader:
    """Grade responses with the model of a protocol; verdicts that are `kept` are not asked for again.

    `guard` is called before every call that costs money; it raises where no more may be spent.
    """

    def __init__(
        self,
        ask: Ask,
        protocol: Protocol,
        kept: Kept,
        *,
        guard: Callable[[], object] = bool,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self._asking = Asking(ask, protocol, kept, guard=guard, concurrency=concurrency)
        self._protocol = protocol

    async def grade(self, task: Task, text: str) -> Graded:
        """Return the verdicts on a response to a task.

        Raises:
            FusionError: the grader cannot be asked; the verdicts that were under way then are kept as well.
        """
        told = {"question": material("question", task.problem), "response": material("response", text)}

        async def check(index: int, criterion: Criterion) -> Found:
            kind = kind_of(criterion)
            shown = {**told, "criterion": material("criterion", criterion.requirement), "kind": kind}
            about = [task.problem, text, criterion.requirement, kind, index]
            source = f"{task.problem}\n{text}\n{criterion.requirement}"
            return await self._asking.verdict(VERDICT, about, self._protocol.render(shown), source)

        asked = list(product(range(self._protocol.gradings), task.criteria))
        found = await all_of(check(index, criterion) for index, criterion in asked)
        return _graded(self._protocol.gradings, {(i, c.id): each for (i, c), each in zip(asked, found, strict=True)})


def _graded(gradings: int, found: dict[tuple[int, str], Found]) -> Graded:
    verdicts: list[dict[str, bool | None]] = [{} for _ in range(gradings)]
    reasons: dict[str, str] = {}
    ungradable: dict[str, str] = {}
    for (index, criterion), each in found.items():
        verdicts[index][criterion] = _MET.get(each.word or "")
        if each.word is None:
            ungradable.setdefault(criterion, each.why)
        else:
            reasons.setdefault(criterion, each.reason)
    calls = [call for each in found.values() for call in each.calls]
    new_calls = [call for each in found.values() for call in each.new_calls]
    return Graded(verdicts, calls, new_calls, reasons, ungradable)


async def all_of(work: Iterable[Awaitable[_T]]) -> list[_T]:
    """Return what all of this comes to; an error is raised only when the rest has ended, which is paid for already."""
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
