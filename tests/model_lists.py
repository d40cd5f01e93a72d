"""A loopback server of `GET /v1/models` and `/v1/key`: the answers of real servers, and those nobody wants."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

# As OpenRouter answers, shortened: prices are USD per token, as text, and -1 where they vary.
OPENROUTER: dict[str, Any] = {
    "data": [
        {
            "id": "anthropic/claude-opus-4.8",
            "canonical_slug": "anthropic/claude-opus-4.8",
            "name": "Anthropic: Claude Opus 4.8",
            "created": 1770000000,
            "description": "…",
            "context_length": 1000000,
            "architecture": {
                "input_modalities": ["text", "image"],
                "output_modalities": ["text"],
                "tokenizer": "Claude",
            },
            "pricing": {"prompt": "0.000005", "completion": "0.000025", "request": "0", "image": "0"},
            "top_provider": {"context_length": 1000000, "max_completion_tokens": 64000, "is_moderated": False},
            "per_request_limits": None,
            "supported_parameters": ["max_tokens", "tools"],
        },
        {
            "id": "~anthropic/claude-opus-latest",
            "context_length": 1000000,
            "architecture": {"output_modalities": ["text"]},
            "pricing": {"prompt": "0.000006", "completion": "0.00003"},
        },
        {"id": "google/gemma-9b:free", "context_length": 8192, "pricing": {"prompt": "0", "completion": "0"}},
        {"id": "openrouter/auto", "context_length": 2000000, "pricing": {"prompt": "-1", "completion": "-1"}},
        {
            "id": "perplexity/sonar",
            "context_length": 127072,
            "pricing": {"prompt": "0.000001", "completion": "0.000001", "request": "0.005"},
        },
        {
            "id": "google/gemini-image",
            "architecture": {"output_modalities": ["image"]},
            "pricing": {"prompt": "0", "completion": "0"},
        },
    ]
}
OPENAI: dict[str, Any] = {
    "object": "list",
    "data": [
        {"id": "gpt-5", "object": "model", "created": 1686935002, "owned_by": "openai"},
        {"id": "one", "object": "model", "created": 1686935002, "owned_by": "tests", "max_model_len": 4096},
    ],
}

Answer = tuple[int, bytes | str | Any]


class ListServer:
    """Answers each GET with `answer(path)`: a status and a body; what is not text or bytes is sent as JSON.

    `paths` and `keys` hold what was asked for, and by whom. `hang` makes it answer nothing until it is closed.
    """

    def __init__(self, body: Any = None, status: int = 200) -> None:
        self.answer: Callable[[str], Answer] = lambda _path: (status, OPENROUTER if body is None else body)
        self.paths: list[str] = []
        self.keys: list[str | None] = []
        self.hang = False
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                told.paths.append(self.path)
                told.keys.append(self.headers.get("Authorization"))
                if told.hang:
                    told._closing.wait(30)
                    return
                status, body = told.answer(self.path)
                sent = body.encode() if isinstance(body, str) else body
                sent = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                try:
                    self.wfile.write(sent)
                except OSError:  # the client has seen enough
                    self.close_connection = True

            def log_message(self, *_arguments: Any) -> None:
                pass

        return Handler

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
