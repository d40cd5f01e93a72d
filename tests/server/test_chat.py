import asyncio
import json
import threading
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI

from fusion_graph.models.scripted import ScriptedError, ScriptedRequest
from fusion_graph.server.answers import streams
from tests.graphs import researcher
from tests.server.conftest import PANEL, Serve, Served, is_judge, judge_and_writer
from tests.server.talk import ORDER, PANELISTS, chunks, held, left_alone, lines, orders, stored


def test_the_openai_sdk_lists_asks_and_streams(served: Served) -> None:
    client = OpenAI(base_url=f"{served.url}/v1", api_key="none")
    asked: Any = {
        "model": "fusion",
        "messages": [{"role": "user", "content": "What?"}],
        "extra_body": {"plugins": [PANEL]},
    }

    listed = [model.id for model in client.models.list()]
    one = client.models.retrieve("openrouter/fusion")
    whole = client.chat.completions.create(**asked)
    parts = list(client.chat.completions.create(**asked, stream=True))

    assert {"fusion", "openrouter/fusion", "fusion/budget"} <= set(listed)
    assert one.id == "openrouter/fusion"
    assert (whole.choices[0].message.content, whole.model) == ("The answer is 1 [1].", "judge")
    assert "".join(part.choices[0].delta.content or "" for part in parts if part.choices) == "The answer is 1 [1]."


@pytest.mark.contract("8.1", "8.2", "8.3", "5.7", "3.36")
def test_a_completion_has_what_every_client_needs(serve: Serve) -> None:
    served = serve(north=researcher(), judge=judge_and_writer)

    told = served.chat().json()

    (choice,) = told["choices"]
    assert (told["object"], told["model"], told["system_fingerprint"]) == ("chat.completion", "judge", None)
    assert (choice["index"], choice["finish_reason"], choice["message"]["role"]) == (0, "stop", "assistant")
    calls = told["x_fusion"]["calls"]
    assert told["usage"]["prompt_tokens"] == sum(call["tokens"]["input"] for call in calls)
    assert told["usage"]["total_tokens"] == told["usage"]["prompt_tokens"] + told["usage"]["completion_tokens"]
    assert told["usage"]["server_tool_use_details"]["tool_calls_executed"] == 1
    assert told["usage"].get("cost", 0) is not None
    (annotation,) = choice["message"]["annotations"]
    assert annotation["url_citation"]["url"] == "https://pages.example/north-0"
    (detail,) = choice["message"]["reasoning_details"]
    assert json.loads(detail["result"])["analysis"]["consensus"] == ["both agree"]
    assert told["x_fusion"]["run_id"] in told["id"]
    assert set(served.asked()) == PANELISTS | {"judge"}


@pytest.mark.contract("3.6", "3.7", "3.8", "8.8")
def test_a_stream_ends_once_with_its_usage_last(served: Served) -> None:
    told = chunks(served.chat(stream=True))

    reasons = [choice["finish_reason"] for chunk in told for choice in chunk["choices"]]
    assert told[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [reason for reason in reasons if reason] == ["stop"]
    assert told[-1]["choices"] == []
    assert told[-1]["usage"]["total_tokens"] > 0
    assert all(chunk["object"] == "chat.completion.chunk" and "usage" not in chunk for chunk in told[:-1])


@pytest.mark.contract("3.3", "3.4", "3.9")
def test_a_silent_run_sends_something_every_few_seconds(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BYTE_EVERY", 0.02)
    monkeypatch.setattr("fusion_graph.server.chat.BYTE_EVERY", 0.02)
    monkeypatch.setattr(streams, "CHUNK_EVERY", 0.1)

    async def slow(_request: ScriptedRequest) -> str:
        await asyncio.sleep(0.5)
        return "late"

    served = serve(east=slow, judge=judge_and_writer)

    streamed, whole = served.chat(stream=True), served.chat("Otherwise?")

    assert ": keep-alive" in lines(streamed)
    assert [chunk["choices"][0]["delta"] for chunk in chunks(streamed)[:2]] == [
        {"role": "assistant", "content": ""}
    ] * 2
    assert whole.text.startswith(" \n \n")
    assert whole.json()["choices"][0]["message"]["content"] == "The answer is 1 [1]."


@pytest.mark.contract("1.1", "1.9", "1.13", "1.27", "1.28", "1.39", "1.40")
@pytest.mark.parametrize(
    ("body", "panel"),
    [
        ({}, True),
        ({"plugins": [PANEL | {"enabled": False}]}, False),
        ({"plugins": [PANEL | {"fusion_mode": "never"}]}, False),
        ({"model": "judge", "plugins": None}, False),
        ({"model": "judge", "plugins": [PANEL]}, False),  # the model decides, and answers itself
        ({"model": "judge", "plugins": [PANEL], "tool_choice": "required"}, True),
        ({"model": "judge", "plugins": [PANEL], "tool_choice": {"type": "openrouter:fusion"}}, True),
        ({"max_tokens": 20}, False),
        ({"messages": [{"role": "user", "content": "### Task:\nGenerate a concise, 3-5 word title"}]}, False),
    ],
)
def test_the_panel_is_asked_where_the_request_says_so(served: Served, body: dict[str, Any], panel: bool) -> None:  # noqa: FBT001
    said = served.chat(**body).json()

    assert said["choices"][0]["message"]["content"]
    assert said["x_fusion"]["fused"] is panel
    assert bool(PANELISTS & set(served.asked())) is panel


@pytest.mark.contract("1.57")
def test_a_fusion_that_asks_gets_no_panel(served: Served) -> None:
    said = served.chat(headers={"x-openrouter-fusion-depth": "1"}).json()

    assert said["x_fusion"]["fused"] is False
    assert served.asked() == ["judge"]


@pytest.mark.contract("1.16", "1.19", "1.22")
def test_a_server_tool_brings_its_panel_and_its_limits(served: Served) -> None:
    parameters = {"analysis_models": ["north", "south"], "temperature": 0.5, "max_completion_tokens": 500, "tools": []}
    tool = {"type": "openrouter:fusion", "parameters": parameters}

    said = served.chat(model="judge", plugins=None, tools=[tool], tool_choice="required").json()

    north = next(request for request in served.models.requests if request.model == "north")
    assert said["x_fusion"]["fused"]
    assert sorted(set(served.asked())) == ["judge", "north", "south"]
    assert (north.temperature, north.max_tokens) == (0.5, 500)


@pytest.mark.contract("1.24", "1.25", "1.33")
@pytest.mark.parametrize("stream", [False, True])
def test_a_clients_tool_goes_round_and_one_panel_is_paid(serve: Serve, stream: bool) -> None:  # noqa: FBT001
    served = serve(judge=orders)
    spoken: list[dict[str, Any]] = [{"role": "user", "content": "What shall I eat?"}]

    first = served.post({"messages": spoken, "tools": [ORDER], "stream": stream})
    if stream:
        told = [chunk["choices"][0] for chunk in chunks(first)[:-1]]
        calls = [call for choice in told for call in choice["delta"].get("tool_calls", [])]
        assert [choice["finish_reason"] for choice in told if choice["finish_reason"]] == ["tool_calls"]
    else:
        calls = first.json()["choices"][0]["message"]["tool_calls"]
    before = len(served.models.requests)
    spoken += [{"role": "assistant", "content": None, "tool_calls": calls}]
    spoken += [{"role": "tool", "tool_call_id": calls[0]["id"], "content": "served"}]
    second = served.post({"messages": spoken, "tools": [ORDER]}).json()

    assert json.loads(calls[0]["function"]["arguments"]) == {"n": 1}
    assert second["choices"][0]["message"]["content"] == "It was served."
    assert served.asked()[before:] == ["judge"]
    assert "north: the answer is 1." in served.models.requests[-1].text  # the panel's answers of the first request


BAD: list[tuple[dict[str, Any], int, str | None, str]] = [
    ({"messages": []}, 400, "messages", "no message"),
    ({"messages": [{"role": "wizard", "content": "x"}]}, 400, "messages.0.role", "wizard"),
    ({"messages": [{"role": "tool", "content": "x"}]}, 400, "messages.0", "tool_call_id"),
    ({"model": ""}, 400, "model", "names no model"),
    ({"model": "fusion/nonsense"}, 400, "preset", "nonsense"),
    ({"plugins": [PANEL | {"analysis_models": []}]}, 400, "plugins.0.analysis_models", "[]"),
    ({"plugins": [PANEL | {"analysis_models": ["north"] * 9}]}, 400, "plugins.0.analysis_models", "9"),
    ({"plugins": [PANEL | {"max_tool_calls": 0}]}, 400, "plugins.0.max_tool_calls", "0"),
    ({"plugins": [PANEL | {"max_tool_calls": 17}]}, 400, "plugins.0.max_tool_calls", "17"),
    ({"plugins": [PANEL | {"colour": "red"}]}, 400, "plugins.0.colour", "colour"),
    ({"plugins": [{"id": "web"}]}, 400, "plugins.0.id", "fusion"),
    ({"plugins": [PANEL | {"tools": [{"type": "mcp:files"}]}]}, 400, "tools.0.type", "mcp:files"),
    ({"tools": [{"type": "openrouter:fusion", "parameters": {"temperature": 2.1}}]}, 400, None, "2.1"),
    ({"tools": [{"type": "openrouter:fusion", "parameters": {"reasoning": {"effort": "huge"}}}]}, 400, None, "huge"),
    ({"tools": [{"type": "code_interpreter"}]}, 400, "tools.0.type", "code_interpreter"),
    ({"tool_choice": {"type": "function", "function": {"name": "nope"}}, "tools": [ORDER]}, 400, "tool_choice", "nope"),
    ({"response_format": {"type": "xml"}}, 400, "response_format.type", "xml"),
    ({"max_tokens": "many"}, 400, "max_tokens", "many"),
    ({"stop": 5}, 400, "stop", "stop"),
]


@pytest.mark.contract("7.8", "7.9")
@pytest.mark.parametrize(("body", "status", "param", "said"), BAD)
def test_what_cannot_be_is_refused_by_its_name_and_nobody_is_asked(
    served: Served, body: dict[str, Any], status: int, param: str | None, said: str
) -> None:
    response = served.chat(**body)

    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, status)
    assert said in error["message"]
    assert isinstance(error["type"], str)
    assert param is None or error["param"] == param
    assert served.models.requests == []


@pytest.mark.contract("7.10")
def test_a_model_that_nobody_allowed_is_not_found(serve: Serve) -> None:
    served = serve(models=["north", "south", "east", "judge"])

    response = served.chat(model="stranger", plugins=None)

    assert response.status_code == 404
    assert "'stranger' is not offered here" in response.json()["error"]["message"]
    assert served.chat().status_code == 200


@pytest.mark.contract("3.10", "3.12")
@pytest.mark.parametrize("stream", [False, True])
def test_a_run_that_fails_is_no_reason_to_pay_again(serve: Serve, stream: bool) -> None:  # noqa: FBT001
    def fails(_request: ScriptedRequest) -> Any:
        raise ScriptedError("no credit", status_code=402)

    served = serve(north=fails, south=fails, east=fails, judge=fails)

    response = served.chat(stream=stream)

    assert (response.status_code, response.headers["x-should-retry"]) == (200, "false")
    told = chunks(response)[-2] if stream else response.json()
    assert told["error"]["code"] == 402
    assert "no credit" in told["error"]["message"]
    assert told["choices"][0]["finish_reason"] == "error"
    if stream:
        assert any("[fusion: " in str(c["choices"][0]["delta"].get("content")) for c in chunks(response)[:-1])


def test_a_client_that_goes_away_leaves_the_run_at_work(serve: Serve) -> None:
    served, run_id = left_alone(serve)

    assert stored(served, run_id) == "ok"


@pytest.mark.contract("3.46")
def test_a_request_that_comes_again_while_its_run_goes_on_gets_that_run(serve: Serve) -> None:
    asked, go, waits = held()
    served = serve(east=waits, judge=judge_and_writer)

    with served.streaming() as first, served.streaming() as second:
        assert asked.wait(20)
        go.set()
        ids = [chunk["id"] for response in (first, second) for chunk in chunks(response)]

    assert len(set(ids)) == 1
    assert first.headers["x-fusion-run-id"] == second.headers["x-fusion-run-id"]
    assert served.asked().count("north") == 1


@pytest.mark.contract("3.47", "3.48")
def test_a_retry_gets_the_answer_there_is_and_a_new_request_a_new_one(served: Served) -> None:
    first, again = served.chat(), served.chat(headers={"x-stainless-retry-count": "1"})
    new = served.chat()

    assert first.json()["id"] == again.json()["id"]
    assert new.json()["id"] != first.json()["id"]
    assert served.asked().count("north") == 2


@pytest.mark.contract("3.41", "3.44", "3.45")
def test_an_idempotency_key_is_one_run_for_one_body(serve: Serve) -> None:
    keys = ["first-key-of-sixteen", "second-key-of-sixteen"]
    served = serve(keys=keys, judge=judge_and_writer)
    one, other = ({"authorization": f"Bearer {key}", "idempotency-key": "k"} for key in keys)

    first, again, whose = served.chat(headers=one), served.chat(headers=one), served.chat(headers=other)
    clash = served.chat("Something else?", headers=one)

    assert first.json()["id"] == again.json()["id"] != whose.json()["id"]
    assert (clash.status_code, clash.json()["error"]["code"]) == (422, 422)


@pytest.mark.contract("3.51")
def test_a_streamed_answer_comes_again_whole(served: Served) -> None:
    first, again = (chunks(served.chat(stream=True, headers={"idempotency-key": "k"})) for _ in range(2))

    texts = [
        "".join(c["delta"].get("content", "") for part in told for c in part["choices"]) for told in (first, again)
    ]
    assert texts[0] == texts[1] == "The answer is 1 [1]."
    assert first[0]["id"] == again[0]["id"]
    assert again[-1]["usage"] == first[-1]["usage"]
    assert served.asked().count("north") == 1


@pytest.mark.contract("3.25")
def test_a_key_has_only_so_many_runs_at_a_time(serve: Serve) -> None:
    asked, go, waits = held()
    served = serve(limits={"max_runs": 1}, east=waits, judge=judge_and_writer)
    first = threading.Thread(target=served.chat)
    first.start()
    assert asked.wait(20)

    refused = served.chat("Another?")
    go.set()
    first.join()

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
    assert "x-should-retry" not in refused.headers
    error = refused.json()["error"]
    assert (error["code"], error["type"]) == (429, "rate_limit_error")
    assert served.chat("Another?").status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_a_fault_of_this_server_after_its_status_is_told_in_the_answer(
    serve: Serve,
    stream: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails(*_any: Any) -> None:
        raise ZeroDivisionError("of sk-proj-AbCdEfGh0123456789AbCdEf")

    monkeypatch.setattr("fusion_graph.server.chat.noted", fails)
    served = serve(judge=judge_and_writer)

    response = served.chat(stream=stream)

    assert response.status_code == 200
    told = chunks(response)[-2] if stream else response.json()
    assert told["choices"][0]["finish_reason"] == "error"
    assert told["error"] == {
        "message": "a fault of this server: ZeroDivisionError",
        "type": "server_error",
        "code": 500,
        "param": None,
    }
    assert "sk-proj" not in response.text + caplog.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_breaks_a_character_in_two_breaks_nothing_else(serve: Serve, stream: bool) -> None:  # noqa: FBT001
    def broken(request: ScriptedRequest) -> str:
        return judge_and_writer(request) if is_judge(request) else "Joined: \ud83d\ude00, half: \ud83d."

    served = serve(north=lambda _request: "north \ude00", judge=broken)

    response = served.chat(stream=stream)

    told = chunks(response) if stream else [response.json()]
    text = "".join(c.get("delta", c.get("message", {})).get("content", "") for part in told for c in part["choices"])
    assert text.endswith("half: \ufffd.")
    assert "fused" in str(told)
    assert stream or "Joined: \U0001f600" in text


async def test_an_async_client_streams(served: Served) -> None:
    async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none") as client:
        stream = await client.chat.completions.create(
            model="fusion",
            messages=[{"role": "user", "content": "What?"}],
            extra_body={"plugins": [PANEL]},
            stream=True,
        )
        said = "".join([part.choices[0].delta.content or "" async for part in stream if part.choices])

    assert said == "The answer is 1 [1]."
