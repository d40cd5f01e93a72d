"""One HTTP exchange below the level of a response: pauses that notice a lost client, and resets."""

import asyncio
import socket
import struct
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

_LINGER_ZERO = struct.pack("ii", 1, 0)
_FLUSH = 0.02  # seconds a client has to read what was sent before the reset reaches it


def with_transport(app: ASGIApp) -> ASGIApp:
    """Hand the socket's transport down to `app` in the scope: resets need it and ASGI hides it."""

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        scope["transport"] = getattr(getattr(send, "__self__", None), "transport", None)
        await app(scope, receive, send)

    return outer


class Connection:
    """The way to the client. After `stopping` is set every pause ends and nothing more is worth sending."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, stopping: asyncio.Event) -> None:
        self._transport: asyncio.Transport = scope["transport"]
        self._send = send
        self._stopping = stopping
        self._lost: asyncio.Future[Any] = asyncio.ensure_future(receive())

    @property
    def open(self) -> bool:
        return not (self._lost.done() or self._stopping.is_set() or self._transport.is_closing())

    async def pause(self, seconds: float) -> bool:
        """Wait, at least one turn of the loop, and return whether the client is still there."""
        stopped = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({self._lost, stopped}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        return self.open

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def reset(self) -> None:
        """Cut the connection with a TCP reset, as a crashed provider or a middlebox does."""
        await self.pause(_FLUSH)
        if not self._transport.is_closing():
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            self._transport.abort()
        await self._lost

    async def close(self) -> None:
        """Leave no task behind."""
        self._lost.cancel()
        await asyncio.gather(self._lost, return_exceptions=True)
