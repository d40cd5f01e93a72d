import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from fusion_graph.deployment import Parts
from fusion_graph.models.scripted import ScriptedModels, ScriptedRequest
from fusion_graph.prompts import wording
from fusion_graph.server.app import make_app
from fusion_graph.server.config import ServerConfig
from fusion_graph.server.keys import Keys
from tests.graphs import look_up, scripted

PANEL: dict[str, Any] = {"id": "fusion", "analysis_models": ["north", "south", "east"], "model": "judge", "tools": []}


@dataclass
class Served:
    """A server on the loopback, and the scripted models behind it."""

    url: str
    models: ScriptedModels
    db: Path

    def asked(self) -> list[str]:
        """Return which models were asked, in order."""
        return [request.model for request in self.models.requests]

    def chat(self, text: str = "What is the answer?", *, headers: Any = None, **body: Any) -> httpx.Response:
        """Ask fusion under its slug, with a panel of scripted models."""
        return self.post({"messages": [{"role": "user", "content": text}], **body}, headers=headers)

    def post(self, body: dict[str, Any], *, headers: Any = None) -> httpx.Response:
        whole = {"model": "fusion", "plugins": [PANEL], **body}
        return httpx.post(f"{self.url}/v1/chat/completions", json=whole, headers=headers, timeout=30)


Serve = Callable[..., Served]


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Run an app on a port of its own; give its URL."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """What starts servers of the test's own: `serve(keys=[...], max_runs=1, north=script, ...)`."""
    open_ones: list[Any] = []

    def start(*, keys: Any = (), max_runs: int = 8, models: Any = ("*",), **scripts: Any) -> Served:
        used = scripted(**scripts)
        db = tmp_path / f"runs{len(open_ones)}.db"
        config = ServerConfig(db, Keys(keys), frozenset(models), max_runs=max_runs)
        running = serving(make_app(config, Parts.real(load_model=used, tools=[look_up()])))
        open_ones.append(running)
        return Served(running.__enter__(), used, db)

    yield start
    for running in reversed(open_ones):
        running.__exit__(None, None, None)


@pytest.fixture
def served(serve: Serve) -> Served:
    """A server without keys whose models do well; its writer is the judge's model."""
    return serve(judge=judge_and_writer)


def is_judge(request: ScriptedRequest) -> bool:
    return any(wording.JUDGE in str(message.text) for message in request.messages)


def judge_and_writer(request: ScriptedRequest) -> str:
    """Compare as the judge, answer as the writer: on the slug one model does both."""
    if is_judge(request):
        return '{"consensus": [{"point": "both agree", "answers": ["A", "B"], "sources": [1]}]}'
    return "The answer is 1 [1]."
