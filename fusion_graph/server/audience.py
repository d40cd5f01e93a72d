"""Who waits for a run's answer: what nobody has had may be asked for again, and what nobody waits for may be stopped."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass

from fusion_graph.errors import RunNotFoundError
from fusion_graph.runs import Runs
from fusion_graph.schemas import ENDED


@dataclass(slots=True)
class _Hearers:
    count: int = 0
    cancel: bool = True  # all of them, also those who have gone


class Audience:
    """The clients that wait for runs, counted by run."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._of: dict[str, _Hearers] = {}

    async def hear(self, run_id: str, pieces: AsyncGenerator[bytes, None], *, cancels: bool) -> AsyncIterator[bytes]:
        """Yield an answer's pieces. After the last the answer counts as delivered.

        `cancels`: its client wants the run stopped if it goes away; it is, once all who waited have gone and wanted so.
        """
        hearers = self._of.setdefault(run_id, _Hearers())
        hearers.count += 1
        hearers.cancel &= cancels
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    yield piece
            await self._delivered(run_id)
        finally:
            hearers.count -= 1
            if not hearers.count:
                self._of.pop(run_id, None)
                if hearers.cancel and (live := self._runs.live(run_id)):
                    live.cancel_soon()

    async def _delivered(self, run_id: str) -> None:
        """Note that a client has had an answer; of a run that was stopped it has had none."""
        with suppress(RunNotFoundError):  # deleted meanwhile
            if (await self._runs.get(run_id))["status"] in ENDED:
                await self._runs.claims.deliver(run_id)
