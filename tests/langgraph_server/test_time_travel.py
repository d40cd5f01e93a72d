"""Going back in a thread over HTTP."""

from typing import Any

from langgraph_sdk.client import SyncLangGraphClient

from tests.langgraph_server.asking import asked, models, texts
from tests.langgraph_server.dev import ANSWER, Dev


def test_a_fork_with_another_judge_pays_for_judge_and_writer_alone(dev: Dev, client: SyncLangGraphClient) -> None:
    thread, question = client.threads.create()["thread_id"], "When did the fork open?"
    first: Any = client.runs.wait(thread, "fusion", input=asked(question), context={"preset": "bridges"})
    before: Any = next(state for state in client.threads.get_history(thread) if state["next"] == ["judge"])

    settings = {**before["values"]["settings"], "judge": "openai:second"}
    fork: Any = client.threads.update_state(
        thread, {"settings": settings}, as_node="panelist", checkpoint=before["checkpoint"]
    )
    second: Any = client.runs.wait(thread, "fusion", checkpoint=fork["checkpoint"])

    assert models(first) == ["openai:judge", "openai:north", "openai:south", "openai:writer"]
    assert models(second) == ["openai:north", "openai:second", "openai:south", "openai:writer"]
    assert dev.asked(question) == {"north": 1, "south": 1, "judge": 1, "second": 1, "writer": 2}
    kept = {call["id"] for call in first["calls"]}
    assert sorted(call["model"] for call in second["calls"] if call["id"] not in kept) == [
        "openai:second",
        "openai:writer",
    ]
    assert texts(second) == [("human", question), ("ai", ANSWER)]


def test_a_turn_is_asked_again_from_before_it_and_the_thread_keeps_both(client: SyncLangGraphClient) -> None:
    thread = client.threads.create()["thread_id"]
    client.runs.wait(thread, "fusion", input=asked("When did it open?"), context={"preset": "bridges"})
    (ended,) = client.threads.get_history(thread, limit=1)
    client.runs.wait(thread, "fusion", input=asked("Who built it?"))

    other: Any = client.runs.wait(thread, "fusion", input=asked("Who paid?"), checkpoint=ended["checkpoint"])

    assert [text for kind, text in texts(other) if kind == "human"] == ["When did it open?", "Who paid?"]
    said = {text for state in client.threads.get_history(thread, limit=50) for _, text in texts(state["values"])}
    assert {"Who built it?", "Who paid?"} <= said
