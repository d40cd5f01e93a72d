"""One run for requests that are one: retries of a client, and what comes again under one Idempotency-Key."""

import asyncio
import hashlib
import time
from collections import OrderedDict, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fusion_graph.events import LiveRun
from fusion_graph.runs import Runs
from fusion_graph.schemas import Event
from fusion_graph.server.errors import RefusedError

KEPT_SECONDS = 86_400.0  # for runs under a key
RETRIED_SECONDS = 600.0  # in which a retry without a key gets the run it is a retry of, also when that has ended
_MOST = 10_000  # runs that are remembered
_MAX_KEY = 255  # characters
_Place = tuple[str, str, str]  # whose, by what, and that


class EndedRun:
    """A run that has ended, as the store keeps it, in the place of the one that is no longer in memory."""

    def __init__(self, runs: Runs, run_id: str) -> None:
        self.run_id = run_id
        self._runs = runs

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield nothing: all of it is in the result."""
        return
        yield

    async def result(self) -> dict[str, Any]:
        """Return the result. Raises RunNotFoundError if the run has been deleted."""
        return await self._runs.show(self.run_id)


@dataclass(slots=True)
class _Kept:
    run_id: str
    digest: str
    live: LiveRun | None
    started: float = field(default_factory=time.monotonic)

    @property
    def is_running(self) -> bool:
        if self.live and self.live.is_over:
            self.live = None  # with all that it has told
        return self.live is not None


class Sharing:
    """The runs of this process that a further request may belong to, each by its owner."""

    def __init__(self) -> None:
        self._kept: OrderedDict[_Place, _Kept] = OrderedDict()
        self._locks: defaultdict[_Place, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(
        self, runs: Runs, owner: str, body: bytes, *, key: str, is_retry: bool, start: Callable[[], Awaitable[LiveRun]]
    ) -> LiveRun | EndedRun:
        """Return the run a request belongs to, or start one.

        Raises:
            RefusedError: the key came with another body before (422), or is too long.
        """
        if len(key) > _MAX_KEY:
            raise RefusedError(400, f"the Idempotency-Key is longer than {_MAX_KEY} characters")
        digest = hashlib.sha256(body).hexdigest()
        place = (owner, "key", key) if key else (owner, "body", digest)
        async with self._locks[place]:
            try:
                if found := self._found(place, digest, is_retry=is_retry):
                    return found.live or EndedRun(runs, found.run_id)
                live = await start()
                self._keep(place, live, digest)
                self._keep((owner, "body", digest), live, digest)
                return live
            finally:
                self._locks.pop(place, None)

    def running(self, owner: str) -> int:
        """Return how many runs of an owner are under way."""
        mine = (kept for (who, by, _), kept in self._kept.items() if who == owner and by == "body")
        return sum(kept.is_running for kept in mine)

    def _found(self, place: _Place, digest: str, *, is_retry: bool) -> _Kept | None:
        kept = self._kept.get(place)
        if kept is None:
            return None
        age, is_running = time.monotonic() - kept.started, kept.is_running
        if place[1] == "body":
            return kept if is_running or (is_retry and age < RETRIED_SECONDS) else None
        if age >= KEPT_SECONDS:
            return None
        if kept.digest != digest:
            raise RefusedError(422, "this Idempotency-Key came with another body before")
        return kept

    def _keep(self, place: _Place, live: LiveRun, digest: str) -> None:
        self._kept[place] = _Kept(live.run_id, digest, live)
        self._kept.move_to_end(place)
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
