from pathlib import Path

import pytest

from tests.commands import own_environ
from tests.model_server import ModelServer


@pytest.fixture
def environ(server: ModelServer, tmp_path: Path) -> dict[str, str]:
    """The environment of a `fusion` command with a home, models and pages of its own."""
    return own_environ(tmp_path, server.url)
