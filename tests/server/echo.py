"""A provider of models, searches, tools and traces that repeats every secret it is sent, wherever it can."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MARKER = "marker-which-is-no-secret"


class Echo(BaseHTTPRequestHandler):
    """Answers by the model's name: `fine`, `searcher`, `midway`, or the status that it is called by."""

    server: "EchoServer"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path.startswith("/traces"):
            self.server.traces.append(raw)
            self._send(200, {})
            return
        self.server.heard.append(str(self.headers))
        if "/chat/completions" in self.path:
            self._complete(json.loads(raw))
            return
        self._send(401, self._error(401))

    def _said(self) -> str:
        sent = [f"{name}: {value}" for name, value in self.headers.items()]
        keys = [value.rpartition(" ")[2] for value in self.headers.values()]
        return f"{MARKER} {' '.join(keys)} {'; '.join(sent)} {self.path}"

    def _error(self, status: int) -> dict[str, Any]:
        said = f"Incorrect API key provided: {self._said()}"
        return {"error": {"message": said, "type": "invalid_request_error", "code": status, "metadata": {"raw": said}}}

    def _complete(self, body: dict[str, Any]) -> None:
        name = body["model"]
        if name.isdigit():
            self._send(int(name), self._error(int(name)))
        elif name == "page":
            self._send(502, f"<html><body>{self._said()}</body></html>")
        else:
            self._answer(name, body)

    def _answer(self, name: str, body: dict[str, Any]) -> None:
        delta: dict[str, Any] = {"role": "assistant", "content": f"{MARKER}: the answer is 1."}
        if name == "searcher" and body.get("tools") and body["messages"][-1]["role"] != "tool":
            function = {"name": "web_search", "arguments": '{"query": "answers"}'}
            delta = {
                "role": "assistant",
                "tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}],
            }
        streamed = bool(body.get("stream"))
        choice = {"index": 0, "delta" if streamed else "message": delta, "finish_reason": "stop"}
        head = {
            "id": "x",
            "created": 1,
            "model": name,
            "object": "chat.completion.chunk" if streamed else "chat.completion",
        }
        if name == "midway":
            first = {**head, "choices": [{**choice, "finish_reason": None}]}
            self._send(
                200, f"data: {json.dumps(first)}\n\ndata: {json.dumps(self._error(500))}\n\n", "text/event-stream"
            )
        elif streamed:
            self._send(
                200, f"data: {json.dumps({**head, 'choices': [choice]})}\n\ndata: [DONE]\n\n", "text/event-stream"
            )
        else:
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            self._send(200, {**head, "choices": [choice], "usage": usage})

    def _send(self, status: int, body: Any, kind: str = "application/json") -> None:
        raw = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(raw)))
        self.send_header("x-echo", self.headers.get("authorization", ""))
        self.send_header("www-authenticate", f"Bearer realm={self.headers.get('authorization', '')!r}")
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- as its base class calls it
        """Say nothing."""


class EchoServer(ThreadingHTTPServer):
    """What was `heard` (headers), and the bodies of `traces`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.heard: list[str] = []
        self.traces: list[bytes] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


@contextmanager
def echoing() -> Iterator[EchoServer]:
    """Run the server."""
    with EchoServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
