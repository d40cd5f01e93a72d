"""A uvicorn server that lets its clients know: stopped, it gives runs some time, then stops them and answers."""

import asyncio
import socket
from typing import Any

import uvicorn

from fusion_graph.server.access.guard import Guard

_ANSWERING = 5  # seconds that answers get after their runs have been stopped


class DrainingServer(uvicorn.Server):
    """Serve until a signal comes. Runs that take longer than `drain` seconds then are left at their last step."""

    def __init__(self, app: Guard, *, drain: float, **options: Any) -> None:
        grace = int(drain) + _ANSWERING
        super().__init__(
            uvicorn.Config(app, timeout_graceful_shutdown=grace, proxy_headers=False, ws="none", **options)
        )
        self._guard = app
        self._drain = drain

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, wait for answers, stop what takes too long."""
        stopping = asyncio.create_task(self._stop_runs())
        try:
            await super().shutdown(sockets)
        finally:
            stopping.cancel()

    async def _stop_runs(self) -> None:
        await asyncio.sleep(self._drain)
        await self._guard.stop()
