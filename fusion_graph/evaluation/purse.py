"""What an evaluation may still spend."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fusion_graph.calls import Ask, Call, Emit, Reply
from fusion_graph.errors import BudgetSpentError
from fusion_graph.ledger import dollars


class Purse:
    """Adds up what is paid now, by role, and says when it is enough. `limit` is in US dollars; 0: none."""

    def __init__(self, limit: float = 0.0) -> None:
        self.limit = limit
        self.spent = 0.0
        self.unpriced = 0

    def add(self, calls: Iterable[Mapping[str, Any]]) -> None:
        """Count calls that were paid."""
        for call in calls:
            if call["cost_usd"] is None:
                self.unpriced += 1
            else:
                self.spent += call["cost_usd"]

    def check(self) -> None:
        """Raise BudgetSpentError if nothing more may be begun."""
        if self.limit and self.spent >= self.limit:
            raise BudgetSpentError(
                f"{dollars(self.spent)} is spent, and --max-cost is {dollars(self.limit)}",
                hint="all that is paid is kept: run it again with a higher --max-cost, and it goes on from there",
            )


class Paying:
    """An `Ask` that puts what its calls cost into a purse."""

    def __init__(self, ask: Ask, purse: Purse) -> None:
        self._ask, self._purse = ask, purse

    async def __call__(self, call: Call, /, *, emit: Emit | None = None) -> Reply:
        """See `calls.Ask`."""
        reply = await self._ask(call, emit=emit)
        self._purse.add(reply.entries)
        return reply

    def check(self, roster: Mapping[str, Sequence[str]]) -> None:
        """See `calls.Ask`."""
        self._ask.check(roster)
