"""What a server does of itself: go on with runs that were stopped, and let go of those that are not to be kept."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from langchain_core.messages import messages_from_dict

from fusion_graph.errors import FusionError, RunBusyError
from fusion_graph.runs import Runs
from fusion_graph.server.deliberations import noted
from fusion_graph.server.errors import RefusedError, fault_of
from fusion_graph.server.kept import is_stored, resumes
from fusion_graph.server.sharing import RETRIED_SECONDS, Sharing
from fusion_graph.store import LEASE_SECONDS, RunRow

EVERY = 20.0  # seconds; a process on another machine that is gone is known by its lease, which runs out after 30
MOST_STARTS = 10  # of a run: one that takes its server down each time is left alone
_DAY = 86_400.0
_log = logging.getLogger(__name__)


class Keeping:
    """The care for the runs of a server. `days`: how long they are kept after they were last touched, 0 for ever."""

    def __init__(self, runs: Runs, sharing: Sharing, days: float) -> None:
        self._runs = runs
        self._sharing = sharing
        self._days = days
        self._following: set[asyncio.Task[object]] = set()

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Look after the runs, at once and every few seconds, until the end."""
        task = asyncio.create_task(self._rounds(), name="keeping of runs")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _rounds(self) -> None:
        while True:
            try:
                await self.round()
            except Exception as error:  # noqa: BLE001  (the HTTP edge: the next round may do better)
                _log.warning("runs could not be looked after: %s", fault_of(error))
            await asyncio.sleep(EVERY)

    async def round(self) -> None:
        """Go on with the runs that were stopped and whose clients can fetch what they come to; delete what is not kept.

        After the database has been away leases have run out whose holders live: they renew them first.
        """
        if time.monotonic() - self._runs.store.db.back_at < LEASE_SECONDS:
            return
        left = [row for row in await self._runs.unfinished() if row["status"] == "stopped"]
        for row in filter(resumes, left):
            await self._resume(row)
        await self._forget([row for row in left if not is_stored(row)])

    async def _resume(self, row: RunRow) -> None:
        if await self._runs.store.starts(row["run_id"]) >= MOST_STARTS:
            return
        with suppress(RefusedError, FusionError):  # its owner has too many runs under way, or another process took it
            live = await self._sharing.limited(row["owner"], row["run_id"], self._runs.resume)
            messages = messages_from_dict(row["input"]["messages"])
            task = asyncio.ensure_future(noted(live, self._runs, row["owner"], messages))
            self._following.add(task)
            task.add_done_callback(self._heard)

    def _heard(self, task: "asyncio.Task[object]") -> None:
        self._following.discard(task)
        if not task.cancelled():
            task.exception()  # the run has stored what happened

    async def _forget(self, unkept: Sequence[RunRow]) -> None:
        if self._days:
            await self._runs.prune(older_than_seconds=self._days * _DAY)
        before = time.time() - RETRIED_SECONDS
        gone = [row["run_id"] for row in unkept if row["updated_at"] < before]
        for run_id in [*gone, *await self._runs.retention.unkept(before)]:
            with suppress(RunBusyError):  # a retry has just gone on with it
                await self._runs.delete(run_id)
