"""How the events of a run are stored: in their order, while the run goes on."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from fusion_graph.schemas import Event, RunState

DELTAS = frozenset({"panelist_delta", "panelist_reasoning_delta", "answer_delta"})
SAVED_AT_ONCE = 64  # deltas that may wait in memory for the next event of another kind
RESERVED = 1000  # sequence numbers noted ahead, so that a killed process's unsaved ones are never given out again


class EventLog(Protocol):
    """Where a run's events outlive its process."""

    async def append(self, events: Sequence[Event]) -> None:
        """Store events; their sequence numbers only grow."""
        ...

    async def reserve(self, seq: int) -> None:
        """Note that numbers up to `seq` may have been seen by a client, stored or not."""
        ...

    async def close(self, status: RunState, result: dict[str, Any] | None) -> None:
        """Store how the run stands and give up the right to write."""
        ...


class EventWriter:
    """Writes a run's events to its log, one batch after the other. Numbers up to `reserved` are noted already."""

    def __init__(self, log: EventLog, reserved: int) -> None:
        self._log = log
        self._reserved = reserved
        self._unsaved: list[Event] = []
        self._is_due = False  # what is unsaved, to be stored
        self._saving: asyncio.Task[None] | None = None

    async def reserve(self, seq: int) -> None:
        """See that `seq` is noted before anybody hears of it."""
        if seq > self._reserved:
            self._reserved = seq + RESERVED
            await self._log.reserve(self._reserved)

    def write(self, events: Sequence[Event]) -> None:
        """Have events stored soon. Raises what the log has raised since the last time."""
        self._unsaved += events
        if len(self._unsaved) < SAVED_AT_ONCE and all(event["type"] in DELTAS for event in events):
            return
        self._is_due = True
        if self._saving is None or self._saving.done():
            if self._saving:
                self._saving.result()
            self._saving = asyncio.create_task(self._save(), name="events of a run")
            self._saving.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def flush(self) -> None:
        """Wait until what is to be stored is. Raises what the log raises."""
        if self._saving:
            await asyncio.wait([self._saving])
            self._saving.result()

    async def close(self, status: RunState, result: dict[str, Any] | None) -> None:
        """Store how the run stands, whatever has become of its events."""
        if self._saving:
            await asyncio.wait([self._saving])
        await self._log.close(status, result)

    async def _save(self) -> None:
        while self._is_due:
            unsaved, self._unsaved, self._is_due = self._unsaved, [], False
            await self._log.append(unsaved)
