"""A model server that takes next to no time: `python -m tests.benchmarks.model_server`, a process of its own.

It speaks chat completions over HTTP/1.1 and says the same to everybody. A model's name tells how it behaves:
`seat-200ms-8tools` answers after 200 ms and asks for a tool eight times before, one in each round, while it has tools.
`judge` compares, `writer` writes in 62 chunks where it streams. `GET /bodies` returns the last bodies, and forgets them.
"""

import asyncio
import json
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import ClassVar

CHUNKS = 62
WORDS = "The bridge opened in 1932, as two of the three sources say. "
TOOL = "look_up"
REPORT = {
    "consensus": [{"point": "It opened in 1932.", "answers": ["A", "B"], "sources": []}],
    "contradictions": [],
    "partial_coverage": [{"point": "It has two lanes.", "answers": ["C"], "sources": []}],
    "unique_insights": [{"insight": "It was paid by a toll.", "answer": "B", "sources": []}],
    "blind_spots": ["Who built it?"],
    "strongest": {"answer": "A", "why": "It gives the date.", "missing_or_wrong": ["the lanes"]},
}
_MODEL = re.compile(rb'"model": ?"([^"]*)"')
_STREAM = re.compile(rb'"stream": ?true')
_TOOLS = re.compile(rb'"tools": ?\[')
_TOLD = re.compile(rb'"role": ?"tool"')
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_DELAY = re.compile(r"-(\d+)ms")
_ROUNDS = re.compile(r"-(\d+)tools")
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\n%s\r\n"
_USAGE = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}


class Connection(asyncio.Protocol):
    """One connection, kept alive; requests come one after the other."""

    bodies: ClassVar[deque[bytes]] = deque(maxlen=4096)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._received = transport, bytearray()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        if head < 0:
            return
        if self._received.startswith(b"GET /bodies"):
            self._received.clear()
            told = json.dumps([json.loads(body) for body in self.bodies]).encode()
            self.bodies.clear()
            self._whole(told)
            return
        found = _LENGTH.search(self._received, 0, head)
        end = head + 4 + (int(found[1]) if found else 0)
        if len(self._received) >= end:
            body = bytes(self._received[head + 4 : end])
            del self._received[:end]
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        self.bodies.append(body)
        found = _MODEL.search(body)
        name = found[1].decode() if found else ""
        rounds = _number(_ROUNDS, name) if _TOOLS.search(body) else 0
        done = len(_TOLD.findall(body)) if rounds else 0
        parts = _parts(name, done if done < rounds else -1, is_streamed=bool(_STREAM.search(body)))
        delay = _number(_DELAY, name) / 1000
        if delay:
            asyncio.get_running_loop().call_later(delay, self._send, parts)
        else:
            self._send(parts)

    def _send(self, parts: tuple[bytes, ...]) -> None:
        for part in parts:
            self._transport.write(part)

    def _whole(self, body: bytes) -> None:
        self._send((_HEAD % (b"application/json", b"content-length: %d\r\n" % len(body)) + body,))


def _number(pattern: re.Pattern[str], name: str) -> int:
    found = pattern.search(name)
    return int(found[1]) if found else 0


@cache
def _parts(model: str, asks: int, *, is_streamed: bool) -> tuple[bytes, ...]:
    """Return what goes over the wire: an answer, or a call of the tool where it `asks` for the so-manieth time."""
    message: dict[str, object] = {"role": "assistant", "content": WORDS * 12}
    if asks >= 0:
        call = {"name": TOOL, "arguments": json.dumps({"query": f"{model} {asks}"})}
        message |= {"content": "", "tool_calls": [{"id": f"call_{asks}", "type": "function", "function": call}]}
    elif model.startswith("judge"):
        message["content"] = json.dumps(REPORT)
    reason = "tool_calls" if asks >= 0 else "stop"
    top = {"id": f"chatcmpl-{model}", "created": 1, "model": model}
    if not is_streamed:
        choice = {"index": 0, "message": message, "finish_reason": reason}
        body = json.dumps(top | {"object": "chat.completion", "choices": [choice], "usage": _USAGE}).encode()
        return (_HEAD % (b"application/json", b"content-length: %d\r\n" % len(body)) + body,)
    events = [_event(top, delta, None) for delta in _deltas(message)] + [_event(top, {}, reason)]
    events.append(json.dumps(top | {"object": "chat.completion.chunk", "choices": [], "usage": _USAGE}))
    head = _HEAD % (b"text/event-stream", b"transfer-encoding: chunked\r\n")
    said = [_chunked(f"data: {event}\n\n".encode()) for event in [*events, "[DONE]"]]
    return (head + said[0], *said[1:], b"0\r\n\r\n")


def _deltas(message: dict[str, object]) -> Iterator[dict[str, object]]:
    if "tool_calls" in message:
        yield message | {"tool_calls": [{"index": 0, **call} for call in message["tool_calls"]]}  # type: ignore[attr-defined]
        return
    text = str(message["content"])
    size = -(-len(text) // CHUNKS)
    for start in range(0, len(text), size):
        yield {"role": "assistant", "content": text[start : start + size]}


def _event(top: dict[str, object], delta: dict[str, object], reason: str | None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return json.dumps(top | {"object": "chat.completion.chunk", "choices": [choice]})


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - read by who started it
    await server.serve_forever()


@contextmanager
def models() -> Iterator[str]:
    """Start the server; give its base URL."""
    with subprocess.Popen([sys.executable, "-m", __name__], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(_serve())
