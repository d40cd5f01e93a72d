"""The runs there have been."""

import re

from playwright.sync_api import expect

from fusion_graph.models.scripted import ScriptedReply
from tests.chatroom.cast import SOUTH, Gate, bridge, says
from tests.chatroom.conftest import Serve, Visit
from tests.chatroom.room import QUESTION, Room
from tests.chatroom.states import history


def test_each_run_is_told_by_state_question_seats_cost_and_age(serve: Serve, visit: Visit) -> None:
    room = history(serve, visit)
    rows = room.page.get_by_role("listitem")

    expect(rows.filter(has_text=QUESTION).first).to_contain_text("answered")
    expect(rows.filter(has_text=QUESTION).first).to_have_text(re.compile(r"bridge · 3/3 · ≥ \$0\.17 · \d+ s$"))
    expect(rows.filter(has_text="Was this one stopped?")).to_contain_text("stopped")


def test_those_under_way_come_first_and_change_when_they_end(serve: Serve, visit: Visit) -> None:
    gate = Gate()
    room = visit(serve(bridge(south=says(ScriptedReply(SOUTH), gate=gate)))).ask("Still under way?")
    _told(room, "Ended long ago?")
    room.go("/runs")
    first = room.page.get_by_role("listitem").first
    expect(first).to_contain_text("Still under way?")
    expect(first).to_contain_text("running")

    gate.open()

    expect(first).to_contain_text("answered")


def test_it_is_filtered_by_words(serve: Serve, visit: Visit) -> None:
    room = visit(serve())
    for question in ("How long is the bridge?", "How old is the tower?"):
        room.go().ask(question).ended()
    room.go("/runs")
    expect(room.page.get_by_role("listitem")).to_have_count(2)

    room.page.get_by_label("Filter by words of the question").fill("TOWER old")

    expect(room.page.get_by_role("listitem")).to_have_count(1)
    expect(room.page.get_by_role("status").filter(has_text="1 run")).to_have_count(1)
    room.page.get_by_label("Filter by words of the question").fill("canal")
    expect(room.page.get_by_text("No run's question holds canal.")).to_be_visible()


def test_an_empty_list_says_so(serve: Serve, visit: Visit) -> None:
    expect(visit(serve(), "/runs").page.get_by_text("Nothing has been asked yet.")).to_be_visible()


def test_recent_runs_are_on_the_first_screen(serve: Serve, visit: Visit) -> None:
    room = visit(serve()).ask().ended()

    room.link("New").click()

    room.section("Recent").get_by_role("link", name=QUESTION).click()
    room.ended()


def test_older_runs_come_by_the_page(serve: Serve, visit: Visit) -> None:
    room = visit(serve())
    for number in range(53):
        _told(room, f"Question {number}?")
    room.go("/runs")
    expect(room.page.get_by_role("listitem")).to_have_count(50)

    room.button("Older runs").click()

    expect(room.page.get_by_role("listitem")).to_have_count(53)
    expect(room.button("Older runs")).to_be_hidden()


def _told(room: Room, question: str) -> None:
    """Ask the writer alone, through the page's own connection."""
    body = {"model": "writer", "input": question}
    room.page.request.post(f"{room.url}/v1/responses", data=body)
