"""What real clients do with responses beside asking for them: keep, follow, refer to and parse them."""

from typing import Any

import pytest

from tests.clients.models import ANSWER, FOUND, PANEL, SLEEPILY, SLOWLY, STORIES, STORY, YEAR
from tests.clients.stage import MODEL, ONE_RUN, PLAIN_KEY, Stage, fails_at, step
from tests.clients.table import CLIENTS, INSTRUCTOR, Known

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]
KEPT = [
    step("accumulate", "accumulate", f"When will it close? {SLEEPILY}!"),
    step("wait", "wait", f"How long is it? {SLOWLY}!"),
    step("rejoin", "rejoin", f"Please {STORIES}."),
    step("cancel", "cancel", f"Who cares? {SLOWLY}!"),
    step("delete", "delete", "Who must not know?"),
    step("items", "items", "One.", "Two.", "What are these?"),
]


def name_of(client: Known) -> str:
    return client.name


@pytest.mark.parametrize("client", [client for client in CLIENTS if client.keeps], ids=name_of)
def test_a_client_has_its_responses_kept(client: Known, stage: Stage) -> None:
    saw = stage.play(client, KEPT)

    fails_at(saw)
    is_told_of_what_comes(saw, stage)
    is_told_the_rest(saw, stage)
    makes_an_end(saw, stage)
    assert saw["items"] == ["One.", "Two.", "What are these?"]
    assert stage.asked("What are these?") == ONE_RUN


def is_told_of_what_comes(saw: dict[str, Any], stage: Stage) -> None:
    """By a stream that its own accumulator takes, and by asking again and again."""
    tokens = {words: stage.tokens(words) for words in ("When will it close?", "How long is it?")}
    assert saw["accumulate"] == {"heard": ANSWER, "text": ANSWER, "tokens": tokens["When will it close?"]}
    ends = {"was": "in_progress", "is": "completed"}
    assert saw["wait"] == {**ends, "heard": "", "text": ANSWER, "tokens": tokens["How long is it?"]}
    assert stage.asked("When will it close?") == stage.asked("How long is it?") == ONE_RUN


def is_told_the_rest(saw: dict[str, Any], stage: Stage) -> None:
    """Whatever it fetches, each piece of the text comes once."""
    told = saw["rejoin"]
    assert 0 < len(told["begun"]) < len(STORY)
    assert told["heard"] == told["begun"] + told["helped"] == told["text"] == STORY
    assert told["tokens"] == stage.tokens(STORIES)
    assert stage.asked(STORIES) == ONE_RUN


def makes_an_end(saw: dict[str, Any], stage: Stage) -> None:
    assert saw["cancel"] == ["in_progress", "cancelled", "cancelled"]
    assert [run["status"] for run in stage.runs("Who cares?")] == ["cancelled"]
    assert not {"judge", "writer"} & stage.asked("Who cares?").keys()
    assert "there is no response" in saw["delete"]
    assert stage.runs("Who must not know?") == []


@pytest.mark.parametrize("client", [client for client in CLIENTS if client.refers], ids=name_of)
def test_a_client_that_names_the_response_before_sends_only_what_is_new(client: Known, stage: Stage) -> None:
    saw = stage.play(client, [step("talk", "talk_by_id", "Who planned it?", "Who paid for it?")])

    fails_at(saw)
    assert saw["talk"] == [ANSWER, ANSWER]
    sent = stage.sent("Who paid for it?")
    assert [part["text"] for item in sent for part in item["content"]] == ["Who paid for it?"]
    assert stage.asked("Who paid for it?") == ONE_RUN
    panel = [entry.text for entry in stage.entries("Who paid for it?") if entry.model in PANEL]
    assert all("Who planned it?" in text and ANSWER in text for text in panel)


@pytest.mark.parametrize("client", [*(client for client in CLIENTS if client.parses), INSTRUCTOR], ids=name_of)
def test_a_client_has_its_answer_in_the_shape_it_asks_for(client: Known, stage: Stage) -> None:
    saw = stage.play(client, [step("parse", "parse", "Which year was it?")])

    fails_at(saw)
    assert saw["parse"] == {"year": YEAR}
    assert stage.asked("Which year was it?") == ONE_RUN
    assert all(FOUND in entry.text for entry in stage.entries("Which year was it?") if entry.model == "writer")


@pytest.mark.parametrize("client", [client for client in CLIENTS if client.name == "AI SDK, OpenAI"], ids=name_of)
def test_a_key_can_say_that_its_client_takes_openai_s_own_items_only(client: Known, stage: Stage) -> None:
    saw = stage.play(client, [step("ask", "ask", "When did it open?", key=PLAIN_KEY, model=MODEL)])

    fails_at(saw)
    assert saw["ask"] == {"text": ANSWER, "tokens": stage.tokens("When did it open?")}
