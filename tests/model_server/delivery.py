"""From a completion to bytes on the wire, with the faults its reply asks for."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.model_server.connection import Connection
from tests.model_server.log import Entry, Log
from tests.model_server.problems import openai_shape, problem_of_status
from tests.model_server.rendering import Completion, as_body, as_chunks
from tests.model_server.wire import Reply

_HTML = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_PIECE = 64  # bytes of a plain body that count as one chunk


@dataclass(frozen=True)
class Piece:
    """Bytes sent at once, and the usage a client knows when it has read them."""

    data: bytes
    usage: dict[str, Any] | None = None
    is_chunk: bool = True
    waits: bool = True


@dataclass(frozen=True)
class Delivery:
    reply: Reply
    headers: dict[str, str]
    pieces: list[Piece] = field(default_factory=list)


def plan(done: Completion) -> Delivery:
    """Lay out what is to be sent."""
    reply, streams = done.reply, done.request.stream and done.reply.status < 400
    kind, pieces = _stream(done) if streams else _plain(done)
    if reply.html or reply.empty or reply.raw is not None:
        kind = "text/html; charset=utf-8" if reply.html else kind
        data = reply.raw if reply.raw is not None else _HTML if reply.html else b""
        pieces = [Piece(data)] if data else []
    headers = {"content-type": kind, "x-request-id": done.response_id}
    if not streams:
        headers["content-length"] = str(sum(len(piece.data) for piece in pieces))
    return Delivery(reply, headers | dict(reply.headers), pieces)


def _stream(done: Completion) -> tuple[str, list[Piece]]:
    reply = done.reply
    pieces = [Piece(_event(chunk), chunk.get("usage")) for chunk in as_chunks(done)]
    if reply.truncated_json:
        half = pieces[: len(pieces) // 2 + 1]
        pieces = [*half[:-1], Piece(half[-1].data[: len(half[-1].data) // 2])]
    elif reply.error_event_after is not None:
        pieces = [*pieces[: reply.error_event_after], Piece(_event(_error(reply)))]
    elif not reply.no_done:
        pieces.append(Piece(b"data: [DONE]\n\n", is_chunk=False))
    comments = [Piece(b": keep-alive\n\n", is_chunk=False)] * reply.keepalive_comments
    return "text/event-stream; charset=utf-8", comments + pieces


def _plain(done: Completion) -> tuple[str, list[Piece]]:
    reply = done.reply
    failed = reply.status >= 400 or reply.error_event_after is not None
    body = _error(reply) if failed else as_body(done)
    usage = None if failed else body.get("usage")
    data = json.dumps(body).encode()
    if reply.truncated_json:
        data, usage = data[: len(data) // 2], None
    cuts = range(0, len(data), _PIECE)
    lasts = [usage if start == cuts[-1] else None for start in cuts]
    pieces = [Piece(data[at : at + _PIECE], last, waits=at == 0) for at, last in zip(cuts, lasts, strict=True)]
    blanks = [Piece(b"\n", is_chunk=False)] * reply.keepalive_comments
    return "application/json", blanks + pieces


def _error(reply: Reply) -> Any:
    return reply.error if reply.error is not None else openai_shape(problem_of_status(500))


def _event(value: Any) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


async def deliver(delivery: Delivery, connection: Connection, entry: Entry, log: Log) -> None:
    """Send, and close the entry as sent; it stays open when the client left or the connection is to be cut."""
    reply = delivery.reply
    waits = 0.0 if reply.hang_after_chunks is not None else reply.hang
    if not await connection.pause(reply.delay + waits) or waits or reply.reset_before:
        return
    entry.status = reply.status
    if not delivery.pieces:
        log.close(entry, "sent")
    await connection.start(reply.status, delivery.headers)
    if await _send_pieces(delivery, connection, entry, log):
        await connection.finish()


async def _send_pieces(delivery: Delivery, connection: Connection, entry: Entry, log: Log) -> bool:
    reply, pieces = delivery.reply, delivery.pieces
    for index, piece in enumerate(pieces):
        wait = reply.chunk_delay if index and piece.waits else 0.0
        if _cut_is_due(reply, entry) or not await connection.pause(wait):
            break
        entry.chunks_sent += piece.is_chunk
        entry.usage = piece.usage or entry.usage
        # Before the last bytes, not after: who has read them may look at the log at once.
        if piece is pieces[-1] and not _cut_is_due(reply, entry):
            log.close(entry, "sent")
        await connection.write(piece.data)
    if _cut_is_due(reply, entry):
        await connection.pause(reply.hang)
    return entry.state == "sent"


def _cut_is_due(reply: Reply, entry: Entry) -> bool:
    return entry.chunks_sent in {reply.reset_after_chunks, reply.hang_after_chunks}
