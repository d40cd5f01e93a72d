"""Every screen and state, as all kinds of readers have it: with axe-core, narrow, enlarged, from right to left, in pictures."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.chatroom.conftest import PHONE, WIDE, servers, visits
from tests.chatroom.room import Room
from tests.chatroom.states import STATES
from tests.chatroom.watching import assert_accessible, overflow, script, shoot

WIDTHS = (320, 390, 768, 1280, 1920)
SIGNS = "▸▾▶▼◉○●✓"


@pytest.fixture(scope="module", params=STATES)
def state(
    request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Room]]:
    """A state of the page, by its name: one for all tests that look at it."""
    with servers(tmp_path_factory.mktemp(request.param)) as serve, visits(browser) as visit:
        yield request.param, STATES[request.param](serve, visit)


@pytest.fixture
def room(state: tuple[str, Room]) -> Iterator[Room]:
    room = state[1]
    yield room
    room.page.set_viewport_size(WIDE)
    room.page.emulate_media(color_scheme="light", reduced_motion="no-preference", forced_colors="none")
    room.page.evaluate("document.documentElement.removeAttribute('dir')")
    room.page.evaluate("document.documentElement.style.fontSize = ''")


def test_nothing_is_wrong_for_readers_with_other_senses_and_hands(room: Room, state: tuple[str, Room]) -> None:
    assert_accessible(room.page, f"{state[0]}, wide and light")
    room.page.set_viewport_size(PHONE)
    room.page.emulate_media(color_scheme="dark")

    assert_accessible(room.page, f"{state[0]}, narrow and dark")


@pytest.mark.full
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wrong_at_any_width_and_theme(room: Room, state: tuple[str, Room], width: int, scheme: str) -> None:
    room.page.set_viewport_size({"width": width, "height": 900})
    room.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]

    assert_accessible(room.page, f"{state[0]}, {width} px, {scheme}")


def test_nothing_is_wider_than_a_narrow_window(room: Room) -> None:
    found = {}
    for width in WIDTHS:
        room.page.set_viewport_size({"width": width, "height": 800})
        found[width] = (overflow(room.page), room.page.evaluate(script("sticking_out")))

    assert {width: parts for width, (too_wide, parts) in found.items() if too_wide} == {}


def test_text_of_twice_its_size_fits(room: Room) -> None:
    before = text_height(room)
    room.page.evaluate("document.documentElement.style.fontSize = '200%'")

    assert text_height(room) > 1.5 * before
    assert overflow(room.page) == 0, room.page.evaluate(script("sticking_out"))
    assert room.page.evaluate(script("cut_off")) == []


def test_from_right_to_left_it_fits_too(room: Room) -> None:
    room.page.evaluate("document.documentElement.dir = 'rtl'")

    assert overflow(room.page) == 0
    assert_accessible(room.page, "from right to left")


def test_signs_for_the_eye_are_not_read_out(room: Room) -> None:
    assert set(SIGNS) & set(room.page.locator("body").aria_snapshot()) == set()


def test_links_within_the_page_lead_somewhere_and_others_take_nothing_along(room: Room) -> None:
    assert room.page.evaluate(script("lost_links")) == []


def test_nothing_moves_for_who_wants_no_motion(room: Room) -> None:
    room.page.emulate_media(reduced_motion="reduce")

    assert room.page.evaluate("document.getAnimations().length") == 0


def test_pictures_of_it_are_kept(room: Room, state: tuple[str, Room], tmp_path: Path) -> None:
    page = room.page
    for width, scheme in ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert shoot(page, tmp_path, f"{state[0]}-{width}-{scheme}").stat().st_size > 0
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light", forced_colors="active")
    shoot(page, tmp_path, f"{state[0]}-forced-colors")
    page.emulate_media(forced_colors="none")
    page.evaluate("document.documentElement.dir = 'rtl'")
    shoot(page, tmp_path, f"{state[0]}-right-to-left")


def text_height(room: Room) -> float:
    height: float = room.page.evaluate("parseFloat(getComputedStyle(document.querySelector('h1')).fontSize)")
    return height
