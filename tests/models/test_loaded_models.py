"""`load_model` against real HTTP: what is sent, what comes back, and that what is no answer raises."""

import asyncio
import copy
import json
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from langchain_core.exceptions import ContextOverflowError
from langchain_core.language_models import BaseChatModel
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.runnables import Runnable
from langchain_core.tools import tool
from pydantic import BaseModel

from fusion_graph.models import clients, close_clients, load_model
from fusion_graph.models.replies import BadReplyError

Way = Callable[[Runnable[Any, Any], Any], Any]


async def whole(model: Runnable[Any, Any], input_: Any = "hi") -> AIMessage:
    return cast("AIMessage", await model.ainvoke(input_))


async def streamed(model: Runnable[Any, Any], input_: Any = "hi") -> AIMessage:
    total: AIMessageChunk | None = None
    async for chunk in model.astream(input_):
        total = chunk if total is None else total + chunk
    assert total is not None
    return total


def said(server: Any, message: dict[str, Any], usage: dict[str, Any] | None = None, finish: str = "stop") -> Any:
    """Return an answer that says the same whether it is asked to stream or not."""

    def answer() -> Any:
        if not server.requests[-1].get("stream"):
            totals = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15} | (usage or {})
            return server.completion(message, usage=totals, choice={"finish_reason": finish})
        deltas = [{"role": "assistant"}, *({key: value} for key, value in message.items())]
        last = server.usage_chunk(**(usage or {}))
        return server.stream(*(server.chunk(delta) for delta in deltas), server.chunk({}, finish), last)

    return answer


both_ways = pytest.mark.parametrize("way", [whole, streamed])
both_providers = pytest.mark.parametrize("name", ["vendor/model", "openai:local"])


@both_ways
@both_providers
async def test_an_answer_carries_usage_finish_reason_model_and_id(server: Any, way: Way, name: str) -> None:
    server.answer = said(server, {"content": "hello there"})

    message = await way(load_model(name), "hi")

    assert message.text == "hello there"
    assert message.usage_metadata["input_tokens"] == 10
    assert message.usage_metadata["output_tokens"] == 5
    metadata = message.response_metadata
    assert (metadata["finish_reason"], metadata["model_name"], metadata["id"]) == ("stop", "served-model", "chatcmpl-7")
    assert "cost" not in metadata
    assert "refusal" not in message.additional_kwargs


@both_ways
@both_providers
async def test_cost_is_the_servers_figure(server: Any, way: Way, name: str) -> None:
    details = {"upstream_inference_cost": None}
    server.answer = said(server, {"content": "x"}, {"cost": 0.0123, "cost_details": details, "is_byok": False})

    message = await way(load_model(name), "hi")

    assert message.response_metadata["cost"] == pytest.approx(0.0123)
    assert message.response_metadata["cost_details"] == details


@both_ways
async def test_cost_with_a_key_of_ones_own_adds_what_the_provider_bills(server: Any, way: Way) -> None:
    own = {"cost": 0.001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.02}}
    server.answer = said(server, {"content": "x"}, own)

    message = await way(load_model("vendor/model"), "hi")

    assert message.response_metadata["cost"] == pytest.approx(0.021)


@both_ways
async def test_cached_and_reasoning_tokens_are_counted(server: Any, way: Way) -> None:
    counts = {"prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 3}}
    server.answer = said(server, {"content": "x"}, counts)

    message = await way(load_model("vendor/model"), "hi")

    assert message.usage_metadata["input_token_details"]["cache_read"] == 4
    assert message.usage_metadata["output_token_details"]["reasoning"] == 3


@both_ways
async def test_fields_langchain_drops_are_kept(server: Any, way: Way) -> None:
    details = [{"type": "reasoning.text", "text": "because", "index": 0, "format": "f", "signature": "s"}]
    cited = {"url": "https://a.example", "title": "A", "start_index": 0, "end_index": 1, "content": "..."}
    annotations = [{"type": "url_citation", "url_citation": cited}]
    kept = {"reasoning": "because", "reasoning_details": details, "annotations": annotations}
    server.answer = said(server, {"content": "x", **kept})

    message = await way(load_model("vendor/model"), "hi")

    assert message.additional_kwargs == kept


@both_ways
async def test_a_refusal_is_kept_as_text(server: Any, way: Way) -> None:
    server.answer = said(server, {"refusal": "I will not"} | {"content": None})

    message = await way(load_model("vendor/model"), "hi")

    assert message.additional_kwargs["refusal"] == "I will not"
    assert message.text == ""


async def test_reasoning_streamed_in_pieces_is_joined_into_blocks(server: Any) -> None:
    def detail(index: int, **fields: Any) -> dict[str, Any]:
        piece = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": index} | fields
        return cast("dict[str, Any]", server.chunk({"reasoning": fields.get("text"), "reasoning_details": [piece]}))

    secret = {"type": "reasoning.encrypted", "data": "abc", "index": 1}
    server.answer = lambda: server.stream(
        detail(0, text="first "),
        detail(0, text="second", signature=None),
        detail(0, signature="sig", text=None),
        server.chunk({"reasoning_details": [secret]}),
        server.chunk({"reasoning_details": [secret]}),
        server.chunk({"content": "x"}, "stop"),
    )

    message = await streamed(load_model("vendor/model"))

    block = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0, "text": "first second"}
    assert message.additional_kwargs["reasoning_details"] == [block | {"signature": "sig"}, secret, secret]
    assert message.additional_kwargs["reasoning"] == "first second"


async def test_a_server_that_repeats_itself_in_its_stream_is_not_added_up(server: Any) -> None:
    totals = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "cost": 0.5}
    running = totals | {"completion_tokens": 2, "total_tokens": 12, "cost": 0.2}
    server.answer = lambda: server.stream(
        server.chunk({"content": "a "}, usage=running),
        server.chunk({"content": "b"}, "stop", usage=totals),
        server.chunk({}, "stop", usage=totals),
    )

    message = await streamed(load_model("vendor/model"))

    assert (message.response_metadata["finish_reason"], message.response_metadata["cost"]) == ("stop", 0.5)
    assert message.response_metadata["model_name"] == "served-model"
    assert message.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] == 5


async def test_what_a_stream_says_about_itself_comes_once_and_last_but_for_the_id(server: Any) -> None:
    server.answer = said(server, {"content": "x"}, {"cost": 0.5})

    chunks = [chunk async for chunk in load_model("vendor/model").astream("hi")]

    assert chunks[0].response_metadata["id"] == "chatcmpl-7"
    assert [index for index, chunk in enumerate(chunks) if chunk.usage_metadata] == [len(chunks) - 1]
    assert [chunk.chunk_position for chunk in chunks].count("last") == 1


async def test_a_stream_without_a_finish_reason_is_told_to_be_unfinished(server: Any) -> None:
    server.answer = lambda: server.stream(server.chunk({"content": "half an ans"}), done=False)

    message = await streamed(load_model("vendor/model"))

    assert (message.text, message.response_metadata["finish_reason"]) == ("half an ans", "unfinished")


async def test_a_finish_reason_may_come_in_a_chunk_without_a_delta(server: Any) -> None:
    last = server.chunk({}, "length")
    del last["choices"][0]["delta"]
    server.answer = lambda: server.stream(server.chunk({"content": "half an ans"}), last)

    message = await streamed(load_model("vendor/model"))

    assert (message.text, message.response_metadata["finish_reason"]) == ("half an ans", "length")


@both_ways
async def test_an_output_limit_is_a_finish_reason_also_with_a_response_format(server: Any, way: Way) -> None:
    server.answer = said(server, {"content": '{"a": '}, finish="length")
    model = load_model("vendor/model").bind(response_format={"type": "json_object"})

    message = await way(model, "hi")

    assert (message.text, message.response_metadata["finish_reason"]) == ('{"a": ', "length")
    assert server.requests[-1]["response_format"] == {"type": "json_object"}


@both_ways
async def test_tool_calls_arrive_whole_also_without_an_index(server: Any, way: Way) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
    server.answer = said(server, {"tool_calls": [call]}, finish="tool_calls")

    message = await way(load_model("vendor/model"), "hi")

    assert [(each["name"], each["args"], each["id"]) for each in message.tool_calls] == [("look", {"at": 1}, "call_1")]
    assert message.response_metadata["finish_reason"] == "tool_calls"


async def test_tool_calls_streamed_in_pieces_side_by_side_are_told_apart(server: Any) -> None:
    def piece(index: int, call_id: str | None, name: str | None, arguments: str) -> dict[str, Any]:
        function = {"name": name, "arguments": arguments}
        return cast(
            "dict[str, Any]", server.chunk({"tool_calls": [{"index": index, "id": call_id, "function": function}]})
        )

    server.answer = lambda: server.stream(
        piece(0, "call_1", "look", '{"at"'),
        piece(1, "call_2", "look", '{"at": 2}'),
        piece(0, None, None, ": 1}"),
        server.chunk({}, "tool_calls"),
    )

    message = await streamed(load_model("vendor/model"))

    assert [(call["id"], call["args"]) for call in message.tool_calls] == [("call_1", {"at": 1}), ("call_2", {"at": 2})]


ERROR = {"error": {"code": 429, "message": "slow down"}}


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (lambda s: s.text(json.dumps(ERROR)), 429, "slow down"),
        (lambda s: s.text(json.dumps({"error": {"code": "server_error", "message": "m"}})), 500, "m"),
        (lambda s: s.text(json.dumps({"error": "just words"})), 502, "just words"),
        (lambda s: s.text(json.dumps({"object": "error", "message": "too long", "code": 400})), 400, "too long"),
        (lambda s: s.completion(choice={"finish_reason": "error", "error": {"code": 503, "message": "up"}}), 503, "up"),
        (lambda s: s.completion(choices=[]), 502, "without a message"),
        (lambda s: s.completion(choices=None), 502, "without a message"),
        (lambda s: s.completion(choice={"message": None}), 502, "without a message"),
        (lambda s: s.html(), 502, "502 from a proxy"),
        (lambda s: s.text("<html>no JSON</html>"), 502, "broken JSON"),
        (lambda s: s.text('{"id": "chatcmpl-7", "choi'), 502, "broken JSON"),
        (lambda s: s.text(""), 502, "broken JSON"),
    ],
)
@pytest.mark.parametrize("bound", [{}, {"response_format": {"type": "json_object"}}])
async def test_a_200_that_is_no_answer_raises(
    server: Any, answer: Callable[[Any], Any], status: int, words: str, bound: dict[str, Any]
) -> None:
    server.answer = lambda: answer(server)

    with pytest.raises(BadReplyError, match=words) as raised:
        await load_model("vendor/model").bind(**bound).ainvoke("hi")
    assert raised.value.status_code == status


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (lambda s: s.stream(s.chunk({"content": "a"}), ERROR), 429, "slow down"),
        (lambda s: s.stream(s.chunk({"content": "a"}), s.chunk({}, "error") | ERROR), 429, "slow down"),
        (lambda s: s.stream(s.chunk({"content": "a"}), s.chunk({}, "error")), 502, "error after 200"),
        (lambda s: s.stream({"object": "error", "message": "too long", "code": 400}), 400, "too long"),
        (lambda s: s.stream({"error": {"message": "no code"}}), 502, "no code"),
        (lambda s: s.stream(), 502, "without a single chunk"),
        (lambda s: s.completion(), 502, "without a single chunk"),
        (lambda s: s.html(), 502, "without a single chunk"),
        (lambda s: s.text("data: {half\n\n", "text/event-stream"), 502, "broken JSON"),
    ],
)
@pytest.mark.parametrize("bound", [{}, {"response_format": {"type": "json_object"}}])
async def test_a_stream_that_is_no_answer_raises(
    server: Any, answer: Callable[[Any], Any], status: int, words: str, bound: dict[str, Any]
) -> None:
    server.answer = lambda: answer(server)

    with pytest.raises(BadReplyError, match=words) as raised:
        await streamed(load_model("vendor/model").bind(**bound))
    assert raised.value.status_code == status


async def test_a_context_that_overflows_in_a_stream_is_told_as_such(server: Any) -> None:
    server.answer = lambda: server.stream({"error": {"message": "Your input exceeds the context window of this model"}})

    with pytest.raises((ContextOverflowError, BadReplyError)) as raised:  # the first if LangChain is new enough
        await streamed(load_model("vendor/model"))
    assert getattr(raised.value, "status_code", 400) == 400


async def test_text_that_comes_faster_than_it_is_read_comes_in_fewer_pieces(server: Any) -> None:
    pieces = [f"{number} " for number in range(200)]
    thought = server.chunk({"content": "", "reasoning": "hm"})
    told = [server.chunk({"content": piece}) for piece in pieces]
    server.answer = lambda: server.stream(*told[:100], thought, *told[100:], server.chunk({}, "stop"))

    chunks: list[AIMessageChunk] = []
    async for chunk in load_model("vendor/model").astream("hi"):
        chunks.append(chunk)
        await asyncio.sleep(0.05)  # a slow reader

    assert "".join(str(chunk.text) for chunk in chunks) == "".join(pieces)
    assert len(chunks) < 100
    before, after = "".join(pieces[:100]), "".join(pieces[100:])
    at = next(i for i, chunk in enumerate(chunks) if chunk.additional_kwargs.get("reasoning"))
    assert "".join(str(chunk.text) for chunk in chunks[:at]) == before
    assert "".join(str(chunk.text) for chunk in chunks[at:]) == after


async def test_a_connection_lost_in_the_middle_of_a_stream_raises_with_the_text_so_far_delivered(server: Any) -> None:
    server.answer = lambda: server.stream(server.chunk({"content": "half"}), cut=True)
    heard: list[str] = []

    async def listen() -> None:
        async for chunk in load_model("vendor/model").astream("hi"):
            heard.append(chunk.text)  # noqa: PERF401  (what was heard before the error is kept)

    with pytest.raises(Exception, match=r"Connection error|peer closed connection"):
        await listen()
    assert heard == ["half"]


@both_ways
async def test_an_http_error_keeps_status_and_headers_and_is_not_retried(server: Any, way: Way) -> None:
    from starlette.responses import JSONResponse  # noqa: PLC0415  (this test's alone)

    server.answer = lambda: JSONResponse({"error": {"message": "no"}}, 429, {"retry-after": "7"})

    with pytest.raises(Exception, match="no") as raised:
        await way(load_model("vendor/model"), "hi")
    error = cast("Any", raised.value)
    assert (error.status_code, error.response.headers["retry-after"]) == (429, "7")
    assert len(server.requests) == 1


async def test_openrouter_is_asked_for_usage_reasoning_and_max_tokens_in_its_own_words(server: Any) -> None:
    model = load_model("openrouter:vendor/model:free", temperature=0.2, max_tokens=100, reasoning="high")
    await streamed_or_error(model)

    asked = server.requests[-1]
    assert (asked["model"], asked["temperature"], asked["max_tokens"]) == ("vendor/model:free", 0.2, 100)
    assert (asked["usage"], asked["reasoning"]) == ({"include": True}, {"effort": "high"})
    assert asked["stream_options"] == {"include_usage": True}
    assert "max_completion_tokens" not in asked
    assert server.headers[-1]["authorization"] == "Bearer sk-or-test"


async def streamed_or_error(model: BaseChatModel) -> None:
    with pytest.raises(BadReplyError):  # the default answer is no stream, and what was asked is all that matters
        await streamed(model)


async def test_a_number_as_reasoning_is_a_budget_of_tokens(server: Any) -> None:
    await load_model("vendor/model", reasoning="2048").ainvoke("hi")

    assert server.requests[-1]["reasoning"] == {"max_tokens": 2048}


async def test_another_server_gets_openais_fields_and_none_of_openrouters(server: Any) -> None:
    await load_model("openai:a/b:c", max_tokens=100, reasoning="low").ainvoke("hi")

    asked = server.requests[-1]
    assert (asked["model"], asked["max_tokens"], asked["reasoning_effort"]) == ("a/b:c", 100, "low")
    assert not {"usage", "reasoning", "max_completion_tokens", "temperature"} & set(asked)


async def test_a_number_as_reasoning_is_not_sent_to_a_server_that_knows_efforts_only(server: Any) -> None:
    await load_model("openai:local", reasoning="2048").ainvoke("hi")

    assert not {"reasoning", "reasoning_effort"} & set(server.requests[-1])


async def test_a_custom_server_is_called_without_a_key_and_never_over_the_responses_api(server: Any) -> None:
    await load_model("openai:codex-mini").ainvoke("hi")

    assert server.headers[-1]["authorization"] == "Bearer not-needed"
    assert server.requests[-1]["messages"] == [{"role": "user", "content": "hi"}]


def test_openais_own_server_gets_max_completion_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    model = cast("Any", load_model("openai:gpt-4.1", max_tokens=100))

    payload = model._get_request_payload([HumanMessage("hi")])

    assert payload["max_completion_tokens"] == 100
    assert not {"max_tokens", "extra_body"} & set(payload)
    assert model.use_responses_api is None  # which leaves it to LangChain to know the models that need it


async def test_openrouter_gets_the_reasoning_behind_its_own_tool_calls_back(server: Any) -> None:
    details = [{"type": "reasoning.encrypted", "data": "abc", "index": 0}]
    call = {"name": "look", "args": {}, "id": "call_1", "type": "tool_call"}
    thought = AIMessage("", tool_calls=[call], additional_kwargs={"reasoning_details": details})
    history = [HumanMessage("hi"), thought, ToolMessage("seen", tool_call_id="call_1")]

    await load_model("vendor/model").ainvoke(history)
    await load_model("openai:local").ainvoke(history)

    to_openrouter, to_another = (request["messages"] for request in server.requests)
    assert to_openrouter[1]["reasoning_details"] == details
    assert "reasoning_details" not in to_another[1]


async def test_tools_are_bound_as_openai_wants_them(server: Any) -> None:
    @tool
    def look(at: int) -> str:
        """Look at something."""
        return str(at)

    await load_model("vendor/model").bind_tools([look], tool_choice="look").ainvoke("hi")

    assert server.requests[-1]["tools"][0]["function"]["name"] == "look"
    assert server.requests[-1]["tool_choice"] == {"type": "function", "function": {"name": "look"}}


@pytest.mark.parametrize(
    ("status", "details", "finish"),
    [("completed", None, "stop"), ("incomplete", {"reason": "max_output_tokens"}, "length")],
)
async def test_the_responses_api_of_openais_own_server_gives_a_finish_reason_too(
    server: Any, status: str, details: Any, finish: str
) -> None:
    text = {"type": "output_text", "text": "hello", "annotations": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": status, "content": [text]}
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    body = {"id": "resp_7", "object": "response", "created_at": 1, "model": "gpt-x", "status": status, "output": [item]}
    rest = {"incomplete_details": details, "usage": usage, "tools": [], "tool_choice": "auto", "error": None}
    created = {"type": "response.created", "sequence_number": 0, "response": body | rest}
    done = {"type": f"response.{status}", "sequence_number": 2, "response": body | rest}
    delta = {"type": "response.output_text.delta", "sequence_number": 1, "output_index": 0, "content_index": 0}
    delta |= {"delta": "hello", "item_id": "msg_1", "logprobs": []}
    model = cast("Any", load_model("openai:local")).model_copy(update={"server": "openai", "use_responses_api": True})

    for way, answer in ((whole, server.text(json.dumps(body | rest))), (streamed, server.stream(created, delta, done))):
        server.answer = lambda answer=answer: answer
        message = await way(model)

        assert (message.text, message.response_metadata["finish_reason"]) == ("hello", finish)
        assert message.response_metadata["id"] == "resp_7"
        assert message.usage_metadata is not None
        assert message.usage_metadata["output_tokens"] == 5


class Verdict(BaseModel):
    best: str


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")  # LangChain's, for `parsed`
async def test_structured_output_by_a_pydantic_class_works_and_keeps_the_cost(server: Any) -> None:
    server.answer = said(server, {"content": '{"best": "b"}'}, {"cost": 0.5})
    model = load_model("vendor/model")

    assert await model.with_structured_output(Verdict).ainvoke("hi") == Verdict(best="b")
    message = await streamed(model.bind(response_format=Verdict))
    assert (message.text, message.response_metadata["cost"]) == ('{"best": "b"}', 0.5)


def test_a_model_also_answers_synchronously(server: Any) -> None:
    server.answer = said(server, {"content": "hello there"}, {"cost": 0.5})
    model = load_model("vendor/model")

    assert model.invoke("hi").response_metadata["cost"] == 0.5
    assert "".join(chunk.text for chunk in model.stream("hi")) == "hello there"


def test_one_model_works_in_one_event_loop_after_the_other(server: Any) -> None:
    model = load_model("vendor/model")

    texts = [asyncio.run(whole(model)).text for _ in range(3)]

    assert texts == ["hello there"] * 3
    assert len(server.connections) == 3


def test_event_loops_in_parallel_threads_do_not_share_connections(server: Any) -> None:
    model = load_model("vendor/model")

    async def both() -> Sequence[AIMessage]:
        return await asyncio.gather(whole(model), asyncio.to_thread(lambda: asyncio.run(whole(model))))

    assert [message.text for message in asyncio.run(both())] == ["hello there"] * 2


async def test_calls_of_one_loop_share_a_connection_until_the_clients_are_closed(server: Any) -> None:
    for name in ("vendor/model", "vendor/other"):
        await load_model(name).ainvoke("hi")
    assert len(server.connections) == 1

    await close_clients()
    await close_clients()
    await load_model("vendor/model").ainvoke("hi")

    assert len(server.connections) == 2


async def test_many_calls_at_once_keep_their_answers_apart(server: Any) -> None:
    server.answer = lambda: server.completion({"content": server.requests[-1]["messages"][0]["content"]})

    messages = await asyncio.gather(*(load_model("vendor/model").ainvoke(f"question {n}") for n in range(20)))

    assert sorted(message.text for message in messages) == sorted(f"question {n}" for n in range(20))


def test_a_stream_left_early_leaves_nothing_open(server: Any) -> None:
    server.answer = said(server, {"content": "hello there"})

    async def leave() -> str:
        async for chunk in load_model("vendor/model").astream("hi"):
            if chunk.text:
                return cast("str", chunk.text)
        return ""

    assert asyncio.run(leave()) == "hello there"


def test_a_loop_that_was_closed_without_ceremony_is_forgotten(server: Any) -> None:
    loop = asyncio.new_event_loop()

    async def use() -> None:
        clients.async_client(server.url, "k")

    loop.run_until_complete(use())
    loop.close()

    asyncio.run(whole(load_model("vendor/model")))

    assert loop not in clients._LOOPS


async def test_a_model_can_be_copied(server: Any) -> None:
    assert (await whole(copy.deepcopy(load_model("vendor/model")))).text == "hello there"


def test_a_key_is_not_shown_by_a_model(server: Any) -> None:
    model = load_model("vendor/model")

    assert "sk-or-test" not in repr(model) + dumps(model)
