from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.graphs import look_up, scripted
from tests.server.conftest import Served, judge_and_writer
from tests.server.contract.asking import running
from tests.server.contract.inner import write_pages
from tests.server.contract.witness import WitnessOfClaims


def pytest_configure(config: pytest.Config) -> None:
    """Watch every claiming test: those beside this folder are not under this file."""
    if not config.pluginmanager.has_plugin("witness_of_claims"):
        config.pluginmanager.register(WitnessOfClaims(), "witness_of_claims")


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    environ = {"FUSION_HOME": str(home), "FUSION_SEARCH": "none"}
    with running(scripted(judge=judge_and_writer), home / "runs.db", tools=[look_up()], environ=environ) as served:
        yield served


@pytest.fixture
def served(lasting: Served) -> Served:
    """A server without keys whose models do well, one for all tests of a module: they are many, and change nothing."""
    lasting.models.requests.clear()
    return lasting


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pages(tmp_path_factory.mktemp("web") / "pages")


@pytest.fixture
def web(pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The panel's tools search and read a folder of pages."""
    monkeypatch.setenv("FUSION_SEARCH", f"local:{pages}")


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"
