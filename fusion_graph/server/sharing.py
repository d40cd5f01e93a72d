"""One run for requests that are one: retries of a client, and what comes again under one Idempotency-Key."""

import asyncio
import hashlib
import time
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from fusion_graph.events import LiveRun
from fusion_graph.server.errors import RefusedError

KEPT_SECONDS = 86_400.0  # for runs under a key
RETRIED_SECONDS = 600.0  # in which a retry without a key gets the run it is a retry of, also when that has ended
_MOST = 10_000  # runs that are remembered
_MAX_KEY = 255  # characters

_Place = tuple[str, str, str]  # whose, by what, and that


@dataclass(slots=True)
class _Kept:
    live: LiveRun
    digest: str
    started: float = field(default_factory=time.monotonic)

    @property
    def is_running(self) -> bool:
        return not self.live.is_over


class Sharing:
    """The runs of this process that a further request may belong to, each by its owner."""

    def __init__(self) -> None:
        self._by_key: OrderedDict[_Place, _Kept] = OrderedDict()
        self._by_body: OrderedDict[_Place, _Kept] = OrderedDict()
        self._locks: defaultdict[_Place, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(
        self, owner: str, body: bytes, *, key: str, is_retry: bool, start: Callable[[], Awaitable[LiveRun]]
    ) -> LiveRun:
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
                return await self._found_or_started(place, owner, digest, key=key, is_retry=is_retry, start=start)
            finally:
                with suppress(KeyError):
                    del self._locks[place]

    async def _found_or_started(
        self,
        place: _Place,
        owner: str,
        digest: str,
        *,
        key: str,
        is_retry: bool,
        start: Callable[[], Awaitable[LiveRun]],
    ) -> LiveRun:
        kept = self._by_key.get(place) if key else self._by_body.get(place)
        age = time.monotonic() - kept.started if kept else 0.0
        if kept and key and age < KEPT_SECONDS:
            if kept.digest != digest:
                raise RefusedError(422, "this Idempotency-Key came with another body before")
            return kept.live
        if kept and not key and (kept.is_running or (is_retry and age < RETRIED_SECONDS)):
            return kept.live
        new = _Kept(await start(), digest)
        _keep(self._by_body, (owner, "body", digest), new)
        if key:
            _keep(self._by_key, place, new)
        return new.live

    def running(self, owner: str) -> int:
        """Return how many runs of an owner are under way."""
        return sum(kept.is_running for (who, *_), kept in self._by_body.items() if who == owner)


def _keep(kept: OrderedDict[_Place, _Kept], place: _Place, new: _Kept) -> None:
    kept[place] = new
    kept.move_to_end(place)
    while len(kept) > _MOST:
        kept.popitem(last=False)
