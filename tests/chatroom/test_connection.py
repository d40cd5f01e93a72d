"""A server that goes away in mid-run and comes back: the reader is told, and nothing is lost, shown or paid twice."""

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.chatroom.conftest import visits
from tests.chatroom.room import QUESTION, Room
from tests.commands import Cli, own_environ
from tests.forked import Forked
from tests.model_server import ModelServer, altered, by_model, judge, panelist, writer
from tests.server.restarting import Server, started

PRESETS = """
[three]
panel = ["openai:one", "openai:two", "openai:three"]
judge = "openai:judge"
writer = "openai:writer"
"""
WELL: dict[str, Any] = {
    "judge": judge(), "one": panelist(), "two": panelist(), "three": panelist(), "writer": writer(),
}  # fmt: skip
AWAY = "ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE"


@pytest.fixture
def process(server: ModelServer, forked: Forked, tmp_path: Path) -> Iterator[Server]:
    server.settings.behaviour = by_model(WELL)
    environ = own_environ(tmp_path, server.url, OPENAI_API_KEY="k", FUSION_PRESET="three")
    home = Path(environ["FUSION_HOME"])
    home.mkdir()
    (home / "presets.toml").write_text(PRESETS, encoding="utf-8")
    with started(Cli(forked, tmp_path, environ)) as process:
        yield process


@pytest.fixture
def room(process: Server, browser: Browser) -> Iterator[Room]:
    with visits(browser) as visit:
        room: Room = visit(process)
        room.faults.expect(AWAY)
        yield room


def asked(server: ModelServer) -> Counter[str]:
    """Return how often each model has been asked."""
    return Counter(entry.model for entry in server.log)


@pytest.mark.parametrize("killed", [signal.SIGKILL, signal.SIGTERM])
def test_an_answer_cut_off_in_its_middle_is_there_once_and_whole(
    room: Room, process: Server, server: ModelServer, killed: signal.Signals
) -> None:
    slow = altered(writer(), chunk_size=4, chunk_delay=0.02, hang_after_chunks=9, hang=60.0)
    server.settings.behaviour = by_model({**WELL, "writer": slow})
    room.ask()
    expect(room.answer.locator(".text")).not_to_be_empty()
    seats = asked(server)["one"]
    server.settings.behaviour = by_model(WELL)

    process.end(killed)
    expect(room.page.get_by_text("Connection lost, the run goes on. Reconnecting…")).to_be_visible()
    process.start()

    room.ended()
    expect(room.page.get_by_text("Connection lost")).to_have_count(0)
    shown = room.answer.locator(".prose").inner_text()
    stored = room.page.evaluate(
        "id => fetch(`/v1/responses/${id}`).then((found) => found.json()).then((found) => found.output.at(-1).content[0].text)",
        room.run_id,
    )
    assert _words(shown) == _words(stored)
    assert asked(server)["one"] == seats
    expect(room.title).to_have_text(QUESTION)


def test_seats_at_work_go_on_where_they_were_and_say_nothing_twice(
    room: Room, process: Server, server: ModelServer
) -> None:
    slow = altered(panelist(), chunk_size=4, chunk_delay=0.02, hang_after_chunks=6, hang=60.0)
    server.settings.behaviour = by_model({**WELL, "two": slow})
    room.ask()
    expect(room.status).to_contain_text("Panel 2 of 3")
    before = room.text_of(1).inner_text()
    server.settings.behaviour = by_model(WELL)

    process.end()
    process.start()

    expect(room.text_of(1)).to_have_count(1)
    room.ended()
    room.opener(1, "openai:one").click()
    assert _words(room.text_of(1).inner_text()) == _words(before)


def test_a_run_whose_server_is_gone_is_found_again_after_a_reload(
    room: Room, process: Server, server: ModelServer
) -> None:
    server.settings.behaviour = by_model({**WELL, "two": altered(panelist(), hang=60.0)})
    room.ask()
    expect(room.status).to_contain_text("Panel 2 of 3")
    server.settings.behaviour = by_model(WELL)

    process.end()
    process.start()
    room.page.reload()

    room.ended()


def test_a_run_begun_on_the_command_line_is_on_the_page(room: Room, process: Server) -> None:
    done = process.cli("ask", "Asked on the command line?", "--json")
    assert done.returncode == 0, done.stderr

    room.go("/runs")
    room.link("Asked on the command line?").click()

    room.ended()
    expect(room.panel.get_by_role("button", expanded=False)).to_have_count(3)


def _words(text: str) -> str:
    """Return a text without marks of citations, Markdown and white space: what both renderings share."""
    return "".join(each for each in text if each.isalnum())
