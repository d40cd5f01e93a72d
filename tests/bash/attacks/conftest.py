import os
from collections.abc import Iterator

import pytest

from tests.bash.attacks.ordinary import Ordinary
from tests.bash.attacks.stage import World
from tests.system import required


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The stage for the user who runs the tests."""
    required("bwrap", "bubblewrap")
    world = World()
    yield world
    world.close()


@pytest.fixture(scope="session")
def ordinary() -> Iterator[Ordinary]:
    """The stage for an ordinary user."""
    required("bwrap", "bubblewrap")
    if os.geteuid() != 0:
        pytest.skip("this is an ordinary user already")
    with Ordinary() as ordinary:
        yield ordinary
