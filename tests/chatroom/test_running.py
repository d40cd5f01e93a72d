"""A run under way: what the page shows of it at each moment, and what its reader can do."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from fusion_graph.models.scripted import ScriptedReply
from tests.chatroom.cast import EAST, NORTH, SOUTH, SPAN, Gate, bridge, compares, halting, reads, says
from tests.chatroom.conftest import PHONE, Serve, Visit
from tests.chatroom.room import QUESTION, Room
from tests.chatroom.states import folded, running, stopped, writing
from tests.server.conftest import Served


def test_each_seat_shows_what_it_does(serve: Serve, visit: Visit) -> None:
    room = running(serve, visit)

    expect(room.text_of(1)).to_contain_text("The bridge opened in 1932 [1].")
    expect(room.seat(1, "north").get_by_role("listitem")).to_have_text(
        ["search: bridge span", "read: bridges.example/opening"]
    )
    expect(room.seat(1, "north")).to_contain_text("2/4 tool steps")
    expect(room.seat(2, "south")).to_contain_text("researching")
    expect(room.seat(3, "east")).to_contain_text("waiting: retry 2 of 3 after 429 rate limited")
    expect(room.status).to_contain_text("Panel 0 of 3")
    expect(room.page).to_have_title(f"0/3 · {QUESTION}")


def test_money_is_told_as_it_is_spent_and_a_price_nobody_knows_makes_it_a_lower_bound(
    serve: Serve, visit: Visit
) -> None:
    gate = Gate()
    east = says(ScriptedReply(EAST), gate=gate)
    room = visit(serve(bridge(east=east, judge=compares(Gate())))).ask()
    expect(room.status).to_contain_text("Panel 2 of 3")
    expect(room.status).to_contain_text("$0.13")

    gate.open()

    expect(room.status).to_contain_text("at least $0.13")
    expect(room.seat(3, "east")).to_contain_text("unknown")


def test_the_link_is_there_from_the_first_second_and_reloads_in_mid_run(serve: Serve, visit: Visit) -> None:
    room = running(serve, visit)
    said = room.text_of(1).inner_text()

    room.page.reload()

    expect(room.title).to_have_text(QUESTION)
    expect(room.text_of(1)).to_have_text(said)
    expect(room.seat(2, "south")).to_contain_text("read: engineers.example/span")


def test_another_tab_that_comes_later_sees_the_same(serve: Serve, visit: Visit) -> None:
    room = running(serve, visit)

    other = room.another_tab()

    expect(other.text_of(1)).to_have_text(room.text_of(1).inner_text())


def test_a_reload_with_the_answer_half_written_shows_that_half_once(serve: Serve, visit: Visit) -> None:
    gate = Gate()
    room = visit(serve(bridge(writer=says(halting("The bridge opened ", gate, "in 1932 [1]."))))).ask()
    expect(room.answer).to_contain_text("The bridge opened")

    room.page.reload()
    expect(room.answer.locator(".text")).to_have_text("The bridge opened")
    gate.open()

    room.ended()
    expect(room.answer.locator(".prose")).to_have_text("The bridge opened in 1932 [1].")


def test_the_panel_folds_when_the_comparison_begins(serve: Serve, visit: Visit) -> None:
    room = folded(serve, visit)

    expect(room.text_of(1)).to_be_hidden()
    expect(room.opener(1, "north")).to_have_attribute("aria-expanded", "false")
    expect(room.status).to_contain_text("Panel 3 of 3")
    expect(room.answer).to_contain_text("Waits for the comparison.")


def test_on_a_phone_the_panel_folds_too(serve: Serve, visit: Visit) -> None:
    room = folded(serve, visit, viewport=PHONE)

    for number, model in ((1, "north"), (2, "south"), (3, "east")):
        expect(room.opener(number, model)).to_have_attribute("aria-expanded", "false")


def test_the_panel_stays_as_it_is_for_who_reads_in_it(serve: Serve, visit: Visit) -> None:
    gate = Gate()
    room = visit(serve(bridge(south=reads(SPAN, SOUTH, gate=gate), judge=compares(Gate())))).ask()
    expect(room.text_of(1)).to_contain_text("1932")
    room.text_of(1).click()

    gate.open()

    expect(room.comparison).to_contain_text("judge compares 3 answers")
    expect(room.text_of(1)).to_be_visible()
    expect(room.text_of(2)).to_be_visible()


def test_the_answer_is_written_where_it_will_stand(serve: Serve, visit: Visit) -> None:
    room = writing(serve, visit)
    order = room.page.locator("main h2").all_inner_texts()

    assert [heading for heading in order if heading] == ["Answer", "Comparison", "Panel", "Sources", "Cost"]
    expect(room.answer.locator("[aria-busy=true]")).to_have_count(1)
    expect(room.page).to_have_title(f"Writing · {QUESTION}")


def test_a_seat_is_opened_while_it_speaks(serve: Serve, visit: Visit) -> None:
    gate = Gate()
    room = visit(serve(bridge(north=says(halting("One. ", gate, "Two."))))).ask()
    expect(room.text_of(1)).to_contain_text("One.")

    room.opener(1, "north").click()
    gate.open()

    expect(room.text_of(1)).to_contain_text("Two.")
    expect(room.opener(1, "north")).to_have_attribute("aria-expanded", "true")


def test_stop_keeps_what_is_there_and_continue_pays_only_the_rest(serve: Serve, visit: Visit) -> None:
    gate = Gate()
    served = serve(bridge(south=reads(SPAN, SOUTH, gate=gate)))
    room = visit(served).ask()
    expect(room.status).to_contain_text("Panel 2 of 3")

    room.button("Stop").click()
    room.ended("Stopped")
    expect(room.status).to_contain_text("2 of 3 answers are kept")
    before = served.asked().count("north")
    gate.open()
    room.button("Continue").click()

    room.ended()
    assert served.asked().count("north") == before
    expect(room.answer).to_contain_text("1932")


@pytest.fixture
def elsewhere(serve: Serve, visit: Visit) -> Iterator[tuple[Room, Gate, Served]]:
    """The page of a second server on a run that a first one has under way, what its last seat waits for, and that server."""
    gate = Gate()
    served = serve(bridge(south=reads(SPAN, SOUTH, gate=gate)))
    run_id = visit(served).ask().run_id
    yield visit(serve(db=served.db), f"/runs/{run_id}"), gate, served
    gate.open()


def test_a_run_that_another_server_is_at_work_on_is_shown_as_it_goes_on(elsewhere: tuple[Room, Gate, Served]) -> None:
    room, gate, _ = elsewhere
    expect(room.status).to_contain_text("Panel 2 of 3")

    gate.open()

    room.ended()
    expect(room.answer).to_contain_text("1932")


def test_a_run_that_another_server_is_at_work_on_is_stopped_from_the_page(
    elsewhere: tuple[Room, Gate, Served],
) -> None:
    room, _, served = elsewhere
    expect(room.status).to_contain_text("Panel 2 of 3")

    room.button("Stop").click()

    room.ended("Stopped")
    expect(room.status).to_contain_text("2 of 3 answers are kept")
    assert [row["status"] for row in served.rows()] == ["cancelled"]


def test_a_panel_of_another_server_is_told_to_answer_now_from_the_page(elsewhere: tuple[Room, Gate, Served]) -> None:
    room, _, _ = elsewhere
    expect(room.status).to_contain_text("Panel 2 of 3")

    room.button("Answer now").click()
    room.button("Cut the rest now").click()

    room.ended("Degraded answer")
    expect(room.status).to_contain_text("Seat 2 (south) failed: cut, because you asked for the answer.")


def test_escape_never_stops_a_run(serve: Serve, visit: Visit) -> None:
    room = running(serve, visit)
    room.opener(1, "north").click()

    room.press("Escape", "Escape", "Escape")

    expect(room.opener(1, "north")).to_be_focused()
    expect(room.opener(1, "north")).to_have_attribute("aria-expanded", "false")
    expect(room.button("Stop")).to_be_visible()
    expect(room.seat(1, "north")).to_contain_text("answering")


def test_answer_now_takes_what_is_there_and_a_second_press_cuts_the_rest(serve: Serve, visit: Visit) -> None:
    north = says(halting("The bridge opened in 1932. ", Gate(), "More."))
    room = visit(serve(bridge(north=north))).ask()
    expect(room.status).to_contain_text("Panel 2 of 3")
    expect(room.text_of(1)).to_contain_text("opened in 1932")

    room.button("Answer now").click()
    room.button("Cut the rest now").click()

    room.ended("Degraded answer")
    expect(room.seat(1, "north")).to_contain_text("stopped")
    expect(room.status).to_contain_text("you asked for the answer")


def test_what_was_stopped_is_stopped_for_who_comes_later(serve: Serve, visit: Visit) -> None:
    room = stopped(serve, visit)

    room.page.reload()

    room.ended("Stopped")
    expect(room.button("Continue")).to_be_visible()
    expect(room.seat(2, "south")).to_contain_text("no answer yet")


def test_on_a_phone_one_seat_is_open_and_the_bar_stays_in_view(serve: Serve, visit: Visit) -> None:
    room = running(serve, visit, viewport=PHONE)

    expect(room.text_of(1)).to_be_visible()
    expect(room.text_of(2)).to_be_hidden()
    expect(room.button("Stop")).to_be_in_viewport()
    room.opener(2, "south").click()
    expect(room.text_of(1)).to_be_hidden()
    expect(room.text_of(2)).to_be_visible()
    expect(room.button("Stop")).to_be_in_viewport()


def test_thoughts_are_behind_a_word(serve: Serve, visit: Visit) -> None:
    thinker = says(ScriptedReply(NORTH, reasoning="Let me think of bridges."), gate=None)
    room = visit(serve(bridge(north=thinker, south=reads(SPAN, SOUTH, gate=Gate())))).ask()
    seat = room.seat(1, "north")

    expect(seat.get_by_text("Let me think of bridges.")).to_be_hidden()
    seat.get_by_text(re.compile(r"^thinking \d")).click()
    expect(seat.get_by_text("Let me think of bridges.")).to_be_visible()
