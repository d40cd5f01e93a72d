"""Bytes that come often enough: clients take silence for a dead server, and pay for the run again."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any, NamedTuple, TypeAlias

from fusion_graph.errors import FusionError
from fusion_graph.saying import Saying
from fusion_graph.schemas import Event
from fusion_graph.server.answers.completions import Completion
from fusion_graph.server.errors import fault_of, log_fault
from fusion_graph.server.pauses import with_pauses
from fusion_graph.server.sharing import Run

BYTE_EVERY = 3.0  # seconds; some clients give up after 5
_TICK = 3  # times in which it is looked whether one is due
CHUNK_EVERY = 15.0  # seconds: comments are not enough for those that count chunks
DONE = b"data: [DONE]\n\n"
_COMMENT = b": keep-alive\n\n"
Coming: TypeAlias = "asyncio.Future[dict[str, Any]]"


class Broken(NamedTuple):
    """Why a run has no result."""

    message: str
    code: int = 502


async def chat_stream(live: Run, result: Coming, chunks: Completion, stop: list[str]) -> AsyncGenerator[bytes, None]:
    """Yield a run as server-sent events: text as it comes, something every few seconds, then the end and the usage."""
    saying = Saying(stop)

    def said(event: Event) -> list[bytes]:
        return [sse(chunks.text(text))] if (text := saying.take(event)) else []

    yield sse(chunks.text())
    with suppress(FusionError):  # of a run that is followed: the result has it as well
        async with aclosing(paced(live.events(), said, lambda: sse(chunks.text()))) as pieces:
            async for piece in pieces:
                yield piece
    for chunk in await _ends(result, chunks, saying):
        yield sse(chunk)
    yield DONE


async def paced(
    events: AsyncGenerator[Event, None], said: Callable[[Event], list[bytes]], alive: Callable[[], bytes | None]
) -> AsyncGenerator[bytes, None]:
    """Yield what events say; where they say nothing, a comment every few seconds, now and then what `alive` says."""
    last_byte = last_chunk = time.monotonic()
    async with aclosing(with_pauses(events, BYTE_EVERY / _TICK)) as coming:
        async for event in coming:
            pieces, now = said(event) if event else [], time.monotonic()
            if not pieces and now - last_chunk >= CHUNK_EVERY and (piece := alive()):
                pieces = [piece]
            last_chunk = now if pieces else last_chunk
            if not pieces and now - last_byte >= BYTE_EVERY:
                pieces = [_COMMENT]
            last_byte = now if pieces else last_byte
            for piece in pieces:
                yield piece


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


def sse(chunk: dict[str, Any], event: str = "") -> bytes:
    """Return a server-sent event, named if `event` is given."""
    name = f"event: {event}\n".encode() if event else b""
    return name + b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"
