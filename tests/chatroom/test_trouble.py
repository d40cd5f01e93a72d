"""Runs that come short or come to nothing: said first, with the reason and what can be done."""

from playwright.sync_api import expect

from fusion_graph.models.scripted import ScriptedError, ScriptedReply, ScriptedRequest
from tests.chatroom.cast import SOUTH, bridge, fails, says
from tests.chatroom.conftest import Serve, Visit
from tests.chatroom.states import degraded, no_answer


def test_an_answer_that_came_short_says_so_above_it_and_keeps_its_place(serve: Serve, visit: Visit) -> None:
    room = degraded(serve, visit)

    expect(room.status).to_contain_text("Seat 2 (south) failed: No such key")
    expect(room.comparison).to_contain_text("No comparison: judge not valid json.")
    expect(room.status).not_to_contain_text("judge_not_valid_json")
    expect(room.answer).to_contain_text("opened in 1932")
    expect(room.status).to_contain_text("at least $")
    failed = room.seat(2, "south")
    expect(failed).to_contain_text("failed: 401")


def test_a_failed_seat_is_asked_again_and_nobody_else(serve: Serve, visit: Visit) -> None:
    answers = iter([ScriptedError("No such key", status_code=401)])

    def south(_request: ScriptedRequest) -> ScriptedReply | ScriptedError:
        return next(answers, None) or ScriptedReply(SOUTH, cost=0.01)

    served = serve(bridge(south=south))
    room = visit(served).ask().ended("Degraded answer")
    asked = served.asked().count("north")

    room.redo("Retry seat 2").click()

    expect(room.versions).to_contain_text("Version 2 of 2")
    room.ended()
    expect(room.seat(2, "south")).to_contain_text("answered")
    assert served.asked().count("north") == asked


def test_what_is_paid_again_is_said_on_the_button(serve: Serve, visit: Visit) -> None:
    room = degraded(serve, visit)
    compare = room.redo("Compare again")

    expect(compare).to_contain_text("·")
    assert "paid again" in (compare.get_attribute("title") or "")


def test_no_answer_says_why(serve: Serve, visit: Visit) -> None:
    room = no_answer(serve, visit)

    expect(room.status).to_contain_text("No answer.")
    expect(room.seat(1, "north")).to_contain_text("402")
    expect(room.answer).to_contain_text("There is no answer.")
    expect(room.page.get_by_role("alert").filter(has_text="no panel answer")).to_have_count(1)
    expect(room.redo("Retry seats 1, 2, 3")).to_be_visible()


def test_an_answer_of_the_writer_alone_is_no_panel_answer(serve: Serve, visit: Visit) -> None:
    models = bridge(**{name: fails(402, "No credit left") for name in ("north", "south", "east")})
    room = visit(serve(models)).ask().ended("No panel answer")

    expect(room.answer).to_contain_text("Written without the panel")


def test_a_server_that_refuses_is_quoted(serve: Serve, visit: Visit) -> None:
    room = visit(serve())
    room.faults.expect("status of 400")
    room.button("Change panel").click()
    room.button("Settings of seat 1").click()
    room.page.locator(".place").first.get_by_label("Temperature").fill("9")
    room.press("Tab")

    expect(room.page.get_by_role("alert").filter(has_text="temperature")).to_be_visible()


def test_a_server_that_is_away_when_it_is_asked_costs_no_question(serve: Serve, visit: Visit) -> None:
    room = visit(serve())
    room.faults.expect("ERR_INTERNET_DISCONNECTED")
    expect(room.page.get_by_text("compares, writer writes")).to_be_visible()
    room.question.fill("When?")
    room.page.context.set_offline(True)

    room.button("Ask").click()

    expect(room.page.get_by_role("alert").filter(has_text="The server cannot be reached")).to_be_visible()
    expect(room.question).to_have_value("When?")
    room.page.context.set_offline(False)
    room.button("Ask").click()
    expect(room.title).to_have_text("When?")
    room.ended()


def test_the_model_that_failed_is_named_in_full_where_it_matters(serve: Serve, visit: Visit) -> None:
    long = "vendor-with-a-long-name/a-model-whose-name-goes-on-and-on-and-on-preview-2026-11"
    presets = f'[bridge]\npanel = ["north", "{long}"]\njudge = "judge"\nwriter = "writer"\n'
    room = visit(serve(bridge(**{long: says(ScriptedReply(SOUTH))}), presets=presets)).ask().ended()
    name = long.rpartition("/")[2]

    expect(room.opener(2, name)).to_have_attribute("title", long)
    room.opener(2, name).click()
    expect(room.seat(2, name)).to_contain_text(long)
