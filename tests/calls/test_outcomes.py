"""What exceptions and messages mean. Texts, shapes and statuses are those providers and their libraries were seen with."""

import asyncio
import enum
import json
import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, AIMessageChunk, ChatMessage, ChatMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk

from fusion_graph.calls.library_errors import MAX_SHOWN_CHARS, is_ours, retry_after, said
from fusion_graph.calls.messages import as_chunk, as_message, joined, response_id, text_of, text_so_far, tokens_of
from fusion_graph.calls.outcomes import error_of, outcome_of
from fusion_graph.errors import LeaseLostError, MissingKeyError, MissingPackageError
from fusion_graph.models.scripted import ScriptedError
from fusion_graph.schemas import Outcome

REQUEST = httpx2.Request("POST", "http://localhost/v1/chat/completions")


def refused(status: int, text: str = "no") -> ScriptedError:
    return ScriptedError(text, status_code=status)


def openai_error(status: int, error: dict[str, Any]) -> openai.APIStatusError:
    """Build what the SDK raises: its text is the message alone, `code`, `type` and `param` are attributes."""
    response = httpx2.Response(status, request=REQUEST, json={"error": error})
    return openai.OpenAI(api_key="x")._make_status_error_from_response(response)


def anthropic_error_in_a_stream(type_: str, message: str) -> Exception:
    """Build what that SDK raises when an error comes inside a stream: a status error with status 200."""
    body = {"type": "error", "error": {"details": None, "type": type_, "message": message}}
    error = type("APIStatusError", (Exception,), {})(str(body))
    error.status_code, error.body, error.type = 200, body, type_
    return error  # type: ignore[no-any-return]


def google_error(code: int, status: str, message: str) -> Exception:
    """Build what langchain-google-genai raises: the SDK's error, which knows the code, is only the cause."""
    cause = type("ClientError", (Exception,), {})(f"{code} {status}. {message}")
    cause.code, cause.status = code, status
    error = type("ChatGoogleGenerativeAIError", (Exception,), {})(f"Error calling model 'm' ({status}): {cause}")
    error.__cause__ = cause
    return error  # type: ignore[no-any-return]


def bedrock_error(code: str, message: str, status: int | None, headers: dict[str, str] | None = None) -> Exception:
    """Build what botocore raises: `response` is a dict."""
    error = type("ClientError", (Exception,), {})(f"An error occurred ({code}) when calling Converse: {message}")
    metadata = {"ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers}} if status else {}
    error.response = {"Error": {"Code": code, "Message": message}, **metadata}
    return error  # type: ignore[no-any-return]


QUOTA = "You exceeded your current quota, please check your plan and billing details."
GONE = {"message": QUOTA, "type": "insufficient_quota", "param": None, "code": "insufficient_quota"}

BY_STATUS: list[tuple[int, Outcome]] = [
    (400, "bad_request"),
    (401, "unauthorized"),
    (402, "payment_required"),
    (403, "unauthorized"),
    (404, "not_found"),
    (405, "bad_request"),
    (408, "timeout"),
    (409, "server_error"),
    (410, "not_found"),
    (413, "context_overflow"),
    (422, "bad_request"),
    (429, "rate_limited"),
    (498, "rate_limited"),
    (500, "server_error"),
    (502, "server_error"),
    (503, "server_error"),
    (529, "server_error"),
    (599, "server_error"),
]


@pytest.mark.parametrize(("status", "kind"), BY_STATUS)
def test_a_status_tells_the_outcome(status: int, kind: Outcome) -> None:
    assert error_of(refused(status, "Sorry about that!")) == {
        "kind": kind,
        "message": "Sorry about that!",
        "status_code": status,
    }


BY_WORDS: list[tuple[Outcome, Exception]] = [
    ("payment_required", openai_error(429, GONE)),
    ("payment_required", refused(400, "Your credit balance is too low to access the Anthropic API.")),
    ("payment_required", refused(403, "Key limit exceeded (monthly limit). Manage it in the settings")),
    ("payment_required", refused(403, "Your newly created team doesn't have any credits or licenses yet.")),
    (
        "payment_required",
        refused(429, "Your team has either used all available credits or reached its spending limit."),
    ),
    ("payment_required", refused(402, "This request requires more credits, or fewer max_tokens.")),
    ("payment_required", openai.APIError("boom", REQUEST, body=GONE)),
    ("rate_limited", google_error(429, "RESOURCE_EXHAUSTED", f"{QUOTA} Please retry in 47.17s.")),
    ("rate_limited", refused(429, "Rate limit reached. Need more tokens? Upgrade at /settings/billing")),
    ("rate_limited", bedrock_error("ThrottlingException", "Too many tokens, please wait before trying again.", 429)),
    ("rate_limited", refused(429, "This request would exceed your rate limit of 40,000 input tokens per minute")),
    ("context_overflow", refused(429, "Request too large for gpt-x on tokens per min (TPM): Limit 3, Requested 4.")),
    ("context_overflow", refused(413, "Request too large for model `x`: Limit 6000, Requested 8000")),
    ("context_overflow", openai_error(400, {"message": "too much", "code": "context_length_exceeded"})),
    ("context_overflow", refused(400, "This model's maximum context length is 8192 tokens. However, your messages")),
    ("context_overflow", refused(400, "prompt is too long: 205106 tokens > 200000 maximum")),
    ("context_overflow", refused(400, "input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000")),
    ("context_overflow", refused(400, "The input token count (9) exceeds the maximum number of tokens allowed (8).")),
    ("context_overflow", refused(400, "Prompt contains 9 tokens and 0 draft tokens, too large for model with 8")),
    ("context_overflow", refused(400, "This model's maximum prompt length is 131072 but the request contains 136973")),
    ("context_overflow", refused(400, "Your request exceeded model token limit: 8192")),
    ("context_overflow", refused(400, "request (9 tokens) exceeds the available context size (8 tokens)")),
    ("context_overflow", refused(422, "`inputs` tokens + `max_new_tokens` must be <= 32768")),
    ("context_overflow", bedrock_error("ValidationException", "Input is too long for requested model.", 400)),
    ("context_overflow", ContextOverflowError("too long")),
    ("bad_request", refused(400, "`max_tokens` must be <= `16384`, which is less than the `context_window` for this")),
    ("unauthorized", google_error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.")),
    ("refusal", refused(400, "The response was filtered due to the prompt triggering our content management policy.")),
    ("refusal", openai_error(400, {"message": "no", "code": "content_policy_violation"})),
    ("refusal", refused(400, "Content Exists Risk")),
    ("refusal", refused(400, "Input data may contain inappropriate content.")),
    ("refusal", refused(403, 'openai/x requires moderation. Your input was flagged for "violence".')),
    ("refusal", refused(403, "Content violates usage guidelines.")),
    ("not_found", refused(400, "deepseek/x is not a valid model ID")),
    ("not_found", refused(400, "Model Not Exist")),
    ("not_found", openai_error(403, {"message": "Project has no access to model `x`", "code": "model_not_found"})),
    ("bad_request", refused(404, "No endpoints found that support the provided 'tool_choice' value.")),
    ("not_found", refused(404, "No endpoints found matching your data policy.")),
    ("server_error", anthropic_error_in_a_stream("overloaded_error", "Overloaded")),
    ("server_error", anthropic_error_in_a_stream("api_error", "Internal")),
    ("rate_limited", anthropic_error_in_a_stream("rate_limit_error", "Slow down")),
    ("unauthorized", anthropic_error_in_a_stream("authentication_error", "invalid x-api-key")),
    ("bad_request", anthropic_error_in_a_stream("invalid_request_error", "no")),
    ("not_found", anthropic_error_in_a_stream("not_found_error", "model: x")),
    ("rate_limited", bedrock_error("throttlingException", "Too many requests", None)),
    ("server_error", google_error(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")),
    ("bad_request", TypeError("AsyncMessages.create() got an unexpected keyword argument 'response_format'")),
    ("connection", openai.APIConnectionError(request=REQUEST)),
    ("timeout", openai.APITimeoutError(REQUEST)),
    ("timeout", TimeoutError()),
    ("connection", ConnectionResetError("reset")),
    ("connection", httpx2.RemoteProtocolError("peer closed connection (incomplete chunked read)")),
    ("connection", asyncio.CancelledError()),  # type: ignore[list-item]  # one that nobody asked for
    ("server_error", json.JSONDecodeError("Expecting value", "<html>", 0)),
    ("server_error", TypeError("'NoneType' object is not subscriptable")),
    ("server_error", KeyError("choices")),
    ("cut", type("LengthFinishReasonError", (Exception,), {})("Could not parse response content")),
    ("refusal", type("ContentFilterFinishReasonError", (Exception,), {})("rejected by the filter")),
    ("error", RuntimeError("something else")),
    ("unauthorized", MissingKeyError("X_API_KEY is not set")),
    ("not_found", MissingPackageError("langchain-x is not installed")),
]


@pytest.mark.parametrize(("kind", "exception"), BY_WORDS, ids=lambda value: str(value)[:60])
def test_an_error_is_told_by_its_words_where_its_status_would_mislead(kind: Outcome, exception: Exception) -> None:
    assert error_of(exception)["kind"] == kind


@pytest.mark.parametrize(
    ("exception", "status"),
    [
        (openai_error(429, {"message": "slow"}), 429),
        (google_error(404, "NOT_FOUND", "models/x is not found"), 404),
        (bedrock_error("X", "y", 400), 400),
        (anthropic_error_in_a_stream("api_error", "x"), None),
        (ScriptedError("x", status_code=HTTPStatus.BAD_GATEWAY), 502),
        (RuntimeError("x"), None),
    ],
)
def test_the_status_is_found_where_each_library_keeps_it_and_is_a_plain_number(
    exception: Exception, status: int | None
) -> None:
    found = error_of(exception).get("status_code")

    assert (found, type(found)) == (status, type(status))


def test_a_group_means_what_the_first_exception_in_it_means() -> None:
    inner = ExceptionGroup("unhandled errors in a TaskGroup", [refused(429, "slow down"), ValueError("x")])

    assert error_of(ExceptionGroup("outer", [inner])) == error_of(refused(429, "slow down"))


def test_a_cause_says_what_its_effect_leaves_out() -> None:
    error = openai.APIConnectionError(request=REQUEST)
    error.__cause__ = OSError("[Errno 111] Connection refused")
    silent = RuntimeError("it failed")
    silent.__cause__ = ConnectionResetError()

    assert error_of(error)["message"] == "Connection error. (OSError: [Errno 111] Connection refused)"
    wrapped = openai.APIConnectionError(request=REQUEST)
    wrapped.__cause__ = error  # and its cause in turn
    assert error_of(wrapped) == error_of(error)
    assert error_of(silent) == {"kind": "connection", "message": "it failed (ConnectionResetError)"}


def test_a_router_is_quoted_with_the_words_of_the_provider_behind_it() -> None:
    raw = '{"message":"`temperature` is deprecated"}'
    error = openai_error(400, {"message": "Provider returned error", "code": 400, "metadata": {"raw": raw}})

    assert error_of(error)["message"] == f"Error code: 400 - Provider returned error ({raw})"
    assert error_of(openai_error(400, {"message": "no", "metadata": None}))["message"] == "Error code: 400 - no"


def test_a_circle_of_causes_comes_to_an_end() -> None:
    first, second = RuntimeError("first"), RuntimeError("second")
    first.__cause__, second.__cause__ = second, first

    assert error_of(first)["message"] == "first (RuntimeError: second)"


class Hostile(Exception):  # noqa: N818  (named for what it is)
    @property
    def response(self) -> object:
        raise RuntimeError("not read yet")

    @property
    def body(self) -> object:
        return Silent()

    def __str__(self) -> str:
        raise ValueError("no text")


class Silent:
    def __str__(self) -> str:
        raise ValueError("no text")


def test_an_exception_that_raises_when_it_is_looked_at_is_still_an_error() -> None:
    assert error_of(Hostile()) == {"kind": "error", "message": "Hostile"}
    assert retry_after(Hostile()) is None


@pytest.mark.parametrize("exception", [ValueError(), ValueError("  \n ")])
def test_an_exception_without_a_text_goes_by_its_name(exception: Exception) -> None:
    assert error_of(exception)["message"] == "ValueError"


def test_a_message_is_one_short_line_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_API_KEY", "canary-1234567890")
    page = "<html>\n  " + "lorem " * 100_000

    message = error_of(refused(502, f"key canary-1234567890 and sk-Abc123Def456Ghi789 are wrong\n{page}"))["message"]

    assert message.startswith("key [redacted] and [redacted] are wrong <html> lorem lorem")
    assert len(message) == MAX_SHOWN_CHARS


def test_the_searched_text_holds_what_the_sdk_keeps_in_attributes() -> None:
    error = openai_error(400, {"message": "no", "type": "t", "param": "temperature", "code": "unsupported_value"})

    assert "temperature" in said(error)
    assert "unsupported_value" in said(error)


# Waiting


def waiting(headers: Any) -> Exception:
    error = RuntimeError("wait")
    error.response = SimpleNamespace(headers=headers)  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"Retry-After": "1.5"}, 1.5),
        (httpx2.Headers({"Retry-After": "3"}), 3.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "864000"}, 864_000.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after-ms": "-inf"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Someday, 99 Foo 2999"}, None),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({}, None),
        (None, None),
        ("retry-after: 7", None),
    ],
)
def test_a_server_may_say_how_long_to_wait_and_nonsense_says_nothing(headers: Any, seconds: float | None) -> None:
    assert retry_after(waiting(headers)) == seconds


def test_a_date_is_so_many_seconds_from_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)

    assert retry_after(waiting({"retry-after": formatdate(1_000_090, usegmt=True)})) == 90.0


def test_the_time_to_wait_is_also_found_on_the_exception_and_its_cause() -> None:
    direct, wrapped = RuntimeError("x"), RuntimeError("y")
    direct.headers = {"Retry-After": "4"}  # type: ignore[attr-defined]
    wrapped.__cause__ = waiting({"retry-after": "5"})

    assert (retry_after(direct), retry_after(wrapped)) == (4.0, 5.0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please retry in 47.174066935s.", 47.174066935),
        ("{'@type': 'type.googleapis.com/google.rpc.RetryInfo', 'retryDelay': '34s'}", 34.0),
        ("Please try again in 6m1.5s. Need more tokens?", 361.5),
        ("Please try again in 1h0m1s", 3601.0),
        ("Please try again in 850ms", 0.85),
        ("Please retry after 26 seconds.", 26.0),
        ("Please retry after 2 minutes.", 120.0),
        ('"retry_after_seconds": 17, "headers": {}', 17.0),
        ("{'headers': {'Retry-After': '18'}}", 18.0),
        ("Please try again in a few minutes", None),
        ("Too many requests", None),
    ],
)
def test_without_a_header_the_words_tell_how_long_to_wait(text: str, seconds: float | None) -> None:
    assert retry_after(refused(429, text)) == seconds


def test_an_open_ended_wait_in_a_body_is_found() -> None:
    metadata = {"raw": "slow", "headers": {"Retry-After": "17"}}

    assert retry_after(openai_error(429, {"message": "Provider returned error", "metadata": metadata})) == 17.0


# Whose exception it is


async def test_a_lost_lease_and_the_end_of_the_program_are_not_the_librarys() -> None:
    assert is_ours(LeaseLostError("taken over"))
    assert is_ours(KeyboardInterrupt())
    assert is_ours(GeneratorExit())
    assert is_ours(BaseExceptionGroup("", [ValueError(), SystemExit()]))
    assert not is_ours(ValueError())
    assert not is_ours(ExceptionGroup("", [ValueError()]))


async def test_a_cancellation_is_ours_only_if_somebody_cancelled_this_task() -> None:
    cut = asyncio.CancelledError()
    assert not is_ours(cut)
    assert not is_ours(BaseExceptionGroup("", [cut, ValueError()]))

    async def cancelled() -> tuple[bool, bool]:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            return is_ours(error), is_ours(BaseExceptionGroup("", [error]))
        return False, False

    task = asyncio.create_task(cancelled())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == (True, True)


# Messages


class Reason(enum.Enum):
    MAX_TOKENS = 2


CALL = {"name": "look", "args": {}, "id": "1", "type": "tool_call"}
BAD_CALL = {"name": "look", "args": "{", "id": "1", "error": None, "type": "invalid_tool_call"}


def message(content: Any = "text", reason: Any = "stop", **fields: Any) -> AIMessage:
    metadata = fields.pop("metadata", {"finish_reason": reason})
    return AIMessage(content, response_metadata=metadata, **fields)


@pytest.mark.parametrize(
    ("outcome", "found"),
    [
        ("answer", message()),
        ("answer", message(metadata={})),
        ("answer", message([{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "text"}])),
        ("empty", message("")),
        ("empty", message(" \n")),
        ("empty", message([])),
        ("empty", message([{"type": "reasoning", "reasoning": "hm"}])),
        ("empty", message("", "MALFORMED_FUNCTION_CALL")),
        ("tool_calls", message("", "tool_calls", tool_calls=[CALL])),
        ("tool_calls", message("I look", "stop", tool_calls=[CALL])),
        ("tool_calls", message("", "tool_calls", invalid_tool_calls=[BAD_CALL])),
        ("cut", message("half", "length")),
        ("cut", message("", "length")),
        ("cut", message("half", "MAX_TOKENS")),
        ("cut", message("half", Reason.MAX_TOKENS)),
        ("cut", message("half", "FinishReason.MAX_TOKENS")),
        ("cut", message("half", "lengthlengthlength")),
        ("cut", message("half", metadata={"stop_reason": "max_tokens"})),
        ("cut", message("half", metadata={"finish_reason": None, "done_reason": "length"})),
        ("cut", message("half", "model_context_window_exceeded")),
        ("cut", message("", "length", tool_calls=[CALL])),
        ("refusal", message("I cannot", "content_filter")),
        ("refusal", message("", "SAFETY")),
        ("refusal", message("", "refusal")),
        ("refusal", message("I will not", additional_kwargs={"refusal": "I will not"})),
        ("refusal", message("", metadata={"prompt_feedback": {"block_reason": "PROHIBITED_CONTENT"}})),
        ("answer", message(metadata={"prompt_feedback": {"block_reason": 0}})),
        ("answer", message(metadata={"prompt_feedback": None})),
        ("server_error", message("half", "error")),
        ("server_error", message("", "insufficient_system_resource")),
        ("answer", message(reason=7)),
        ("answer", message(reason=["odd", {"value": 1}])),
    ],
    ids=repr,
)
def test_a_message_is_told_by_its_finish_reason_before_its_content(outcome: Outcome, found: AIMessage) -> None:
    told, error = outcome_of(found)

    assert told == outcome
    assert (error is None) == (outcome in {"answer", "tool_calls"})
    assert error is None or error["kind"] == outcome


def test_a_refusal_is_quoted_without_secrets() -> None:
    _, error = outcome_of(message("", additional_kwargs={"refusal": "not with sk-Abc123Def456Ghi789"}))

    assert error == {"kind": "refusal", "message": "the model refused: not with [redacted]"}


def test_a_blocked_prompt_says_why() -> None:
    _, error = outcome_of(message("", metadata={"prompt_feedback": {"block_reason": "OTHER"}}))

    assert error == {"kind": "refusal", "message": "the model refused: the prompt was blocked: OTHER"}


def test_tokens_are_counted_with_their_parts() -> None:
    usage = UsageMetadata(
        input_tokens=10,
        output_tokens=7,
        total_tokens=17,
        input_token_details={"cache_read": 4},
        output_token_details={"reasoning": 5},
    )

    assert tokens_of(message(usage_metadata=usage)) == {"input": 10, "cached": 4, "output": 7, "reasoning": 5}
    assert tokens_of(message()) is None


@pytest.mark.parametrize("odd", [None, -1, float("nan"), float("inf"), "7"])
def test_counts_that_are_none_count_nothing(odd: Any) -> None:
    found = message().model_copy(update={"usage_metadata": {"input_tokens": odd, "input_token_details": None}})

    assert tokens_of(found) == {"input": 0, "cached": 0, "output": 0, "reasoning": 0}


@pytest.mark.parametrize(
    ("found", "id_"),
    [
        (message(metadata={"id": "chatcmpl-1"}, id="msg-1"), "chatcmpl-1"),
        (message(id="msg_01"), "msg_01"),
        (message(id="lc_run--0198"), None),
        (message(id="run-0198-0"), None),
        (message(), None),
    ],
)
def test_a_response_is_known_by_its_providers_id_only(found: AIMessage, id_: str | None) -> None:
    assert response_id(found) == id_


def test_a_message_of_another_class_becomes_an_answer_and_anything_else_is_none() -> None:
    chat = ChatMessage(content="hello", role="bot", response_metadata={"finish_reason": "stop"}, id="1")

    assert as_message(chat) == AIMessage("hello", response_metadata={"finish_reason": "stop"}, id="1")
    assert as_chunk(ChatMessageChunk(content="hel", role="bot", id="1")) == AIMessageChunk(content="hel", id="1")
    for odd in ("text", None, {"content": "x"}):
        with pytest.raises(TypeError, match="not a message"):
            as_message(odd)
        with pytest.raises(TypeError, match="not a message"):
            as_chunk(odd)


def test_text_of_nothing_is_nothing() -> None:
    assert text_of(None) == ""


# Streams


def calling(args: str | None, index: int = 0, name: str | None = "look", id_: str | None = "1") -> AIMessageChunk:
    return AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(name=name, id=id_, args=args, index=index)])


def test_a_stream_adds_up_and_an_empty_one_is_an_empty_message() -> None:
    assert joined([AIMessageChunk(content="a"), AIMessageChunk(content="b")]).content == "ab"
    assert joined([]) == AIMessage("")
    assert type(joined([AIMessageChunk(content="a")])) is AIMessage


def test_a_tool_call_that_was_not_sent_to_its_end_is_never_run() -> None:
    whole, half = calling('{"q": "x"}', 0, "look", None), calling('{"path": "/tm', 1, "remove", None)

    found = joined([whole, half])

    assert [(call["name"], call["args"]) for call in found.tool_calls] == [("look", {"q": "x"})]
    assert [(call["name"], call["args"]) for call in found.invalid_tool_calls] == [("remove", '{"path": "/tm')]


@pytest.mark.parametrize("args", ["", None, "{}"])
def test_a_tool_without_arguments_may_be_called(args: str | None) -> None:
    assert joined([calling(args), AIMessageChunk(content="x")]).tool_calls[0]["args"] == {}


@pytest.mark.parametrize("args", ["[1]", '"x"', "1"])
def test_arguments_that_are_no_object_are_not_valid(args: str) -> None:
    found = joined([calling(args)])

    assert (found.tool_calls, found.invalid_tool_calls[0]["args"]) == ([], args)


def test_of_a_broken_stream_the_text_and_the_count_stay_and_no_tool_call() -> None:
    usage = UsageMetadata(input_tokens=9, output_tokens=1, total_tokens=10)
    begun = AIMessageChunk(content="so", response_metadata={"id": "chat-1"}, usage_metadata=usage)

    found = text_so_far([begun, AIMessageChunk(content=" far"), calling("{}")])

    assert found is not None
    assert (found.content, found.tool_calls, found.usage_metadata) == ("so far", [], usage)
    assert found.response_metadata == {"id": "chat-1"}
    assert text_so_far([]) is None


def test_chunks_that_do_not_add_up_still_have_their_text() -> None:
    odd: list[Callable[[], None]] = [lambda: None, lambda: None]
    chunks = [AIMessageChunk(content=text, additional_kwargs={"x": x}) for text, x in zip("ab", odd, strict=True)]

    assert text_so_far(chunks) == AIMessage("ab")


@given(st.text(), st.integers())
def test_no_error_text_and_no_status_breaks_the_sorting(text: str, status: int) -> None:
    error = error_of(refused(status, text))

    assert json.dumps(error)
    assert len(error["message"]) <= MAX_SHOWN_CHARS
    assert error.get("status_code", 400) in range(400, 600)
