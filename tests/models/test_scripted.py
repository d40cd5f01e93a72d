"""The scripted double: a function of what it sees, streamed or not."""

import asyncio
import doctest
import re
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable
from langchain_core.tools import tool
from pydantic import BaseModel

from fusion_graph.errors import ModelLoadError
from fusion_graph.models import price, scripted
from fusion_graph.models.scripted import (
    Outcome,
    ScriptedError,
    ScriptedModel,
    ScriptedModels,
    ScriptedReply,
    ScriptedRequest,
)


@tool
def look(at: int) -> str:
    """Look at something."""
    return str(at)


CALL = {"name": "look", "args": {"at": 1}, "id": "call_1"}


def saying(outcome: Outcome) -> ScriptedModel:
    return ScriptedModels({"alpha": lambda _request: outcome})("alpha")


async def aggregated(model: Runnable[Any, Any]) -> AIMessageChunk:
    total: AIMessageChunk | None = None
    async for chunk in model.astream("hi"):
        total = chunk if total is None else total + chunk
    assert total is not None
    return total


async def listen(model: Runnable[Any, Any], heard: list[str]) -> None:
    async for chunk in model.astream("hi"):
        heard.append(chunk.text)  # noqa: PERF401  (what was heard before an error is kept)


def test_the_example_in_the_module_works() -> None:
    assert doctest.testmod(scripted) == (0, 7)


def test_a_script_sees_the_whole_request() -> None:
    models = ScriptedModels({"alpha": lambda request: request.text})
    model = models("alpha", temperature=0.5, max_tokens=9, reasoning="low")
    history = [SystemMessage("be brief"), HumanMessage("first"), AIMessage("one"), HumanMessage("second")]

    assert model.bind_tools([look]).bind(response_format={"type": "json_object"}).invoke(history).text == "second"

    (request,) = models.requests
    assert (request.model, request.temperature, request.max_tokens, request.reasoning) == ("alpha", 0.5, 9, "low")
    assert request.messages == history
    assert [each["function"]["name"] for each in request.tools] == ["look"]
    assert request.response_format == {"type": "json_object"}


def test_a_model_works_on_its_own() -> None:
    assert ScriptedModel(script=lambda request: request.model).invoke("hi").text == "scripted"


def test_a_request_without_a_user_has_no_text() -> None:
    assert ScriptedModels({"alpha": lambda request: f"<{request.text}>"})("alpha").invoke([AIMessage("x")]).text == "<>"


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, None),
        ("auto", "auto"),
        ("none", "none"),
        ("any", "required"),
        (True, "required"),
        ("required", "required"),
        ("look", {"type": "function", "function": {"name": "look"}}),
        ({"type": "function", "function": {"name": "look"}}, {"type": "function", "function": {"name": "look"}}),
    ],
)
def test_a_tool_choice_reaches_the_script_in_openais_words(choice: Any, sent: Any) -> None:
    models = ScriptedModels({"alpha": lambda _request: "x"})

    models("alpha").bind_tools([look], tool_choice=choice).invoke("hi")

    assert models.requests[0].tool_choice == sent


REPLIES = [
    "a few words,  with\n\nall sorts of space ",
    "",
    ScriptedReply("looking", tool_calls=[CALL, CALL | {"id": "call_2", "args": {}}]),
    ScriptedReply(refusal="I will not", reasoning="because", cost=0.5, finish_reason="content_filter"),
    ScriptedReply("cut off", finish_reason=None, usage=None),
    AIMessage("given", tool_calls=[CALL], response_metadata={"finish_reason": "odd"}, additional_kwargs={"parsed": 1}),
    AIMessage([{"type": "text", "text": "a block"}]),
]


@pytest.mark.parametrize("outcome", REPLIES)
async def test_a_stream_adds_up_to_the_message_it_would_be_without_streaming(outcome: Outcome) -> None:
    model = saying(outcome)

    whole, streamed = await model.ainvoke("hi"), await aggregated(model)

    assert (streamed.text, streamed.tool_calls) == (whole.text, whole.tool_calls)
    assert streamed.usage_metadata == whole.usage_metadata
    assert streamed.additional_kwargs == whole.additional_kwargs
    ids = whole.response_metadata.pop("id"), streamed.response_metadata.pop("id")
    assert streamed.response_metadata == whole.response_metadata
    assert ids[0] != ids[1]


@settings(deadline=None, max_examples=50)
@given(st.text())
def test_words_add_up_to_any_text(text: str) -> None:
    assert "".join(chunk.text for chunk in saying(text).stream("hi")) == text


async def test_a_stream_comes_in_words_with_usage_and_finish_reason_on_the_last_chunk() -> None:
    chunks = [chunk async for chunk in saying("one two three").astream("hi")]

    assert [chunk.text for chunk in chunks] == ["one", " two", " three", ""]
    assert [bool(chunk.usage_metadata) for chunk in chunks] == [False, False, False, True]
    assert [chunk.response_metadata.get("finish_reason") for chunk in chunks] == [None, None, None, "stop"]
    assert chunks[-1].chunk_position == "last"


async def test_tool_calls_are_streamed_in_pieces() -> None:
    chunks = [chunk async for chunk in saying(ScriptedReply(tool_calls=[CALL])).astream("hi")]

    pieces = [piece for chunk in chunks for piece in chunk.tool_call_chunks]
    assert [piece["name"] for piece in pieces] == ["look", None]
    assert "".join(str(piece["args"]) for piece in pieces) == '{"at": 1}'


def test_usage_counts_characters_and_the_metadata_is_a_real_models() -> None:
    message = saying(ScriptedReply("x" * 9, cost=0.25)).invoke("y" * 8)

    assert message.usage_metadata == {"input_tokens": 2, "output_tokens": 3, "total_tokens": 5}
    assert message.response_metadata["model_name"] == "alpha"
    assert message.response_metadata["finish_reason"] == "stop"
    assert re.fullmatch(r"scripted-\d+", message.response_metadata["id"])
    assert price("alpha", message) == (0.25, "provider")


async def test_an_exception_is_raised_as_it_was_given() -> None:
    error = ScriptedError("slow down", status_code=429, headers={"Retry-After": "7"})

    with pytest.raises(ScriptedError, match="slow down") as raised:
        await saying(error).ainvoke("hi")
    assert raised.value.status_code == 429
    assert raised.value.response.headers == {"retry-after": "7"}
    with pytest.raises(ScriptedError):
        saying(error).invoke("hi")


@pytest.mark.parametrize(("after", "heard"), [(0, []), (2, ["one", " two"]), (99, ["one", " two", " three", ""])])
async def test_an_exception_may_come_after_some_chunks(after: int, heard: list[str]) -> None:
    model = saying(ScriptedReply("one two three", error=OSError("lost"), error_after=after))
    chunks: list[str] = []

    with pytest.raises(OSError, match="lost"):
        await listen(model, chunks)
    assert chunks == heard


async def test_parallel_calls_get_the_answers_to_their_own_questions() -> None:
    async def script(request: ScriptedRequest) -> str:
        await asyncio.sleep(0.001 * (len(request.text) % 3))
        return f"{request.model}: {request.text}"

    models = ScriptedModels({"alpha": script, "beta": script})
    asked = [(name, "x" * n) for n in range(20) for name in ("alpha", "beta")]

    answers = await asyncio.gather(*(models(name).ainvoke(text) for name, text in asked))

    assert [answer.text for answer in answers] == [f"{name}: {text}" for name, text in asked]
    assert len({answer.response_metadata["id"] for answer in answers}) == len(asked) == len(models.requests)


async def test_a_delay_is_waited_for_and_a_deadline_cuts_it() -> None:
    slow = saying(ScriptedReply("late", delay=0.05))
    started = time.monotonic()

    assert (await slow.ainvoke("hi")).text == "late"
    assert time.monotonic() - started >= 0.05
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(saying(ScriptedReply("late", delay=60)).ainvoke("hi"), 0.01)


async def test_a_pause_between_chunks_leaves_a_partial_text_at_a_deadline() -> None:
    model = saying(ScriptedReply("one " * 100, pause=0.01))
    heard: list[str] = []

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(listen(model, heard), 0.1)
    assert 0 < len(heard) < 100


def test_an_async_script_refuses_a_synchronous_call() -> None:
    async def script(_request: ScriptedRequest) -> str:
        return "x"

    with pytest.raises(TypeError, match=r"the script of 'alpha' is async"):
        ScriptedModels({"alpha": script})("alpha").invoke("hi")


class Verdict(BaseModel):
    best: str


async def test_structured_output_is_asked_for_by_schema_and_parsed() -> None:
    models = ScriptedModels({"alpha": lambda _request: '{"best": "b"}'})
    schema = {"title": "verdict", "description": "d", "type": "object", "properties": {"best": {"type": "string"}}}

    assert await models("alpha").with_structured_output(Verdict).ainvoke("hi") == Verdict(best="b")
    assert await models("alpha").with_structured_output(schema).ainvoke("hi") == {"best": "b"}

    asked = [request.response_format or {} for request in models.requests]
    assert [each["type"] for each in asked] == ["json_schema"] * 2
    assert [each["json_schema"]["name"] for each in asked] == ["Verdict", "verdict"]
    assert list(asked[0]["json_schema"]["schema"]["properties"]) == ["best"]


def test_the_raw_message_beside_structured_output_is_not_offered() -> None:
    with pytest.raises(NotImplementedError, match="bind response_format"):
        saying("x").with_structured_output(Verdict, include_raw=True)


def test_an_unknown_name_is_a_load_error_with_the_nearest_one() -> None:
    with pytest.raises(ModelLoadError, match=r"there is no scripted model 'alpa'") as raised:
        ScriptedModels({"alpha": lambda _request: "x"})("alpa")
    assert raised.value.hint == "did you mean 'alpha'? one of: alpha"
