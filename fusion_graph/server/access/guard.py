"""Who gets as far as the app: hosts, origins, the loopback, and how much may be sent. Plain ASGI, before anything is read."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from fusion_graph.server.errors import error_body, log_fault, retry_told
from fusion_graph.urls import is_loopback

MAX_BODY = 8 * 1024 * 1024  # bytes
BODY_SECONDS = 30.0  # for all of it to come
_FORWARDED = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip"})

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Guard:
    """Refuse what an open server must not take. `is_open`: there are no keys, so only this machine may ask."""

    def __init__(
        self,
        app: App,
        *,
        is_open: bool,
        stop: Callable[[], Awaitable[None]] | None = None,
        leave: Callable[[], object] = bool,
        refused: Callable[[int], object] = bool,
    ) -> None:
        self._app = app
        self._is_open = is_open
        self._stop = stop
        self.leave = leave  # lets the app tell balancers that it is about to stop
        self._refused = refused  # is told the status

    async def stop(self) -> None:
        """Stop the runs of the app where they are."""
        if self._stop:
            await self._stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _unkept(send)
        headers = dict(scope["headers"])
        if refusal := self._refusal(scope, headers):
            await self._refuse(send, *refusal)
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _read(receive, headers.get(b"content-length", b""))
        except TimeoutError:
            await self._refuse(send, 408, f"the body did not come within {BODY_SECONDS:g} s")
            return
        if body is None:
            await self._refuse(send, 413, f"the body is longer than {MAX_BODY:,} bytes")
            return
        if body[-1]["type"] == "http.disconnect":  # in the middle of its body: nobody is there to be answered
            return
        try:
            await self._app(scope, _again(body, receive), send)
        except Exception as error:  # noqa: BLE001  (the HTTP edge: uvicorn would log the trace with whatever it quotes)
            log_fault(error, f"{scope['method']} {scope['path']}", headers.get(b"authorization", b"").decode("latin-1"))

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        origin = headers.get(b"origin", b"").decode("latin-1")
        if self._is_open and (reason := not_of_this_machine(scope)):
            return 403, reason
        if origin and not _is_own(origin, _host(headers.get(b"host", b"").decode("latin-1"))):
            return 403, f"pages of {origin[:200]!r} may not use this server"
        return None

    async def _refuse(self, send: Send, status: int, message: str) -> None:
        self._refused(status)
        body = json.dumps(error_body(status, message)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers += [(name.encode(), value.encode()) for name, value in retry_told(status).items()]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def not_of_this_machine(scope: Scope) -> str:
    """Return why a server without keys does not answer a request; "" if it does."""
    headers = dict(scope["headers"])
    host = _host(headers.get(b"host", b"").decode("latin-1"))
    if not is_loopback((scope.get("client") or ("",))[0]):
        return "this server has no API keys, so it answers its own machine only; set FUSION_API_KEYS"
    if _FORWARDED & headers.keys():
        return "this server has no API keys, so it is not to be reached through a proxy; set FUSION_API_KEYS"
    return "" if is_loopback(host) else f"the host {host!r} is not this server's"


def _is_own(origin: str, host: str) -> bool:
    named = _host(urlsplit(origin).netloc)
    return bool(named) and named == host


async def _read(receive: Receive, declared: bytes) -> list[MutableMapping[str, Any]] | None:
    """Return the messages of a request's body, None if it is too long."""
    messages: list[MutableMapping[str, Any]] = []
    length = int(declared) if declared.isdigit() else 0
    while length <= MAX_BODY and (not messages or messages[-1].get("more_body")):
        messages.append(await receive())
        length = max(length, sum(len(message.get("body", b"")) for message in messages))
    return messages if length <= MAX_BODY else None


def _again(messages: list[MutableMapping[str, Any]], receive: Receive) -> Receive:
    """Return what gives the app the messages that were read, then what comes after them."""
    left = iter(messages)

    async def give() -> MutableMapping[str, Any]:
        return next(left, None) or await receive()

    return give


def _unkept(send: Send) -> Send:
    """Return what sends an answer so that no browser keeps it, unless it says for itself how it may be kept."""

    async def say(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            if b"cache-control" not in dict(headers):
                message = {**message, "headers": [*headers, (b"cache-control", b"no-store")]}
        await send(message)

    return say


def _host(authority: str) -> str:
    name = authority.rpartition(":")[0] if authority.rpartition(":")[2].isdigit() else authority
    return name.strip("[]").rstrip(".").lower()
