import json
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from fusion_graph import ChatFusion, SettingsError, make_fusion_tool
from fusion_graph.models.scripted import ScriptedError, ScriptedModels, ScriptedReply, ScriptedRequest
from tests.graphs import ROSTER, asked, look_up, researcher, scripted


def boss(request: ScriptedRequest) -> Any:
    """An agent's model that asks the panel once, then answers."""
    results = [message for message in request.messages if message.type == "tool"]
    if results:
        return "Told: ok" if '"status": "ok"' in str(results[-1].text) else "Told: error"
    return ScriptedReply(tool_calls=[{"name": "fusion", "args": {"prompt": "What is the answer?"}, "id": "call_1"}])


def call(prompt: str = "What is the answer?") -> dict[str, Any]:
    return {"type": "tool_call", "id": "1", "name": "fusion", "args": {"prompt": prompt}}


async def test_the_result_is_the_comparison_and_the_answers_and_no_writer_is_paid() -> None:
    models = scripted(north=researcher())
    tool = make_fusion_tool(ROSTER, load_model=models, tools=[look_up()])

    message: ToolMessage = await tool.ainvoke(call())

    told = json.loads(str(message.content))
    assert told["status"] == "ok"
    assert told["analysis"]["consensus"] == ["both agree"]
    assert [response["model"] for response in told["responses"]] == ["north", "south", "east"]
    assert asked(models, "writer") == []
    assert [source["url"] for source in message.artifact["sources"]] == ["https://pages.example/north-0"]
    assert message.artifact["usage"]["total"]["calls"] == 5


async def test_seats_that_fail_are_told_and_a_panel_that_fails_is_an_error() -> None:
    def fails(_request: ScriptedRequest) -> Any:
        raise ScriptedError("no credit", status_code=402)

    some = make_fusion_tool(ROSTER, load_model=scripted(east=fails))
    none = make_fusion_tool(ROSTER, load_model=scripted(north=fails, south=fails, east=fails))

    partial, failed = [json.loads(str((await tool.ainvoke(call())).content)) for tool in (some, none)]

    assert (partial["status"], partial["failed_models"][0]["model"]) == ("ok", "east")
    assert (failed["status"], failed["failure_reason"]) == ("error", "insufficient_credits")


@pytest.mark.parametrize("saved", [False, True])
async def test_an_agent_asks_the_panel_when_it_wants_to(saved: bool) -> None:  # noqa: FBT001 - a parameter of the test
    own = ScriptedModels({"boss": boss})("boss", temperature=None, max_tokens=None, reasoning=None)
    tool = make_fusion_tool(ROSTER, load_model=scripted())
    agent: Any = create_agent(own, [tool], checkpointer=InMemorySaver() if saved else None)
    config = {"configurable": {"thread_id": "t"}}

    later = await agent.ainvoke({"messages": [("user", "Ask them.")]}, config)
    now = agent.invoke({"messages": [("user", "Ask them.")]}, {"configurable": {"thread_id": "other"}})

    assert later["messages"][-1].text == now["messages"][-1].text == "Told: ok"


async def test_calls_of_the_panel_count_where_the_agent_counts() -> None:
    own = ScriptedModels({"boss": boss})("boss", temperature=None, max_tokens=None, reasoning=None)
    models = scripted()
    agent: Any = create_agent(own, [make_fusion_tool(ROSTER, load_model=models)])
    counter = UsageMetadataCallbackHandler()

    await agent.ainvoke({"messages": [("user", "Ask them.")]}, {"callbacks": [counter]})

    assert {"boss", "north", "south", "east", "judge"} <= set(counter.usage_metadata)


async def test_inside_a_panel_it_asks_nobody() -> None:
    inner = scripted()
    tool = make_fusion_tool(ROSTER, load_model=inner)
    outer = scripted(north=boss)
    model = ChatFusion(load_model=outer, panel_tools=[tool], **ROSTER)

    message = await model.ainvoke("What?")

    assert message.response_metadata["fusion"]["responses"][0]["content"] == "Told: error"
    assert inner.requests == []


def test_an_approval_is_refused_when_the_tool_is_made() -> None:
    with pytest.raises(SettingsError, match="cannot wait for an approval"):
        make_fusion_tool({"approve": True})


async def test_an_empty_prompt_is_refused() -> None:
    tool = make_fusion_tool(ROSTER, load_model=scripted())

    with pytest.raises(ValueError, match="prompt"):
        await tool.ainvoke(call("  "))
