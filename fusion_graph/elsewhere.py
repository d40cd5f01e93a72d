"""Runs that another process is at work on: how they stand, and what that process is asked to do with them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from fusion_graph.database.address import faults
from fusion_graph.errors import DatabaseError, RunBusyError, RunNotFoundError
from fusion_graph.events import LiveRun
from fusion_graph.schemas import RunState
from fusion_graph.signals import Signal, Signals
from fusion_graph.store import RunRow, RunStore, busy

LOOK_SECONDS = 1.0  # between looks at what others ask of the runs that are under way here
PATIENCE_SECONDS = 10.0  # with a process that is asked
_MOMENT_SECONDS = 2.0  # in which a process has stopped or deleted what is not under way
_TICK = 0.2  # seconds between looks at a run of another process


class Elsewhere:
    """The other processes that have runs of this database under way. `live` are the runs that are under way in this one."""

    def __init__(self, store: RunStore, live: Mapping[str, LiveRun]) -> None:
        self._store = store
        self._live = live
        self._signals = Signals(store.db)
        self._heeding: asyncio.Task[None] | None = None

    async def has(self, run_id: str) -> bool:
        """Return whether another process is at work on a run."""
        with suppress(RunNotFoundError):  # deleted meanwhile
            return run_id not in self._live and await self._status(run_id) == "running"
        return False

    async def _status(self, run_id: str) -> RunState:
        return await self._store.status_of(await self._store.get(run_id))

    async def pause(self) -> None:
        """Let the time pass until it is worth another look at a run of another process."""
        await asyncio.sleep(_TICK)

    async def left(self, run_id: str) -> RunState:
        """Return how a run stands when no process is at work on it any more. Raises RunNotFoundError."""
        while (status := await self._status(run_id)) == "running":
            await self.pause()
        return status

    async def stop(self, row: RunRow) -> None:
        """Have a run stopped; return when the process that is at work on it has given its lease back, or is gone.

        Raises:
            RunBusyError: it has not done so within `PATIENCE_SECONDS`.
        """
        asked, end = "", time.monotonic() + PATIENCE_SECONDS
        while lease := await self._store.lease_of(row["thread_id"]):
            if lease != asked:  # the first, or another process's that has just gone on with the run
                asked = lease
                await self._signals.send(row["run_id"], lease, "cancel")
            await _wait(row, "stop it", end)

    async def answer_now(self, row: RunRow) -> bool:
        """Have a run answered from what its panel has; return whether a panel is at work.

        Raises:
            RunBusyError: the process that is at work on it has not said so within `PATIENCE_SECONDS`.
        """
        if not (lease := await self._store.lease_of(row["thread_id"])):
            return False
        signal = await self._signals.send(row["run_id"], lease, "answer_now")
        end = time.monotonic() + PATIENCE_SECONDS
        while (helped := await self._signals.outcome(signal)) is None and await self.has(row["run_id"]):
            await _wait(row, "answer now", end)
        return bool(helped)

    async def when_free(self, row: RunRow, work: Callable[[], Awaitable[None]]) -> None:
        """Do what needs the lease of a run that is not under way; others that stop or delete it have it for a moment.

        Raises:
            RunBusyError: the run is under way, or another of its thread.
        """
        end = time.monotonic() + _MOMENT_SECONDS
        while True:
            try:
                return await work()
            except RunBusyError:
                if time.monotonic() >= end:
                    raise busy(f"run {row['run_id'][:8]}, or on another of its thread") from None
            await self.pause()

    def heed(self) -> None:
        """Do from now on what others ask of the runs that are under way here."""
        if self._heeding is None:
            self._heeding = asyncio.create_task(self._heed(), name="signals to runs")

    async def _heed(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            with suppress(DatabaseError, *faults()):  # the next look may do better
                for signal in await self._signals.untaken() if self._live else []:
                    await self._take(signal)

    async def _take(self, signal: Signal) -> None:
        live = self._live.get(signal["run_id"])
        if live is not None and await self._store.holds(live.thread_id, signal["lease"]):
            helped = live.answer_now() if signal["kind"] == "answer_now" else live.cancel_soon()
            await self._signals.take(signal["id"], helped=helped)

    async def close(self) -> None:
        """Heed nobody any more."""
        if self._heeding is not None:
            self._heeding.cancel()
            await asyncio.wait([self._heeding])


async def _wait(row: RunRow, what: str, end: float) -> None:
    if time.monotonic() >= end:
        message = f"another process is at work on run {row['run_id'][:8]}, and did not {what} in {PATIENCE_SECONDS:g} s"
        raise RunBusyError(message, hint="try again in a moment")
    await asyncio.sleep(_TICK)
