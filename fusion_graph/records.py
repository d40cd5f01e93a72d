"""One execution of a run in the database, under one lease: what it may write, and what it may not any more."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from langchain_core.messages import AIMessage
from langgraph.types import StateSnapshot

from fusion_graph.database.address import faults
from fusion_graph.database.statements import Session
from fusion_graph.errors import DatabaseError, RunBusyError
from fusion_graph.events import Graph
from fusion_graph.results import run_result
from fusion_graph.savers import FencedSaver
from fusion_graph.schemas import ENDED, CallEntry, Event, RunState
from fusion_graph.store import LEASE_SECONDS, RunStore, busy, lease_lost
from fusion_graph.summaries import Summaries, summary_of


def is_of(snapshot: StateSnapshot, run_id: str) -> bool:
    """Say whether a state is this run's, and not that of another turn of its thread."""
    return (snapshot.metadata or {}).get("fusion_run") == run_id


async def so_far(store: RunStore, values: Mapping[str, Any], run_id: str, thread_id: str) -> dict[str, Any]:
    """Return the result object of a run that has not come to one: what its state holds, and the journal beside it."""
    calls = list(values.get("calls") or [])
    known = {call["id"] for call in calls}
    calls += [call for call in await store.attempts(run_id) if call["id"] not in known]
    return run_result(run_id, thread_id, {**values, "calls": calls})


class RunRecord:
    """One execution of a run under one lease: the journal (`calls.Journal`) and the log (`event_log.EventLog`) of a `LiveRun`."""

    def __init__(
        self, store: RunStore, saver: FencedSaver, graph: Graph, run_id: str, thread_id: str, *, fresh: bool = False
    ) -> None:
        """`fresh`: no process has worked on this run before, so that there is nothing to recall."""
        self._store, self._saver, self._graph = store, saver, graph
        self._run_id, self._thread_id = run_id, thread_id
        self._is_fresh = fresh
        self.token = uuid.uuid4().hex
        self._heartbeat: asyncio.Task[None] | None = None

    async def acquire(self) -> None:
        """Take the lease and keep it. Raises RunBusyError."""
        try:
            await self._store.acquire(self._thread_id, self.token)
        except RunBusyError as error:
            raise error if self._is_fresh else busy(f"run {self._run_id[:8]}") from None
        self._heartbeat = asyncio.create_task(self._beat(), name=f"lease of run {self._run_id}")

    async def _beat(self) -> None:
        held = True
        while held:
            await asyncio.sleep(LEASE_SECONDS / 3)
            with suppress(DatabaseError, *faults()):  # there are two more beats before the lease runs out
                held = await self._store.renew(self._thread_id, self.token)

    async def let_go(self) -> None:
        """Give the lease back of a run that could not begin."""
        if self._heartbeat:
            self._heartbeat.cancel()
        with suppress(DatabaseError, *faults()):  # then it runs out
            await self._store.release(self._thread_id, self.token)

    async def begin_again(self) -> None:
        """Store that the run is under way."""
        await self._store.end(self._run_id, "running", None, None, thread_id=self._thread_id, token=self.token)

    async def check(self, session: Session | None = None) -> None:
        """Raise LeaseLostError if another process has taken the run over. `session`: look in this transaction."""
        if not await self._store.holds(self._thread_id, self.token, session):
            raise lease_lost(self._run_id)

    async def begin(self, entry: CallEntry) -> None:
        """See `calls.Journal`."""
        await self._store.begin_attempt(entry, self._thread_id, self.token)

    async def recall(self, key: str, request: str) -> tuple[list[CallEntry], AIMessage] | None:
        """See `calls.Journal`."""
        return None if self._is_fresh else await self._store.answered(self._run_id, key, request)

    async def end(self, entry: CallEntry, message: AIMessage | None) -> None:
        """See `calls.Journal`."""
        await self._store.end_attempt(entry, message)

    async def left_behind(self, known: set[str]) -> list[CallEntry]:
        """See `calls.Journal`."""
        attempts = await self._store.attempts(self._run_id)
        return [{**attempt, "repeated": True} for attempt in attempts if attempt["id"] not in known]

    async def append(self, events: Sequence[Event]) -> None:
        """See `event_log.EventLog`."""
        await self._store.append_events(self._run_id, events, thread_id=self._thread_id, token=self.token)

    async def reserve(self, seq: int) -> None:
        """See `event_log.EventLog`."""
        await self._store.reserve(self._run_id, seq)

    async def close(self, status: RunState, result: dict[str, Any] | None) -> None:
        """Store how the run stands, and give the lease back."""
        if self._heartbeat:  # first: if nothing can be stored any more, the lease has to run out
            self._heartbeat.cancel()
        await self._saver.settle()
        snapshot = await self._graph.aget_state({"configurable": {"thread_id": self._thread_id}})
        head = snapshot.config["configurable"].get("checkpoint_id")
        is_ours = await self._store.end(self._run_id, status, result, head, thread_id=self._thread_id, token=self.token)
        if is_ours and status in ENDED:
            await self._store.compact(self._run_id)
        await self._store.release(self._thread_id, self.token)
        if is_ours:
            values = snapshot.values if is_of(snapshot, self._run_id) else {}
            told = result or await so_far(self._store, values, self._run_id, self._thread_id)
            starts = await self._store.starts(self._run_id)
            await Summaries(self._store.db).keep(self._run_id, summary_of(told), starts)
