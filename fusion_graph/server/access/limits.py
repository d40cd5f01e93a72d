"""What one key may take: requests a minute, runs at a time, US dollars a day."""

import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fusion_graph.events import LiveRun
from fusion_graph.runs import Runs
from fusion_graph.server.config import ServerConfig
from fusion_graph.server.errors import RefusedError
from fusion_graph.spending import spending

_MINUTE, _DAY = 60.0, 86_400.0
PLACE_SECONDS = 10  # after which a place may be free


@dataclass(slots=True)
class Slot:
    """The place of one run among those of its owner. `cap` is what it may cost."""

    run: LiveRun | None = None
    cap: float = 0.0

    @property
    def is_free(self) -> bool:
        """Whether its run has ended."""
        return self.run is not None and self.run.is_over


@dataclass(slots=True)
class _Account:
    asked: deque[float] = field(default_factory=deque)
    slots: dict[str, Slot] = field(default_factory=dict)


class Limits:
    """The limits of a server's configuration, counted for each owner."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._accounts: defaultdict[str, _Account] = defaultdict(_Account)

    def admit(self, owner: str) -> None:
        """Count a request. Raises RefusedError (429) if there have been too many within a minute."""
        asked, now, most = self._accounts[owner].asked, time.monotonic(), self._config.max_requests
        while asked and now - asked[0] >= _MINUTE:
            asked.popleft()
        if most and len(asked) >= most:
            wait = str(int(_MINUTE - (now - asked[0])) + 1)
            raise RefusedError(429, f"this key has made {most} requests within a minute", retry_after=wait)
        asked.append(now)

    @contextmanager
    def slot(self, owner: str, run_id: str) -> Iterator[Slot]:
        """Give a run its place, kept until it has ended. Raises RefusedError (429) if all are taken."""
        slots = self._taken(owner)
        if self.under_way >= self._config.max_runs_in_all:
            said = f"{self._config.max_runs_in_all} runs are under way on this server"
            raise RefusedError(429, said, retry_after=str(PLACE_SECONDS))
        if len(slots) >= self._config.max_runs:
            raise RefusedError(
                429, f"{self._config.max_runs} runs are under way for this key", retry_after=str(PLACE_SECONDS)
            )
        slot = slots[run_id] = Slot()
        try:
            yield slot
        finally:
            if slot.run is None:
                slots.pop(run_id, None)

    @property
    def under_way(self) -> int:
        """How many runs hold a place, of all owners."""
        return sum(len(self._taken(owner)) for owner in list(self._accounts))

    async def cap(self, runs: Runs, owner: str, run_id: str) -> float | None:
        """Return what a run may cost: its share of what is left of the day's US dollars; None where that is not limited.

        Raises:
            RefusedError: nothing is left (402).
        """
        left = await self._left(runs, owner)
        if left is None:
            return None
        slots = self._taken(owner)
        slots[run_id].cap = left / (self._config.max_runs - len(slots) + 1)
        return slots[run_id].cap

    async def share(self, runs: Runs, owner: str) -> float | None:
        """Return what the next run may cost, if it is started now. Raises what `cap` raises."""
        left = await self._left(runs, owner)
        places = self._config.max_runs - len(self._taken(owner))
        return None if left is None else left / max(places, 1)

    async def _left(self, runs: Runs, owner: str) -> float | None:
        most = self._config.max_usd
        if most is None:
            return None
        (spent,) = await spending(runs.store.db, since=time.time() - _DAY, owner=owner)
        gone = await runs.retention.spent(owner, time.time() - _DAY)
        held = sum(slot.cap for slot in self._taken(owner).values())
        left = most - (spent["cost_usd"] or 0.0) - gone - held
        if left <= 0:
            said = f"this key may spend {most:g} US dollars within 24 hours, and has"
            raise RefusedError(402, said + (" runs under way that may take the rest" if held else ""))
        return left

    def _taken(self, owner: str) -> dict[str, Slot]:
        slots = self._accounts[owner].slots
        for run_id in [run_id for run_id, slot in slots.items() if slot.is_free]:
            del slots[run_id]
        return slots
