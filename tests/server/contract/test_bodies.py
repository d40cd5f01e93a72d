"""What clients send: everything they are known to is taken, and what has a meaning here is heeded."""

import json
from typing import Any

import pytest

from fusion_graph.models.scripted import ScriptedReply
from tests.graphs import asked, texts
from tests.server.conftest import Serve, Served, judge_and_writer
from tests.server.contract.asking import FORCED, message, plugin, said, user
from tests.server.talk import ORDER, chunks

PLAIN = plugin(fusion_mode="never")
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


@pytest.mark.contract("8.13")
@pytest.mark.parametrize(
    "extra",
    [
        {"stream": False},
        {"stream": None, "stream_options": None, "tools": None, "tool_choice": None, "stop": None, "max_tokens": None},
        {"stream_options": {"include_usage": True}},
        {"store": False, "metadata": {"who": "me"}, "user": "u", "seed": 7, "service_tier": "auto"},
        {"top_p": 0.9, "presence_penalty": 0, "frequency_penalty": 0, "n": 1, "logit_bias": {}, "logprobs": False},
        {"parallel_tool_calls": False, "tools": [ORDER]},
        {"reasoning_effort": "low", "reasoning": {"effort": "low"}, "include_reasoning": True, "verbosity": "low"},
        {
            "provider": {"order": ["x"]},
            "route": "fallback",
            "models": ["a/b"],
            "transforms": [],
            "usage": {"include": True},
        },
        {
            "session_id": "s",
            "trace": {},
            "prompt_cache_key": "k",
            "safety_identifier": "i",
            "nobody_knows": {"deep": [1]},
        },
        {"tools": [{**ORDER, "function": {**ORDER["function"], "strict": True}}]},
        {
            "tools": [
                {
                    **ORDER,
                    "function": {"name": "order", "parameters": {"$schema": "https://json-schema.org/x", **SCHEMA}},
                }
            ]
        },
        {"tools": [{**ORDER, "function": {"name": "order"}}], "tool_choice": "auto"},
        {"tools": [], "tool_choice": "none"},
        {"tool_choice": "auto"},
        {"response_format": {"type": "text"}},
    ],
)
@pytest.mark.parametrize("model", ["fusion", "writer"])
def test_what_clients_send_besides_is_taken(served: Served, model: str, extra: dict[str, Any]) -> None:
    response = served.chat(model=model, **extra)

    assert message(response)["content"].startswith("The answer is 1")
    assert served.asked()


CALLED = {"id": "call_1", "type": "function", "function": {"name": "order", "arguments": '{"n": 1}'}}


@pytest.mark.contract("8.14")
@pytest.mark.parametrize(
    "before",
    [
        [{"role": "developer", "content": "Be brief."}],
        [{"role": "system", "content": [{"type": "text", "text": "Be brief."}]}],
        [{"role": "user", "content": [{"type": "text", "text": "Hello."}], "name": "me"}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}],
        [user("Hello."), {"role": "assistant", "content": "Hi.", "refusal": None, "annotations": [], "audio": None}],
        [user("Hello."), {"role": "assistant", "content": [{"type": "text", "text": "Hi."}], "name": "you"}],
        [
            user("Hello."),
            {"role": "assistant", "content": "Hi.", "provider_specific_fields": {"a": 1}, "reasoning": "so"},
        ],
        [user("Hello."), {"role": "assistant", "content": "Hi.", "function_call": None, "tool_calls": None}],
        [
            user("Hello."),
            {"role": "assistant", "content": None, "tool_calls": [CALLED]},
            {"role": "tool", "tool_call_id": "call_1", "content": "served", "name": "order"},
            {"role": "assistant", "content": "It was served."},
        ],
        [
            user("Hello."),
            {
                "role": "assistant",
                "tool_calls": [{**CALLED, "index": 0, "function": {"name": "order", "arguments": "{n"}}],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "served"}]},
        ],
        [user("Hello."), {"role": "assistant", "content": ""}],
        [user("")],
    ],
)
def test_messages_are_taken_as_clients_write_them(served: Served, before: list[Any]) -> None:
    response = served.post({"messages": [*before, user("What is the answer?")]})

    assert message(response)["content"] == "The answer is 1 [1]."
    assert all("What is the answer?" in texts(request.messages) for request in asked(served.models, "north"))


@pytest.mark.contract("8.15")
@pytest.mark.parametrize(
    "wanted",
    [
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "number", "schema": SCHEMA, "strict": True}},
    ],
)
@pytest.mark.parametrize("asks", [FORCED, {"model": "writer", "plugins": None}])
def test_the_writer_is_asked_for_the_format(serve: Serve, wanted: dict[str, Any], asks: dict[str, Any]) -> None:
    served = serve(writer=lambda _request: '{"n": 1}')

    response = served.chat(response_format=wanted, **asks)

    formats = [request.response_format for request in served.models.requests if request.model != "writer"]
    assert json.loads(message(response)["content"]) == {"n": 1}
    assert asked(served.models, "writer")[-1].response_format == wanted
    assert wanted not in formats


@pytest.mark.contract("8.15")
@pytest.mark.parametrize(
    ("stop", "text"),
    [("three", "One two "), (["four", "two"], "One "), ([], "One two three four."), ("", "One two three four.")],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_ends_at_a_stop_word(serve: Serve, stop: Any, text: str, stream: bool) -> None:  # noqa: FBT001
    served = serve(writer=lambda _request: "One two three four.")

    response = served.chat(model="writer", plugins=None, stop=stop, stream=stream)

    assert (said(chunks(response)) if stream else message(response)["content"]) == text


@pytest.mark.contract("8.16")
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("asks", [FORCED, {"model": "writer", "plugins": None}, {"model": "writer"}])
def test_the_output_limit_is_the_writers(served: Served, name: str, asks: dict[str, Any]) -> None:
    limit: dict[str, Any] = {name: 500}

    response = served.chat(**limit, **asks)

    assert message(response)["content"] == "The answer is 1, though one source says 2."
    assert [request.max_tokens for request in asked(served.models, "writer")] == [500]
    assert 500 not in {request.max_tokens for request in served.models.requests if request.model != "writer"}


@pytest.mark.contract("8.17", "3.6")
@pytest.mark.parametrize("asks", [PLAIN, {}])
def test_an_answer_that_was_cut_says_so(serve: Serve, asks: dict[str, Any]) -> None:
    def cut(request: Any) -> Any:
        told = judge_and_writer(request)
        return told if told.startswith("{") else ScriptedReply("The answer is", finish_reason="length")

    served = serve(judge=cut)

    whole, parts = served.chat(**asks).json(), chunks(served.chat(stream=True, **asks))

    assert whole["choices"][0]["finish_reason"] == "length"
    assert [c["finish_reason"] for part in parts for c in part["choices"] if c["finish_reason"]] == ["length"]
    assert said(parts) == whole["choices"][0]["message"]["content"] == "The answer is"
