"""What calls cost together: the known part, and whether that is all of it."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fusion_graph.ledger import spent
from fusion_graph.terminal import words


class Cost(NamedTuple):
    """A sum in US dollars; None if no part of it is known."""

    usd: float | None
    is_lower_bound: bool

    @property
    def said(self) -> str:
        """The sum for a sentence."""
        return words.money(self.usd, lower_bound=self.is_lower_bound)

    @property
    def cell(self) -> str:
        """The sum for a column."""
        return words.cost_cell(self.usd, lower_bound=self.is_lower_bound)


def cost_of(calls: Iterable[Mapping[str, Any]]) -> Cost:
    """Return what calls cost; no calls cost nothing."""
    total = spent(calls)
    return Cost(total["cost_usd"], total["cost_is_lower_bound"])
