"""The page without a mouse: in the order of its parts, the focus always seen."""

import pytest
from playwright.sync_api import expect

from tests.chatroom.conftest import Serve, Visit
from tests.chatroom.room import Room
from tests.chatroom.states import STATES
from tests.chatroom.watching import script


def stops(room: Room) -> list[dict[str, object]]:
    """Return where the Tab key leads, from the page's beginning to its end."""
    room.page.evaluate("document.activeElement.blur()")
    room.page.evaluate("getSelection().removeAllRanges()")
    room.page.mouse.click(1, 1)
    found: list[dict[str, object]] = []
    for _ in range(150):
        room.press("Tab")
        stop = room.page.evaluate(script("tab_stop"))
        if stop is None or (found and stop["place"] <= found[0]["place"]):
            return found
        found.append(stop)
    raise AssertionError("the Tab key never leaves the page")


@pytest.mark.parametrize(
    "state", ["first_visit", "panel_editor", "running", "citation_target", "side_by_side", "history"]
)
def test_the_tab_key_goes_through_the_page_in_its_order_and_is_seen(serve: Serve, visit: Visit, state: str) -> None:
    room = STATES[state](serve, visit)

    found = stops(room)

    places = [stop["place"] for stop in found]
    assert len(found) > 4
    assert places == sorted(places)  # type: ignore[type-var]
    assert [stop["what"] for stop in found if not stop["isMarked"]] == []
    assert [stop["what"] for stop in found if not stop["isInView"]] == []


def test_the_first_stop_skips_to_the_content(room: Room) -> None:
    room.go("/runs")
    expect(room.page.get_by_text("Nothing has been asked yet.")).to_be_visible()
    room.press("Tab")
    assert room.focused == "Skip to the content"

    room.press("Enter")

    assert room.page.evaluate("document.activeElement.id") == "main"


def test_who_skips_to_the_content_keeps_what_was_typed(room: Room) -> None:
    room.question.fill("Half a question")
    room.link("Skip to the content").focus()

    room.press("Enter")

    assert room.page.evaluate("document.activeElement.id") == "main"
    expect(room.question).to_have_value("Half a question")


def test_no_letter_is_a_shortcut(serve: Serve, visit: Visit) -> None:
    room = STATES["finished"](serve, visit)
    # With what redoing and asking on would cost, the last to come.
    expect(room.page.get_by_role("button", name="Compare again ·")).to_be_visible()
    expect(room.page.locator("main")).to_contain_text("No price is known of north")
    before = room.page.locator("main").inner_html()
    room.title.focus()

    for letter in "abcdefghijklmnopqrstuvwxyz/?":
        room.press(letter)

    assert room.page.locator("main").inner_html() == before
