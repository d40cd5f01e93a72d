"""The HTTP clients behind the models: one per event loop and server, closed when their loop ends.

A client costs 25 ms to build (it reads the system's certificates), and its connections belong to the event loop they
were opened on: used from another loop, one dies with "Event loop is closed". LangChain keeps one client per server for
the whole process; here a model holds a `Late` stand-in and finds the running loop's client at each call, so that a
model may outlive the loop it was made on.
"""

import asyncio
import atexit
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import openai

from fusion_graph.schemas import DEPTH

READ_SECONDS = 1800.0  # of silence; the callers' own deadlines are shorter
CONNECT_SECONDS = 5.0


class Late:
    """Stand for an object that is looked up anew each time one of its attributes is read."""

    def __init__(self, find: Callable[[], Any]) -> None:
        self._find = find

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copy and pickle probe for these; they are never the client's
            raise AttributeError(name)
        return getattr(self._find(), name)


@dataclass
class _LoopClients:
    guard: AsyncGenerator[None]
    clients: dict[tuple[str, str], openai.AsyncOpenAI] = field(default_factory=dict)


_LOOPS: dict[asyncio.AbstractEventLoop, _LoopClients] = {}


def async_client(base_url: str, api_key: str) -> openai.AsyncOpenAI:
    """Return the running loop's client for a server; it makes no retries of its own."""
    held = _of_loop(asyncio.get_running_loop())
    key = (base_url, api_key)
    if key not in held.clients:
        http = openai.DefaultAsyncHttpxClient(timeout=_timeout())
        held.clients[key] = openai.AsyncOpenAI(
            base_url=base_url, api_key=api_key, max_retries=0, http_client=http, default_headers=DEPTH
        )
    return held.clients[key]


@cache
def sync_client(base_url: str, api_key: str) -> openai.OpenAI:
    """Return the process's client for synchronous calls to a server."""
    http = openai.DefaultHttpxClient(timeout=_timeout())
    client = openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0, http_client=http, default_headers=DEPTH)
    atexit.register(client.close)
    return client


async def close_clients() -> None:
    """Close the running loop's clients. A loop that ends through `asyncio.run` does so by itself."""
    held = _LOOPS.get(asyncio.get_running_loop())
    if held is not None:
        await held.guard.aclose()


def _of_loop(loop: asyncio.AbstractEventLoop) -> _LoopClients:
    if loop not in _LOOPS:
        for other in [other for other in list(_LOOPS) if other.is_closed()]:
            _LOOPS.pop(other, None)
        guard = _guard(loop)
        with suppress(StopIteration):  # the first step of a generator awaits nothing, so it needs no await either
            guard.__anext__().send(None)
        _LOOPS[loop] = _LoopClients(guard)
    return _LOOPS[loop]


async def _guard(loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None]:
    """Close the loop's clients when the loop shuts its asynchronous generators down, which it does before it ends."""
    try:
        yield
    finally:
        held = _LOOPS.pop(loop, None)
        for client in held.clients.values() if held else ():
            await client.close()


def _timeout() -> openai.Timeout:
    return openai.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
