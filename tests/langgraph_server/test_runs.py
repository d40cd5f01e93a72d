"""Assistants, threads and runs of langgraph.json's graphs, as the LangGraph SDK has them."""

import json
from typing import Any

from langgraph_sdk.client import SyncLangGraphClient

from tests.commands import wait_until
from tests.langgraph_server.asking import QUESTION, asked, models, texts
from tests.langgraph_server.dev import ANSWER, HANGING, Dev

BRIDGES = ["openai:judge", "openai:north", "openai:south", "openai:writer"]


def test_a_thread_answers_and_its_second_turn_keeps_the_settings(client: SyncLangGraphClient) -> None:
    thread = client.threads.create()["thread_id"]

    first: Any = client.runs.wait(thread, "fusion", input=asked(QUESTION), context={"preset": "demo"})
    second: Any = client.runs.wait(thread, "fusion", input=asked("What does a panel of models cost?"))

    assert first["status"]["status"] == second["status"]["status"] == "ok"
    assert first["messages"][-1]["content"].startswith("Offline demo: no language model.")
    assert len(first["results"]) == 3
    assert first["analysis"]["contradictions"]
    assert "4.9 times" in second["messages"][-1]["content"]
    assert [kind for kind, _ in texts(second)] == ["human", "ai", "human", "ai"]


def test_an_assistant_asks_its_own_panel_until_it_is_told_of_another(client: SyncLangGraphClient) -> None:
    assistant = client.assistants.create("fusion", context={"preset": "bridges"}, name="bridges")["assistant_id"]

    own: Any = client.runs.wait(None, assistant, input=asked("When did it open?"))
    named: Any = client.runs.wait(None, assistant, input=asked("And who wrote it?"), context={"writer": "openai:north"})
    other: Any = {"preset": "bridges", "panel": ["openai:east"]}
    client.assistants.update(assistant, context=other)
    changed: Any = client.runs.wait(None, assistant, input=asked("Who saw it?"))

    assert texts(own)[-1] == ("ai", ANSWER)
    assert models(own) == BRIDGES
    assert models(named) == [*BRIDGES[:2], "openai:north", "openai:south"]
    assert models(changed) == ["openai:east", "openai:judge", "openai:writer"]


def test_every_mode_streams_and_what_panel_and_judge_say_is_in_none_as_tokens(client: SyncLangGraphClient) -> None:
    modes: Any = ["values", "messages-tuple", "updates", "custom", "tasks", "checkpoints", "debug", "events"]
    thread = client.threads.create()["thread_id"]

    parts = list(
        client.runs.stream(
            thread,
            "fusion",
            input=asked(QUESTION),
            context={"preset": "demo"},
            stream_mode=modes,
            stream_subgraphs=True,
        )
    )

    kinds = {part.event.partition("|")[0] for part in parts}
    assert kinds == {"metadata", "messages", *modes} - {"messages-tuple"}
    seats = {part.event for part in parts if part.event.startswith("custom|panelist:")}
    assert len(seats) == 3
    spoken = [part.data for part in parts if part.event.startswith("messages")]
    tokens = [told for message, told in spoken if message["type"] == "AIMessageChunk"]
    assert {told["langgraph_node"] for told in tokens} == {"write"}
    began = [part.data for part in parts if part.event == "events" and part.data["event"] == "on_chat_model_start"]
    silent = {event["metadata"]["langgraph_node"]: "nostream" in event["tags"] for event in began}
    assert silent == {"call_model": True, "judge": True, "write": False}


def test_a_run_is_stopped_and_its_thread_goes_on(dev: Dev, client: SyncLangGraphClient) -> None:
    thread = client.threads.create()["thread_id"]
    run = client.runs.create(thread, "fusion", input=asked(f"Tell me {HANGING}"), context={"preset": "bridges"})
    wait_until(lambda: dev.asked(HANGING).total() == 2)

    client.runs.cancel(thread, run["run_id"], wait=True)
    again: Any = client.runs.wait(
        thread, "fusion", input=asked("So when did it open?"), context={"panel_context": "prompt"}
    )

    assert client.runs.get(thread, run["run_id"])["status"] == "interrupted"
    assert dev.asked("So when did it open?") == {"north": 1, "south": 1, "judge": 1, "writer": 1}
    assert texts(again)[-1] == ("ai", ANSWER)


def test_who_joins_a_run_later_sees_all_of_it(client: SyncLangGraphClient) -> None:
    thread = client.threads.create()["thread_id"]
    run: Any = client.runs.create(
        thread,
        "fusion",
        input=asked("When did it open, again?"),
        context={"preset": "bridges"},
        stream_mode=["values", "custom"],
        stream_resumable=True,
    )
    client.runs.join(thread, run["run_id"])

    parts = list(client.runs.join_stream(thread, run["run_id"], last_event_id="-1"))

    told = [part.data["type"] for part in parts if part.event == "custom"]
    assert {"analysis_started", "call_finished"} <= set(told)
    assert texts([part.data for part in parts if part.event == "values"][-1])[-1] == ("ai", ANSWER)


def test_one_seat_can_be_run_alone(client: SyncLangGraphClient) -> None:
    run: Any = client.runs.wait(None, "fusion", input=asked(QUESTION), context={"preset": "demo"})
    settings = run["settings"]
    plan: Any = {
        **{name: settings[name] for name in ("max_tool_calls", "max_completion_tokens", "grace_seconds", "tools")},
        **{name: settings[name] for name in ("allowed_domains", "excluded_domains", "blocked_domains")},
        "model": "demo:careful",
        "name": "demo:careful",
        "system_prompt": "",
        "temperature": None,
        "reasoning": "",
        "timeout_seconds": 60,
        "panel_id": "alone",
        "quorum": 0,
        "max_cost_usd": None,
    }
    system = "You are one of several experts who answer the same question independently."
    opening: Any = [{"role": "system", "content": system}, {"role": "user", "content": QUESTION}]

    alone: Any = client.runs.wait(None, "panelist", input={"seat": 1, "plan": plan, "messages": opening})

    (result,) = alone["results"]
    assert result["model"] == "demo:careful"
    assert result["error"] is None


def test_studio_sees_the_graphs_their_seats_and_every_setting(client: SyncLangGraphClient) -> None:
    made = client.assistants.search(metadata={"created_by": "system"})
    assistants = {assistant["graph_id"]: assistant for assistant in made}
    drawn = client.assistants.get_graph(assistants["fusion"]["assistant_id"], xray=True)
    schemas: Any = client.assistants.get_schemas(assistants["fusion"]["assistant_id"])

    assert set(assistants) == {"fusion", "panelist"}
    assert "panel" in str(assistants["fusion"].get("description"))
    assert {"panelist:call_model", "panelist:run_tools", "judge", "write"} <= {node["id"] for node in drawn["nodes"]}
    assert {"preset", "panel", "judge", "max_cost_usd"} <= set(schemas["context_schema"]["properties"])


def test_what_cannot_work_is_refused_in_words_and_nothing_is_called(client: SyncLangGraphClient) -> None:
    thread = client.threads.create()["thread_id"]

    ended: Any = client.runs.wait(
        thread, "fusion", input=asked("Why?"), context={"preset": "qualty"}, raise_error=False
    )

    assert "unknown preset 'qualty'" in json.dumps(ended)
