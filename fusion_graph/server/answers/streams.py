"""Bytes that come often enough: clients take silence for a dead server, and pay for the run again."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any, NamedTuple, Protocol, TypeAlias

from fusion_graph.errors import FusionError
from fusion_graph.saying import Saying
from fusion_graph.schemas import Event
from fusion_graph.server.answers.completions import Completion
from fusion_graph.server.errors import fault_of, log_fault

BYTE_EVERY = 3.0  # seconds; some clients give up after 5
CHUNK_EVERY = 15.0  # seconds: comments are not enough for those that count chunks


class Run(Protocol):
    """A run under way, or one that has ended."""

    run_id: str

    def events(self) -> AsyncGenerator[Event, None]:
        """Yield what happens."""
        ...

    async def result(self) -> dict[str, Any]:
        """Return what it came to."""
        ...


DONE = b"data: [DONE]\n\n"
Coming: TypeAlias = "asyncio.Future[dict[str, Any]]"


class Broken(NamedTuple):
    """Why a run has no result."""

    message: str
    code: int = 502


async def chat_stream(live: Run, result: Coming, chunks: Completion, stop: list[str]) -> AsyncGenerator[bytes, None]:
    """Yield a run as server-sent events: text as it comes, something every few seconds, then the end and the usage."""
    saying = Saying(stop)
    yield _sse(chunks.text())
    async for piece in _told(live, chunks, saying):
        yield piece
    for chunk in await _ends(result, chunks, saying):
        yield _sse(chunk)
    yield DONE


async def _told(live: Run, chunks: Completion, saying: Saying) -> AsyncGenerator[bytes, None]:
    last_chunk = time.monotonic()
    async with aclosing(_with_pauses(live.events())) as events:
        async for event in events:
            text, silent = saying.take(event) if event else "", time.monotonic() - last_chunk
            if text or (event is None and silent >= CHUNK_EVERY):
                last_chunk = time.monotonic()
                yield _sse(chunks.text(text))
            elif event is None:
                yield b": keep-alive\n\n"


async def _ends(coming: Coming, chunks: Completion, saying: Saying) -> list[dict[str, Any]]:
    result = await outcome(coming)
    if isinstance(result, Broken):
        return chunks.fails(*result)
    rest = saying.end(result)
    return [*([chunks.text(rest)] if rest else []), *chunks.ends(result)]


async def outcome(coming: Coming) -> dict[str, Any] | Broken:
    """Return the result of a run, or why there is none: its client's status has been sent, so that has to be told in words."""
    try:
        return await asyncio.shield(coming)
    except FusionError as error:
        return Broken(str(error))
    except asyncio.CancelledError:
        if not coming.cancelled():
            raise  # who waits is stopped, not the run
        return Broken("the run was stopped; the same request again goes on with it", 499)
    except Exception as error:  # noqa: BLE001  (the HTTP edge: the connection would just break)
        log_fault(error, "a run")
        return Broken(fault_of(error), 500)


async def spaced(answer: "asyncio.Future[bytes]") -> AsyncGenerator[bytes, None]:
    """Yield blanks, which JSON may begin with, until the answer is there."""
    while not answer.done():
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(answer), BYTE_EVERY)
        if not answer.done():
            yield b" \n"
    yield answer.result()


async def _with_pauses(events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event | None, None]:
    """Yield what comes, and None whenever nothing has come for a while."""
    coming: asyncio.Task[Event | None] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(_next(events))
            done, _ = await asyncio.wait([coming], timeout=BYTE_EVERY)
            if not done:
                yield None
                continue
            found, coming = coming.result(), None
            if found is None:
                return
            yield found
    finally:
        if coming:
            coming.cancel()
            await asyncio.wait([coming])
        await events.aclose()


async def _next(events: AsyncGenerator[Event, None]) -> Event | None:
    return await anext(events, None)


def _sse(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"
