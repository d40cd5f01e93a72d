"""A server whose page is opened as soon as it can be."""

import socket
from collections.abc import Callable
from typing import Any

from fusion_graph.server.access.guard import Guard
from fusion_graph.server.draining import DrainingServer


class OpeningServer(DrainingServer):
    """Serve as `fusion serve` does; call `opened` once it listens."""

    def __init__(self, app: Guard, *, opened: Callable[[], None], **options: Any) -> None:
        super().__init__(app, **options)
        self._opened = opened

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self._opened()
