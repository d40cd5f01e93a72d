import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from fusion_graph.deployment import build_fusion_graph
from fusion_graph.errors import ModelLoadError, SettingsError
from fusion_graph.events import LiveRun
from fusion_graph.models.scripted import ScriptedError, ScriptedReply, ScriptedRequest
from fusion_graph.settings import FusionSettings
from tests.graphs import ROSTER, asked, look_up, report, researcher, run, says, scripted, texts

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


async def test_a_panel_answers_a_judge_compares_and_a_writer_writes() -> None:
    models = scripted()

    result = await run(models)

    assert result["status"] == "ok"
    assert result["answer"] == "The answer is 1, though one source says 2."
    assert result["analysis"]["consensus"] == ["both agree"]
    assert [response["model"] for response in result["responses"]] == ["north", "south", "east"]
    assert sorted(request.model for request in models.requests) == ["east", "judge", "north", "south", "writer"]


async def test_seats_run_at_the_same_time() -> None:
    together = asyncio.Barrier(3)

    async def meets(request: ScriptedRequest) -> str:
        async with asyncio.timeout(5):
            await together.wait()
        return f"{request.model} met the others"

    result = await run(scripted(north=meets, south=meets, east=meets))

    assert len(result["responses"]) == 3


@pytest.fixture(params=["memory", "sqlite"])
async def saver(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    if request.param == "sqlite":
        async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as sqlite:
            yield sqlite
    else:
        yield InMemorySaver()


async def test_seats_never_see_one_anothers_messages_on_any_turn(saver: Any) -> None:
    models = scripted(north=researcher(), south=researcher(), east=researcher())

    await run(models, tools=[look_up()], checkpointer=saver)
    await run(models, "And again?", tools=[look_up()], checkpointer=saver)

    for name, others in (("north", ("south", "east")), ("south", ("north", "east")), ("east", ("north", "south"))):
        seen = "\n".join(texts(request.messages) for request in asked(models, name))
        assert len(asked(models, name)) == 4
        assert f"All about {name}" in seen
        assert not any(f"All about {other}" in seen or f"{other} found it" in seen for other in others)


async def test_a_second_turn_sees_its_own_panel_only_and_the_conversation_before(saver: Any) -> None:
    first = scripted(north=says("north, first turn"))
    await run(first, "First question?", checkpointer=saver)
    second = scripted(north=says("north, second turn"))

    result = await run(second, "Second question?", checkpointer=saver)

    assert result["responses"][0]["content"] == "north, second turn"
    assert len(result["responses"]) == 3
    question = texts(asked(second, "south")[0].messages)
    assert "First question?" in question
    assert "The answer is 1, though one source says 2." in question
    assert "first turn" not in texts(asked(second, "judge")[0].messages)
    assert len(result["usage"]["calls"]) == 5


async def test_a_second_turn_keeps_the_settings_of_the_thread() -> None:
    saver = InMemorySaver()
    graph: Any = build_fusion_graph(load_model=scripted()).compile(checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "t"}}
    await graph.ainvoke({"messages": [("user", "one")]}, config, context=ROSTER | {"panel": ["south", "east"]})

    values = await graph.ainvoke({"messages": [("user", "two")]}, config)

    assert [result["model"] for result in values["results"]] == ["south", "east"]


async def test_sources_are_numbered_across_seats_and_shared_ones_once() -> None:
    async def same(request: ScriptedRequest) -> ScriptedReply | str:
        if request.messages[-1].type == "tool":
            return f"{request.model}: yes [1], and [2], but not [9]."
        calls = [{"name": "look_up", "args": {"query": query}, "id": query} for query in (request.model, "shared")]
        return ScriptedReply(tool_calls=calls)

    models = scripted(north=same, south=same, writer=says("Yes [1] [3] [8]."))

    result = await run(models, tools=[look_up()], panel=["north", "south"])

    assert [(source["title"], source["seats"]) for source in result["sources"]] == [
        ("About north", [1]),
        ("About shared", [1, 2]),
        ("About south", [2]),
    ]
    assert result["responses"][1]["content"] == "south: yes [3], and [2], but not [?]."
    assert [(c["source"], c["status"]) for c in result["citations"]] == [(1, "read"), (3, "read"), (None, "unverified")]


async def test_the_judge_sees_letters_and_no_model_names() -> None:
    models = scripted(north=says("first"), south=says("second"), east=says("third"))

    await run(models)

    request = texts(asked(models, "judge")[0].messages)
    assert "answer A" in request
    assert not re.search(r"\b(north|south|east)\b", request)
    assert asked(models, "judge")[0].temperature == 0.0


async def test_the_same_model_may_sit_twice() -> None:
    models = scripted()

    result = await run(models, panel=["north", "north"])

    assert [(r["seat"], r["model"]) for r in result["responses"]] == [(1, "north"), (2, "north")]
    assert len(asked(models, "north")) == 2


async def test_one_seat_is_a_panel() -> None:
    result = await run(scripted(judge=report(consensus=[], blind_spots=["the date"])), panel=["north"])

    assert result["status"] == "ok"
    assert result["analysis"]["blind_spots"] == ["the date"]


async def test_eight_seats_all_answer() -> None:
    result = await run(scripted(), panel=["north", "south"] * 4)

    assert [response["seat"] for response in result["responses"]] == list(range(1, 9))


async def test_a_failed_seat_degrades_the_answer_and_is_named() -> None:
    models = scripted(east=lambda _request: ScriptedError("no such model", status_code=404))

    result = await run(models)

    assert result["status"] == "degraded"
    assert result["failed_models"] == [{"seat": 3, "model": "east", "error": "no such model", "status_code": 404}]
    assert result["reasons"] == ["seat 3 (east) failed: no such model"]
    assert len(result["responses"]) == 2


@pytest.mark.parametrize(
    ("statuses", "reason"),
    [
        ((500, 500, 500), "all_panels_failed"),
        ((402, 429, 500), "insufficient_credits"),
        ((429, 404, 404), "rate_limited"),
    ],
)
async def test_a_panel_that_fails_whole_is_an_error_with_an_answer_labelled_as_written_without_it(
    statuses: tuple[int, ...], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fusion_graph.calls.tries.BACKOFF_SECONDS", 0.0)
    seats = dict(zip(("north", "south", "east"), statuses, strict=True))
    models = scripted(
        **{name: lambda _r, code=code: ScriptedError("no", status_code=code) for name, code in seats.items()}
    )

    result = await run(models)

    assert (result["status"], result["failure_reason"]) == ("error", reason)
    assert result["answer"].startswith("Written without the panel")
    assert result["answer"].endswith("The answer is 1, though one source says 2.")
    assert not asked(models, "judge")


async def test_require_panel_calls_nobody_else_when_no_seat_answers() -> None:
    fails = lambda _request: ScriptedError("gone", status_code=404)  # noqa: E731 -- one script for three seats
    models = scripted(north=fails, south=fails, east=fails)

    result = await run(models, require_panel=True)

    assert (result["status"], result["answer"]) == ("error", "")
    assert not asked(models, "writer")


async def test_fewer_answers_than_the_floor_are_an_error_but_not_thrown_away() -> None:
    fails = lambda _request: ScriptedError("gone", status_code=404)  # noqa: E731 -- one script for two seats
    models = scripted(south=fails, east=fails)

    result = await run(models, min_answers=2)

    assert (result["status"], result["failure_reason"]) == ("error", "all_panels_failed")
    assert "1 of 3 seats answered, 2 are needed" in result["reasons"]
    assert "north: the answer is 1." in texts(asked(models, "writer")[0].messages)


async def test_a_judge_that_fails_leaves_the_answer_and_says_so() -> None:
    result = await run(scripted(judge=lambda _request: ScriptedError("down", status_code=404)))

    assert result["status"] == "degraded"
    assert result["analysis"] is None
    assert result["judge_failure"] == "judge_upstream_error"
    assert result["answer"]


async def test_a_writer_that_fails_is_replaced_by_the_judge_model() -> None:
    models = scripted(writer=lambda _request: ScriptedError("down", status_code=404))

    result = await run(models)

    assert result["status"] == "degraded"
    assert result["reasons"] == ["writer writer: down", "judge wrote the answer in the place of writer"]
    assert json.loads(result["answer"])


async def test_when_nobody_can_write_the_best_supported_answer_stands_in_labelled() -> None:
    def seat(request: ScriptedRequest) -> Any:
        if "You write the final answer" in texts(request.messages):
            return ScriptedError("down", status_code=404)
        return researcher()(request)

    def judge(request: ScriptedRequest) -> Any:
        return ScriptedError("down", status_code=404)

    models = scripted(north=says(""), south=seat, judge=judge, writer=judge)

    result = await run(models, panel=["north", "south"], tools=[look_up()])

    assert result["status"] == "degraded"
    assert result["answer"].startswith("The writer failed")
    assert result["answer"].endswith("south found it [1].")


async def test_a_writer_that_hangs_leaves_time_for_another_and_both_fit_into_the_time_of_one() -> None:
    async def hangs(_request: ScriptedRequest) -> str:
        await asyncio.sleep(3600)
        return "never"

    models = scripted(writer=hangs)

    result = await asyncio.wait_for(run(models, panel_timeout_seconds=2), 30)

    assert result["status"] == "degraded"
    assert "judge wrote the answer in the place of writer" in result["reasons"]
    assert result["usage"]["calls"][-1]["outcome"] == "answer"


async def test_writers_that_all_hang_leave_the_best_answer_of_the_panel() -> None:
    def hangs(request: ScriptedRequest) -> Any:
        material = "Material for your answer" in request.text
        return asyncio.sleep(3600, "never") if material else f"{request.model} has seen it."

    models = scripted(writer=hangs, judge=hangs, north=hangs)

    result = await asyncio.wait_for(run(models, panel=["north", "south"], panel_timeout_seconds=2), 60)

    assert result["answer"].endswith("north has seen it.")
    assert result["status"] == "degraded"
    writing = [call for call in result["usage"]["calls"] if call["role"] == "writer"]
    assert {call["outcome"] for call in writing} == {"timeout"}
    assert len({call["model"] for call in writing}) == 3


async def test_a_writer_alone_that_fails_leaves_no_answer_and_an_error() -> None:
    result = await run(scripted(writer=lambda _request: ScriptedError("no money", status_code=402)), mode="never")

    assert (result["status"], result["failure_reason"]) == ("error", "insufficient_credits")
    assert result["answer"] == ""
    assert isinstance(result["messages"][-1], HumanMessage)


async def test_a_writer_that_calls_only_tools_nobody_offered_is_replaced() -> None:
    call = ScriptedReply(tool_calls=[{"name": "nonsense", "args": {}, "id": "c"}])

    result = await run(scripted(writer=lambda _request: call, judge=report()))

    assert (result["status"], result["tool_calls"]) == ("degraded", [])
    assert result["answer"]


async def test_text_of_a_writer_alone_that_broke_off_is_kept_and_labelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fusion_graph.calls.tries.BACKOFF_SECONDS", 0.0)
    broken = ScriptedReply("One two three four", error=ConnectionError("reset"), error_after=2)
    live = LiveRun("run", "thread")
    graph = build_fusion_graph(load_model=scripted(writer=lambda _request: broken)).compile()
    settings = FusionSettings.model_validate(ROSTER | {"mode": "never"})

    live.start(graph, {"messages": [("user", "Count.")]}, {}, settings, durable=False)
    async for _event in live.events():
        pass

    result = await live.result()
    assert result["answer"].startswith("One")
    assert result["status"] == "degraded"
    assert "breaks off" in result["reasons"][-1]


async def test_mode_never_asks_the_writer_alone_under_the_callers_instructions() -> None:
    models = scripted()
    conversation = [SystemMessage("Speak like a pirate."), HumanMessage("Hello?")]

    result = await run(models, conversation, mode="never")

    assert [request.model for request in models.requests] == ["writer"]
    assert not result["fused"]
    assert [message.content for message in models.requests[0].messages] == ["Speak like a pirate.", "Hello?"]


async def test_in_mode_auto_the_outer_model_may_answer_itself() -> None:
    models = scripted(writer=says("Two."))

    result = await run(models, "One and one?", mode="auto")

    assert (result["answer"], result["fused"], result["status"]) == ("Two.", False, "ok")
    assert [tool["function"]["name"] for tool in models.requests[0].tools] == ["fusion"]
    assert len(models.requests) == 1


def _asks_for_the_panel(request: ScriptedRequest) -> Any:
    offered = [tool["function"]["name"] for tool in request.tools]
    if "fusion" in offered:
        return ScriptedReply(tool_calls=[{"name": "fusion", "args": {"prompt": "Deep question"}, "id": "call_f"}])
    return "Written with the panel."


async def test_in_mode_auto_the_outer_model_may_ask_for_the_panel_once() -> None:
    models = scripted(writer=_asks_for_the_panel)

    result = await run(models, mode="auto", panel_context="prompt")

    assert (result["answer"], result["fused"]) == ("Written with the panel.", True)
    assert texts(asked(models, "north")[0].messages[-1:]) == "Deep question"
    kinds = [message.type for message in result["messages"]]
    assert kinds == ["human", "ai", "tool", "ai"]
    told = json.loads(result["messages"][2].content)
    assert told["status"] == "ok"
    assert [response["model"] for response in told["responses"]] == ["north", "south", "east"]


async def test_in_mode_auto_a_failed_outer_model_does_not_end_the_turn() -> None:
    def writer(request: ScriptedRequest) -> Any:
        return ScriptedError("tools are not supported", status_code=404) if request.tools else "Plainly: yes."

    result = await run(scripted(writer=writer), mode="auto")

    assert (result["answer"], result["status"]) == ("Plainly: yes.", "degraded")


async def test_the_callers_tool_calls_come_back_and_their_results_lead_to_an_answer_from_the_same_panel() -> None:
    def writer(request: ScriptedRequest) -> Any:
        if request.messages[-1].type == "tool":
            return f"Settled: {request.messages[-1].text}"
        return ScriptedReply(tool_calls=[{"name": "get_weather", "args": {"city": "Oslo"}, "id": "call_w"}])

    models = scripted(writer=writer)
    saver = InMemorySaver()

    first = await run(models, caller={"tools": [WEATHER]}, checkpointer=saver)
    second = await run(models, [ToolMessage("rain", tool_call_id="call_w")], checkpointer=saver)

    assert first["tool_calls"][0]["name"] == "get_weather"
    assert second["answer"] == "Settled: rain"
    assert len(asked(models, "north")) == 1
    assert len(asked(models, "judge")) == 1
    assert len(second["usage"]["calls"]) == 6
    assert not any(request.tools for request in models.requests if request.model != "writer")


async def test_in_mode_auto_fusion_stays_offered_after_a_client_tool_until_it_has_run() -> None:
    def writer(request: ScriptedRequest) -> Any:
        offered = [tool["function"]["name"] for tool in request.tools]
        done = [message for message in request.messages if message.type == "tool"]
        if not done:
            return ScriptedReply(tool_calls=[{"name": "get_weather", "args": {"city": "Oslo"}, "id": "call_w"}])
        return _asks_for_the_panel(request) if "fusion" in offered else "With panel and weather."

    models = scripted(writer=writer)
    saver = InMemorySaver()
    await run(models, caller={"tools": [WEATHER]}, mode="auto", checkpointer=saver)

    result = await run(models, [ToolMessage("rain", tool_call_id="call_w")], mode="auto", checkpointer=saver)

    assert (result["answer"], result["fused"]) == ("With panel and weather.", True)
    assert len(asked(models, "north")) == 1


async def test_a_tool_turn_without_a_deliberation_is_written_plainly() -> None:
    models = scripted(writer=says("It rains."))
    conversation = [
        HumanMessage("Weather?"),
        AIMessage("", tool_calls=[{"name": "get_weather", "args": {"city": "Oslo"}, "id": "c"}]),
        ToolMessage("rain", tool_call_id="c"),
    ]

    result = await run(models, conversation, caller={"tools": [WEATHER]})

    assert (result["answer"], result["fused"]) == ("It rains.", False)
    assert [request.model for request in models.requests] == ["writer"]


async def test_a_named_fusion_choice_asks_the_panel_whatever_the_mode() -> None:
    models = scripted()

    result = await run(models, mode="never", caller={"tool_choice": "fusion"})

    assert result["fused"]
    assert asked(models, "writer")[0].tool_choice is None


async def test_tool_choice_and_response_format_reach_the_writer_only() -> None:
    models = scripted()
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object", "properties": {}}}}

    await run(models, caller={"tools": [WEATHER], "tool_choice": "auto", "response_format": wanted})

    request = asked(models, "writer")[0]
    assert (request.tool_choice, request.response_format) == ("auto", wanted)
    assert all(asked(models, name)[0].response_format is None for name in ("north", "south", "east"))


async def test_system_prompts_images_and_files_reach_the_panel() -> None:
    models = scripted()
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    conversation = [
        SystemMessage("Answer in French."),
        HumanMessage([{"type": "text", "text": "What is this?"}, image]),
    ]

    await run(models, conversation)

    for name in ("north", "south", "east"):
        messages = asked(models, name)[0].messages
        assert "Answer in French." in str(messages[0].text)
        assert image in messages[-1].content
    assert image in asked(models, "writer")[0].messages[-1].content


async def test_a_seat_keeps_its_own_settings() -> None:
    models = scripted()
    seat = {
        "model": "north",
        "name": "the careful one",
        "temperature": 0.3,
        "reasoning": "high",
        "system_prompt": "Doubt.",
    }

    result = await run(models, panel=[seat, "south"], temperature=0.9)

    north, south = asked(models, "north")[0], asked(models, "south")[0]
    assert (north.temperature, north.reasoning, south.temperature) == (0.3, "high", 0.9)
    assert "Doubt." in texts(north.messages)
    assert "Doubt." not in texts(south.messages)
    assert result["state"]["results"][0]["name"] == "the careful one"


async def test_a_fault_of_this_program_in_one_seat_is_that_seats_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(current: Any, new: Any) -> Any:
        raise ZeroDivisionError(f"seat {new[0]['seats'][0]}")

    monkeypatch.setattr("fusion_graph.nodes.seat_tools.merge_sources", faulty)

    result = await run(scripted(north=researcher()), tools=[look_up()])

    assert result["status"] == "degraded"
    assert [failure["seat"] for failure in result["failed_models"]] == [1]
    assert "seat 1" in result["failed_models"][0]["error"]
    assert len(result["responses"]) == 2


async def test_an_empty_conversation_is_refused_before_anything_is_called() -> None:
    models = scripted()

    with pytest.raises(SettingsError, match="nothing to answer"):
        await run(models, [])

    assert not models.requests


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"panel": ["nobody"]}, "nobody"),
        ({"min_answers": 4}, "min_answers = 4"),
        ({"tools": ["telepathy"]}, "telepathy"),
        ({"approve": True}, "checkpointer"),
        ({"panle": []}, "panle"),
        ({"max_tool_calls": 17}, "max_tool_calls = 17"),
    ],
)
async def test_what_cannot_work_is_refused_before_anything_is_called(settings: dict[str, Any], words: str) -> None:
    models = scripted()
    graph: Any = build_fusion_graph(load_model=models).compile()

    with pytest.raises((SettingsError, ModelLoadError), match=words):
        await graph.ainvoke({"messages": [("user", "hi")]}, context=ROSTER | settings)

    assert not models.requests
