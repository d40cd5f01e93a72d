"""Wait for a run as long as a client can, and tell what there is of it then."""

import asyncio
import time

from fusion_graph.runs import Runs
from fusion_graph.schemas import ENDED, RunState
from fusion_graph.server.mcp.markdown import render
from fusion_graph.server.mcp.outcomes import Rooms, outcome_of
from fusion_graph.server.mcp.progress import Steps, Tell, follow
from fusion_graph.server.mcp.shapes import Outcome

HEARTBEAT_SECONDS = 5.0
_LOOKS_SECONDS = 0.5  # between looks at a run that another process is at work on
_NEXT: dict[RunState, str] = {
    "running": "call fusion_result with this run_id; it waits up to 45 seconds",
    "stopped": "call fusion_result with this run_id; it goes on where the run was stopped",
    "cancelled": "ask again, or in a terminal go on with it: fusion runs resume {run_id}",
    "failed": "ask again, or in a terminal go on with it: fusion runs resume {run_id}",
    "interrupted": "these tools cannot approve; in a terminal: fusion runs resume {run_id} --yes",
}


def next_step(status: RunState, run_id: str) -> str:
    """Return what a caller can do next about a run; "" if it has ended."""
    return _NEXT.get(status, "").format(run_id=run_id)


class Waiting:
    """Who waits does so for `block_seconds` at most, and is told of progress every `heartbeat_seconds` at least."""

    def __init__(self, runs: Runs, block_seconds: float, heartbeat_seconds: float) -> None:
        self._runs = runs
        self._block = block_seconds
        self._heartbeat = heartbeat_seconds

    async def for_run(
        self, run_id: str, tell: Tell, rooms: Rooms, *, seconds: float | None = None, seats: int = 0
    ) -> tuple[str, Outcome]:
        """Return what there is of a run when it has ended, or after so many seconds."""
        seconds = self._block if seconds is None else min(seconds, self._block)
        steps = Steps(await self._runs.show(run_id), seats)
        if live := self._runs.live(run_id):
            await follow(live, steps, tell, seconds=seconds, heartbeat=self._heartbeat)
        else:
            await self._watch(run_id, steps, tell, seconds)
        status = (await self._runs.get(run_id))["status"]
        shown = await self._runs.show(run_id) | {"status": status}
        reason = steps.words if status == "running" else steps.failure
        told = outcome_of(shown, rooms, next_step=next_step(status, run_id), reason=reason)
        if status in ENDED:
            await self._runs.claims.deliver(run_id)
        return render(told), told

    async def _watch(self, run_id: str, steps: Steps, tell: Tell, seconds: float) -> None:
        """Wait for a run that another process is at work on: only the database tells of it."""
        beat = time.monotonic()
        end = beat + seconds
        while (await self._runs.get(run_id))["status"] == "running" and time.monotonic() < end:
            if time.monotonic() >= beat:
                beat += self._heartbeat
                await steps.tell(tell)
            await asyncio.sleep(min(_LOOKS_SECONDS, seconds))
