import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.corpus import write_corpus
from tests.forked import Forked
from tests.model_server import ModelServer

# What says how to draw, or belongs to the machine the tests run on.
_OTHERS = ("FUSION_", "OPEN", "COLUMNS", "LINES", "CI", "NO_COLOR", "FORCE_COLOR", "TTY_", "COLORTERM")


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="module")
def forked() -> Iterator[Forked]:
    with Forked() as forked:
        yield forked


@pytest.fixture
def environ(server: ModelServer, tmp_path: Path) -> dict[str, str]:
    """The environment of a `fusion` command with a home, models and pages of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}
    return {
        **kept,
        "OPENAI_BASE_URL": server.url,
        "FUSION_HOME": str(tmp_path / "home"),
        "FUSION_SEARCH": f"local:{write_corpus(tmp_path / 'pages')}",
    }
