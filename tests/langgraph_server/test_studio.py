"""What LangGraph Studio calls, in the order in which somebody clicks: form, drawing, run, state, history, an edit, a branch."""

from typing import Any

import pytest
from langgraph_sdk.client import SyncLangGraphClient

from fusion_graph.settings import FusionSettings
from tests.langgraph_server.asking import asked, models, texts
from tests.langgraph_server.dev import ANSWER

NODES = {"prepare", "decide", "approve", "panelist", "judge", "write"}


@pytest.fixture
def assistant(client: SyncLangGraphClient) -> str:
    (found,) = client.assistants.search(graph_id="fusion", metadata={"created_by": "system"})
    return str(found["assistant_id"])


def test_the_settings_are_a_form_whose_fields_say_what_they_are(client: SyncLangGraphClient, assistant: str) -> None:
    schemas: Any = client.assistants.get_schemas(assistant)

    form = schemas["context_schema"]["properties"]
    assert list(form) == list(FusionSettings.model_fields)
    assert [name for name, field in form.items() if not field.get("description")] == []
    assert [name for name, field in form.items() if not set(field["langgraph_nodes"]) <= NODES] == []
    # What a form can draw as more than a line of text: choices, switches, numbers within bounds, lists.
    assert form["mode"]["enum"] == ["always", "auto", "never"]
    assert form["panel_context"]["enum"] == ["messages", "prompt"]
    assert form["approve"]["type"] == "boolean"
    assert (form["quorum"]["type"], form["quorum"]["minimum"], form["quorum"]["maximum"]) == ("integer", 0, 8)
    assert "demo" in form["preset"]["examples"]
    assert form["excluded_domains"]["items"] == {"type": "string"}
    assert {"type": "string"} in form["panel"]["items"]["anyOf"]
    assert form["max_cost_usd"]["default"] == 0.0


def test_the_drawing_names_what_is_done_and_opens_into_a_seats_own(client: SyncLangGraphClient, assistant: str) -> None:
    folded: Any = client.assistants.get_graph(assistant)
    opened: Any = client.assistants.get_graph(assistant, xray=True)

    assert {node["id"] for node in folded["nodes"]} >= NODES
    ways = {(edge["source"], edge["target"]) for edge in folded["edges"]}
    assert {("approve", "panelist"), ("panelist", "judge"), ("judge", "write"), ("write", "__end__")} <= ways
    assert {"panelist:call_model", "panelist:run_tools"} <= {node["id"] for node in opened["nodes"]}


def test_a_run_is_walked_through_edited_and_branched(client: SyncLangGraphClient, assistant: str) -> None:
    thread = client.threads.create()["thread_id"]
    stream = client.runs.stream(
        thread,
        assistant,
        input=asked("When did Studio open?"),
        context={"preset": "bridges"},
        stream_mode=["updates", "values"],
        stream_subgraphs=True,
    )
    ran = [node for part in stream if part.event == "updates" for node in part.data]
    state: Any = client.threads.get_state(thread, subgraphs=True)
    history: Any = client.threads.get_history(thread, limit=50)

    assert [node for node in dict.fromkeys(ran) if node in NODES] == [
        "prepare",
        "approve",
        "panelist",
        "judge",
        "write",
    ]
    assert (state["next"], texts(state["values"])[-1]) == ([], ("ai", ANSWER))
    steps = [tuple(step["next"]) for step in reversed(history)]
    assert steps[1:] == [("prepare",), ("approve",), ("panelist", "panelist"), ("judge",), ("write",), ()]

    compared = next(step for step in history if step["next"] == ["write"])
    analysis = {**compared["values"]["analysis"], "blind_spots": ["who paid for it"]}
    branch: Any = client.threads.update_state(
        thread, {"analysis": analysis}, as_node="judge", checkpoint=compared["checkpoint"]
    )
    again: Any = client.runs.wait(thread, assistant, checkpoint=branch["checkpoint"])

    assert again["analysis"]["blind_spots"] == ["who paid for it"]
    kept = {call["id"] for call in state["values"]["calls"]}
    assert models({"calls": [call for call in again["calls"] if call["id"] not in kept]}) == ["openai:writer"]
