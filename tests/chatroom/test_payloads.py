"""Whatever models, pages and users write, the page shows as text, and asks nobody else for anything."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from fusion_graph import prompts
from fusion_graph.models.scripted import Outcome, ScriptedReply, ScriptedRequest
from tests.chatroom import payloads
from tests.chatroom.cast import Gate, bridge, halting, reads, says
from tests.chatroom.conftest import PHONE, PRESETS, Serve, Visit
from tests.chatroom.room import Room
from tests.chatroom.watching import assert_accessible, overflow, script, shoot

ALLOWED = [
    *(
        "a",
        "article",
        "blockquote",
        "br",
        "button",
        "code",
        "del",
        "details",
        "div",
        "em",
        "fieldset",
        "form",
        "header",
    ),
    *(
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "input",
        "label",
        "legend",
        "li",
        "main",
        "mark",
        "nav",
        "ol",
        "option",
    ),
    *("p", "pre", "s", "section", "select", "span", "strong", "summary", "table", "tbody", "td", "textarea", "th"),
    *("thead", "tr", "ul"),
]
PAGE = (
    f"url: https://pages.example/a?q=%22%3E%3Cscript%3E\ntitle: {payloads.ONE_LINE[:900]}\n\nThe bridge. "
    + "\n\n".join(payloads.ALL)
)
HOSTILE = "<img src=x onerror=alert(1)>\u202emodel"


def judge(request: ScriptedRequest) -> str:
    """A judge that says all of it everywhere."""
    labels = sorted(title[-1] for title in prompts.unfenced(request.text) if title.startswith("answer "))
    said = payloads.ONE_LINE
    return json.dumps(
        {
            "consensus": [{"point": said, "answers": labels, "sources": [1]}],
            "contradictions": [
                {
                    "topic": said,
                    "stances": [{"answer": label, "stance": said, "sources": [1]} for label in labels[:2]],
                    "better_supported": labels[0],
                }
            ],
            "unique_insights": [{"insight": said, "answer": labels[0], "sources": [1]}],
            "blind_spots": [said, payloads.LONG],
        }
    )


def hostile(text: str, gate: Gate | None = None) -> dict[str, object]:
    """A panel that says a text, and searches for it."""
    reply: Outcome = halting(text, gate, " ") if gate else ScriptedReply(text)
    seat = reads("https://pages.example/a?q=%22%3E%3Cscript%3E", reply, query=payloads.ONE_LINE[:400])
    return {"north": seat, "south": seat, "east": says(text), "judge": judge, "writer": says(text)}


def assert_harmless(room: Room) -> None:
    """Nothing but the page's own elements is there, and nothing has run or been asked for."""
    assert room.page.evaluate(script("foreign_parts"), ALLOWED) == []
    assert room.faults.unexpected == []
    expect(room.link("Runs")).to_be_visible()


@pytest.fixture
def whole(serve: Serve, visit: Visit) -> Room:
    """A finished run made of the corpus, also its question."""
    text = "\n\n".join((*payloads.ALL, payloads.LONG, "It is so [1]."))
    presets = f"{PRESETS}\n[hostile]\ndescription = {json.dumps(payloads.ONE_LINE)}\npanel = ['north']\n"
    served = serve(bridge(**hostile(text)), presets=presets, pages={"evil.md": PAGE})  # type: ignore[arg-type]
    room = visit(served)
    room.question.fill(payloads.ONE_LINE)
    room.button("Ask").click()
    return room.ended("")


def test_it_is_text_in_answers_claims_titles_and_questions(whole: Room, tmp_path: Path) -> None:
    for number, model in ((1, "north"), (3, "east")):
        whole.opener(number, model).click()
        expect(whole.text_of(number)).to_contain_text("over all")
        assert_harmless(whole)
    expect(whole.answer).to_contain_text("over all")
    expect(whole.comparison).to_contain_text("over all")
    assert overflow(whole.page) == 0
    whole.page.set_viewport_size({"width": 320, "height": 800})
    assert overflow(whole.page) == 0
    assert_accessible(whole.page, "payloads")
    shoot(whole.page, tmp_path, "payloads-320")


def test_it_is_text_in_lists_and_versions(whole: Room) -> None:
    whole.redo("Write again").click()
    whole.ended("")
    whole.link("Side by side").click()
    expect(whole.page.get_by_role("region", name="Version 2")).to_contain_text("over all")
    assert_harmless(whole)
    whole.link("Runs").click()
    expect(whole.page.get_by_role("listitem")).to_have_count(2)
    assert_harmless(whole)
    assert overflow(whole.page) == 0


def test_it_is_text_while_it_streams(serve: Serve, visit: Visit) -> None:
    gate = Gate()
    models = bridge(**hostile("\n\n".join(payloads.ALL), gate))  # type: ignore[arg-type]
    room = visit(serve(models, pages={"evil.md": PAGE}), viewport=PHONE).ask()
    expect(room.text_of(1)).to_contain_text("over all")

    assert_harmless(room)
    assert overflow(room.page) == 0


def test_it_is_text_in_the_names_of_models(serve: Serve, visit: Visit) -> None:
    presets = f'[bridge]\npanel = ["north", {json.dumps(HOSTILE)}]\njudge = {json.dumps(HOSTILE)}\nwriter = "writer"\n'
    models = bridge(**{HOSTILE: says("The bridge opened in 1932.")})
    room = visit(serve(models, presets=presets))
    room.button("Change panel").click()
    room.field("Seat 2").click()
    expect(room.options("Seat 2").first).to_be_visible()
    assert_harmless(room)

    room.ask().ended("")

    assert_harmless(room)
    expect(room.panel).to_contain_text("<img src=x")
