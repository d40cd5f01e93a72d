from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.stage import Stage, open_stage
from tests.forked import Forked


@pytest.fixture
def stage(forked: Forked, tmp_path: Path) -> Iterator[Stage]:
    """A server that clients can be sent to."""
    with open_stage(forked, tmp_path) as stage:
        yield stage
