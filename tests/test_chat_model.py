import asyncio
import copy
import json
import pickle
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import UsageMetadataCallbackHandler, get_usage_metadata_callback
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from fusion_graph.chat_model import ChatFusion
from fusion_graph.errors import FusionError, SettingsError
from fusion_graph.models.scripted import ScriptedError, ScriptedModels, ScriptedReply, ScriptedRequest
from fusion_graph.settings import FusionSettings
from fusion_graph.tool import make_fusion_tool
from tests.graphs import ROSTER, look_up, researcher, scripted


def example_of(schema: dict[str, Any], text: str = "Why did the cat sit?") -> Any:
    """Return a value of a JSON schema's shape, with `text` for what is text in it."""

    def made(part: dict[str, Any]) -> Any:
        if "$ref" in part:
            return made(schema["$defs"][part["$ref"].rsplit("/", 1)[1]])
        if "enum" in part or "anyOf" in part:
            return part["enum"][0] if "enum" in part else made(part["anyOf"][0])
        kind = part.get("type")
        if kind == "object" or "properties" in part:
            return {name: made(inner) for name, inner in part.get("properties", {}).items()}
        if kind == "array":
            return [made(part.get("items", {}))]
        return {"integer": 3, "number": 3.0, "boolean": True, "null": None}.get(str(kind), text)

    return made(schema)


def obedient(request: ScriptedRequest) -> ScriptedReply | str:
    """A writer that calls the tool it is offered once, answers in the shape it is asked for, else in one line."""
    results = [message for message in request.messages if message.type == "tool"]
    if request.tools and not results:
        function = request.tools[0]["function"]
        quoted = re.findall(r"customer called '([^']+)'|company called '([^']+)'|'([^'\\x00-\\x7f]+)'", request.text)
        arguments = example_of(function.get("parameters", {}), *("".join(quoted[-1]) for _ in quoted[:1]))
        return ScriptedReply(tool_calls=[{"name": function["name"], "args": arguments, "id": "call_1"}])
    if request.response_format:
        wanted = request.response_format.get("json_schema", {}).get(
            "schema", {"properties": {"setup": {}, "punchline": {}}}
        )
        return json.dumps(example_of(wanted))
    return "Hello, this is the answer."


def models() -> ScriptedModels:
    return scripted(writer=obedient)


class _OfChatFusion:
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatFusion

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "fusion", "load_model": models(), **ROSTER}


class TestStandardUnit(_OfChatFusion, ChatModelUnitTests):
    pass


class TestStandardIntegration(_OfChatFusion, ChatModelIntegrationTests):
    @property
    def supports_json_mode(self) -> bool:
        return True


def panel(**scripts: Any) -> tuple[ChatFusion, ScriptedModels]:
    used = scripted(**scripts)
    return ChatFusion(load_model=used, **ROSTER), used


async def test_the_message_tells_tokens_once_the_writer_and_the_run() -> None:
    model, used = panel()
    counter = UsageMetadataCallbackHandler()

    message = await model.ainvoke("What is the answer?", {"callbacks": [counter]})

    run = message.response_metadata["fusion"]
    assert message.text == "The answer is 1, though one source says 2."
    assert message.usage_metadata
    assert message.usage_metadata["total_tokens"] == sum(
        call["tokens"]["input"] + call["tokens"]["output"] for call in run["usage"]["calls"]
    )
    assert counter.usage_metadata == {"writer": message.usage_metadata}
    assert (message.response_metadata["model_name"], message.response_metadata["finish_reason"]) == ("writer", "stop")
    assert (run["status"], len(run["responses"]), run["analysis"]["consensus"]) == ("ok", 3, ["both agree"])
    assert len(used.requests) == 5


def test_a_counter_of_the_context_counts_once_and_tracers_see_every_call() -> None:
    model, _used = panel()
    tracer = RunCollectorCallbackHandler()

    with get_usage_metadata_callback() as counter:
        message = model.invoke("What?", {"callbacks": [tracer]})
    assert counter.usage_metadata == {"writer": message.usage_metadata}
    assert {"panelist", "judge", "write"} <= {run.name for run in every(tracer.traced_runs[0])}

    with get_usage_metadata_callback() as counter:
        streamed = [chunk.usage_metadata for chunk in model.stream("What?") if chunk.usage_metadata]
    assert [counter.usage_metadata] == [{"writer": usage} for usage in streamed]


async def test_a_counter_of_an_async_context_counts_once_and_tracers_see_every_call() -> None:
    model, _used = panel()
    tracer = RunCollectorCallbackHandler()

    with get_usage_metadata_callback() as counter:
        message = await model.ainvoke("What?", {"callbacks": [tracer]})
    assert counter.usage_metadata == {"writer": message.usage_metadata}
    assert {"panelist", "judge", "write"} <= {run.name for run in every(tracer.traced_runs[0])}

    with get_usage_metadata_callback() as counter:
        streamed = [chunk.usage_metadata async for chunk in model.astream("What?") if chunk.usage_metadata]
    assert [counter.usage_metadata] == [{"writer": usage} for usage in streamed]


async def test_a_stream_says_the_same_and_tells_usage_once() -> None:
    model, _used = panel()

    chunks = [chunk async for chunk in model.astream("What is the answer?")]

    whole = sum(chunks[1:], chunks[0])
    assert len([chunk for chunk in chunks if chunk.text]) > 3
    assert whole.text == "The answer is 1, though one source says 2."
    assert [bool(chunk.usage_metadata) for chunk in chunks].count(True) == 1
    assert whole.response_metadata["fusion"]["status"] == "ok"


def test_sync_callers_get_the_same_whole_and_streamed() -> None:
    model, _used = panel()

    assert model.invoke("What?").text == "".join(chunk.text for chunk in model.stream("What?"))


async def test_calls_of_the_run_nest_below_the_model_in_traces() -> None:
    model, _used = panel()
    tracer = RunCollectorCallbackHandler()

    await model.ainvoke("What?", {"callbacks": [tracer]})

    (root,) = tracer.traced_runs
    assert root.run_type == "llm"
    names = {run.name for run in every(root)}
    assert {"fusion", "panelist", "judge", "write"} <= names


def every(run: Any) -> list[Any]:
    return [run, *(inner for child in run.child_runs for inner in every(child))]


async def test_bound_tools_reach_the_writer_and_nobody_else() -> None:
    model, used = panel(writer=obedient)

    def order(dish: str) -> str:
        """Order a dish."""
        return dish

    message = await model.bind_tools([order]).ainvoke("What shall I eat?")

    assert [call["name"] for call in message.tool_calls] == ["order"]
    assert message.response_metadata["finish_reason"] == "tool_calls"
    offered = {request.model: [t["function"]["name"] for t in request.tools] for request in used.requests}
    assert offered == {"north": [], "south": [], "east": [], "judge": [], "writer": ["order"]}


async def test_a_tool_turn_pays_no_second_panel() -> None:
    model, used = panel(writer=obedient)
    bound = model.bind_tools([{"name": "order", "description": "Order.", "parameters": {"type": "object"}}])
    asked_for = HumanMessage("What shall I eat?")
    first = await bound.ainvoke([asked_for])
    before = len(used.requests)

    second = await bound.ainvoke([asked_for, first, ToolMessage("served", tool_call_id=first.tool_calls[0]["id"])])

    assert second.text == "Hello, this is the answer."
    assert [request.model for request in used.requests[before:]] == ["writer"]


async def test_limits_of_a_chat_model_act_on_the_writer() -> None:
    used = scripted()
    model = ChatFusion(load_model=used, max_tokens=10, temperature=0.5, **ROSTER)

    message = await model.ainvoke("What?", stop=["though"])

    assert message.text == "The answer is 1, "
    assert {request.model: request.max_tokens for request in used.requests}["writer"] == 10
    assert {request.model: request.max_tokens for request in used.requests}["north"] == 16_000
    assert [chunk.text async for chunk in model.astream("What?", stop=["1, th"])][-1] == ""


@pytest.mark.parametrize(
    ("model", "preset"),
    [("fusion", "quality"), ("openrouter/fusion", "quality"), ("fusion/budget", "budget"), ("demo", "demo")],
)
def test_the_models_name_chooses_the_preset(model: str, preset: str) -> None:
    assert ChatFusion(model=model).settings.preset == preset
    assert ChatFusion(model=model, preset="fast").settings.preset == "fast"


async def test_who_stops_listening_stops_the_panel() -> None:
    started, stopped = asyncio.Event(), asyncio.Event()

    async def waits(_request: ScriptedRequest) -> str:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return "never"

    model, _used = panel(south=waits)
    task = asyncio.create_task(model.ainvoke("What?"))
    await asyncio.wait_for(started.wait(), 20)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(stopped.wait(), 20)


async def test_a_run_without_an_answer_raises_and_says_why() -> None:
    def fails(_request: ScriptedRequest) -> Any:
        raise ScriptedError("out of order", status_code=500)

    model, _used = panel(north=fails, south=fails, east=fails, judge=fails, writer=fails)

    with pytest.raises(FusionError, match=r"seat 1 \(north\) failed: .*out of order"):
        await model.ainvoke("What?")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model": "fusion/nonsense"}, "nonsense"),
        ({"approve": True}, "cannot wait for an approval"),
        ({"panel": ["no-such-model"]}, "no-such-model"),
    ],
)
async def test_what_cannot_work_is_refused_before_anything_is_paid(given: dict[str, Any], said: str) -> None:
    with pytest.raises(FusionError, match=said):
        await ChatFusion(**given).ainvoke("What?")


def test_settings_and_shapes_that_do_not_exist_are_named() -> None:
    with pytest.raises(FusionError, match="max_cost_usd"):
        ChatFusion(max_cost_usd=-1)
    with pytest.raises(FusionError, match="method = 'xml'"):
        ChatFusion().with_structured_output({"title": "x"}, method="xml")
    with pytest.raises(ValueError, match="none of the tools: f"):
        ChatFusion().bind_tools([{"name": "f", "description": "", "parameters": {}}], tool_choice="g")


async def test_a_panel_inside_a_panel_is_the_writer_alone() -> None:
    inner, used = panel()

    def load(name: str, **limits: Any) -> BaseChatModel:
        return inner if name == "north" else scripted()(name, **limits)

    message = await ChatFusion(load_model=load, **ROSTER).ainvoke("What?")

    assert len(message.response_metadata["fusion"]["responses"]) == 3
    assert [request.model for request in used.requests] == ["writer"]


@pytest.fixture
def cache() -> Iterator[None]:
    set_llm_cache(InMemoryCache())
    yield
    set_llm_cache(None)


def load(name: str, **limits: Any) -> BaseChatModel:
    return scripted(writer=obedient)(name, **limits)


def order(dish: str) -> str:
    """Order a dish."""
    return dish


def run_of(message: Any) -> str:
    return str(message.response_metadata["fusion"]["run_id"])


@pytest.mark.usefixtures("cache")
def test_the_cache_answers_for_the_same_model_and_its_copies() -> None:
    model = ChatFusion(load_model=load, **ROSTER)
    first = run_of(model.invoke("What?"))

    same = [model, model.model_copy(), model.with_config(tags=["x"]), pickle.loads(pickle.dumps(model))]  # noqa: S301

    assert [run_of(one.invoke("What?")) for one in same] == [first] * 4
    assert run_of(model.bind(stop=["though"]).invoke("What?")) == run_of(
        model.model_copy(update={"stop": ["though"]}).invoke("What?")
    )


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(
    "changed",
    [
        lambda model: model.model_copy(update={"max_tokens": 10}),
        lambda model: model.model_copy(update={"stop": ["though"]}),
        lambda model: model.model_copy(update={"load_model": scripted()}),
        lambda model: model.model_copy(update={"panel_tools": [look_up()]}),
        lambda model: model.model_copy(update={"settings": FusionSettings(**ROSTER, panel_timeout_seconds=9)}),
        lambda model: model.model_copy(update={"settings": FusionSettings(**{**ROSTER, "tools": ["web_fetch"]})}),
        lambda _model: ChatFusion(load_model=load, **ROSTER),
        lambda model: model.bind(max_tokens=10),
        lambda model: model.bind(temperature=0.5),
        lambda model: model.bind(response_format={"type": "json_object"}),
        lambda model: model.bind_tools([order]),
    ],
)
def test_the_cache_takes_no_answer_of_a_model_that_differs(changed: Callable[[ChatFusion], Any]) -> None:
    model = ChatFusion(load_model=load, **ROSTER)

    assert run_of(changed(model).invoke("What?")) != run_of(model.invoke("What?"))


@pytest.mark.usefixtures("cache")
def test_the_cache_knows_the_panels_tools_from_those_that_are_bound() -> None:
    model = ChatFusion(load_model=load, **ROSTER)
    other = model.model_copy(update={"settings": FusionSettings(**{**ROSTER, "tools": ["web_fetch"]})})

    assert run_of(model.bind_tools([order]).invoke("What?")) != run_of(other.bind_tools([order]).invoke("What?"))


@pytest.mark.usefixtures("cache")
def test_the_cache_takes_no_answer_of_the_writer_alone_for_a_panels() -> None:
    inner, used = panel()

    def ask(query: str) -> str:
        """Ask."""
        return inner.invoke("What?").text + query

    ChatFusion(load_model=scripted(north=researcher("ask")), panel_tools=[ask], **ROSTER).invoke("Why?")
    assert [request.model for request in used.requests] == ["writer"]

    assert len(inner.invoke("What?").response_metadata["fusion"]["responses"]) == 3


@pytest.mark.parametrize(
    "copied",
    [lambda model: pickle.loads(pickle.dumps(model)), copy.deepcopy, lambda model: model.model_copy(deep=True)],  # noqa: S301
)
def test_a_model_that_was_asked_can_be_copied(copied: Callable[[ChatFusion], ChatFusion]) -> None:
    model = ChatFusion(load_model=load, panel_tools=[order], **ROSTER)
    answer = model.invoke("What?").text

    assert copied(model).invoke("What?").text == answer


def test_a_copy_with_another_loader_asks_its_models() -> None:
    model, used = panel()
    model.invoke("What?")
    before = len(used.requests)

    other = model.model_copy(update={"load_model": scripted(writer=lambda _request: "Another answer.")})

    assert other.invoke("What?").text == "Another answer."
    assert len(used.requests) == before


@pytest.mark.parametrize("mode", ["always", "auto", "never"])
def test_a_tool_with_the_panels_own_name_is_refused_before_anything_is_paid(mode: Any) -> None:
    used = scripted(writer=obedient)
    model = ChatFusion(load_model=used, mode=mode, **ROSTER)
    tool = make_fusion_tool(ROSTER, load_model=scripted())

    with pytest.raises(SettingsError, match="'fusion' is the panel's own name") as refused:
        model.bind_tools([tool])
    with pytest.raises(SettingsError, match="'fusion' is the panel's own name"):
        model.invoke("What?", tools=[{"type": "function", "function": {"name": "fusion", "parameters": {}}}])

    assert 'make_fusion_tool(..., name="panel")' in str(refused.value.hint)
    assert used.requests == []


def test_an_agent_of_a_panel_asks_another_panel_by_another_name() -> None:
    asked = scripted()
    tool = make_fusion_tool(ROSTER, load_model=asked, name="panel")
    agent: Any = create_agent(ChatFusion(load_model=scripted(writer=obedient), **ROSTER), [tool])

    told = agent.invoke({"messages": [("user", "What?")]})["messages"]

    assert told[-1].text == "Hello, this is the answer."
    assert [request.model for request in asked.requests][-1] == "judge"
