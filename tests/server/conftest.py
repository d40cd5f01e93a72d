import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from fusion_graph.deployment import Parts
from fusion_graph.models.scripted import ScriptedModels, ScriptedRequest
from fusion_graph.prompts import wording
from fusion_graph.server.access.keys import Keys
from fusion_graph.server.app import make_app
from fusion_graph.server.config import ServerConfig
from fusion_graph.server.draining import DrainingServer
from tests.commands import Cli, own_environ
from tests.forked import Forked
from tests.graphs import look_up, scripted
from tests.model_server import ModelServer, by_model
from tests.server.restarting import OUTER, Server, started

PANEL: dict[str, Any] = {"id": "fusion", "analysis_models": ["north", "south", "east"], "model": "judge", "tools": []}


@dataclass
class Served:
    """A server on the loopback, and the scripted models behind it."""

    url: str
    models: ScriptedModels
    db: Path
    stop: Callable[[], None]

    def rows(self) -> list[dict[str, Any]]:
        """Return the runs as the database has them."""
        with closing(sqlite3.connect(self.db)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute("SELECT * FROM fusion_runs ORDER BY created_at")]

    def asked(self) -> list[str]:
        """Return which models were asked, in order."""
        return [request.model for request in self.models.requests]

    def chat(self, text: str = "What is the answer?", *, headers: Any = None, **body: Any) -> httpx.Response:
        """Ask fusion under its slug, with a panel of scripted models."""
        return self.post({"messages": [{"role": "user", "content": text}], **body}, headers=headers)

    def streaming(self, text: str = "What is the answer?", **body: Any) -> AbstractContextManager[httpx.Response]:
        """Ask for a stream that the test reads, or leaves."""
        whole = {"model": "fusion", "plugins": [PANEL], "messages": [{"role": "user", "content": text}], "stream": True}
        whole |= body
        return httpx.stream("POST", f"{self.url}/v1/chat/completions", json=whole, timeout=30)

    def post(self, body: dict[str, Any], *, headers: Any = None) -> httpx.Response:
        whole = {"model": "fusion", "plugins": [PANEL], **body}
        return httpx.post(f"{self.url}/v1/chat/completions", json=whole, headers=headers, timeout=30)


Serve = Callable[..., Served]


@contextmanager
def serving(app: Any, drain: float = 0) -> Iterator[str]:
    """Run an app on a port of its own; give its URL. Stopped, it gives its runs `drain` seconds."""
    own = socket.create_server(("127.0.0.1", 0))
    port = own.getsockname()[1]
    server = DrainingServer(app, drain=drain, port=port, log_level="critical")
    thread = threading.Thread(target=server.run, args=([own],))
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
    """What starts servers of the test's own: `serve(keys=[...], limits={"max_runs": 1}, north=script, ...)`."""
    with ExitStack() as open_ones:
        numbers = count()

        def start(
            *,
            keys: Any = (),
            models: Any = ("*",),
            limits: Any = None,
            db: Path | None = None,
            parts: Parts | None = None,
            drain: float = 0,
            **scripts: Any,
        ) -> Served:
            used = scripted(**scripts)
            db = db or tmp_path / f"runs{next(numbers)}.db"
            config = ServerConfig(db, Keys(keys), frozenset(models), **(limits or {}))
            own = open_ones.enter_context(ExitStack())
            parts = parts or Parts.real(load_model=used, tools=[look_up()])
            url = own.enter_context(serving(make_app(config, parts), drain))
            return Served(url, used, db, own.close)

        yield start


@pytest.fixture
def served(serve: Serve) -> Served:
    """A server without keys whose models do well; its writer is the judge's model."""
    return serve(judge=judge_and_writer)


@pytest.fixture
def process(database: str | Path, server: ModelServer, forked: Forked, tmp_path: Path) -> Iterator[Server]:
    """`fusion serve` as a process that can be killed and started again, in front of models that do well."""
    server.settings.behaviour = by_model(OUTER)
    own = {"OPENAI_API_KEY": "k", "FUSION_SERVER_MODELS": "*", "FUSION_DB": str(database)}
    with started(Cli(forked, tmp_path, own_environ(tmp_path, server.url, **own))) as process:
        yield process


def is_judge(request: ScriptedRequest) -> bool:
    return any(wording.JUDGE in str(message.text) for message in request.messages)


def judge_and_writer(request: ScriptedRequest) -> str:
    """Compare as the judge, answer as the writer: on the slug one model does both."""
    if is_judge(request):
        return '{"consensus": [{"point": "both agree", "answers": ["A", "B"], "sources": [1]}]}'
    return "The answer is 1 [1]."
