"""Runs that wait for a person, over HTTP."""

from typing import Any

import pytest
from langgraph_sdk.client import SyncLangGraphClient

from tests.langgraph_server.asking import QUESTION, asked, models, texts
from tests.langgraph_server.dev import ANSWER

ASKING: Any = {"preset": "bridges", "approve": True}


@pytest.fixture
def thread(client: SyncLangGraphClient) -> str:
    """A thread whose panel waits for approval."""
    thread = client.threads.create()["thread_id"]
    client.runs.wait(thread, "fusion", input=asked("When did it open?"), context=ASKING)
    return thread


def decide(client: SyncLangGraphClient, thread: str, answer: Any) -> Any:
    return client.runs.wait(thread, "fusion", command={"resume": answer}, raise_error=False)


def decided(**decision: Any) -> dict[str, Any]:
    return {"decisions": [decision]}


def test_a_run_waits_for_approval_on_every_turn_and_goes_on_as_the_approver_said(client: SyncLangGraphClient) -> None:
    thread = client.threads.create()["thread_id"]

    for turn, decision in enumerate(["approve", "reject"], 1):
        asking: Any = {"preset": "demo", "approve": True} if turn == 1 else None  # kept by the thread
        waiting: Any = client.runs.wait(thread, "fusion", input=asked(QUESTION), context=asking)
        (pause,) = waiting["__interrupt__"]
        state: Any = client.threads.get_state(thread)
        assert state["next"] == ["approve"]
        assert pause["value"]["action_requests"][0]["args"]["panel"] == "demo:careful, demo:brisk, demo:sceptic"
        assert "3 seats" in waiting["messages"][-1]["content"]

        ended: Any = decide(client, thread, decided(type=decision, message="too dear"))

        assert ended["status"]["status"] == {1: "ok", 2: "error"}[turn]
    assert ended["status"]["failure_reason"] == "cancelled"
    assert [kind for kind, _ in texts(ended)] == ["human", "ai", "human"]


def test_what_is_edited_comes_back_as_text_and_is_asked(client: SyncLangGraphClient, thread: str) -> None:
    action = {
        "name": "fusion",
        "args": {
            "panel": "openai:east, openai:west, openai:east",
            "judge": "openai:second",
            "writer": "openai:writer",
            "max_cost_usd": "",
            "estimate": "whatever it said",
        },
    }

    ended = decide(client, thread, decided(type="edit", edited_action=action))

    assert texts(ended)[-1] == ("ai", ANSWER)
    assert models(ended) == ["openai:east", "openai:east", "openai:second", "openai:west", "openai:writer"]


@pytest.mark.parametrize(
    "wrong",
    [
        "yes",
        {"decisions": []},
        decided(type="edit", edited_action={"name": "fusion", "args": {"max_cost_usd": "a lot"}}),
    ],
    ids=["no object", "nothing decided", "an impossible value"],
)
def test_a_wrong_answer_leaves_it_waiting_for_the_right_one(
    client: SyncLangGraphClient, thread: str, wrong: Any
) -> None:
    decide(client, thread, wrong)
    state: Any = client.threads.get_state(thread)
    ended = decide(client, thread, decided(type="approve"))

    assert state["next"] == ["approve"]
    assert [pause["value"]["review_configs"][0]["action_name"] for pause in state["interrupts"]] == ["fusion"]
    assert texts(ended) == [("human", "When did it open?"), ("ai", ANSWER)]


def test_a_question_asked_in_place_of_an_answer_gets_a_panel_of_its_own(
    client: SyncLangGraphClient, thread: str
) -> None:
    waiting: Any = client.runs.wait(thread, "fusion", input=asked("Or when did it close?"))

    ended = decide(client, thread, decided(type="approve"))

    assert len(waiting["__interrupt__"]) == 1
    assert [kind for kind, _ in texts(ended)] == ["human", "human", "ai"]
    assert models(ended) == ["openai:judge", "openai:north", "openai:south", "openai:writer"]
