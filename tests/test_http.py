"""Whole runs over real HTTP: the real client code, a loopback server that is as strict as each provider family."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from fusion_graph.deployment import build_fusion_graph
from fusion_graph.models import close_clients
from fusion_graph.report import JudgeReport, strict_schema
from fusion_graph.results import run_result
from tests.corpus import write_corpus
from tests.model_server import (
    FAMILIES,
    ModelServer,
    by_model,
    client_tool_caller,
    everyone,
    fails,
    judge,
    writer,
)

QUESTION = "When did the bridge open, and how long is its span?"
ROSTER: dict[str, Any] = {
    "panel": ["openai:one", "openai:two", "openai:one"],
    "judge": "openai:three",
    "writer": "openai:four",
}
COMPARES = judge(schema=strict_schema(JudgeReport))
USUAL = by_model({"three": COMPARES, "four": writer(), "*": everyone})
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Its name."}},
            "required": ["city"],
        },
    },
}


@pytest.fixture(params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(family: str) -> Iterator[ModelServer]:
    with ModelServer(USUAL, family=family) as server:
        yield server


@pytest.fixture
async def graph(server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setattr("fusion_graph.calls.tries.BACKOFF_SECONDS", 0.01)
    environ = {"FUSION_SEARCH": f"local:{write_corpus(tmp_path / 'pages')}", "FUSION_HOME": str(tmp_path)}
    yield build_fusion_graph(environ=environ).compile(checkpointer=InMemorySaver())
    await close_clients()


async def turn(graph: Any, messages: Any = QUESTION, *, caller: Any = None, **settings: Any) -> dict[str, Any]:
    spoken = [("user", messages)] if isinstance(messages, str) else messages
    values = await graph.ainvoke(
        {"messages": spoken} | ({"caller": caller} if caller else {}),
        {"configurable": {"thread_id": "t"}},
        context=ROSTER | settings,
    )
    return run_result("run", "t", values)


def refused(server: ModelServer) -> list[str]:
    return [str(entry.detail) for entry in server.log if entry.status == 400]


async def test_a_panel_researches_a_judge_compares_and_a_writer_cites(graph: Any, server: ModelServer) -> None:
    result = await turn(graph)

    assert result["status"] == "ok", (result["reasons"], refused(server))
    assert len(result["responses"]) == 3
    assert result["analysis"] is not None
    assert any(source["status"] == "read" for source in result["sources"])
    assert {citation["status"] for citation in result["citations"]} <= {"read", "seen"}
    assert len(result["citations"]) > 0


async def test_the_ledger_equals_the_servers_log_entry_by_entry(graph: Any, server: ModelServer) -> None:
    result = await turn(graph)

    answered = {entry.response_id: entry for entry in server.log if entry.status == 200}
    ledger = {call["response_id"]: call for call in result["usage"]["calls"] if call["response_id"]}
    assert ledger.keys() == answered.keys()
    assert len(result["usage"]["calls"]) == len(server.log)
    for response_id, entry in answered.items():
        assert ledger[response_id]["model"] == f"openai:{entry.model}"
        assert entry.usage is not None
        assert ledger[response_id]["tokens"]["input"] == entry.usage["prompt_tokens"]
        assert ledger[response_id]["tokens"]["output"] == entry.usage["completion_tokens"]


async def test_every_call_says_that_a_fusion_makes_it_so_that_a_server_of_ours_asks_no_panel_again(
    graph: Any, server: ModelServer
) -> None:
    await turn(graph)

    assert {entry.headers.get("x-openrouter-fusion-depth") for entry in server.log} == {"1"}


async def test_a_budget_of_one_tool_round_still_ends_in_an_answer(graph: Any, server: ModelServer) -> None:
    result = await turn(graph, max_tool_calls=1)

    assert result["status"] == "ok", (result["reasons"], refused(server))
    assert len(result["responses"]) == 3


async def test_a_second_turn_and_a_system_prompt_are_accepted(graph: Any, server: ModelServer) -> None:
    await turn(graph, [SystemMessage("Be brief."), HumanMessage(QUESTION)])

    result = await turn(graph, "And what did it cost?")

    assert result["status"] == "ok", (result["reasons"], refused(server))


@pytest.mark.parametrize("mode", ["auto", "never"])
async def test_the_other_modes_are_accepted(graph: Any, server: ModelServer, mode: str) -> None:
    server.settings.behaviour = by_model({"four": client_tool_caller("fusion", {"prompt": QUESTION}), "*": USUAL})

    result = await turn(graph, mode=mode)

    assert result["status"] == "ok", (result["reasons"], refused(server))
    assert result["fused"] == (mode == "auto")


async def test_a_client_tool_round_trip_is_accepted(graph: Any, server: ModelServer) -> None:
    server.settings.behaviour = by_model({"four": client_tool_caller("get_weather", {"city": "Oslo"}), "*": USUAL})

    first = await turn(graph, caller={"tools": [WEATHER]})
    second = await turn(graph, [ToolMessage("rain", tool_call_id=first["tool_calls"][0]["id"])])

    assert first["tool_calls"][0]["name"] == "get_weather"
    assert second["answer"], (second["reasons"], refused(server))
    assert [entry.model for entry in server.log].count("three") >= 1
    assert second["status"] == "ok", (second["reasons"], refused(server))


async def test_a_foreign_tool_history_is_accepted_by_every_role(graph: Any, server: ModelServer) -> None:
    calls = [{"name": "old_tool", "args": {"x": 1}, "id": "call00001"}]
    history = [
        HumanMessage("Use the old tool."),
        AIMessage("", tool_calls=calls),
        ToolMessage("old result", tool_call_id="call00001", name="old_tool"),
        AIMessage("It said so."),
        HumanMessage(QUESTION),
    ]

    result = await turn(graph, history)

    assert result["status"] == "ok", (result["reasons"], refused(server))
    assert any("old result" in entry.text for entry in server.log)


async def test_a_seat_that_fails_degrades_the_run_in_every_family(graph: Any, server: ModelServer) -> None:
    server.settings.behaviour = by_model({"two": fails(500), "*": USUAL})

    result = await turn(graph)

    assert result["status"] == "degraded"
    assert [(failure["seat"], failure["status_code"]) for failure in result["failed_models"]] == [(2, 500)]
    assert [entry.status for entry in server.requests_of("two")].count(500) == 3


async def test_a_judge_that_answers_in_prose_and_a_fence_is_understood(graph: Any, server: ModelServer) -> None:
    server.settings.behaviour = by_model({"three": judge(prose=True, schema=strict_schema(JudgeReport)), "*": USUAL})

    result = await turn(graph)

    assert result["analysis"] is not None
    assert result["status"] == "ok", (result["reasons"], refused(server))
