"""`langgraph dev` as a process: this repository's langgraph.json, offline, with models on the loopback behind it."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.commands import own_environ, wait_until
from tests.faults.stage import compares
from tests.model_server import Behaviour, ModelServer, Reply, Request, by_model, says
from tests.ports import free_port

REPOSITORY = Path(__file__).parents[2]
KEYS = ("the-key-of-one-owner", "the-key-of-another-one")
ANSWER = "It opened in 1932."
HANGING = "and take for ever"  # in a question
_PRESET = """
[bridges]
description = "Two models compare notes on bridges"
panel = ["openai:north", "openai:south"]
judge = "openai:judge"
writer = "openai:writer"
tools = []
"""
_STARTING_SECONDS = 90


def _seat(request: Request) -> Reply:
    return Reply(text=f"{request.model}: the cornerstone says 1932.", delay=600.0 if HANGING in request.text else 0.0)


MODELS: Behaviour = by_model({"judge": compares(), "second": compares(), "writer": says(ANSWER), "*": _seat})


@dataclass
class Dev:
    """A LangGraph server that has started."""

    url: str
    models: ModelServer
    db: Path

    def thread(self) -> str:
        """Make a thread."""
        made: str = httpx.post(f"{self.url}/threads", json={}).json()["thread_id"]
        return made

    def asked(self, words: str) -> Counter[str]:
        """Return how often each model was asked about a question that contains these words."""
        return Counter(entry.model for entry in self.models.log if words in entry.text)


@contextmanager
def started(folder: Path, *keys: str) -> Iterator[Dev]:
    """Start a server that keeps all it has in `folder`; with `keys` it has owners."""
    # The server keeps its state where it is started, which is not to be this repository.
    for name in ("langgraph.json", "fusion_graph"):
        (folder / name).symlink_to(REPOSITORY / name)
    with ModelServer(MODELS) as models:
        own = {"FUSION_API_KEYS": ",".join(keys), "LANGSMITH_TRACING": "false", "OPENAI_API_KEY": "of-the-operator"}
        own["FUSION_DB"] = str(folder / "routes.db")
        environ = {n: v for n, v in own_environ(folder, models.url).items() if not n.startswith("LANG")} | own
        (folder / "home").mkdir()
        (folder / "home" / "presets.toml").write_text(_PRESET)
        port, log = free_port(), folder / "log"
        server = _start(folder, port, environ, log)
        try:
            wait_until(lambda: _is_up(port) or server.poll() is not None, within=_STARTING_SECONDS)
            if server.poll() is not None:
                pytest.fail(f"langgraph dev did not start:\n{log.read_text()[-3000:]}")
            yield Dev(f"http://127.0.0.1:{port}", models, Path(own["FUSION_DB"]))
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _start(folder: Path, port: int, environ: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    command: list[Any] = [Path(sys.executable).parent / "langgraph", "dev", "--no-browser", "--no-reload"]
    command += ["--n-jobs-per-worker", "4", "--port", str(port)]
    with log.open("w") as output:
        return subprocess.Popen(command, cwd=folder, env=environ, stdout=output, stderr=output, start_new_session=True)


def _is_up(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ok", timeout=5).is_success
    except httpx.HTTPError:
        return False
