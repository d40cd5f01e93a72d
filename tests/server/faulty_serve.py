"""`fusion serve` with faults in its routes, whose words hold every secret: run as a module of its own process."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any, NoReturn
from unittest.mock import patch

from fusion_graph.cli import main
from fusion_graph.server import app, chat, responses, running
from fusion_graph.server.answers import streams
from tests.server.echo import MARKER

_run_of, _stream, _named = running.run_of, streams.chat_stream, responses._named


def fail(*words: object) -> NoReturn:
    raise RuntimeError(f"{MARKER} {words} {[value for name, value in os.environ.items() if 'KEY' in name]}")


async def lost(words: str) -> None:
    fail(words)


async def run_of(request: Any, *rest: Any) -> Any:
    if request.headers.get("x-fault") == "run":
        fail(request.headers["authorization"])
    if request.headers.get("x-fault") == "task":
        asyncio.create_task(lost("nobody waits for this"))  # noqa: RUF006 -- that is its fault
        await asyncio.sleep(0)
    return await _run_of(request, *rest)


async def stream(live: Any, result: Any, completion: Any, stop: list[str]) -> AsyncIterator[bytes]:
    async for piece in _stream(live, result, completion, stop):
        yield piece
        if stop == ["fault"]:
            fail("in the middle of a stream")


def named(wire: dict[str, Any]) -> bytes:
    if wire["type"] == "response.completed" and wire["response"]["metadata"].get("fault"):
        fail("at the end of a stream")
    return _named(wire)


if __name__ == "__main__":
    with (
        patch.object(app, "listed", lambda _config: fail("in a thread")),
        patch.object(chat, "run_of", run_of),
        patch.object(responses, "run_of", run_of),
        patch.object(chat, "chat_stream", stream),
        patch.object(responses, "_named", named),
    ):
        main()
