"""A run that has ended: its answer, where that comes from, what the panel said, what it cost."""

import json
from pathlib import Path

from playwright.sync_api import expect

from fusion_graph.models.scripted import ScriptedReply
from tests.chatroom.cast import ANSWER, COST, OPENING, bridge, says
from tests.chatroom.conftest import Serve, Visit
from tests.chatroom.room import QUESTION
from tests.chatroom.states import citation_target, finished, seat_open


def test_its_status_says_how_it_ended_what_it_cost_and_what_was_read(serve: Serve, visit: Visit) -> None:
    room = finished(serve, visit)

    expect(room.status).to_contain_text("3 of 3 seats")
    expect(room.status).to_contain_text("$0.23")
    expect(room.status).to_contain_text("3 sources, 2 read")
    expect(room.page).to_have_title(f"Answer · {QUESTION}")


def test_nothing_on_it_moves_when_it_ends_and_all_has_one_order(serve: Serve, visit: Visit) -> None:
    room = finished(serve, visit)
    headings = [text for text in room.page.locator("main h2").all_inner_texts() if text]

    room.page.reload()
    room.ended()

    again = [text for text in room.page.locator("main h2").all_inner_texts() if text]
    assert again == headings
    assert headings[:5] == ["Answer", "Comparison", "Panel", "Sources", "Cost"]


def test_the_comparison_names_who_says_what(serve: Serve, visit: Visit) -> None:
    room = finished(serve, visit)

    clash = room.comparison.get_by_role("heading", name="The span", level=4).locator("..")
    expect(clash.get_by_role("listitem")).to_have_count(2)
    expect(clash).to_contain_text("1 north The span is 503 metres")
    expect(clash).to_contain_text("better supported")
    for title in ("They agree", "Only one says", "Nobody says"):
        expect(room.comparison.get_by_role("heading", name=title)).to_be_visible()
    room.comparison.get_by_role("button", name="Disagreements 1").click()
    expect(room.comparison.get_by_role("heading", name="They agree")).to_be_hidden()
    expect(clash).to_be_visible()


def test_a_seat_named_in_the_comparison_opens(serve: Serve, visit: Visit) -> None:
    room = finished(serve, visit)

    room.comparison.get_by_role("link", name="2 south").first.click()

    expect(room.text_of(2)).to_be_visible()
    expect(room.opener(2, "south")).to_be_focused()


def test_a_seat_opens_to_its_whole_text_and_closes_to_where_it_was(serve: Serve, visit: Visit) -> None:
    room = seat_open(serve, visit)
    expect(room.seat(2, "south").get_by_role("link", name="[2]").first).to_be_visible()
    expect(room.text_of(1)).to_be_hidden()

    room.button("Close seat 2").click()

    expect(room.opener(2, "south")).to_be_focused()
    expect(room.text_of(2)).to_be_hidden()


def test_a_citation_leads_to_its_source_and_back(serve: Serve, visit: Visit) -> None:
    room = citation_target(serve, visit)
    source = room.sources.get_by_role("listitem").filter(has_text="The opening of the bridge")
    expect(source).to_be_focused()
    expect(source).to_contain_text("bridges.example")
    expect(source).to_contain_text("read")

    room.button("back to the text").click()

    expect(room.answer.get_by_role("link", name="[1]").first).to_be_focused()


def test_a_source_is_a_link_that_tells_the_page_nothing(serve: Serve, visit: Visit) -> None:
    room = finished(serve, visit)
    link = room.sources.get_by_role("link", name="The opening of the bridge")

    expect(link).to_have_attribute("href", OPENING)
    expect(link).to_have_attribute("target", "_blank")
    assert {"noopener", "noreferrer"} <= set((link.get_attribute("rel") or "").split())


def test_what_was_only_found_and_what_nobody_saw_are_marked(serve: Serve, visit: Visit) -> None:
    room = visit(serve(bridge(writer=says(ScriptedReply(f"{ANSWER} It is blue [9].", cost=0.01))))).ask().ended("")

    expect(room.answer.get_by_role("link", name="[3?]")).to_have_attribute("data-status", "seen")
    expect(room.answer.locator("[data-status=unverified]")).to_be_visible()
    expect(room.sources.get_by_role("listitem").filter(has_text=COST.split("/")[2])).to_contain_text("only found")


def test_its_cost_is_told_by_model_and_call_by_call(serve: Serve, visit: Visit) -> None:
    room = finished(serve, visit)
    rows = room.cost.get_by_role("region", name="Cost by model").get_by_role("row")
    expect(rows.filter(has_text="north")).to_contain_text("$0.0700")

    room.cost.get_by_text("Every call").first.click()

    calls = room.cost.get_by_role("region", name="Every call").get_by_role("row")
    expect(calls).to_have_count(12)  # a head, three calls of each seat, judge and writer


def test_the_answer_is_copied_as_it_was_written(serve: Serve, visit: Visit) -> None:
    room = visit(serve(), permissions=["clipboard-read", "clipboard-write"]).ask().ended()

    room.button("Copy").click()

    expect(room.answer.get_by_text("Copied.")).to_be_visible()
    assert room.page.evaluate("navigator.clipboard.readText()") == ANSWER


def test_the_run_is_saved_as_markdown_and_as_json(serve: Serve, visit: Visit, tmp_path: Path) -> None:
    room = finished(serve, visit)
    kept = {}
    for name, file in (("Save as Markdown", "run.md"), ("Save as JSON", "run.json")):
        with room.page.expect_download() as download:
            room.button(name).click()
        download.value.save_as(tmp_path / file)
        kept[file] = (tmp_path / file).read_text(encoding="utf-8")

    for part in (QUESTION, "1932", OPENING, "$0.23"):
        assert part in kept["run.md"]
    assert json.loads(kept["run.json"])["answer"]["text"] == ANSWER


def test_back_and_forward_go_through_the_screens(serve: Serve, visit: Visit) -> None:
    room = finished(serve, visit)
    room.link("Runs").click()
    expect(room.title).to_have_text("Runs")

    room.page.go_back()
    room.ended()
    room.page.go_back()
    expect(room.title).to_have_text("Ask a panel")
    room.page.go_forward()
    room.ended()


def test_a_run_that_is_not_there_is_told_so(serve: Serve, visit: Visit) -> None:
    room = visit(serve())
    room.faults.expect("status of 404")
    room.go("/runs/resp_0123")

    expect(room.title).to_have_text("There is no such run")
    room.link("All runs").click()
    expect(room.title).to_have_text("Runs")


def test_all_of_it_is_done_by_keyboard_alone(serve: Serve, visit: Visit) -> None:
    room = finished(serve, visit)
    room.tab_to(room.answer.get_by_role("link", name="[1]").first)
    room.press("Enter")
    source = room.sources.get_by_role("listitem").filter(has_text="The opening of the bridge")
    expect(source).to_be_focused()
    room.tab_to(room.button("back to the text"))
    room.press("Enter")
    expect(room.answer.get_by_role("link", name="[1]").first).to_be_focused()
    room.tab_to(room.opener(3, "east"))
    room.press("Enter")
    expect(room.text_of(3)).to_contain_text("ten million")
    room.tab_to(room.text_of(3))
    room.press("Escape")
    expect(room.opener(3, "east")).to_be_focused()
    expect(room.text_of(3)).to_be_hidden()
    room.tab_to(room.page.get_by_role("textbox", name="Follow-up question"))
    room.page.keyboard.type("And who paid?")

    room.press("Enter")

    expect(room.title).to_have_text("And who paid?")
    expect(room.title).to_be_focused()
    room.ended()
