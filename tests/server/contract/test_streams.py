"""A streamed completion, line by line."""

import asyncio
import json
import threading
from typing import Any

import httpx
import pytest

from fusion_graph.models.scripted import ScriptedError, ScriptedReply, ScriptedRequest
from fusion_graph.server.answers import streams
from tests.graphs import researcher
from tests.server.conftest import Serve, Served, judge_and_writer
from tests.server.contract.asking import FORCED, deltas, fails, message, offered, plugin, said
from tests.server.talk import ORDER, chunks

PLAIN = plugin(fusion_mode="never")


@pytest.fixture
def go() -> threading.Event:
    return threading.Event()


@pytest.fixture
def held(serve: Serve, go: threading.Event) -> Served:
    """A server with a seat that answers when it is let go."""

    async def waits(_request: ScriptedRequest) -> str:
        await asyncio.to_thread(go.wait, 30)
        return "east: late"

    return serve(east=waits, judge=judge_and_writer)


def data(line: str) -> Any:
    return json.loads(line.removeprefix("data: "))


@pytest.mark.contract("3.1", "3.5", "8.12")
@pytest.mark.parametrize("asks", [{}, PLAIN, FORCED])
def test_a_stream_is_data_comments_and_empty_lines(served: Served, asks: dict[str, Any]) -> None:
    response = served.chat(stream=True, **asks)

    lines = response.text.split("\n")
    whole = message(served.chat(**asks))["content"]
    assert response.headers["content-type"].startswith("text/event-stream")
    assert all(line == "" or line.startswith((":", "data: ")) for line in lines)
    assert said(chunks(response)) == whole


@pytest.mark.contract("3.6", "3.7", "3.8")
@pytest.mark.parametrize("options", [None, {"include_usage": True}, {"include_usage": False}])
@pytest.mark.parametrize("asks", [{}, PLAIN])
def test_a_stream_ends_once_and_its_usage_is_last(served: Served, asks: dict[str, Any], options: Any) -> None:
    response = served.chat(stream=True, stream_options=options, **asks)

    told = chunks(response)
    reasons = [choice["finish_reason"] for part in told for choice in part["choices"]]
    assert [reason for reason in reasons if reason is not None] == ["stop"]
    assert told[-1]["choices"] == []
    assert told[-1]["usage"]["total_tokens"] > 0
    assert [part for part in told[:-1] if part.get("usage") or not part["choices"]] == []
    assert response.text.rstrip().endswith("\ndata: [DONE]")


@pytest.mark.contract("8.7", "8.8", "8.9", "8.10")
@pytest.mark.parametrize("asks", [{}, PLAIN, FORCED])
def test_every_chunk_has_the_fields_that_clients_need(served: Served, asks: dict[str, Any]) -> None:
    told = chunks(served.chat(stream=True, **asks))

    (head,) = {(part["id"], part["created"], part["model"]) for part in told}
    assert [type(each) for each in head] == [str, int, str]
    assert {part["object"] for part in told} == {"chat.completion.chunk"}
    assert {part["system_fingerprint"] for part in told} == {None}
    assert {choice["index"] for part in told for choice in part["choices"]} == {0}
    assert all("finish_reason" in choice and "delta" in choice for part in told for choice in part["choices"])
    assert deltas(told)[0]["role"] == "assistant"
    assert {delta["role"] for delta in deltas(told) if "role" in delta} == {"assistant"}


def orders(request: ScriptedRequest) -> ScriptedReply | str:
    """A model that calls the client's function twice."""
    calls = [{"name": "order", "args": {"n": n}, "id": f"call_{n}"} for n in range(2)]
    return ScriptedReply("I order.", tool_calls=calls) if "order" in offered(request) else "No."


@pytest.mark.contract("8.11", "3.6", "1.24")
def test_function_calls_are_told_with_their_place(serve: Serve) -> None:
    served = serve(writer=orders)

    told = chunks(served.chat(model="writer", tools=[ORDER], stream=True))

    pieces = [call for delta in deltas(told) for call in delta.get("tool_calls", [])]
    firsts = {piece["index"]: piece for piece in reversed(pieces)}
    arguments = ["".join(p["function"]["arguments"] for p in pieces if p["index"] == n) for n in firsts]
    assert sorted(firsts) == [0, 1]
    assert sorted((p["id"], p["type"], p["function"]["name"]) for p in firsts.values()) == [
        ("call_0", "function", "order"),
        ("call_1", "function", "order"),
    ]
    assert sorted(json.loads(each)["n"] for each in arguments) == [0, 1]
    assert [c["finish_reason"] for part in told for c in part["choices"] if c["finish_reason"]] == ["tool_calls"]


@pytest.mark.contract("3.32", "3.38", "3.39", "3.40", "5.10")
def test_a_stream_tells_beside_the_text_what_the_whole_tells(serve: Serve) -> None:
    served = serve(north=researcher(), judge=judge_and_writer)

    whole, response = served.chat().json(), served.chat(stream=True)

    told = chunks(response)
    beside = {name: value for delta in deltas(told) for name, value in delta.items()}
    (own,) = [part["x_fusion"] for part in told if "x_fusion" in part]
    (detail,) = whole["choices"][0]["message"]["reasoning_details"]
    assert beside["annotations"] == whole["choices"][0]["message"]["annotations"]
    assert [each["result"] for each in beside["reasoning_details"]] == [detail["result"]]
    assert set(own) == set(whole["x_fusion"])
    assert own["run_id"] == response.headers["x-fusion-run-id"]
    assert own["sources"][0]["url"] == whole["x_fusion"]["sources"][0]["url"]
    assert told[-1]["usage"] == whole["usage"]


@pytest.mark.contract("3.2")
def test_a_stream_opens_before_any_model_has_answered(held: Served, go: threading.Event) -> None:
    with held.streaming() as response:
        first = next(response.iter_lines())
        status, was_held = response.status_code, not go.is_set()
        go.set()

    assert (status, was_held) == (200, True)
    assert data(first)["choices"][0]["delta"] == {"role": "assistant", "content": ""}


@pytest.mark.contract("3.3")
def test_who_waits_five_seconds_for_a_byte_waits_long_enough(held: Served, go: threading.Event) -> None:
    asks = {"model": "fusion", "stream": True, "messages": [{"role": "user", "content": "?"}], **plugin()}
    with httpx.stream("POST", f"{held.url}/v1/chat/completions", json=asks, timeout=5) as response:
        lines = response.iter_lines()
        comment = next(line for line in lines if line.startswith(":"))
        go.set()
        rest = [line for line in lines if line]

    assert comment.startswith(": ")
    assert rest[-1] == "data: [DONE]"
    assert streams.BYTE_EVERY == 3


@pytest.mark.contract("3.9")
def test_a_whole_completion_too_sends_something_in_time(held: Served, go: threading.Event) -> None:
    asks = {"model": "fusion", "messages": [{"role": "user", "content": "?"}], **plugin()}
    with httpx.stream("POST", f"{held.url}/v1/chat/completions", json=asks, timeout=5) as response:
        texts = response.iter_text()
        blank = next(texts)
        go.set()
        whole = blank + "".join(texts)

    assert (response.status_code, blank.strip()) == (200, "")
    assert json.loads(whole)["choices"][0]["message"]["content"] == "The answer is 1 [1]."


@pytest.mark.contract("3.4")
def test_a_silent_stream_sends_empty_chunks(held: Served, go: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = streams.CHUNK_EVERY
    monkeypatch.setattr(streams, "BYTE_EVERY", 0.01)
    monkeypatch.setattr(streams, "CHUNK_EVERY", 0.05)
    with held.streaming() as response:
        parts = (data(line) for line in response.iter_lines() if line.startswith("data: {"))
        opening, silence = next(parts), next(parts)
        go.set()

    assert usual == 15
    assert silence["choices"] == opening["choices"]
    assert silence["choices"][0]["delta"] == {"role": "assistant", "content": ""}


@pytest.mark.contract("3.10", "3.13", "3.14", "5.11", "3.6")
@pytest.mark.parametrize(("status", "code"), [(402, 402), (429, 429), (403, 502)])
def test_a_stream_whose_run_fails_says_so_twice(serve: Serve, status: int, code: int) -> None:
    served = serve(judge=fails(status, "the words of its server"))

    response = served.chat(stream=True, **PLAIN)

    told = chunks(response)
    end = told[-2]
    assert response.status_code == 200
    assert (end["choices"][0]["finish_reason"], end["error"]["code"]) == ("error", code)
    assert "the words of its server" in end["error"]["message"]
    assert said(told[:-2]).startswith("[fusion: ")
    assert [c["finish_reason"] for part in told for c in part["choices"] if c["finish_reason"]] == ["error"]
    assert isinstance(told[-1]["usage"]["total_tokens"], int)


@pytest.mark.contract("3.15", "3.13", "3.14")
def test_a_writer_that_breaks_off_does_not_end_as_if_it_were_done(serve: Serve) -> None:
    torn = ScriptedReply("One two three four five.", error=ScriptedError("the line is dead"), error_after=2)
    served = serve(judge=lambda _request: torn)

    told = chunks(served.chat(stream=True, **PLAIN))

    assert said(told).startswith("One two")
    assert "[fusion: " in said(told)
    assert [c["finish_reason"] for part in told for c in part["choices"] if c["finish_reason"]] == ["error"]
    assert "the line is dead" in told[-2]["error"]["message"]


@pytest.mark.contract("3.15", "3.11")
def test_a_whole_answer_that_breaks_off_is_an_error_too(serve: Serve) -> None:
    torn = ScriptedReply("One two three four five.", error=ScriptedError("the line is dead"), error_after=2)
    served = serve(judge=lambda _request: torn)

    told = served.chat(**PLAIN).json()

    assert told["choices"][0]["finish_reason"] == "error"
    assert "the line is dead" in told["error"]["message"]
