"""Runs made anew in part: what is paid again, which version it is, and how two differ."""

from playwright.sync_api import expect

from tests.chatroom.conftest import Serve, Visit
from tests.chatroom.states import side_by_side, version


def test_a_version_says_what_is_other_and_what_was_not_paid_again(serve: Serve, visit: Visit) -> None:
    room = version(serve, visit)

    expect(room.versions).to_contain_text("judge second instead of judge")
    expect(room.versions).to_contain_text("3 answers taken over, not paid again. +$0.0800")
    expect(room.versions.get_by_role("link", name="Version 2")).to_have_attribute("aria-current", "page")
    room.versions.get_by_role("link", name="Version 1").click()
    expect(room.versions).to_contain_text("Version 1 of 2")


def test_who_is_asked_anew_and_what_that_costs_is_said_before(serve: Serve, visit: Visit) -> None:
    served = serve()
    room = visit(served).ask().ended()
    before = len(served.asked())
    room.page.get_by_text("With another judge, writer or seat").click()
    room.field("One more seat").fill("east")
    room.press("Tab")

    expect(room.page.get_by_role("status").filter(has_text="seat 4")).to_be_visible()
    assert len(served.asked()) == before


def test_writing_again_asks_the_writer_alone(serve: Serve, visit: Visit) -> None:
    served = serve()
    room = visit(served).ask().ended()
    before = len(served.asked())

    room.redo("Write again").click()

    expect(room.versions).to_contain_text("Version 2 of 2")
    room.ended()
    assert served.asked()[before:] == ["writer"]


def test_two_versions_stand_side_by_side_with_their_differences(serve: Serve, visit: Visit) -> None:
    room = side_by_side(serve, visit)
    second = room.page.get_by_role("region", name="Version 2")

    expect(second.locator("mark").first).to_have_text("It cost 10 million pounds")
    expect(second).to_contain_text("judge second, writer another")
    room.page.get_by_role("checkbox", name="Mark differences").uncheck()
    expect(second.locator("mark").first).to_have_css("border-bottom-width", "0px")
    room.link("Back to the run").click()
    room.ended()


def test_what_a_version_cites_is_found_on_its_own_page(serve: Serve, visit: Visit) -> None:
    room = side_by_side(serve, visit)

    room.page.get_by_role("region", name="Version 1").get_by_role("link", name="[3?]").click()

    room.ended()
    expect(room.versions).to_contain_text("Version 1 of 2")
    expect(room.sources.get_by_role("listitem").filter(has_text="What it cost")).to_be_focused()


def test_versions_stand_under_their_run_in_the_list(serve: Serve, visit: Visit) -> None:
    room = version(serve, visit)

    room.link("Runs").click()

    expect(room.page.get_by_role("listitem")).to_have_count(2)
    expect(room.page.get_by_role("listitem").nth(1)).to_contain_text("Version:")
