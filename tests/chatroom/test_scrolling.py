"""Text that comes while somebody reads: it follows who watches its end, and leaves alone who does not."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from fusion_graph.models.scripted import ScriptedReply
from tests.chatroom.cast import Gate, bridge, halting, long_text, says
from tests.chatroom.conftest import PHONE, Serve, Visit
from tests.chatroom.room import Room
from tests.chatroom.watching import script

FLUSHES = 15
FOREVER = 3000  # words that no test waits for the end of


@pytest.fixture
def speaking(serve: Serve, visit: Visit) -> Room:
    """A panel whose first seat speaks all the time."""
    north = says(ScriptedReply(long_text(FOREVER), pause=0.02))
    room = visit(serve(bridge(north=north, south=says("Short.", gate=Gate())))).ask()
    expect(room.text_of(1)).to_contain_text("word1-150 ")
    return room


def top(region: Locator) -> float:
    found: float = region.evaluate("region => region.scrollTop")
    return found


def to_end(region: Locator) -> float:
    """Return how far a region is from its end."""
    found: float = region.evaluate("region => region.scrollHeight - region.scrollTop - region.clientHeight")
    return found


def wait_for_flushes(region: Locator, number: int = FLUSHES) -> None:
    """Wait until text has come so many times."""
    region.evaluate(script("flushes"), number)


def test_a_column_follows_its_end(speaking: Room) -> None:
    region = speaking.text_of(1)
    wait_for_flushes(region, 3)

    assert top(region) > 0
    assert to_end(region) <= 1


def test_the_seat_that_is_open_on_a_phone_follows_its_end(serve: Serve, visit: Visit) -> None:
    north = says(ScriptedReply(long_text(FOREVER), pause=0.005))
    room = visit(serve(bridge(north=north, south=says("Short.", gate=Gate()))), viewport=PHONE).ask()
    region = room.text_of(1)
    expect(region).to_contain_text("word1-400 ")

    wait_for_flushes(region, 3)

    assert top(region) > 0
    assert to_end(region) <= 1


def by_wheel(room: Room, region: Locator) -> None:
    region.hover()
    room.page.mouse.wheel(0, -150)


def by_key(room: Room, region: Locator) -> None:
    region.focus()
    room.press("PageUp")


@pytest.mark.parametrize("move", [by_wheel, by_key])
def test_a_column_stays_where_its_reader_moved_it(speaking: Room, move: Callable[[Room, Locator], None]) -> None:
    region = speaking.text_of(1)
    move(speaking, region)
    expect(speaking.seat(1, "north").get_by_role("button", name="Latest")).to_be_visible()
    wait_for_flushes(region, 5)  # a smooth movement has come to its end
    before = top(region)

    wait_for_flushes(region)

    assert abs(top(region) - before) <= 1
    assert to_end(region) > 32


def test_a_column_follows_again_from_its_end_on(speaking: Room) -> None:
    region = speaking.text_of(1)
    by_wheel(speaking, region)
    latest = speaking.seat(1, "north").get_by_role("button", name="Latest")

    latest.click()

    expect(latest).to_be_hidden()
    wait_for_flushes(region, 3)
    assert to_end(region) <= 1


def test_what_is_selected_stays_selected(speaking: Room) -> None:
    region = speaking.text_of(1)
    region.evaluate(script("select_start"))
    selected, before = speaking.page.evaluate("getSelection().toString()"), top(region)

    wait_for_flushes(region, 50)

    assert selected
    assert speaking.page.evaluate("getSelection().toString()") == selected
    assert abs(top(region) - before) <= 1


def test_the_page_stays_where_its_reader_is_while_the_answer_grows(serve: Serve, visit: Visit) -> None:
    writer = says(ScriptedReply(long_text(FOREVER), pause=0.005))
    room = visit(serve(bridge(writer=writer)), viewport={"width": 1280, "height": 600}).ask()
    expect(room.answer).to_contain_text("word1-300 ")
    room.panel.scroll_into_view_if_needed()
    room.page.mouse.wheel(0, 300)
    wait_for_flushes(room.answer, 5)
    before = _place(room.panel)

    wait_for_flushes(room.answer)

    assert abs(_place(room.panel) - before) <= 1
    assert before < 600


def test_the_page_never_scrolls_by_itself(serve: Serve, visit: Visit) -> None:
    writer = says(ScriptedReply(long_text(FOREVER), pause=0.005))
    room = visit(serve(bridge(writer=writer)), viewport={"width": 1280, "height": 600}).ask()

    expect(room.answer).to_contain_text("word1-600 ")

    assert room.page.evaluate("scrollY") == 0


def test_who_reads_elsewhere_is_told_of_the_answer_and_taken_there(serve: Serve, visit: Visit) -> None:
    gate = Gate()
    presets = '[bridge]\npanel = ["north", "south", "east"]\njudge = "judge"\nwriter = "writer"\ntools = []\n'
    north = says(ScriptedReply(long_text(1500)))
    writer = says(halting("It opened", Gate(), " in 1932."), gate=gate)
    room = visit(
        serve(bridge(north=north, writer=writer), presets=presets), viewport={"width": 390, "height": 320}
    ).ask()
    expect(room.answer).to_contain_text("Waits for the writer.")
    room.page.evaluate("scrollTo(0, document.body.scrollHeight)")

    gate.open()

    pill = room.button("The answer is being written")
    pill.click()
    expect(room.page.get_by_role("heading", name="Answer", exact=True)).to_be_focused()
    expect(room.answer.get_by_text("It opened")).to_be_in_viewport()
    expect(pill).to_be_hidden()


def _place(part: Locator) -> float:
    found: float = part.evaluate("part => part.getBoundingClientRect().top")
    return found
