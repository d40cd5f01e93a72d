"""Asking: the question, the panel it goes to, and what is said of both before anything is paid."""

import json
import re

from playwright.sync_api import expect

from fusion_graph.models.scripted import ScriptedReply
from tests.chatroom.cast import NORTH, Gate, bridge, says
from tests.chatroom.conftest import Serve, Visit
from tests.chatroom.room import QUESTION, Room
from tests.graphs import asked


def test_the_question_has_the_focus_and_the_panel_is_named(room: Room) -> None:
    expect(room.question).to_be_focused()
    expect(room.page.get_by_text("north, south and east answer, researching with search and fetch")).to_be_visible()
    expect(room.page.get_by_text("judge compares, writer writes")).to_be_visible()
    expect(room.page).to_have_title("Fusion · ask a panel")


def test_prices_that_nobody_knows_are_told_so(room: Room) -> None:
    expect(room.page.get_by_text("No price is known of")).to_contain_text("north")


def test_enter_asks_and_shift_enter_makes_a_line(room: Room) -> None:
    expect(room.page.get_by_text("compares, writer writes")).to_be_visible()
    room.page.keyboard.type("When did it open?")
    room.press("Shift+Enter")
    room.page.keyboard.type("And why?")

    room.press("Enter")

    expect(room.title).to_have_text(re.compile(r"When did it open\?\s+And why\?"))
    expect(room.title).to_be_focused()


def test_enter_that_ends_a_composed_character_does_not_ask(room: Room) -> None:
    room.question.fill("橋は")
    room.question.dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True, "cancelable": True})

    expect(room.question).to_be_visible()
    assert "/runs/" not in room.page.url


def test_on_a_touch_screen_enter_makes_a_line(serve: Serve, visit: Visit) -> None:
    room = visit(serve(), has_touch=True, is_mobile=True)
    room.question.fill("When?")
    room.press("Enter")

    expect(room.question).to_have_value("When?\n")


def test_nothing_is_asked_without_a_question(room: Room) -> None:
    room.button("Ask").click()

    expect(room.question).to_be_focused()
    assert "/runs/" not in room.page.url


def test_an_example_becomes_the_question(room: Room) -> None:
    room.page.get_by_role("button", name=re.compile("^Compare heat pumps")).click()

    expect(room.question).to_have_value(re.compile("^Compare heat pumps"))
    expect(room.question).to_be_focused()


def test_asked_twice_at_once_it_is_one_run(serve: Serve, visit: Visit) -> None:
    served = serve()
    room = visit(served)
    room.question.fill(QUESTION)
    room.button("Ask").dblclick()

    expect(room.title).to_have_text(QUESTION)
    room.ended()
    assert len(served.rows()) == 1


def test_a_seat_thinks_as_the_panel_does_until_it_is_told_otherwise(serve: Serve, visit: Visit) -> None:
    served = serve()
    room = visit(served)
    room.button("Change panel").click()
    room.button("Settings of seat 1").click()
    thinks = room.page.get_by_role("combobox", name="Thinks").first
    expect(thinks).to_have_value("")
    thinks.select_option("high")
    room.ask().ended("Answered")

    panel = json.loads(served.rows()[0]["input"])["settings"]["panel"]
    assert [seat.get("reasoning") for seat in panel] == ["high", "", ""]


def test_a_panel_is_put_together_by_mouse(serve: Serve, visit: Visit) -> None:
    served = serve(bridge(fourth=says(ScriptedReply(NORTH))))
    room = visit(served)
    room.button("Change panel").click()
    room.field("Seat 2").fill("four")
    room.options("Seat 2").filter(has_text="fourth").click()
    room.button("+ Add a seat").click()
    expect(room.page.get_by_text("4 of 8; the same model may sit twice")).to_be_visible()
    room.button("Remove seat 3").click()
    expect(room.page.get_by_text("north, fourth and east answer")).to_be_visible()
    room.page.get_by_role("checkbox", name="fetch").uncheck()
    room.page.get_by_role("textbox", name="Never use these sites").fill("money.example")
    room.ask().ended("Answered")

    assert {seat["model"] for seat in _roster(room)} == {"north", "fourth", "east"}
    tools = {tool["function"]["name"] for tool in asked(served.models, "fourth")[0].tools}
    assert tools == {"web_search"}
    expect(room.sources).not_to_contain_text("money.example")


def test_a_seat_has_settings_of_its_own(serve: Serve, visit: Visit) -> None:
    served = serve()
    room = visit(served)
    room.button("Change panel").click()
    room.button("Settings of seat 1").click()
    seat = room.page.locator(".place").first
    seat.get_by_label("Called").fill("The sceptic")
    seat.get_by_label("Temperature").fill("0.2")
    seat.get_by_label("More for seat 1 to go by").fill("Doubt all figures.")
    room.ask().ended()

    expect(room.opener(1, "The sceptic")).to_be_visible()
    request = asked(served.models, "north")[0]
    assert request.temperature == 0.2
    assert "Doubt all figures." in str(request.messages[0].text)


def test_the_same_model_sits_twice_under_numbers_of_its_own(serve: Serve, visit: Visit) -> None:
    presets = '[bridge]\npanel = ["north", "north"]\njudge = "judge"\nwriter = "writer"\n'
    room = visit(serve(presets=presets)).ask().ended()

    for number in (1, 2):
        expect(room.opener(number, "north")).to_be_visible()
    expect(room.comparison).to_contain_text("same model twice")


def test_a_panel_is_put_together_by_keyboard_alone(serve: Serve, visit: Visit) -> None:
    room = visit(serve(bridge(fourth=says(ScriptedReply(NORTH)))))
    expect(room.page.get_by_text("compares, writer writes")).to_be_visible()
    room.tab_to(room.button("Change panel"))
    room.press("Enter")
    room.tab_to(room.field("Seat 1"))
    room.press("Control+A")
    room.page.keyboard.type("fourth")
    expect(room.options("Seat 1")).to_have_count(1)
    room.press("ArrowDown", "Enter")
    expect(room.field("Seat 1")).to_have_value("fourth")
    expect(room.page.get_by_text("fourth, south and east answer")).to_be_visible()
    room.tab_to(room.button("Remove seat 2"))
    room.press("Enter")
    expect(room.field("Seat 2")).to_be_focused()
    room.press("Shift+Tab")
    room.page.keyboard.press("Control+Home")
    room.question.focus()
    room.page.keyboard.type(QUESTION)

    room.press("Control+Enter")

    expect(room.title).to_be_focused()
    room.ended()
    expect(room.opener(1, "fourth")).to_be_visible()


def test_escape_closes_the_list_of_models_and_nothing_else(room: Room) -> None:
    room.button("Change panel").click()
    room.field("Judge").click()
    options = room.page.get_by_role("listbox", name="Judge")
    expect(options).to_be_visible()

    room.press("Escape")

    expect(options).to_be_hidden()
    expect(room.field("Judge")).to_be_visible()
    expect(room.field("Judge")).to_have_value("judge")


def test_how_many_models_match_is_told_without_sight(room: Room) -> None:
    room.button("Change panel").click()
    room.field("Judge").fill("no such model")

    expect(room.page.get_by_role("status").filter(has_text=re.compile(r"^0 of \d+$"))).to_have_count(1)


def test_a_model_that_is_not_offered_is_refused_in_words(room: Room) -> None:
    room.button("Change panel").click()
    room.field("Judge").fill("gpt-99")
    room.press("Tab")

    expect(room.page.get_by_role("alert").filter(has_text="gpt-99")).to_be_visible()
    room.faults.expect("status of 4")


def test_a_panel_that_was_chosen_is_there_the_next_time(room: Room) -> None:
    room.button("Change panel").click()
    room.button("Remove seat 3").click()
    expect(room.page.get_by_text("north and south answer")).to_be_visible()

    room.go()

    expect(room.page.get_by_text("north and south answer")).to_be_visible()


def test_a_preset_that_is_not_set_up_says_what_it_lacks_and_offers_the_demo(room: Room) -> None:
    room.page.get_by_role("combobox", name="Panel", exact=True).select_option("quality")

    expect(room.page.get_by_role("alert").filter(has_text="OPENROUTER_API_KEY")).to_be_visible()
    room.button("Use the offline demo").click()
    expect(room.page.get_by_text("Offline demo: no language model is asked")).to_be_visible()


def test_a_budget_is_kept(serve: Serve, visit: Visit) -> None:
    room = visit(serve())
    room.button("Change panel").click()
    room.page.get_by_label("Stop spending at, in US dollars").fill("0.50")
    room.press("Tab")

    expect(room.page.get_by_text("stops spending at $0.50")).to_be_visible()


def test_a_run_waits_for_approval_and_starts_with_it(serve: Serve, visit: Visit) -> None:
    served = serve()
    room = visit(served)
    room.button("Change panel").click()
    room.page.get_by_role("checkbox", name="Ask me again before the panel is paid").check()
    room.ask().ended("Paused")
    assert served.asked() == []

    room.button("Start").click()

    room.ended("Answered")
    expect(room.answer).to_contain_text("1932")


def test_a_run_that_is_not_approved_asks_nobody(serve: Serve, visit: Visit) -> None:
    served = serve()
    room = visit(served)
    room.button("Change panel").click()
    room.page.get_by_role("checkbox", name="Ask me again before the panel is paid").check()
    room.ask().ended("Paused")

    room.button("Do not run").click()

    expect(room.status).to_contain_text("not approved")
    assert served.asked() == []


def test_a_follow_up_goes_on_with_the_conversation(serve: Serve, visit: Visit) -> None:
    served = serve()
    room = visit(served).ask().ended()
    room.page.get_by_role("textbox", name="Follow-up question").fill("And who paid?")
    room.button("Ask").click()
    expect(room.title).to_have_text("And who paid?")
    room.ended()

    earlier = room.page.get_by_role("navigation", name="Earlier in this conversation")
    expect(earlier.get_by_role("link", name=QUESTION)).to_be_visible()
    said = "\n".join(str(message.text) for message in asked(served.models, "writer")[-1].messages)
    assert QUESTION in said


def test_two_runs_go_on_at_a_time_each_with_a_page_of_its_own(serve: Serve, visit: Visit) -> None:
    gate = Gate()
    served = serve(bridge(south=says(ScriptedReply(NORTH), gate=gate)))
    first = visit(served).ask("The first?")
    second = first.another_tab().go().ask("The second?")
    for each in (first, second):
        expect(each.seat(1, "north")).to_contain_text("answered")
        expect(each.status).to_contain_text("Panel 2 of 3")

    gate.open()

    for each, question in ((first, "The first?"), (second, "The second?")):
        each.ended()
        expect(each.title).to_have_text(question)
    assert first.run_id != second.run_id


def _roster(room: Room) -> list[dict[str, str]]:
    seats: list[dict[str, str]] = room.page.evaluate(
        "id => fetch(`/v1/responses/${id}/details`).then((found) => found.json()).then((found) => found.roster.seats)",
        room.run_id,
    )
    return seats
