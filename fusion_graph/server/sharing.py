"""One run for requests that are one: retries of a client, what it sends again unanswered, what has one Idempotency-Key.

Kept in the database: a server that was restarted goes on with what a retry asks for.
"""

import asyncio
import hashlib
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from fusion_graph.claims import Claim, Kind
from fusion_graph.errors import FusionError, RunBusyError, RunNotFoundError
from fusion_graph.events import LiveRun
from fusion_graph.runs import Runs
from fusion_graph.schemas import ENDED, Event, RunState
from fusion_graph.server.access.limits import Limits
from fusion_graph.server.errors import RefusedError

KEPT_SECONDS = 86_400.0  # for runs under a key
BEGINNING_SECONDS = 10.0  # that a run may take to be in the store when it has been claimed
RETRIED_SECONDS = 600.0  # in which a body without a key may be a retry, also of a run that has ended
MAX_KEY = 255  # characters
Start = Callable[[str], Awaitable[LiveRun]]


class Asked(NamedTuple):
    """What makes two requests one: whose they are, the body, the Idempotency-Key, and what a client says of retries."""

    owner: str
    body: bytes
    key: str
    is_retry: bool

    @property
    def digest(self) -> str:
        """What the body is told by."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def name(self) -> tuple[Kind, str]:
        """What the request is looked for by."""
        return ("key", self.key) if self.key else ("body", self.digest)


class Run(Protocol):
    """A run under way, or one that has ended."""

    run_id: str

    def events(self) -> AsyncGenerator[Event, None]:
        """Yield what happens."""
        ...

    async def result(self) -> dict[str, Any]:
        """Return what it came to."""
        ...


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


class FollowedRun:
    """A run that another process is at work on, followed by what that stores of it."""

    def __init__(self, runs: Runs, run_id: str) -> None:
        self.run_id = run_id
        self._runs = runs

    def events(self) -> AsyncGenerator[Event, None]:
        """Yield what has happened, then what happens."""
        return self._runs.events(self.run_id)

    async def result(self) -> dict[str, Any]:
        """Return the result, waiting for the end.

        Raises:
            FusionError: the run failed, or was deleted.
            asyncio.CancelledError: it was stopped, or its process is gone; it can be gone on with.
        """
        status = await self._runs.elsewhere.left(self.run_id)
        if status in {"cancelled", "stopped"}:
            raise asyncio.CancelledError
        if status == "failed":
            raise FusionError("the run failed in another process of this server")
        return await self._runs.show(self.run_id)


class Sharing:
    """Which run a request belongs to."""

    def __init__(self, runs: Runs, limits: Limits) -> None:
        self._runs = runs
        self._limits = limits
        self._locks: defaultdict[tuple[str, Kind, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._waiting: defaultdict[tuple[str, Kind, str], int] = defaultdict(int)

    async def get(self, asked: Asked, start: Start) -> Run:
        """Return the run a request belongs to: the one under way, the one that was stopped, the answer there is, or a new one.

        Raises:
            RefusedError: the key came with another body before (422), or is too long; a limit is reached (402, 429).
        """
        if len(asked.key) > MAX_KEY:
            raise RefusedError(400, f"the Idempotency-Key is longer than {MAX_KEY} characters")
        place = (asked.owner, *asked.name)
        self._waiting[place] += 1
        try:
            async with self._locks[place]:
                return await self._found_or_begun(asked, start)
        finally:
            self._waiting[place] -= 1
            if not self._waiting[place]:
                del self._waiting[place], self._locks[place]

    async def _found_or_begun(self, asked: Asked, start: Start) -> Run:
        run: Run | None = None
        while run is None:  # until then another process was faster
            claim = await self._runs.claims.find(asked.owner, *asked.name)
            run = (await self._again(asked, claim) if claim else None) or await self._begun(asked, claim, start)
        return run

    async def _again(self, asked: Asked, claim: Claim) -> Run | None:
        """Return the run that a claim stands for, if it stands for this request."""
        age, live = time.time() - claim["created_at"], self._runs.live(claim["run_id"])
        if claim["kind"] == "key" and age < KEPT_SECONDS and claim["digest"] != asked.digest:
            raise RefusedError(422, "this Idempotency-Key came with another body before")
        lost = asked.is_retry or not claim["delivered"]
        if live is not None and (lost or claim["kind"] == "key"):
            return live
        if age >= KEPT_SECONDS or (claim["kind"] == "body" and not (lost and age < RETRIED_SECONDS)):
            return None
        if (status := await self._status(asked, claim)) is None:
            return None
        if status in ENDED:
            return EndedRun(self._runs, claim["run_id"])
        if status == "running":
            return FollowedRun(self._runs, claim["run_id"])
        return await self.resume(asked.owner, claim["run_id"])

    async def _status(self, asked: Asked, claim: Claim) -> RunState | None:
        """Return how the run of a claim stands, None if it does not come about.

        Claimed, a run is in the store a moment later: if another process has taken the claim just now, that is waited for.
        """
        end, now = time.monotonic() + BEGINNING_SECONDS, claim
        while now["run_id"] == claim["run_id"]:
            with suppress(RunNotFoundError):
                return (await self._runs.get(claim["run_id"]))["status"]
            if time.monotonic() >= end:
                break
            await self._runs.elsewhere.pause()
            if (found := await self._runs.claims.find(asked.owner, *asked.name)) is None:
                break
            now = found
        return None

    async def resume(self, owner: str, run_id: str) -> Run:
        """Go on with a run that was stopped, or follow it where another process has just done so. Raises RefusedError (429)."""
        try:
            return await self.limited(owner, run_id, self._runs.resume)
        except RunBusyError:
            return FollowedRun(self._runs, run_id)

    async def _begun(self, asked: Asked, claim: Claim | None, start: Start) -> LiveRun | None:
        """Return a new run, None if another process has claimed the request meanwhile."""
        run_id, claims = uuid.uuid4().hex, self._runs.claims
        kind, name = asked.name
        before = claim["run_id"] if claim else ""
        if not await claims.take(asked.owner, kind, name, digest=asked.digest, run_id=run_id, before=before):
            return None
        try:
            if kind == "key":
                await claims.take(asked.owner, "body", asked.digest, digest=asked.digest, run_id=run_id)
            return await self.limited(asked.owner, run_id, start)
        except BaseException:
            await claims.drop(run_id)
            raise

    async def limited(self, owner: str, run_id: str, begin: Start) -> LiveRun:
        """Return a run that `begin` begins in one of its owner's places. Raises RefusedError (429)."""
        with self._limits.slot(owner, run_id) as slot:
            slot.run = await begin(run_id)
            return slot.run
