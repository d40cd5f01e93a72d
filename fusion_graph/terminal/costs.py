"""What calls cost together: the known part, and whether that is all of it."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

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
    costs = [call["cost_usd"] for call in calls]
    known = [cost for cost in costs if cost is not None]
    return Cost(sum(known) if known or not costs else None, len(known) < len(costs))


def own(calls: Iterable[Mapping[str, Any]], run_id: str) -> list[Mapping[str, Any]]:
    """Return the calls this run paid for, without those a fork has from the run it came from."""
    return [call for call in calls if call["run_id"] in {"", run_id}]
