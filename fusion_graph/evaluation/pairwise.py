"""Answers in pairs, where there is no rubric: blind, in both orders, ties allowed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fusion_graph.calls import Ask
from fusion_graph.evaluation.asking import CONCURRENCY, Asking, Found, Kept
from fusion_graph.evaluation.grading import all_of
from fusion_graph.evaluation.prompted import material
from fusion_graph.evaluation.protocols import PairProtocol
from fusion_graph.evaluation.shapes import Task
from fusion_graph.prompts.blind import without_self
from fusion_graph.schemas import CallEntry

Winner: TypeAlias = Literal["a", "b", "tie"]
PAIR = "pair"  # the kind under which verdicts are kept


@dataclass(frozen=True, slots=True)
class PairVerdict:
    """Which of two answers is better; None where one of the orders has no verdict. Orders that disagree are a tie.

    `same_in_both_orders` is None where there was nothing to compare: a verdict is lacking, or the answers are one.
    `reasons` says why, or why there is no verdict, with `a` first and then with `b` first.
    """

    winner: Winner | None
    same_in_both_orders: bool | None
    calls: list[CallEntry]
    new_calls: list[CallEntry]
    reasons: list[str]


class PairGrader:
    """Compare answers with the model of a protocol; arguments as those of `grading.Grader`."""

    def __init__(
        self,
        ask: Ask,
        protocol: PairProtocol,
        kept: Kept,
        *,
        guard: Callable[[], object] = bool,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self._asking = Asking(ask, protocol, kept, guard=guard, concurrency=concurrency)
        self._protocol = protocol

    async def compare(self, task: Task, text_a: str, text_b: str) -> PairVerdict:
        """Return which answer to a task is better. Raises FusionError as `Grader.grade` does."""
        a, b = without_self(text_a), without_self(text_b)
        if a == b:
            return PairVerdict("tie", None, [], [], [])
        found = await all_of([self._one_order(task, a, b), self._one_order(task, b, a)])
        winners = _winner(found[0], "a", "b"), _winner(found[1], "b", "a")
        is_same = None if None in winners else winners[0] == winners[1]
        return PairVerdict(
            winner="tie" if is_same is False else winners[0] if is_same else None,
            same_in_both_orders=is_same,
            calls=[call for each in found for call in each.calls],
            new_calls=[call for each in found for call in each.new_calls],
            reasons=[each.reason or each.why for each in found],
        )

    async def _one_order(self, task: Task, first: str, second: str) -> Found:
        shown = {
            "question": material("question", task.problem),
            "first": material("answer A", first),
            "second": material("answer B", second),
        }
        told = f"{task.problem}\n{first}\n{second}"
        return await self._asking.verdict(PAIR, [task.problem, first, second], self._protocol.render(shown), told)


def _winner(found: Found, first: Winner, second: Winner) -> Winner | None:
    words: dict[str | None, Winner] = {"first": first, "second": second, "tie": "tie"}
    return words.get(found.word)
