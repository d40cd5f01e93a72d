"""The model server speaks OpenAI's wire format, fails as it is told to, and is as strict as the providers are."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.model_server import (
    FAMILIES,
    QUOTA_EXCEEDED,
    STRICTER,
    Behaviour,
    ModelServer,
    Reply,
    Request,
    altered,
    by_model,
    client_tool_caller,
    everyone,
    fails,
    faulty,
    hungry,
    judge,
    labels,
    openai_shape,
    panelist,
    read_log,
    sample,
    says,
    when,
    writer,
)

USER = {"role": "user", "content": "What is the tallest mountain?"}
SEARCH = {
    "type": "function",
    "function": {
        "name": "web_search",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    },
}
FETCH = {
    "type": "function",
    "function": {
        "name": "web_fetch",
        "parameters": {"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"]},
    },
}
CLOSED = {
    "type": "object",
    "properties": {"winner": {"type": "string"}},
    "required": ["winner"],
    "additionalProperties": False,
}
TEXT = "Mount Everest is the tallest mountain above the level of the sea [1]."


def ask(server: ModelServer, *messages: dict[str, Any], **fields: Any) -> httpx.Response:
    body = {"model": "test-model", "messages": list(messages) or [USER], **fields}
    return httpx.post(f"{server.url}/chat/completions", json=body, timeout=10)


def events(response: httpx.Response) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def call_message(*ids: str, name: str = "web_search", **fields: Any) -> dict[str, Any]:
    calls = [{"id": i, "type": "function", "function": {"name": name, "arguments": '{"query":"x"}'}} for i in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls, **fields}


def result_message(call_id: str, content: str = "found") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def json_schema(schema: dict[str, Any], *, strict: bool = True) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "analysis", "strict": strict, "schema": schema}}


@asynccontextmanager
async def sdk(server: ModelServer) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=server.url, api_key="key", max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(says(TEXT)) as running:
        yield running


@contextmanager
def strict(family: str, **options: Any) -> Iterator[ModelServer]:
    with ModelServer(says(TEXT), family=family, **options) as running:
        yield running


def message_of(response: httpx.Response) -> str:
    """Return the words of a refusal, whatever the family's shape."""
    body = response.json()
    body = body[0] if isinstance(body, list) else body
    found = body.get("error", body).get("message")
    return found if isinstance(found, str) else json.dumps(found)


class TestShapes:
    def test_a_plain_answer_has_the_fields_of_a_completion(self, server: ModelServer) -> None:
        body = ask(server).json()

        assert body["object"] == "chat.completion"
        assert body["id"].startswith("chatcmpl-")
        assert body["model"] == "test-model"
        assert body["choices"][0]["message"]["content"] == TEXT
        assert body["choices"][0]["finish_reason"] == "stop"

    def test_usage_is_a_function_of_the_text(self, server: ModelServer) -> None:
        first, second = ask(server).json()["usage"], ask(server).json()["usage"]

        assert first == second
        assert first["prompt_tokens"] == len(USER["content"]) // 4
        assert first["completion_tokens"] == len(TEXT) // 4
        assert first["total_tokens"] == first["prompt_tokens"] + first["completion_tokens"]
        assert first["prompt_tokens_details"]["cached_tokens"] == 0

    def test_usage_cost_and_details_can_be_given(self) -> None:
        usage = {"prompt_tokens": 7, "cached_tokens": 5, "reasoning_tokens": 3}
        with ModelServer(says("hi", usage=usage, cost=0.25)) as server:
            found = ask(server).json()["usage"]

        assert found["prompt_tokens"] == 7
        assert found["prompt_tokens_details"]["cached_tokens"] == 5
        assert found["completion_tokens_details"]["reasoning_tokens"] == 3
        assert found["cost"] == 0.25

    def test_usage_can_be_left_out(self) -> None:
        with ModelServer(says("hi", omit_usage=True)) as server:
            assert "usage" not in ask(server).json()
            assert server.log[0].usage is None

    def test_a_stream_starts_with_the_role_and_ends_with_done(self, server: ModelServer) -> None:
        response = ask(server, stream=True)

        chunks = events(response)
        assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
        assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks) == TEXT
        assert len([c for c in chunks if c["choices"][0]["delta"].get("content")]) > 2
        assert [c["choices"][0]["finish_reason"] for c in chunks].count("stop") == 1
        assert response.text.endswith("data: [DONE]\n\n")
        assert response.headers["content-type"].startswith("text/event-stream")

    def test_a_stream_carries_usage_only_when_asked(self, server: ModelServer) -> None:
        without = events(ask(server, stream=True))
        with_usage = events(ask(server, stream=True, stream_options={"include_usage": True}))

        assert all("usage" not in chunk for chunk in without)
        assert with_usage[-1]["choices"] == []
        assert with_usage[-1]["usage"]["completion_tokens"] == len(TEXT) // 4
        assert [chunk["usage"] for chunk in with_usage[:-1]] == [None] * (len(with_usage) - 1)

    def test_tool_calls_come_whole_in_a_plain_answer(self) -> None:
        with ModelServer(client_tool_caller("web_search", {"query": "Everest"})) as server:
            choice = ask(server, tools=[SEARCH]).json()["choices"][0]

        assert choice["finish_reason"] == "tool_calls"
        assert choice["message"]["content"] is None
        assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {"query": "Everest"}

    def test_tool_call_arguments_are_streamed_in_pieces(self) -> None:
        with ModelServer(client_tool_caller("web_search", {"query": "Everest"})) as server:
            chunks = events(ask(server, tools=[SEARCH], stream=True))

        deltas = [call for c in chunks for call in c["choices"][0]["delta"].get("tool_calls", [])]
        pieces = [delta["function"]["arguments"] for delta in deltas]
        assert deltas[0]["function"]["name"] == "web_search"
        assert all(delta["index"] == 0 for delta in deltas)
        assert len([piece for piece in pieces if piece]) > 1
        assert json.loads("".join(pieces)) == {"query": "Everest"}

    def test_refusal_and_reasoning_have_fields_of_their_own(self) -> None:
        with ModelServer(lambda request: Reply(refusal="No.", reasoning="Should I?")) as server:
            message = ask(server).json()["choices"][0]["message"]
            deltas = [chunk["choices"][0]["delta"] for chunk in events(ask(server, stream=True))]

        assert (message["content"], message["refusal"], message["reasoning_content"]) == (None, "No.", "Should I?")
        assert "".join(delta.get("refusal") or "" for delta in deltas) == "No."
        assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "Should I?"

    def test_a_text_longer_than_the_output_limit_is_cut(self, server: ModelServer) -> None:
        choice = ask(server, max_tokens=5).json()["choices"][0]

        assert choice["finish_reason"] == "length"
        assert choice["message"]["content"] == TEXT[:20]

    def test_models_are_listed_and_others_not_found(self) -> None:
        with ModelServer(says("hi"), models=("a", "b")) as server:
            listed = httpx.get(f"{server.url}/models").json()
            response = ask(server, model="c")

        assert [row["id"] for row in listed["data"]] == ["a", "b"]
        assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")

    def test_a_key_is_demanded_if_one_is_set(self) -> None:
        with ModelServer(says("hi"), api_key="right") as server:
            refused = ask(server)
            taken = httpx.post(
                f"{server.url}/chat/completions",
                json={"model": "m", "messages": [USER]},
                headers={"Authorization": "Bearer right"},
            )

        assert (refused.status_code, taken.status_code) == (401, 200)

    def test_a_body_that_is_no_json_is_refused(self, server: ModelServer) -> None:
        response = httpx.post(f"{server.url}/chat/completions", content=b"{")

        assert response.status_code == 400
        assert "could not parse" in message_of(response)


class TestOfficialClient:
    async def test_it_reads_a_plain_answer(self, server: ModelServer) -> None:
        async with sdk(server) as client:
            done = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])

        assert done.choices[0].message.content == TEXT
        assert done.usage
        assert done.usage.completion_tokens == len(TEXT) // 4
        assert done.id == server.log[0].response_id

    async def test_it_accumulates_a_stream_with_tool_calls(self) -> None:
        reply = Reply(text="Let me look.", tool_calls=[("web_search", {"query": "a"}), ("web_fetch", {"url": "b"})])
        with ModelServer(lambda request: reply) as server:
            async with sdk(server) as client:
                stream = client.chat.completions.stream(
                    model="m",
                    messages=[{"role": "user", "content": "hi"}],
                    tools=[SEARCH, FETCH],  # type: ignore[list-item]
                    stream_options={"include_usage": True},
                )
                async with stream as chunks:
                    done = await chunks.get_final_completion()

        calls = done.choices[0].message.tool_calls or []
        assert done.choices[0].message.content == "Let me look."
        assert [json.loads(call.function.arguments) for call in calls] == [{"query": "a"}, {"url": "b"}]
        assert done.usage is not None

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (400, openai.BadRequestError),
            (401, openai.AuthenticationError),
            (402, openai.APIStatusError),
            (403, openai.PermissionDeniedError),
            (404, openai.NotFoundError),
            (408, openai.APIStatusError),
            (429, openai.RateLimitError),
            (500, openai.InternalServerError),
            (503, openai.InternalServerError),
            (529, openai.InternalServerError),
        ],
    )
    async def test_it_raises_its_own_error_for_a_status(self, status: int, error: type[openai.APIStatusError]) -> None:
        with ModelServer(fails(status, headers={"retry-after": "7"})) as server:
            async with sdk(server) as client:
                with pytest.raises(error) as caught:
                    await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])

        assert caught.value.status_code == status
        assert caught.value.response.headers["retry-after"] == "7"
        assert server.log[0].status == status

    async def test_it_raises_on_an_error_event_in_a_stream(self) -> None:
        with ModelServer(says(TEXT, error_event_after=3)) as server:
            async with sdk(server) as client:
                stream = await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": "hi"}], stream=True
                )
                with pytest.raises(openai.APIError, match="had an error"):
                    [chunk async for chunk in stream]

        assert server.log[0].chunks_sent == 4

    async def test_it_reports_a_reset_as_a_connection_error(self) -> None:
        with ModelServer(says(TEXT, reset_before=True)) as server:
            async with sdk(server) as client:
                with pytest.raises(openai.APIConnectionError):
                    await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])

        assert (server.log[0].state, server.log[0].status) == ("aborted", None)

    @pytest.mark.parametrize("family", FAMILIES)
    async def test_it_finds_the_words_of_every_family(self, family: str) -> None:
        with strict(family, context_tokens=2) as server:
            async with sdk(server) as client:
                with pytest.raises(openai.BadRequestError) as caught:
                    await client.chat.completions.create(model="m", messages=[{"role": "user", "content": TEXT}])

        # Not in the exception's text: the client leaves out a body that is a list, as Gemini's is.
        assert re.search("context|too long|token count", json.dumps(caught.value.body))


class TestFaults:
    @pytest.mark.parametrize("stream", [False, True])
    def test_a_reset_after_chunks_cuts_the_body(self, *, stream: bool) -> None:
        with ModelServer(says(TEXT, reset_after_chunks=2)) as server:
            received: list[bytes] = []
            body = {"model": "m", "messages": [USER], "stream": stream}
            with (
                httpx.stream("POST", f"{server.url}/chat/completions", json=body) as response,
                pytest.raises(httpx.TransportError),
            ):
                received.extend(response.iter_raw())

        assert received
        assert server.log[0].state == "aborted"
        assert server.log[0].chunks_sent == 2
        assert server.log[0].usage is None
        assert server.log[0].billed is not None

    def test_a_stream_can_end_without_done(self) -> None:
        with ModelServer(says(TEXT, no_done=True)) as server:
            response = ask(server, stream=True)

        assert "[DONE]" not in response.text
        assert events(response)[-1]["choices"][0]["finish_reason"] == "stop"
        assert server.log[0].state == "sent"

    def test_an_error_event_is_sent_as_given(self) -> None:
        chunk = {"error": {"code": 502, "message": "Provider disconnected"}, "choices": [{"finish_reason": "error"}]}
        with ModelServer(says(TEXT, error_event_after=2, error=chunk)) as server:
            streamed = ask(server, stream=True)
            plain = ask(server)

        assert events(streamed)[2] == chunk
        assert len(events(streamed)) == 3
        assert (plain.status_code, plain.json()) == (200, chunk)

    def test_comments_keep_a_stream_alive(self) -> None:
        with ModelServer(says(TEXT, keepalive_comments=3)) as server:
            streamed = ask(server, stream=True)
            plain = ask(server)

        assert streamed.text.startswith(": keep-alive\n\n" * 3 + "data: ")
        assert plain.text.startswith("\n\n\n{")
        assert plain.json()["choices"][0]["message"]["content"] == TEXT

    @pytest.mark.parametrize("stream", [False, True])
    def test_json_can_be_truncated(self, *, stream: bool) -> None:
        with ModelServer(says(TEXT, truncated_json=True)) as server:
            response = ask(server, stream=stream)

        assert response.status_code == 200
        with pytest.raises(json.JSONDecodeError):
            json.loads(response.text.rsplit("data: ", 1)[-1])

    def test_a_page_of_html_can_stand_in_for_an_answer(self) -> None:
        with ModelServer(says("", html=True, status=502)) as server:
            response = ask(server)

        assert response.status_code == 502
        assert response.headers["content-type"].startswith("text/html")
        assert "Bad Gateway" in response.text

    @pytest.mark.parametrize("stream", [False, True])
    def test_a_body_can_be_empty(self, *, stream: bool) -> None:
        with ModelServer(says("", empty=True)) as server:
            response = ask(server, stream=stream)

        assert (response.status_code, response.content) == (200, b"")

    def test_a_body_can_be_any_bytes(self) -> None:
        with ModelServer(says("", raw=b"\xff\x00")) as server:
            assert ask(server).content == b"\xff\x00"

    def test_a_hang_ends_in_a_reset(self) -> None:
        with ModelServer(says(TEXT, hang=0.1)) as server:
            started = time.monotonic()
            with pytest.raises(httpx.TransportError):
                ask(server)

        assert time.monotonic() - started >= 0.1

    def test_a_hang_within_a_stream_comes_after_its_chunks(self) -> None:
        brief = httpx.Timeout(10, read=0.2)
        with ModelServer(says(TEXT, hang=30, hang_after_chunks=2)) as server:
            body = {"model": "m", "messages": [USER], "stream": True}
            with (
                pytest.raises(httpx.ReadTimeout),
                httpx.stream("POST", f"{server.url}/chat/completions", json=body, timeout=brief) as response,
            ):
                response.read()
            entry = server.wait_for(1, state="aborted")[0]

        assert entry.chunks_sent == 2

    def test_headers_and_chunks_can_be_slow(self) -> None:
        with ModelServer(says("a" * 48, delay=0.1, chunk_delay=0.02)) as server:
            started = time.monotonic()
            ask(server, stream=True)

        assert time.monotonic() - started >= 0.2

    def test_failures_are_counted_per_model_by_concurrent_requests(self) -> None:
        with ModelServer(fails(503, n_times=3, then=says("up"))) as server, ThreadPoolExecutor(8) as pool:
            models = ["a", "b"] * 5
            statuses = list(pool.map(lambda model: (model, ask(server, model=model).status_code), models))

        for model in ("a", "b"):
            assert sorted(status for name, status in statuses if name == model) == [200, 200, 503, 503, 503]

    def test_a_faulty_reply_is_sent_so_many_times(self) -> None:
        with ModelServer(faulty(Reply(text=""), n_times=1, then=says("better"))) as server:
            texts = [ask(server).json()["choices"][0]["message"]["content"] for _ in range(2)]

        assert texts == ["", "better"]

    def test_an_error_body_can_be_given(self) -> None:
        with ModelServer(fails(429, error=openai_shape(QUOTA_EXCEEDED))) as server:
            assert ask(server).json()["error"]["code"] == "insufficient_quota"

    def test_a_status_is_told_in_the_shape_of_the_family(self) -> None:
        with ModelServer(fails(429), families={"claude*": "anthropic", "gemini*": "google"}) as server:
            claude, gemini, other = (ask(server, model=name).json() for name in ("claude-5", "gemini-3", "gpt-5"))

        assert claude["error"]["type"] == "rate_limit_error"
        assert gemini[0]["error"]["status"] == "RESOURCE_EXHAUSTED"
        assert other["error"]["code"] == "rate_limit_exceeded"


class TestLog:
    def test_an_entry_holds_what_was_asked_and_sent(self, server: ModelServer) -> None:
        body = ask(server, USER, temperature=0.5).json()
        entry = server.wait_for(1, state="sent")[0]

        assert entry.response_id == body["id"]
        assert entry.body == {"model": "test-model", "messages": [USER], "temperature": 0.5}
        assert entry.headers["content-type"] == "application/json"
        assert (entry.ordinal, entry.model_ordinal, entry.status) == (1, 1, 200)
        assert entry.usage == entry.billed == body["usage"]
        assert entry.finished_at
        assert entry.received_at <= entry.finished_at
        assert entry.text == USER["content"]

    def test_ordinals_count_all_requests_and_those_of_a_model(self, server: ModelServer) -> None:
        for model in ("a", "b", "a"):
            ask(server, model=model)

        assert [(e.ordinal, e.model, e.model_ordinal) for e in server.log] == [(1, "a", 1), (2, "b", 1), (3, "a", 2)]
        assert len(server.requests_of("a")) == 2

    def test_a_client_that_leaves_makes_it_aborted(self) -> None:
        with ModelServer(says(TEXT, chunk_delay=0.05)) as server:
            body = {"model": "m", "messages": [USER], "stream": True}
            with httpx.stream("POST", f"{server.url}/chat/completions", json=body) as response:
                next(response.iter_raw())
            entry = server.wait_for(1, state="aborted")[0]

        assert entry.usage is None
        assert entry.chunks_sent < 5

    async def test_it_can_be_awaited(self, server: ModelServer) -> None:
        async with sdk(server) as client:
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])

        assert len(await server.wait_for_async(1, state="sent")) == 1

    def test_waiting_in_vain_says_what_was_seen(self, server: ModelServer) -> None:
        ask(server)

        with pytest.raises(TimeoutError, match="1 test-model sent"):
            server.wait_for(2, within=0.01)

    def test_a_file_has_a_line_on_arrival_and_one_at_the_end(self, tmp_path: Path) -> None:
        path = tmp_path / "log.jsonl"
        with ModelServer(says(TEXT), log_file=path) as server:
            ask(server)
            server.wait_for(1, state="sent")
            lines = [json.loads(line) for line in path.read_text().splitlines()]

            assert [line["state"] for line in lines] == ["received", "sent"]
            assert read_log(path) == server.log

    def test_a_torn_last_line_is_left_out(self, tmp_path: Path) -> None:
        path = tmp_path / "log.jsonl"
        with ModelServer(says(TEXT), log_file=path) as server:
            ask(server)
            server.wait_for(1, state="sent")
        path.write_text(path.read_text()[:-5])

        assert [entry.state for entry in read_log(path)] == ["received"]
        assert read_log(tmp_path / "none.jsonl") == []


class TestLife:
    def test_leaving_ends_the_thread_and_frees_the_port(self) -> None:
        before = threading.active_count()
        with ModelServer(says("hi")) as server:
            ask(server)

        assert threading.active_count() == before
        with ModelServer(says("hi"), port=server.port) as again:
            assert ask(again).status_code == 200

    def test_leaving_does_not_wait_for_a_hang(self) -> None:
        with ModelServer(says(TEXT, hang=60)) as server, ThreadPoolExecutor(1) as pool:
            pending = pool.submit(ask, server)
            server.wait_for(1)
            started = time.monotonic()
            server.__exit__(None, None, None)

            with pytest.raises(httpx.TransportError):
                pending.result(timeout=5)

        assert time.monotonic() - started < 2
        assert server.log[0].state == "aborted"

    def test_a_behaviour_that_raises_fails_the_test(self) -> None:
        def broken(request: Request) -> Reply:
            raise LookupError("a bug in the test")

        with pytest.raises(RuntimeError) as caught, ModelServer(broken) as server:
            assert ask(server).status_code == 500

        assert isinstance(caught.value.__cause__, LookupError)

    def test_a_behaviour_can_be_exchanged_while_it_runs(self, server: ModelServer) -> None:
        server.settings.behaviour = says("changed")

        assert ask(server).json()["choices"][0]["message"]["content"] == "changed"

    def test_an_unknown_family_is_told_at_once(self) -> None:
        with pytest.raises(KeyError, match="one of: openai, "):
            ModelServer(says("hi"), families={"x": "opnai"})

    def test_many_requests_are_served_at_once(self) -> None:
        with ModelServer(says("hi", delay=0.2)) as server, ThreadPoolExecutor(16) as pool:
            started = time.monotonic()
            statuses = list(pool.map(lambda _: ask(server).status_code, range(16)))

        assert statuses == [200] * 16
        assert time.monotonic() - started < 16 * 0.2

    def test_it_runs_as_a_process_that_logs_to_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "log.jsonl"
        root = Path(__file__).parents[1]
        command = [sys.executable, "-W", "error", "-m", "tests.model_server", "--log", str(path)]
        command += ["--family", "anthropic", "--behaviour", "tests.model_server.roles:everyone"]
        with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True, env=os.environ.copy()) as process:
            assert process.stdout
            url = process.stdout.readline().strip()
            taken = httpx.post(f"{url}/chat/completions", json={"model": "m", "messages": [USER]})
            refused = httpx.post(f"{url}/chat/completions", json={"model": "m", "messages": []})
            process.terminate()

        assert (taken.status_code, refused.status_code) == (200, 400)
        assert [(entry.state, entry.status) for entry in read_log(path)] == [("sent", 200), ("sent", 400)]


def offered(*tools: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"tools": list(tools), **fields}


class TestBehaviours:
    def test_a_model_is_found_by_glob_and_a_stranger_is_not(self) -> None:
        behaviours: dict[str, Behaviour] = {"gpt-*": says("gpt"), "claude": says("claude")}
        with ModelServer(by_model(behaviours)) as server:
            answers = [ask(server, model=name) for name in ("gpt-5", "claude", "grok")]

        assert [a.status_code for a in answers] == [200, 200, 404]
        assert answers[0].json()["choices"][0]["message"]["content"] == "gpt"

    def test_conditions_and_changes_compose(self) -> None:
        behaviour = when(lambda r: "json" in r.text, says("{}"), altered(says("text"), cost=0.5))
        with ModelServer(behaviour) as server:
            one = ask(server, {"role": "user", "content": "json please"}).json()
            two = ask(server).json()

        assert (one["choices"][0]["message"]["content"], two["usage"]["cost"]) == ("{}", 0.5)

    def test_a_panelist_searches_fetches_and_answers(self) -> None:
        with ModelServer(panelist()) as server:
            history: list[dict[str, Any]] = [USER]
            names = []
            for result in ("See https://example.org/everest, and more.", "8849 m"):
                message = ask(server, *history, **offered(SEARCH, FETCH)).json()["choices"][0]["message"]
                names.append(message["tool_calls"][0]["function"])
                history += [message, result_message(message["tool_calls"][0]["id"], result)]
            answer = ask(server, *history, **offered(SEARCH, FETCH)).json()["choices"][0]["message"]["content"]

        assert [json.loads(name["arguments"]) for name in names] == [
            {"query": USER["content"]},
            {"url": "https://example.org/everest"},
        ]
        assert "[1]" in answer

    def test_a_panelist_without_tools_answers_at_once_and_unlike_another(self) -> None:
        with ModelServer(panelist()) as server:
            texts = [ask(server, model=m).json()["choices"][0]["message"]["content"] for m in ("a", "b", "a")]

        assert texts[0] == texts[2] != texts[1]

    def test_a_panelist_searches_again_in_the_next_turn(self) -> None:
        first = [USER, call_message("call_1"), result_message("call_1"), {"role": "assistant", "content": "8849 m"}]
        with ModelServer(panelist()) as server:
            reply = ask(server, *first, {"role": "user", "content": "And in feet?"}, **offered(SEARCH)).json()

        assert reply["choices"][0]["finish_reason"] == "tool_calls"

    def test_a_hungry_model_stops_only_when_nothing_is_offered(self) -> None:
        with ModelServer(hungry(per_step=2)) as server:
            fed = ask(server, USER, call_message("c"), result_message("c"), **offered(SEARCH)).json()
            starved = ask(server).json()

        calls = fed["choices"][0]["message"]["tool_calls"]
        assert [call["function"]["arguments"] for call in calls] == ['{"query": "attempt 2"}', '{"query": "attempt 3"}']
        assert starved["choices"][0]["finish_reason"] == "stop"

    def test_a_judge_answers_in_the_shape_it_is_asked_for(self) -> None:
        schema = {**CLOSED, "properties": {"winner": {"enum": ["A", "B"]}}}
        with ModelServer(judge(lambda request: {"winner": labels(request)[-1]})) as server:
            prompt = {"role": "user", "content": 'Compare.\n<answer label="A">x</answer>\n<answer label="B">y</answer>'}
            by_format = ask(server, prompt, response_format=json_schema(schema)).json()
            tool = {"type": "function", "function": {"name": "report", "parameters": schema}}
            by_tool = ask(server, prompt, tools=[tool], tool_choice="required").json()

        assert json.loads(by_format["choices"][0]["message"]["content"]) == {"winner": "B"}
        call = by_tool["choices"][0]["message"]["tool_calls"][0]["function"]
        assert (call["name"], json.loads(call["arguments"])) == ("report", {"winner": "B"})

    def test_a_judge_finds_the_schema_in_its_prompt_in_json_mode(self) -> None:
        prompt = {
            "role": "user",
            "content": f"Not {{this}}. Answer JSON of this schema:\n{json.dumps(CLOSED, indent=1)}",
        }
        with ModelServer(judge()) as server:
            body = ask(server, prompt, response_format={"type": "json_object"}).json()

        assert json.loads(body["choices"][0]["message"]["content"]) == {"winner": "sample winner"}

    def test_a_judge_can_hide_its_json_in_prose(self) -> None:
        with ModelServer(judge(schema=CLOSED, values={"winner": "A"}, prose=True)) as server:
            text = ask(server).json()["choices"][0]["message"]["content"]

        assert '```json\n{"winner": "A"}\n```' in text

    @pytest.mark.parametrize(
        "text", ["Answer A: x\n\nAnswer B: y", "[A] x\n[B] y", "A. x\nB. y", "label='A' label='B'"]
    )
    def test_labels_are_found_in_any_markup(self, text: str) -> None:
        assert labels(Request("m", [{"role": "user", "content": text}])) == ["A", "B"]

    def test_a_writer_cites_the_sources_of_its_prompt(self) -> None:
        prompt = {"role": "user", "content": "Sources:\n[1] one\n[2] two"}
        with ModelServer(writer()) as server:
            text = ask(server, prompt).json()["choices"][0]["message"]["content"]

        assert "[1] [2]" in text

    def test_one_model_plays_every_part(self) -> None:
        with ModelServer(everyone) as server:
            kinds = [
                ask(server, **offered(SEARCH)).json()["choices"][0]["finish_reason"],
                ask(server, response_format=json_schema(CLOSED)).json()["choices"][0]["message"]["content"],
                ask(server).json()["choices"][0]["message"]["content"],
            ]

        assert kinds[0] == "tool_calls"
        assert list(json.loads(kinds[1])) == ["winner"]
        assert "[1]" in kinds[2]

    def test_a_sample_is_an_instance_of_its_schema(self) -> None:
        schema = {
            "$defs": {
                "Node": {
                    "type": "object",
                    "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}},
                }
            },
            "type": "object",
            "properties": {
                "names": {"type": "array", "items": {"type": "string"}, "minItems": 2},
                "kind": {"enum": ["x", "y"]},
                "score": {"type": ["integer", "null"], "minimum": 3},
                "fixed": {"const": 5},
                "node": {"$ref": "#/$defs/Node"},
                "label": {"type": "string"},
                "ok": {"type": "boolean"},
            },
        }

        found = sample(schema, {"label": "A"})

        assert (found["names"], found["kind"], found["score"]) == (["sample names"] * 2, "x", 3)
        assert (found["fixed"], found["label"], found["ok"]) == (5, "A", True)
        assert '"next": null' in json.dumps(found["node"])


CALL, RESULT, ANSWER = call_message("call_1"), result_message("call_1"), {"role": "assistant", "content": "8849 m"}
MISTRAL_CALL, MISTRAL_RESULT = call_message("abcdef123"), result_message("abcdef123")
FORCED = {"type": "function", "function": {"name": "web_search"}}
OPEN = {"type": "object", "properties": {"winner": {"type": "string"}}}

COMMON_REFUSALS: list[tuple[list[dict[str, Any]], dict[str, Any], str]] = [
    ([], {}, "Invalid 'messages': empty array"),
    ([{"role": "wizard", "content": "x"}], {}, "Invalid value: 'wizard'. Supported values are: 'system', 'assistant',"),
    ([{"role": "user", "content": None}], {}, "Invalid value for 'content': expected a string, got null."),
    ([RESULT, USER], {}, "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."),
    ([USER, CALL], offered(SEARCH), "The following tool_call_ids did not have response messages: call_1"),
    ([USER, CALL, USER], offered(SEARCH), "must be followed by tool messages responding to each 'tool_call_id'"),
    ([USER, CALL, RESULT, RESULT], offered(SEARCH), "Duplicate value for 'tool_call_id' of 'call_1', in messages[2]"),
    ([USER, CALL, RESULT, result_message("x")], offered(SEARCH), "'tool_call_id' of 'x' not found in 'tool_calls'"),
    ([USER], {"tools": []}, "Invalid 'tools': empty array"),
    ([USER], {"tools": [{"type": "web_search"}]}, "Supported values are: 'function' and 'custom'."),
    ([USER], {"tool_choice": "auto"}, "'tool_choice' is only allowed when 'tools' are specified"),
    ([USER], offered(FETCH, tool_choice=FORCED), "Tool choice 'function' not found in 'tools' parameter"),
    ([USER], {"response_format": {"type": "json_object"}}, "'messages' must contain the word 'json' in some form"),
    ([USER], {"max_tokens": 16_385}, "max_tokens is too large: 16385. This model supports at most 16384 completion"),
    ([USER], {"max_completion_tokens": 99_999}, "max_completion_tokens is too large: 99999."),
    ([USER], {"response_format": json_schema(OPEN)}, "In context=(), 'additionalProperties' is required to be"),
]
FAMILY_REFUSALS: list[tuple[str, list[dict[str, Any]], dict[str, Any], str]] = [
    ("openai-reasoning", [USER], {"temperature": 0}, "'temperature' does not support 0 with this model. Only the"),
    ("openai-reasoning", [USER], {"temperature": 0.7}, "'temperature' does not support 0.7 with this model."),
    ("openai-reasoning", [USER], {"max_tokens": 100}, "'max_tokens' is not supported with this model. Use"),
    ("openai-reasoning", [USER], {"stop": ["x"]}, "'stop' is not supported with this model."),
    ("openai-reasoning", [USER], offered(SEARCH, reasoning_effort="low"), "Function tools with reasoning_effort are"),
    ("openai-5.6", [USER], offered(SEARCH), "To use function tools, use /v1/responses or set reasoning_effort to"),
    ("strict-schema", [USER], {"response_format": json_schema(OPEN, strict=False)}, "Invalid schema for"),
    ("anthropic", [{"role": "system", "content": "Be brief."}], {}, "messages: at least one message is required"),
    ("anthropic", [USER, ANSWER], {}, "This model does not support assistant message prefill. The conversation must"),
    ("anthropic", [USER, CALL, RESULT], {}, "Requests which include `tool_use` or `tool_result` blocks must define"),
    ("anthropic", [USER], offered(SEARCH, tool_choice=FORCED, reasoning_effort="high"), "Thinking may not be enabled"),
    ("anthropic", [USER], offered(SEARCH, tool_choice="required", thinking={"type": "enabled"}), "Thinking may not be"),
    ("anthropic", [USER], {"reasoning": {"effort": "low"}, "temperature": 0}, "`temperature` may only be set to 1"),
    ("anthropic", [{"role": "user", "content": ""}], {}, "messages: text content blocks must be non-empty"),
    ("anthropic", [{"role": "user", "content": " \n"}], {}, "text content blocks must contain non-whitespace text"),
    ("anthropic", [{"role": "system", "content": ""}, USER], {}, "system: text content blocks must be non-empty"),
    ("anthropic", [USER, {"role": "assistant", "content": ""}, USER], {}, "messages.1: all messages must have"),
    ("anthropic", [USER, CALL, USER], offered(SEARCH), "messages.1: `tool_use` ids were found without `tool_result`"),
    ("anthropic", [USER, CALL, USER, RESULT], offered(SEARCH), "blocks immediately after: call_1."),
    ("anthropic", [USER, CALL, RESULT, RESULT], offered(SEARCH), "each tool_use must have a single result. Found"),
    ("anthropic", [RESULT, USER], offered(SEARCH), "unexpected `tool_use_id` found in `tool_result` blocks: call_1."),
    ("anthropic", [USER], {"max_tokens": 64_001}, "max_tokens: 64001 > 64000, which is the maximum allowed number of"),
    (
        "anthropic-prefill",
        [USER, {"role": "assistant", "content": "So: "}],
        {},
        "final assistant content cannot end with",
    ),
    ("google", [{"role": "system", "content": "Be brief."}], {}, "contents is not specified"),
    ("google", [{"role": "user", "content": ""}], {}, "GenerateContentRequest.contents[0].parts: contents.parts must"),
    ("google", [CALL, RESULT], offered(SEARCH), "function call turn comes immediately after a user turn or after a"),
    ("google", [USER, RESULT], offered(SEARCH), "function response turn comes immediately after a function call turn."),
    ("google", [USER, call_message("a", "b"), result_message("a")], offered(SEARCH), "number of function response"),
    ("google", [ANSWER, USER], {}, "multiturn requests alternate between user and model"),
    ("google", [USER, ANSWER], {}, "multiturn requests ends with a user role or a function response"),
    ("google", [USER], {"response_format": json_schema(CLOSED)}, 'Unknown name "additionalProperties" at'),
    (
        "google",
        [USER],
        offered({"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": CLOSED}}}}),
        "at 'tools[0].function_declarations[0].parameters.properties[0].value': Cannot find field.",
    ),
    ("google", [USER], offered(SEARCH, response_format={"type": "json_object"}), "'application/json' is unsupported"),
    ("google", [USER], {"top_k": 5}, 'Unknown name "top_k": Cannot find field.'),
    ("google", [USER], {"max_tokens": 70_000}, "maxOutputTokens value of 70000 but the supported range is from 1"),
    ("mistral", [USER, ANSWER], {}, "Expected last role User or Tool (or Assistant with prefix True) for serving but"),
    ("mistral", [USER, MISTRAL_CALL, MISTRAL_RESULT, USER], offered(SEARCH), "Unexpected role 'user' after role 'tool"),
    ("mistral", [USER, ANSWER, {"role": "system", "content": "x"}, USER], {}, "Unexpected role 'system' after role"),
    (
        "mistral",
        [USER, call_message("abcdef123", "abcdef124"), MISTRAL_RESULT],
        offered(SEARCH),
        "Not the same number of",
    ),
    ("mistral", [USER, CALL, RESULT], offered(SEARCH), "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a"),
    ("mistral", [USER, {"role": "assistant", "content": ""}, USER], {}, "must have either content or tool_calls"),
    ("mistral-hosted", [USER], {"max_completion_tokens": 5}, "extra_forbidden"),
    ("mistral-hosted", [USER, {**ANSWER, "reasoning_content": "x"}, USER], {}, "extra_forbidden"),
    ("mistral-template", [USER, USER], {}, "conversation roles must alternate user and assistant roles except for"),
    ("deepseek", [USER], {"response_format": json_schema(CLOSED)}, "This response_format type is unavailable now"),
    ("deepseek", [USER], {"response_format": {"type": "json_object"}}, "Prompt must contain the word 'json' in some"),
    ("deepseek", [USER, CALL], offered(SEARCH), "(insufficient tool messages following tool_calls message)"),
    ("deepseek", [RESULT, USER], {}, "Messages with role 'tool' must be a response to a preceding message"),
    ("deepseek", [USER], {"max_tokens": 8193}, "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"),
    ("deepseek-thinking", [USER], offered(SEARCH, tool_choice="required"), "Thinking mode does not support this"),
    ("deepseek-thinking", [USER, CALL, RESULT], offered(SEARCH), "must be passed back to the API"),
]
SYSTEM = {"role": "system", "content": "Be brief."}
TOOL_TURN = [SYSTEM, USER, call_message("abcdef123", "abcdef124"), MISTRAL_RESULT, result_message("abcdef124")]
ACCEPTED: list[tuple[str, list[dict[str, Any]], dict[str, Any]]] = [
    ("openai", [USER, ANSWER], {"max_tokens": 16_384, "temperature": 0}),
    ("openai", [USER], {"response_format": json_schema(CLOSED)}),
    ("openai", [USER], {"response_format": json_schema(OPEN, strict=False)}),
    ("openai", [{"role": "user", "content": "JSON please"}], {"response_format": {"type": "json_object"}}),
    ("openai", [USER, CALL, RESULT, USER], {}),
    ("openai-reasoning", [USER], {"temperature": 1, "max_completion_tokens": 100_000, "reasoning_effort": "high"}),
    ("openai-reasoning", TOOL_TURN, offered(SEARCH, reasoning_effort="none", tool_choice=FORCED)),
    ("openai-5.6", [USER], offered(SEARCH, reasoning_effort="none")),
    ("strict-schema", [USER], {"response_format": json_schema(CLOSED, strict=False)}),
    ("anthropic", [USER, CALL, RESULT, USER], offered(SEARCH, temperature=0)),
    (
        "anthropic",
        [USER, {**CALL, "content": ""}, result_message("call_1", "")],
        offered(SEARCH, reasoning_effort="low"),
    ),
    ("anthropic", [USER, USER], {"max_tokens": 64_000}),
    ("anthropic", [USER], offered(SEARCH, tool_choice="required", reasoning_effort="none")),
    ("anthropic", [USER], {"thinking": {"type": "adaptive"}, "temperature": 1}),
    ("anthropic-prefill", [USER, {"role": "assistant", "content": "{"}], {}),
    ("google", [USER], {"response_format": json_schema(OPEN), "max_tokens": 65_536}),
    ("google", [USER, call_message("a", "b"), result_message("b"), result_message("a"), ANSWER, USER], offered(SEARCH)),
    ("mistral", [SYSTEM, USER, USER, ANSWER, USER], {"max_completion_tokens": 5}),
    ("mistral", [USER, {"role": "assistant", "content": "{", "prefix": True}], {}),
    ("mistral-hosted", [USER], {"max_tokens": 5}),
    ("mistral-template", [SYSTEM, USER, MISTRAL_CALL, MISTRAL_RESULT, ANSWER, USER], offered(SEARCH)),
    (
        "deepseek",
        [{"role": "user", "content": "json"}],
        {"response_format": {"type": "json_object"}, "max_tokens": 8192},
    ),
    ("deepseek", [USER], offered(SEARCH, tool_choice="required")),
    ("deepseek-thinking", [USER, {**CALL, "reasoning_content": "hm"}, RESULT], offered(SEARCH)),
    (
        "llama.cpp",
        [{"role": "user", "content": ""}, ANSWER],
        {"tools": [], "tool_choice": "required", "max_tokens": 10**6},
    ),
]


class TestFamilies:
    @pytest.mark.parametrize(("messages", "fields", "words"), COMMON_REFUSALS)
    def test_what_every_endpoint_refuses_is_refused(
        self, messages: list[dict[str, Any]], fields: dict[str, Any], words: str
    ) -> None:
        with strict("openai") as server:
            body = {"model": "m", "messages": messages, **fields}
            response = httpx.post(f"{server.url}/chat/completions", json=body)

        assert response.status_code == 400
        assert words in message_of(response)
        assert response.json()["error"]["type"] == "invalid_request_error"
        assert server.log[0].detail == response.json()

    @pytest.mark.parametrize(("family", "messages", "fields", "words"), FAMILY_REFUSALS)
    def test_a_family_refuses_in_its_own_words(
        self, family: str, messages: list[dict[str, Any]], fields: dict[str, Any], words: str
    ) -> None:
        with strict(family) as server:
            response = ask(server, *messages, **fields)

        assert response.status_code == (422 if family == "mistral-hosted" else 400)
        assert words in message_of(response)

    @pytest.mark.parametrize(("family", "messages", "fields"), ACCEPTED)
    def test_a_family_takes_what_it_should(
        self, family: str, messages: list[dict[str, Any]], fields: dict[str, Any]
    ) -> None:
        with strict(family) as server:
            response = ask(server, *messages, **fields)

        assert response.status_code == 200, response.text

    @pytest.mark.parametrize("family", [*FAMILIES, *STRICTER])
    def test_every_family_takes_a_plain_question(self, family: str) -> None:
        with strict(family) as server:
            assert ask(server, SYSTEM, USER).status_code == 200

    @pytest.mark.parametrize("family", FAMILIES)
    def test_every_family_takes_back_the_calls_it_made(self, family: str) -> None:
        with ModelServer(client_tool_caller("web_search", {"query": "x"}), family=family) as server:
            message = ask(server, SYSTEM, USER, **offered(SEARCH)).json()["choices"][0]["message"]
            replayed = {key: message[key] for key in ("role", "content", "tool_calls")}
            result = result_message(message["tool_calls"][0]["id"])
            response = ask(server, SYSTEM, USER, replayed, result, **offered(SEARCH))

        assert response.json()["choices"][0]["message"]["content"] == "Done."

    @pytest.mark.parametrize("family", [name for name in FAMILIES if name != "llama.cpp"])
    def test_every_strict_family_refuses_a_missing_result(self, family: str) -> None:
        call = call_message("abcdef123", "abcdef124")
        with strict(family) as server:
            assert ask(server, USER, call, MISTRAL_RESULT, **offered(SEARCH)).status_code == 400

    @pytest.mark.parametrize(
        ("family", "words"),
        [
            ("openai", "maximum context length is 10 tokens. However, your messages resulted in 17 tokens"),
            ("anthropic", "prompt is too long: 17 tokens > 10 maximum"),
            ("google", "The input token count (17) exceeds the maximum number of tokens allowed (10)."),
            (
                "mistral",
                "Prompt contains 17 tokens and 0 draft tokens, too large for model with 10 maximum context length",
            ),
            ("llama.cpp", "request (17 tokens) exceeds the available context size (10 tokens), try increasing it"),
        ],
    )
    def test_a_prompt_longer_than_the_context_is_refused(self, family: str, words: str) -> None:
        with strict(family, context_tokens={"small": 10}) as server:
            long = {"role": "user", "content": TEXT}
            refused, taken = ask(server, long, model="small"), ask(server, long, model="large")

        assert words in message_of(refused)
        assert taken.status_code == 200

    def test_the_context_error_of_openai_has_its_code(self) -> None:
        with strict("openai", context_tokens=1) as server:
            assert ask(server).json()["error"]["code"] == "context_length_exceeded"

    def test_the_output_limit_can_be_set_by_model(self) -> None:
        with strict("openai", max_output_tokens={"small*": 100}) as server:
            statuses = [ask(server, model=name, max_tokens=101).status_code for name in ("small-1", "large")]

        assert statuses == [400, 200]

    def test_a_schema_is_searched_for_what_strict_mode_forbids(self) -> None:
        item = {**CLOSED, "required": []}
        nested = {**CLOSED, "properties": {"winner": {"type": "array", "items": item}}}
        described = {
            **CLOSED,
            "properties": {"winner": {"$ref": "#/$defs/W", "description": "x"}},
            "$defs": {"W": CLOSED},
        }
        preset = {**CLOSED, "properties": {"winner": {"type": "string", "default": "A"}}}
        with strict("openai") as server:
            said = [
                message_of(ask(server, response_format=json_schema(schema)))
                for schema in (nested, described, preset, {"type": "array"})
            ]

        assert "In context=('properties', 'winner', 'items'), 'required' is required" in said[0]
        assert "Missing 'winner'." in said[0]
        assert "context=('properties', 'winner'), $ref cannot have keywords {'description'}." in said[1]
        assert "In context=('properties', 'winner'), 'default' is not permitted." in said[2]
        assert "got 'type: \"array\"'" in said[3]

    def test_llama_cpp_does_not_care_for_a_forced_tool(self) -> None:
        with strict("llama.cpp") as server:
            server.settings.behaviour = judge()
            choice = ask(server, **offered(SEARCH, tool_choice="required")).json()["choices"][0]

        assert choice["finish_reason"] == "stop"
