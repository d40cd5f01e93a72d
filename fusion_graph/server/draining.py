"""A uvicorn server that lets its clients know: stopped, it gives balancers and runs some time, then stops them and answers."""

import asyncio
import socket
import time
from typing import Any

import uvicorn

from fusion_graph.server.access.guard import Guard

_TICK = 0.1
_ANSWERING = 5  # seconds that answers get after their runs have been stopped


class DrainingServer(uvicorn.Server):
    """Serve until a signal comes. Runs that take longer than `drain` seconds then are left at their last step.

    Before that it takes requests for another `linger` seconds, while it already says that it is not ready.
    """

    def __init__(self, app: Guard, *, drain: float, linger: float = 0.0, **options: Any) -> None:
        grace = int(drain) + _ANSWERING
        super().__init__(
            uvicorn.Config(app, timeout_graceful_shutdown=grace, proxy_headers=False, ws="none", **options)
        )
        self._guard = app
        self._drain = drain
        self._linger = linger

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say so, stop listening, wait for answers, stop what takes too long."""
        self._guard.leave()
        end = time.monotonic() + self._linger
        while time.monotonic() < end and not self.force_exit:  # noqa: ASYNC110  (uvicorn sets a flag)
            await asyncio.sleep(_TICK)
        stopping = asyncio.create_task(self._stop_runs())
        try:
            await super().shutdown(sockets)
        finally:
            stopping.cancel()

    async def _stop_runs(self) -> None:
        await asyncio.sleep(self._drain)
        await self._guard.stop()
