"""A loopback server that answers chat completions with whatever a test hands it, and remembers what it was asked."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


class LoopbackServer:
    """Answers every request with `answer`; `requests` holds their bodies, `headers` their headers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.reset()

    def reset(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.connections: set[Any] = set()
        self.answer: Callable[[], Response] = self.completion

    def completion(self, message: dict[str, Any] | None = None, *, choice: Any = None, **fields: Any) -> Response:
        said = {"role": "assistant", "content": "hello there"} | (message or {})
        choices = [{"index": 0, "message": said, "finish_reason": "stop"} | (choice or {})]
        return JSONResponse(self.head("chat.completion") | {"choices": choices, "usage": USAGE} | fields)

    def chunk(self, delta: dict[str, Any] | None = None, finish: str | None = None, **fields: Any) -> dict[str, Any]:
        choices = [{"index": 0, "delta": delta or {}, "finish_reason": finish}]
        return self.head("chat.completion.chunk") | {"choices": choices} | fields

    def stream(self, *chunks: dict[str, Any], cut: bool = False, done: bool = True) -> Response:
        lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"] * (done and not cut)

        async def body() -> AsyncIterator[bytes]:
            for line in lines:
                yield line.encode()
            if cut:
                raise asyncio.CancelledError  # uvicorn closes the connection in the middle of the body

        return StreamingResponse(body(), media_type="text/event-stream")

    def usage_chunk(self, **fields: Any) -> dict[str, Any]:
        return self.head("chat.completion.chunk") | {"choices": [], "usage": USAGE | fields}

    def head(self, kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-7", "object": kind, "created": 1, "model": "served-model"}

    def text(self, body: str, media_type: str = "application/json") -> Response:
        return Response(body, media_type=media_type)

    def html(self) -> Response:
        return HTMLResponse("<html><body>502 from a proxy</body></html>")


async def _never(_scope: Any, _receive: Any, _send: Any) -> None:
    """Stand in for the application before there is one."""


@pytest.fixture(scope="session")
def _running() -> Iterator[LoopbackServer]:
    config = uvicorn.Config(
        _never, port=0, log_level="critical", lifespan="off", ws="none", timeout_graceful_shutdown=1
    )
    uvicorn_server = uvicorn.Server(config)

    async def complete(request: Request) -> Response:
        loopback.requests.append(await request.json())
        loopback.headers.append(dict(request.headers))
        loopback.connections.add(request.client)
        return loopback.answer()

    paths = ("/v1/chat/completions", "/v1/responses")
    config.app = Starlette(routes=[Route(path, complete, methods=["POST"]) for path in paths])
    thread = threading.Thread(target=uvicorn_server.run, daemon=True)
    thread.start()
    while not uvicorn_server.started:
        time.sleep(0.01)
    port = uvicorn_server.servers[0].sockets[0].getsockname()[1]
    loopback = LoopbackServer(f"http://127.0.0.1:{port}/v1")
    yield loopback
    uvicorn_server.should_exit = True
    thread.join()


@pytest.fixture
def server(_running: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> LoopbackServer:
    """The server as both OpenRouter and OpenAI, with a key for the first and none for the second."""
    _running.reset()
    monkeypatch.setenv("OPENROUTER_BASE_URL", _running.url)
    monkeypatch.setenv("OPENAI_BASE_URL", _running.url)
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-test")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return _running
