"""A server with API keys: the page asks for one, keeps it as long as its owner wants, and shows nobody another's runs."""

import pytest
from playwright.sync_api import expect

from tests.chatroom.conftest import Serve, Visit
from tests.chatroom.room import Room
from tests.chatroom.states import KEY, sign_in
from tests.server.conftest import Served

OTHER = "another-key-of-sixteen-characters"


@pytest.fixture
def guarded(serve: Serve) -> Served:
    return serve(keys=[KEY, OTHER])


def signed_in(visit: Visit, served: Served, key: str = KEY, *, keep: bool = False) -> Room:
    room = visit(served)
    room.faults.expect("status of 401")
    room.page.get_by_label("API key").fill(key)
    if keep:
        room.page.get_by_role("checkbox", name="Keep it on this device").check()
    room.button("Sign in").click()
    expect(room.title).to_have_text("Ask a panel")
    return room


def test_who_has_no_key_is_asked_for_one_before_anything_is_typed(serve: Serve, visit: Visit) -> None:
    room = sign_in(serve, visit)

    expect(room.page.get_by_label("API key")).to_be_focused()
    expect(room.page.get_by_label("API key")).to_have_attribute("type", "password")


def test_a_wrong_key_is_told_so_and_forgotten(guarded: Served, visit: Visit) -> None:
    room = visit(guarded)
    room.faults.expect("status of 401")
    room.page.get_by_label("API key").fill("not-a-key-of-this-server")
    room.press("Enter")

    expect(room.page.get_by_text("This server does not know that key.")).to_be_visible()
    expect(room.page.get_by_label("API key")).to_be_focused()
    expect(room.button("Sign out")).to_be_hidden()


@pytest.mark.parametrize("typed", [f"  {KEY}\n", f"\u200b{KEY}\ufeff", f"{KEY[:5]}\u2060{KEY[5:]}\u00a0"])
def test_what_is_copied_along_with_a_key_and_not_seen_is_no_part_of_it(
    guarded: Served, visit: Visit, typed: str
) -> None:
    signed_in(visit, guarded, typed)


def test_what_no_key_can_be_is_told_and_may_be_mended(guarded: Served, visit: Visit) -> None:
    room = visit(guarded)
    room.faults.expect("status of 401")
    field = room.page.get_by_label("API key")
    field.fill(f"{KEY}☃")
    room.press("Enter")

    expect(room.page.get_by_role("alert").filter(has_text="No key has a character like “☃”.")).to_be_visible()
    expect(field).to_be_focused()
    expect(field).to_have_value(f"{KEY}☃")
    field.fill(KEY)
    room.press("Enter")
    expect(room.title).to_have_text("Ask a panel")


def test_with_a_key_one_asks_and_reloads(guarded: Served, visit: Visit) -> None:
    room = signed_in(visit, guarded).ask().ended()

    room.page.reload()

    room.ended()
    assert KEY not in room.page.url


def test_a_key_is_kept_for_the_tab_unless_its_owner_wants_more(guarded: Served, visit: Visit) -> None:
    for keep, heading in ((False, "Sign in"), (True, "Ask a panel")):
        room = signed_in(visit, guarded, keep=keep)
        expect(room.another_tab().title).to_have_text(heading)


def test_who_signs_out_is_asked_again(guarded: Served, visit: Visit) -> None:
    room = signed_in(visit, guarded, keep=True)

    room.button("Sign out").click()

    expect(room.title).to_have_text("Sign in")
    assert room.page.evaluate("JSON.stringify([localStorage, sessionStorage])").count(KEY) == 0


def left(room: Room) -> None:
    """Sign out of a run, and go back to it."""
    room.button("Sign out").click()
    expect(room.title).to_have_text("Sign in")
    room.page.go_back(wait_until="commit")
    expect(room.title).to_have_text("Sign in")
    expect(room.page.get_by_text("Is this mine?")).to_have_count(0)
    expect(room.button("Sign out")).to_be_hidden()


def test_who_goes_back_after_signing_out_sees_no_run(guarded: Served, visit: Visit) -> None:
    room = signed_in(visit, guarded).ask("Is this mine?").ended()

    left(room)

    kept = "fetch(`/v1/responses/${location.pathname.split('/')[2]}/details`, {cache: 'only-if-cached', mode: 'same-origin'})"
    assert room.page.evaluate(f"{kept}.then((found) => found.status, () => 0)") in {0, 504}
    room.faults.expect("status of 504|ERR_CACHE_MISS")


def test_a_page_that_comes_back_as_it_was_left_shows_its_next_reader_nothing(guarded: Served, visit: Visit) -> None:
    room = signed_in(visit, guarded).ask("Is this mine?").ended()

    room.page.evaluate("sessionStorage.clear(); dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")

    expect(room.title).to_have_text("Sign in")
    expect(room.page.get_by_text("Is this mine?")).to_have_count(0)


def test_nobody_sees_the_runs_of_another(guarded: Served, visit: Visit) -> None:
    mine = signed_in(visit, guarded).ask("Is this mine?").ended()
    other = signed_in(visit, guarded, OTHER)
    other.faults.expect("status of 404")

    other.go("/runs")
    expect(other.page.get_by_text("Nothing has been asked yet.")).to_be_visible()
    other.go(f"/runs/{mine.run_id}")
    expect(other.title).to_have_text("There is no such run")
