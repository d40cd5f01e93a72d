import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import BaseTool
from playwright.sync_api import Browser, ViewportSize, expect, sync_playwright

from fusion_graph.deployment import Parts
from fusion_graph.server.access.keys import Keys
from fusion_graph.server.app import make_app
from fusion_graph.server.config import ServerConfig
from tests.chatroom.cast import Cast, bridge
from tests.chatroom.room import Room
from tests.chatroom.watching import Faults
from tests.corpus import write_corpus
from tests.server.conftest import Served, serving
from tests.system import lacking

PRESETS = """
[bridge]
description = "Three scripted models over a folder of pages"
panel = ["north", "south", "east"]
judge = "judge"
writer = "writer"
"""
WIDE: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}

Serve = Callable[..., Served]
Visit = Callable[..., Room]

PATIENCE = 15_000  # ms that the page may take to come to a state

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is; the variable CHROMIUM names another."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    return found or lacking("chromium is not here: apt-get install chromium")


@pytest.fixture(scope="module")  # not longer: while its loop is up no asynchronous test can run
def browser(chromium: str) -> Iterator[Browser]:
    """A browser for the tests of a module."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=arguments) as launched,
    ):
        yield launched


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """What starts servers of the test's own, with models of its own: `serve(bridge(north=...), keys=[...])`."""
    with servers(tmp_path) as start:
        yield start


@pytest.fixture
def visit(serve: Serve, browser: Browser) -> Iterator[Visit]:
    """What opens tabs, each of a user of its own: `visit(served, "/runs", color_scheme="dark")`."""
    with visits(browser) as open_tab:
        yield open_tab


@pytest.fixture
def room(serve: Serve, visit: Visit) -> Room:
    """The first screen of a server whose models do well."""
    return visit(serve())


@contextmanager
def servers(folder: Path) -> Iterator[Serve]:
    """Give what starts servers with homes in a folder; they end with it."""
    numbers = count()
    with ExitStack() as running:

        def start(models: Cast | None = None, **setup: Any) -> Served:
            return running.enter_context(serving_room(folder / f"home{next(numbers)}", models, **setup))

        yield start


@contextmanager
def serving_room(
    home: Path,
    models: Cast | None = None,
    *,
    presets: str = PRESETS,
    keys: Sequence[str] = (),
    tools: Sequence[BaseTool] = (),
    pages: Mapping[str, str] | None = None,
    db: Path | None = None,
    **environ: str,
) -> Iterator[Served]:
    """Run a server with a home, presets and pages of its own. `db`: with another's database."""
    home.mkdir(parents=True)
    (home / "presets.toml").write_text(presets, encoding="utf-8")
    corpus = write_corpus(home / "pages")
    for name, text in (pages or {}).items():
        (corpus / name).write_text(text, encoding="utf-8")
    usual = {"FUSION_HOME": str(home), "FUSION_SEARCH": f"local:{corpus}", "FUSION_PRESET": "bridge"}
    played = models or bridge()
    runs = db or home / "runs.db"
    config = ServerConfig(runs, Keys(keys), frozenset(played.names), environ=usual | environ)
    parts = Parts.real(load_model=played, tools=tools, environ=usual | environ)
    with serving(make_app(config, parts)) as url:
        yield Served(url, played, runs, lambda: None)


@contextmanager
def visits(browser: Browser) -> Iterator[Visit]:
    """Give what opens tabs; at the end nothing may have happened in them that must not."""
    seen: list[Faults] = []
    with ExitStack() as tabs:

        def open_tab(served: Served, path: str = "/", **options: Any) -> Room:
            context = browser.new_context(**{"viewport": WIDE, **options})
            context.set_default_timeout(PATIENCE)
            tabs.callback(context.close)
            faults = Faults(served.url)
            seen.append(faults)
            faults.watch(context)
            return Room(context.new_page(), served.url, faults).go(path)

        yield open_tab
    unexpected = [fault for faults in seen for fault in faults.unexpected]
    assert not unexpected, "\n".join(unexpected)
