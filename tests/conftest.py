import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import own_environ
from tests.forked import Forked
from tests.killable import Killable
from tests.model_server import ModelServer
from tests.postgres import database, postgres, postgres_url  # noqa: F401  (fixtures)

# Before anything imports LangGraph: checkpoints load plain data only.
os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"
os.environ["LANGSMITH_TRACING"] = "false"

_OURS = ("FUSION_", "OPENAI_", "OPENROUTER_", "ANTHROPIC_", "GOOGLE_")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep the machine's settings, keys and runs out of every test."""
    for name in [name for name in os.environ if name.startswith(_OURS)]:
        monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("FUSION_HOME", str(home))
    monkeypatch.setenv("FUSION_SEARCH", "none")
    return home


@pytest.fixture
def server() -> Iterator[ModelServer]:
    """A model server on loopback; set its `settings.behaviour`."""
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="module")
def forked() -> Iterator[Forked]:
    """What starts the `fusion` command without an import each time."""
    with Forked() as forked:
        yield forked


@pytest.fixture
def killable(server: ModelServer, tmp_path: Path) -> Iterator[Killable]:
    """What runs fusion in processes that are killed at a write."""
    with Killable(own_environ(tmp_path, server.url)) as killable:
        yield killable
