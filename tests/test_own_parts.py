"""What an application brings: its tools, its models, its prices; and how what is wrong with them is told."""

from typing import Annotated, Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, InjectedToolCallId, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from fusion_graph import ChatFusion, FusionSettings, SettingsError, build_fusion_graph, make_fusion_tool
from fusion_graph.errors import ModelLoadError
from fusion_graph.models.scripted import ScriptedModels, ScriptedReply, ScriptedRequest
from tests.graphs import ROSTER, look_up, researcher, run, says, scripted


def stock(part: str) -> str:
    """Tell how many of a part are in stock."""
    return f"There are 1240 of {part}."


def broken(part: str) -> str:
    """Tell how many of a part are in stock."""
    raise ValueError(f"the warehouse is down: {part}")


def unsaid(part: str) -> str:
    return part


def uses(name: str) -> Any:
    """A seat that calls a tool with a part, then answers with what it was told."""

    def script(request: ScriptedRequest) -> ScriptedReply | str:
        told = [message for message in request.messages if message.type == "tool"]
        if not told:
            return ScriptedReply(tool_calls=[{"name": name, "args": {"part": "M8"}, "id": "call_0"}])
        return f"I was told: {told[-1].text}"

    return script


async def test_a_function_with_a_docstring_is_a_tool() -> None:
    result = await run(scripted(north=uses("stock")), tools=[stock])  # type: ignore[list-item]

    assert "There are 1240 of M8." in result["responses"][0]["content"]
    assert result["usage"]["tools"][0] == {
        "seat": 1, "model": "north", "requested": 1, "executed": 1, "by_tool": {"stock": 1}, "failed": {},
    }  # fmt: skip
    assert result["notes"] == []


async def test_a_tool_that_writes_into_a_state_gives_its_message() -> None:
    @tool
    def stock(part: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Tell how many of a part are in stock."""
        return Command(update={"messages": [ToolMessage(f"1240 of {part}", tool_call_id=tool_call_id)], "seen": part})

    result = await run(scripted(north=uses("stock")), tools=[stock])

    assert "1240 of M8" in result["responses"][0]["content"]
    assert result["notes"] == []


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        ([unsaid], "docstring"),
        (["stock"], "'stock' is no tool"),
        ([stock, stock], "several are called 'stock'"),
        ([look_up(), look_up()], "several are called 'look_up'"),
    ],
)
def test_what_is_no_tool_is_refused_when_the_graph_is_built(tools: list[Any], said: str) -> None:
    for build in (build_fusion_graph, make_fusion_tool):
        with pytest.raises(SettingsError, match=said) as refused:
            build(tools=tools)
        assert refused.value.hint
        assert refused.value.hint in refused.value.__notes__  # which a traceback shows


def test_a_tool_among_the_settings_is_told_where_it_belongs() -> None:
    with pytest.raises(SettingsError, match="tool 1 = ") as refused:
        FusionSettings.model_validate({"tools": [look_up()]})

    assert "build_fusion_graph(tools=[...])" in str(refused.value.hint)


async def test_a_tool_that_never_works_is_told_with_its_error_and_one_that_works_now_and_then_is_counted() -> None:
    always = await run(scripted(north=uses("broken"), south=uses("broken")), tools=[broken])  # type: ignore[list-item]
    turns = iter([ValueError("no"), None])

    def moody(query: str) -> str:
        """Look a thing up."""
        if error := next(turns, None):
            raise error
        return query

    once = await run(scripted(north=researcher("moody", rounds=2)), tools=[moody], panel=["north"])  # type: ignore[list-item]

    assert always["notes"] == ["broken failed in all 2 of its calls: ValueError: the warehouse is down: M8"]
    assert [seat["failed"] for seat in always["usage"]["tools"]] == [{"broken": 1}, {"broken": 1}, {}]
    assert (once["notes"], once["usage"]["tools"][0]["failed"]) == ([], {"moody": 1})


@pytest.mark.parametrize(
    ("load_model", "said"),
    [
        (lambda name: name, "load_model cannot be called as it will be: "),
        ({"north": FakeListChatModel(responses=["x"])}, "is no function"),
    ],
)
def test_a_loader_that_cannot_be_called_is_refused_with_its_signature(load_model: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        build_fusion_graph(load_model=load_model)

    assert "def load_model(name, /, *, temperature, max_tokens, reasoning)" in str(refused.value.hint)


async def test_a_loader_that_gives_no_model_is_refused_before_anything_is_asked() -> None:
    models = scripted()

    def load(name: str, /, **options: Any) -> Any:
        return models(name, **options) if name != "judge" else "gpt"

    with pytest.raises(ModelLoadError, match=r"load_model gave str for 'judge' \(needed by judge\)"):
        await run(load)  # type: ignore[arg-type]

    assert models.requests == []


async def test_a_model_without_bind_tools_is_asked_without_tools() -> None:
    models = scripted()

    def load(name: str, /, **options: Any) -> Any:
        return FakeListChatModel(responses=["It is 1."]) if name == "north" else models(name, **options)

    result = await run(load, tools=[look_up()])  # type: ignore[arg-type]

    assert result["responses"][0]["content"] == "It is 1."
    assert result["status"] == "ok"


@pytest.mark.parametrize(("ceiling", "told"), [(0.0, True), (10.0, False)])
async def test_a_budget_that_could_not_be_kept_is_told(ceiling: float, told: bool) -> None:  # noqa: FBT001
    result = await run(scripted(), max_cost_usd=0.01, price_ceiling=ceiling)

    known = [
        note
        for note in result["notes"]
        if note.startswith("max_cost_usd was not kept: no price is known for east, judge")
    ]
    assert bool(known) is told


@pytest.mark.parametrize(
    ("name", "near"), [("max_cost", "max_cost_usd"), ("presets", "preset"), ("timeouts", "timeout")]
)
def test_chat_fusion_refuses_an_argument_that_nobody_knows(name: str, near: str) -> None:
    with pytest.raises(SettingsError, match=f"unknown argument '{name}'") as refused:
        ChatFusion(**{name: 1})

    assert str(refused.value.hint).startswith(f"did you mean {near!r}?")


@pytest.mark.parametrize("usual", [{"max_retries": 3}, {"streaming": True}, {"api_key": "of-nobody"}])
def test_chat_fusion_takes_what_any_chat_model_is_given(usual: dict[str, Any]) -> None:
    assert ChatFusion(preset="demo", **usual).settings.preset == "demo"


async def test_more_quorum_than_seats_is_refused() -> None:
    with pytest.raises(SettingsError, match="quorum = 4 is more than the panel's 3 seats"):
        await run(scripted(), quorum=4)


@pytest.mark.parametrize(
    "content", ["", " \n ", [], [{"type": "text", "text": " "}], [" ", {"type": "text", "text": ""}]]
)
async def test_an_empty_question_is_refused_before_anybody_is_paid(content: Any) -> None:
    models = scripted()

    with pytest.raises(SettingsError, match="the last user message is empty"):
        await run(models, [HumanMessage(content)])

    assert models.requests == []


async def test_a_finished_thread_without_a_new_message_is_refused() -> None:
    models, saver = scripted(), InMemorySaver()
    await run(models, checkpointer=saver)
    asked = len(models.requests)

    with pytest.raises(SettingsError, match="no message has come since the last answer"):
        await run(models, [], checkpointer=saver)
    again = await run(models, "And now?", checkpointer=saver)

    assert again["status"] == "ok"
    assert len(models.requests) == 2 * asked


async def test_one_setting_written_into_a_thread_leaves_the_others() -> None:
    models: ScriptedModels = scripted(other=says('{"consensus": [{"point": "other", "answers": ["A", "B"]}]}'))
    graph: Any = build_fusion_graph(load_model=models).compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    await graph.ainvoke({"messages": [("user", "What is it?")]}, config, context=ROSTER)
    before = next(state for state in graph.get_state_history(config) if state.next == ("judge",))

    fork = await graph.aupdate_state(before.config, {"settings": {"judge": "other"}}, as_node="panelist")
    values = await graph.ainvoke(None, fork)

    assert values["settings"] == before.values["settings"] | {"judge": "other"}
    assert [claim["text"] for claim in values["analysis"]["consensus"]] == ["other"]
    assert [request.model for request in models.requests][-2:] == ["other", "writer"]


async def test_a_stream_of_messages_shows_no_question_and_no_earlier_answer_again() -> None:
    tools: list[BaseTool] = [look_up()]
    graph: Any = build_fusion_graph(load_model=scripted(north=researcher()), tools=tools).compile(InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}

    for question in ("What is it?", "And now?"):
        asked = {"messages": [("user", question)]}
        parts = [part async for part, _ in graph.astream(asked, config, context=ROSTER, stream_mode="messages")]

        shown = [part for part in parts if not str(part.id).startswith("do-not-render-")]
        assert "".join(str(part.text) for part in shown) == "The answer is 1, though one source says 2."
