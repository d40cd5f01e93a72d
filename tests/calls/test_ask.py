"""`ask`: every outcome is a value, every attempt is in the ledger, and no time or money is spent beyond what was given."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.runnables import Runnable
from langchain_core.tools import tool

from fusion_graph.calls import Asker, Call, Reply, RunScope, run_scope
from fusion_graph.calls.ask import MAX_CONCURRENT_CALLS
from fusion_graph.calls.tries import MAX_REMEDIES, MAX_RETRIES
from fusion_graph.errors import LeaseLostError, MissingKeyError, ModelLoadError
from fusion_graph.models import price
from fusion_graph.models.scripted import (
    Outcome,
    ScriptedError,
    ScriptedModel,
    ScriptedModels,
    ScriptedReply,
    ScriptedRequest,
)
from fusion_graph.schemas import CallEntry

SECONDS = 100.0


@tool
def look(at: str) -> str:
    """Look at something."""
    return at


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Notes:
    """A journal that remembers what it was told, in order, and recalls what an earlier process was answered."""

    def __init__(self, *, begin: Exception | None = None, end: Exception | None = None) -> None:
        self.told: list[tuple[str, CallEntry]] = []
        self.answers: dict[tuple[str, str], tuple[list[CallEntry], AIMessage]] = {}
        self._begin, self._end = begin, end

    async def begin(self, entry: CallEntry) -> None:
        self.told.append(("begin", entry))
        if self._begin:
            raise self._begin

    async def recall(self, key: str, request: str) -> tuple[list[CallEntry], AIMessage] | None:
        return self.answers.get((key, request))

    async def end(self, entry: CallEntry, message: AIMessage | None) -> None:
        self.told.append(("end", entry))
        if message:
            self.answers[entry["key"], entry["request"]] = [entry], message
        if self._end:
            raise self._end

    async def left_behind(self, known: set[str]) -> list[CallEntry]:
        return []


@contextmanager
def within(scope: RunScope) -> Iterator[None]:
    token = run_scope.set(scope)
    try:
        yield
    finally:
        run_scope.reset(token)


HEARD = RunScope("run", is_heard=lambda: True)


def a_call(**fields: Any) -> Call:
    known: dict[str, Any] = {
        "role": "panelist",
        "key": "panelist:1:0",
        "seat": 1,
        "model": "alpha",
        "messages": [HumanMessage("Why?")],
        "timeout_seconds": SECONDS,
        "delta_event": "panelist_delta",
    }
    return Call(**known | fields)


class Setting:
    """An asker over one scripted model, its clock, and what a listener heard."""

    def __init__(self, *outcomes: Outcome | Callable[[ScriptedRequest], Any], **options: Any) -> None:
        self._outcomes = outcomes
        self.clock = Clock()
        self.models = ScriptedModels({"alpha": self._play, "beta": self._play})
        self.heard: list[dict[str, Any]] = []
        known: dict[str, Any] = {"price": price, "clock": self.clock, "sleep": self.clock.sleep}
        self.ask = Asker(options.pop("load_model", self.models), **known | options)

    async def _play(self, request: ScriptedRequest) -> Outcome:
        played = self._outcomes[min(len(self.models.requests), len(self._outcomes)) - 1]
        found = played(request) if callable(played) else played
        return await found if isinstance(found, Awaitable) else found

    async def reply(self, *, heard: bool = False, **fields: Any) -> Reply:
        with within(HEARD if heard else RunScope("run")):
            return await self.ask(a_call(**fields), emit=self.heard.append)

    @property
    def deltas(self) -> list[str]:
        return [event["delta"] for event in self.heard if event["type"] == "panelist_delta"]


def error(status: int, text: str = "no", **headers: str) -> ScriptedError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ScriptedError(text, status_code=status, headers=named)


def outcomes(reply: Reply) -> list[str | None]:
    return [entry["outcome"] for entry in reply.entries]


# One attempt


@pytest.mark.parametrize("heard", [True, False])
async def test_an_answer_comes_with_its_entry(heard: bool) -> None:  # noqa: FBT001
    it = Setting(ScriptedReply("Because it is so.", cost=0.25))

    reply = await it.reply(heard=heard)

    (entry,) = reply.entries
    assert (reply.outcome, reply.text, reply.error) == ("answer", "Because it is so.", None)
    assert entry["response_id"].startswith("scripted-")  # type: ignore[union-attr]
    assert entry | {"id": "", "request": "", "started_at": 0.0, "response_id": ""} == {
        "id": "",
        "key": "panelist:1:0",
        "request": "",
        "run_id": "run",
        "role": "panelist",
        "seat": 1,
        "model": "alpha",
        "attempt": 1,
        "started_at": 0.0,
        "duration_seconds": 0.0,
        "outcome": "answer",
        "finish_reason": "stop",
        "response_id": "",
        "tokens": {"input": 1, "cached": 0, "output": 5, "reasoning": 0},
        "cost_usd": 0.25,
        "cost_source": "provider",
        "error": None,
        "repeated": False,
    }
    assert it.heard[-1] == {"type": "call_finished", "call": entry}


async def test_a_request_carries_all_its_parameters() -> None:
    it = Setting("x")
    schema = {"type": "json_object"}

    await it.reply(
        tools=[look], tool_choice="look", response_format=schema, temperature=0.0, reasoning="low", max_tokens=9
    )

    (request,) = it.models.requests
    assert [tool["function"]["name"] for tool in request.tools] == ["look"]
    assert request.tool_choice == {"type": "function", "function": {"name": "look"}}
    assert (request.response_format, request.temperature) == (schema, 0.0)
    assert (request.reasoning, request.max_tokens) == ("low", 9)


async def test_what_a_caller_leaves_open_is_left_to_the_provider() -> None:
    it = Setting("x")

    await it.reply()

    (request,) = it.models.requests
    assert (request.tools, request.tool_choice, request.response_format) == ([], None, None)
    assert (request.temperature, request.reasoning, request.max_tokens) == (None, None, None)


async def test_the_messages_are_sent_as_they_are() -> None:
    it = Setting("x")
    messages = [HumanMessage("one"), AIMessage("two"), HumanMessage("three")]

    await it.reply(messages=tuple(messages))

    assert it.models.requests[0].messages == messages


async def test_a_duration_is_the_time_between_sending_and_the_end() -> None:
    it = Setting("x")

    async def slow(_request: ScriptedRequest) -> str:
        it.clock.now += 2.5
        return "x"

    it._outcomes = (slow,)

    assert (await it.reply()).entries[0]["duration_seconds"] == 2.5


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (ScriptedReply(tool_calls=[{"name": "look", "args": {"at": "x"}, "id": "1"}]), "tool_calls"),
        (ScriptedReply("half", finish_reason="length"), "cut"),
        (ScriptedReply("no", refusal="no"), "refusal"),
        (error(400), "bad_request"),
        (error(400, "prompt is too long: 9 tokens > 8 maximum"), "context_overflow"),
        (error(401), "unauthorized"),
        (error(402), "payment_required"),
        (error(429, "insufficient_quota"), "payment_required"),
        (error(403), "unauthorized"),
        (error(403, "Your input was flagged"), "refusal"),
        (error(404), "not_found"),
        (error(413), "context_overflow"),
        (error(422), "bad_request"),
        (RuntimeError("odd"), "error"),
        (ExceptionGroup("tasks", [error(400)]), "bad_request"),
    ],
    ids=str,
)
@pytest.mark.parametrize("heard", [True, False])
async def test_these_outcomes_are_values_and_are_not_asked_for_again(
    said: Outcome,
    outcome: str,
    heard: bool,  # noqa: FBT001
) -> None:
    it = Setting(said)

    reply = await it.reply(heard=heard)

    assert (reply.outcome, outcomes(reply), it.clock.slept) == (outcome, [outcome], [])
    assert (reply.error is None) == (outcome == "tool_calls")
    assert reply.entries[0]["error"] == reply.error


@pytest.mark.parametrize("said", [error(400, "no", retry_after="1"), error(401, "no", retry_after="1")])
async def test_a_time_to_wait_does_not_make_an_error_worth_repeating(said: Outcome) -> None:
    it = Setting(said, "x")

    await it.reply()

    assert (len(it.models.requests), it.clock.slept) == (1, [])


async def test_no_secret_of_an_error_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPHA_API_KEY", "canary-1234567890")
    notes = Notes()
    it = Setting(error(401, "Incorrect API key provided: canary-1234567890"))

    with within(RunScope("run", notes)):
        reply = await it.ask(a_call(), emit=it.heard.append)

    assert reply.error is not None
    assert "[redacted]" in reply.error["message"]
    assert "canary" not in repr((reply, notes.told, it.heard))


# Trying again


@pytest.mark.parametrize(
    "failure",
    [
        error(408),
        error(409),
        error(429),
        error(500),
        error(503),
        error(529, "Overloaded"),
        ConnectionResetError("reset"),
        TimeoutError("the library's own"),
        ExceptionGroup("tasks", [ConnectionResetError("reset")]),
        ValueError("half a JSON"),
        ScriptedReply("so", finish_reason="insufficient_system_resource"),
    ],
    ids=str,
)
async def test_a_passing_failure_is_tried_again_and_each_attempt_has_its_entry(failure: Outcome) -> None:
    it = Setting(failure, failure, "at last")

    reply = await it.reply()

    assert (reply.outcome, reply.text, reply.error) == ("answer", "at last", None)
    assert [entry["attempt"] for entry in reply.entries] == [1, 2, 3]
    assert len({entry["id"] for entry in reply.entries}) == 3
    assert {entry["key"] for entry in reply.entries} == {"panelist:1:0"}
    assert 0.25 <= it.clock.slept[0] <= 0.5 <= it.clock.slept[1] <= 1.0


async def test_after_two_retries_the_last_failure_is_the_reply() -> None:
    it = Setting(error(500), error(429), error(503, "still down"), "too late")

    reply = await it.reply()

    assert (reply.outcome, outcomes(reply)) == ("server_error", ["server_error", "rate_limited", "server_error"])
    assert reply.error == {"kind": "server_error", "message": "still down", "status_code": 503}


async def test_seats_that_were_refused_together_do_not_come_back_together() -> None:
    it = Setting(error(429, retry_after="5"), error(429), "x")

    for _ in range(20):
        it.models.requests.clear()
        await it.reply()

    told, own = it.clock.slept[::2], it.clock.slept[1::2]
    assert all(5 <= pause <= 5.5 for pause in told)
    assert len(set(told)) > 10
    assert len(set(own)) > 10


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"retry_after": "30"}, 30, 31),
        ({"retry_after_ms": "2500"}, 2.5, 3.1),
        ({"retry_after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0, 0.6),
        ({"retry_after": "nan"}, 0.25, 0.6),
        ({"retry_after": "-7"}, 0.25, 0.6),
        ({"retry_after": "inf"}, 0.25, 0.6),
    ],
)
async def test_a_server_is_left_alone_as_long_as_it_asks(headers: dict[str, str], least: float, most: float) -> None:
    it = Setting(error(429, **headers), "x")

    assert (await it.reply()).outcome == "answer"

    assert least <= it.clock.slept[0] <= most


@pytest.mark.parametrize("seconds", ["100", "86400", "1e300", "Fri, 31 Dec 2999 23:59:59 GMT"])
async def test_a_wait_beyond_the_deadline_is_not_begun(seconds: str) -> None:
    it = Setting(error(429, "slow down", retry_after=seconds), "too late")

    reply = await it.reply()

    assert (reply.outcome, it.clock.slept, len(it.models.requests)) == ("rate_limited", [], 1)


async def test_time_that_passes_in_attempts_counts_against_the_deadline() -> None:
    it = Setting("x")

    async def slow(_request: ScriptedRequest) -> Outcome:
        it.clock.now += SECONDS - 0.1
        return error(500)

    it._outcomes = (slow, "too late")

    assert outcomes(await it.reply()) == ["server_error"]
    assert it.clock.slept == []


async def test_a_sleep_that_takes_too_long_leaves_the_last_reply() -> None:
    async def oversleep(seconds: float) -> None:
        it.clock.now += SECONDS

    it = Setting(error(500), "too late")
    it.ask = Asker(it.models, clock=it.clock, sleep=oversleep)

    assert outcomes(await it.reply()) == ["server_error"]


@pytest.mark.parametrize("nothing", ["", ScriptedReply(AIMessage([{"type": "reasoning", "reasoning": "hm"}]))], ids=str)
async def test_an_empty_completion_is_asked_for_once_more(nothing: Outcome) -> None:
    once, twice = Setting(nothing, "x"), Setting(nothing, nothing, "too late")

    assert outcomes(await once.reply()) == ["empty", "answer"]
    assert outcomes(await twice.reply()) == ["empty", "empty"]


async def test_an_empty_completion_after_a_failure_has_its_own_second_chance() -> None:
    assert outcomes(await Setting(error(500), "", "x").reply()) == ["server_error", "empty", "answer"]
    assert outcomes(await Setting(error(500), "", "", "x").reply()) == ["server_error", "empty", "empty"]
    assert outcomes(await Setting("", error(500), "", "x").reply()) == ["empty", "server_error", "empty"]


# Parameters a model refuses

NO_TEMPERATURE = "Unsupported value: 'temperature' does not support 0.2 with this model."
LIMIT = "max_tokens is too large. This model supports at most 4096 completion tokens."


def picky(request: ScriptedRequest) -> Outcome:
    """Refuse one thing after the other, as a reasoning model does."""
    if request.temperature is not None:
        return error(400, NO_TEMPERATURE)
    if request.max_tokens is not None and request.max_tokens > 4096:
        return error(400, LIMIT)
    if request.tool_choice:
        return error(400, "Thinking mode does not support this tool_choice")
    return "fine"


async def test_what_a_model_refuses_is_dropped_or_lowered_and_remembered() -> None:
    it = Setting(picky)
    fields: dict[str, Any] = {"temperature": 0.2, "max_tokens": 16_000, "tools": [look], "tool_choice": "required"}

    first = await it.reply(**fields)
    again = await it.reply(**fields)

    assert outcomes(first) == ["bad_request", "bad_request", "bad_request", "answer"]
    assert [entry["attempt"] for entry in first.entries] == [1, 2, 3, 4]
    assert it.clock.slept == []
    assert outcomes(again) == ["answer"]
    last = it.models.requests[-1]
    assert (last.temperature, last.max_tokens, last.tool_choice, len(last.tools)) == (None, 4096, None, 1)


async def test_what_one_model_refuses_others_are_still_sent() -> None:
    it = Setting(lambda request: picky(request) if request.model == "alpha" else "fine")

    await it.reply(temperature=0.2)
    await it.reply(model="beta", temperature=0.2)

    assert it.models.requests[-1].temperature == 0.2


async def test_a_known_limit_never_raises_what_a_call_asks_for() -> None:
    it = Setting(picky)
    await it.reply(max_tokens=16_000)

    await it.reply(max_tokens=100)
    await it.reply()

    assert [request.max_tokens for request in it.models.requests] == [16_000, 4096, 100, None]


async def test_a_reply_says_when_its_model_takes_no_more_output() -> None:
    it = Setting(
        lambda request: picky(request) if request.max_tokens != 4096 else ScriptedReply(finish_reason="length")
    )

    assert (await it.reply(max_tokens=16_000)).at_models_limit
    assert not (await it.reply(max_tokens=4096)).at_models_limit


async def test_tools_may_be_refused_an_effort_that_other_calls_keep() -> None:
    def script(request: ScriptedRequest) -> Outcome:
        if request.tools and request.reasoning != "none":
            return error(400, "Function tools with reasoning_effort are not supported; set reasoning_effort to 'none'.")
        return "fine"

    it = Setting(script)

    await it.reply(tools=[look])
    await it.reply(tools=[look], reasoning="high")
    await it.reply(reasoning="high")

    assert [request.reasoning for request in it.models.requests] == [None, "none", "none", "high"]


async def test_a_dropped_effort_is_sent_as_none_at_all() -> None:
    it = Setting(lambda request: error(400, "reasoning_effort is not supported") if request.reasoning else "fine")

    assert outcomes(await it.reply(reasoning="high")) == ["bad_request", "answer"]
    assert it.models.requests[-1].reasoning is None


async def test_a_guess_that_did_not_help_is_not_remembered() -> None:
    it = Setting(error(400, "messages.1: the temperature of Paris is no valid content"))

    await it.reply(temperature=0.2)
    await it.reply(temperature=0.2)

    assert [request.temperature for request in it.models.requests] == [0.2, None, 0.2, None]


async def test_a_model_that_refuses_whatever_it_is_sent_is_given_up() -> None:
    def never(request: ScriptedRequest) -> Outcome:
        return error(400, f"max_tokens: must be at most {(request.max_tokens or 0) - 1}")

    it = Setting(never)

    reply = await it.reply(max_tokens=16_000)

    assert outcomes(reply) == ["bad_request"] * (MAX_REMEDIES + 1)


async def test_a_remedy_is_not_tried_twice() -> None:
    it = Setting(error(400, "Set reasoning_effort to 'none' or to something else"))

    await it.reply(reasoning="high")

    assert [request.reasoning for request in it.models.requests] == ["high", "none", None]


async def test_a_model_named_after_a_parameter_is_not_a_word_about_it() -> None:
    models = ScriptedModels({"x:temperature-1": lambda _request: error(400, "temperature-1 is busy")})

    reply = await Asker(models)(a_call(model="x:temperature-1", temperature=0.2))

    assert outcomes(reply) == ["bad_request"]


async def test_the_response_format_is_left_to_the_callers_ladder() -> None:
    it = Setting(error(400, "response_format json_schema is not supported; temperature neither"))

    reply = await it.reply(temperature=0.2, response_format={"type": "json_object"})

    assert outcomes(reply) == ["bad_request"]


async def test_a_prompt_that_fits_with_less_output_gets_it_this_once() -> None:
    full = "input length and `max_tokens` exceed context limit: 190000 + 16000 > 200000, decrease input length"
    it = Setting(lambda request: error(400, full) if request.max_tokens == 16_000 else "fine")

    assert outcomes(await it.reply(max_tokens=16_000)) == ["context_overflow", "answer"]
    await it.reply(max_tokens=16_000)

    assert [request.max_tokens for request in it.models.requests] == [16_000, 10_000, 16_000, 10_000]


async def test_a_refused_parameter_and_a_failure_have_separate_limits() -> None:
    it = Setting(error(500), error(400, NO_TEMPERATURE), error(500), "fine")

    reply = await it.reply(temperature=0.2)

    assert outcomes(reply) == ["server_error", "bad_request", "server_error", "answer"]


async def test_no_remedy_is_tried_after_the_deadline() -> None:
    it = Setting("x")

    def late(_request: ScriptedRequest) -> Outcome:
        it.clock.now += SECONDS
        return error(400, NO_TEMPERATURE)

    it._outcomes = (late, "too late")

    assert outcomes(await it.reply(temperature=0.2)) == ["bad_request"]


# Models that cannot be asked


def unloadable(failure: Exception) -> Callable[..., BaseChatModel]:
    def load(_name: str, **_options: Any) -> BaseChatModel:
        raise failure

    return load


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (ModelLoadError("there is no such provider"), "not_found"),
        (MissingKeyError("X_API_KEY is not set"), "unauthorized"),
        (ImportError("no module"), "bad_request"),
        (ValueError("max_tokens must be positive"), "bad_request"),
    ],
)
async def test_a_model_that_cannot_be_built_is_not_tried_again_and_costs_nothing(
    failure: Exception, outcome: str
) -> None:
    notes = Notes()
    it = Setting(load_model=unloadable(failure))

    with within(RunScope("run", notes)):
        reply = await it.ask(a_call(), emit=it.heard.append)

    (entry,) = reply.entries
    assert (reply.outcome, reply.message) == (outcome, None)
    assert (entry["cost_usd"], entry["cost_source"]) == (0.0, "not sent")
    assert notes.told == []
    assert [event["type"] for event in it.heard] == ["call_finished"]


class NoForce(ScriptedModel):
    """A model whose library refuses to force a tool before anything is sent."""

    def bind_tools(self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any) -> Runnable[Any, AIMessage]:
        if tool_choice:
            raise ValueError("tool_choice is not supported by this integration")
        return super().bind_tools(tools, **kwargs)


async def test_a_parameter_that_the_library_refuses_is_left_out_as_well() -> None:
    it = Setting(load_model=lambda _name, **_options: NoForce(script=lambda _request: "fine"))

    reply = await it.reply(tools=[look], tool_choice="required")

    assert outcomes(reply) == ["bad_request", "answer"]


def test_a_roster_is_checked_before_anything_is_asked() -> None:
    ask = Asker(ScriptedModels({"alpha": lambda _request: "x"}))

    ask.check({"alpha": ["judge"]})
    with pytest.raises(ModelLoadError, match=r"no scripted model 'beta' \(needed by seat 2, writer\)") as raised:
        ask.check({"alpha": ["judge"], "beta": ["seat 2", "writer"]})
    assert raised.value.hint == "one of: alpha"


def test_a_given_check_takes_the_place_of_loading() -> None:
    checked: list[str] = []

    Asker(unloadable(AssertionError()), check_model=checked.append).check({"alpha": [], "beta": []})

    assert checked == ["alpha", "beta"]


# Costs


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422, 429])
async def test_what_a_provider_refused_it_did_not_bill(status: int) -> None:
    reply = await Setting(error(status)).reply()

    assert {(entry["cost_usd"], entry["cost_source"]) for entry in reply.entries} == {(0.0, "refused")}


@pytest.mark.parametrize("said", [error(500), error(408), ConnectionResetError(), error(403, "was flagged")], ids=str)
async def test_what_may_have_been_billed_is_unknown(said: Outcome) -> None:
    reply = await Setting(said).reply()

    assert {(entry["cost_usd"], entry["cost_source"]) for entry in reply.entries} == {(None, None)}


@pytest.mark.parametrize(
    ("found", "recorded"),
    [
        ((0.5, "a table"), (0.5, "a table")),
        ((0, "provider"), (0.0, "provider")),
        ((None, None), (None, None)),
        ((None, "a table"), (None, None)),
        ((float("nan"), "a table"), (None, None)),
        ((float("inf"), "a table"), (None, None)),
        ((-0.5, "a table"), (None, None)),
    ],
)
async def test_a_price_that_is_none_is_unknown_and_never_a_number(found: Any, recorded: Any) -> None:
    (entry,) = (await Setting("x", price=lambda _name, _message: found).reply()).entries

    assert (entry["cost_usd"], entry["cost_source"]) == recorded


async def test_without_a_price_the_cost_is_unknown() -> None:
    (entry,) = (await Asker(ScriptedModels({"alpha": lambda _request: "x"}))(a_call())).entries

    assert (entry["cost_usd"], entry["cost_source"]) == (None, None)


async def test_an_answer_is_not_lost_over_its_price(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_name: str, _message: AIMessage) -> tuple[float | None, str | None]:
        raise ZeroDivisionError("no price")

    with caplog.at_level(logging.ERROR):
        reply = await Setting("x", price=broken).reply()

    assert (reply.text, reply.entries[0]["cost_usd"]) == ("x", None)
    assert "no price for an answer of alpha" in caplog.text


async def test_a_providers_price_counts_without_a_usage() -> None:
    (entry,) = (await Setting(ScriptedReply("x", usage=None, cost=0.5)).reply()).entries

    assert (entry["tokens"], entry["cost_usd"], entry["cost_source"]) == (None, 0.5, "provider")


async def test_an_empty_answer_was_paid_for() -> None:
    reply = await Setting(ScriptedReply("", cost=0.1)).reply()

    assert [entry["cost_usd"] for entry in reply.entries] == [0.1, 0.1]


# Streams


class Stream(ScriptedModel):
    """A model whose stream is what a test says it is."""

    parts: Callable[[], AsyncIterator[Any]]

    async def _astream(self, *_args: Any, **_kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        async for part in self.parts():
            yield part if isinstance(part, ChatGenerationChunk) else ChatGenerationChunk(message=part)


def streaming(parts: Callable[[], AsyncIterator[Any]]) -> Callable[..., BaseChatModel]:
    return lambda _name, **_options: Stream(script=lambda _request: "x", parts=parts)


def chunk(text: str = "", **fields: Any) -> AIMessageChunk:
    return AIMessageChunk(content=text, **fields)


async def test_a_listener_hears_the_text_as_it_comes_after_the_preface() -> None:
    it = Setting("one two three")

    reply = await it.reply(heard=True, preface="Note: ")

    assert it.deltas == ["Note: one", " two", " three"]
    assert [event["type"] for event in it.heard] == ["panelist_delta"] * 3 + ["call_finished"]
    assert {(event["item"], event["seat"]) for event in it.heard[:3]} == {(reply.entries[0]["id"], 1)}
    assert reply.text == "one two three"


async def test_nobody_is_told_of_a_text_without_a_name_for_it_or_without_a_listener() -> None:
    it = Setting("one two three")

    await it.reply(heard=True, delta_event=None)
    await it.reply(heard=False)

    assert [event["type"] for event in it.heard] == ["call_finished"] * 2


async def test_without_a_stream_to_tell_a_call_does_its_work() -> None:
    it = Setting("x")

    with within(HEARD):
        reply = await it.ask(a_call())

    assert reply.text == "x"


async def test_who_comes_in_the_middle_hears_the_next_attempt_from_its_beginning() -> None:
    listening = [False]

    def script(_request: ScriptedRequest) -> Outcome:
        listening[0] = True
        return (
            ScriptedReply("first try", error=error(500), error_after=9)
            if len(it.models.requests) == 1
            else "second try"
        )

    it = Setting(script)
    with within(RunScope("run", is_heard=lambda: listening[0])):
        await it.ask(a_call(), emit=it.heard.append)

    assert it.deltas == ["second", " try"]


async def test_each_attempts_text_has_an_item_of_its_own() -> None:
    it = Setting(ScriptedReply("first try", error=error(500), error_after=2), "second try")

    reply = await it.reply(heard=True)

    items = [event["item"] for event in it.heard if event["type"] == "panelist_delta"]
    assert items == [reply.entries[0]["id"]] * 2 + [reply.entries[1]["id"]] * 2


@pytest.mark.parametrize("tag", ["nostream", "langsmith:nostream"])
async def test_only_the_writers_messages_may_show_in_langgraphs_streams(tag: str) -> None:
    seen: list[list[str]] = []

    class Tagged(ScriptedModel):
        async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            seen.append(run_manager.tags)
            return await super()._agenerate(messages, stop, run_manager, **kwargs)

    it = Setting(load_model=lambda _name, **_options: Tagged(script=lambda _request: "x"))

    await it.reply(role="panelist")
    await it.reply(role="writer")

    assert [tag in tags for tags in seen] == [True, False]


async def test_the_text_of_a_stream_that_dies_is_kept_and_its_cost_is_not_guessed() -> None:
    usage = UsageMetadata(input_tokens=9, output_tokens=1, total_tokens=10)

    async def parts() -> AsyncIterator[AIMessageChunk]:
        yield chunk("so ", usage_metadata=usage, response_metadata={"id": "chat-1"})
        yield chunk("far")
        raise ConnectionResetError("peer closed connection")

    it = Setting(load_model=streaming(parts), price=lambda _name, _message: (0.5, "a table"))

    reply = await it.reply(heard=True)

    assert (reply.outcome, reply.text, outcomes(reply)) == ("connection", "so far", ["connection"] * 3)
    entry = reply.entries[0]
    assert (entry["cost_usd"], entry["response_id"]) == (None, "chat-1")
    assert entry["tokens"] == {"input": 9, "cached": 0, "output": 1, "reasoning": 0}


async def test_a_price_the_provider_itself_named_holds_for_a_broken_stream() -> None:
    async def parts() -> AsyncIterator[AIMessageChunk]:
        yield chunk("so far", response_metadata={"cost": 0.25})
        raise error(429)

    (entry, *_) = (await Setting(load_model=streaming(parts)).reply(heard=True)).entries

    assert (entry["outcome"], entry["cost_usd"], entry["cost_source"]) == ("rate_limited", 0.25, "provider")


async def test_a_refusal_in_the_middle_of_a_text_may_have_been_billed() -> None:
    async def parts() -> AsyncIterator[AIMessageChunk]:
        yield chunk("so far")
        raise error(429)

    (entry, *_) = (await Setting(load_model=streaming(parts)).reply(heard=True)).entries

    assert (entry["cost_usd"], entry["cost_source"]) == (None, None)


async def test_the_longest_text_survives_retries_that_bring_none() -> None:
    it = Setting(ScriptedReply("one two three", error=error(500), error_after=2), error(503), error(503))

    reply = await it.reply(heard=True)

    assert (reply.outcome, reply.text) == ("server_error", "one two")
    assert reply.error is not None
    assert reply.error["status_code"] == 503


async def test_a_failed_attempts_text_never_stands_in_for_a_refusal() -> None:
    it = Setting(ScriptedReply("one two three", error=error(500), error_after=2), error(401))

    reply = await it.reply(heard=True)

    assert (reply.outcome, reply.text) == ("unauthorized", "")


async def test_half_a_tool_call_of_a_dead_stream_is_nobodys_call() -> None:
    call = {"name": "look", "args": {"at": "the sky"}, "id": "1"}
    it = Setting(ScriptedReply("I look ", tool_calls=[call], error=error(500), error_after=3))

    reply = await it.reply(heard=True)

    assert reply.message is not None
    assert (reply.text, reply.message.tool_calls, reply.message.invalid_tool_calls) == ("I look ", [], [])


async def test_a_whole_tool_call_comes_through_a_stream() -> None:
    call = {"name": "look", "args": {"at": "the sky"}, "id": "1"}

    reply = await Setting(ScriptedReply(tool_calls=[call])).reply(heard=True)

    assert reply.message is not None
    assert reply.outcome == "tool_calls"
    assert [(found["name"], found["args"]) for found in reply.message.tool_calls] == [("look", {"at": "the sky"})]


async def test_chunks_that_do_not_add_up_are_a_failure_with_their_text() -> None:
    async def parts() -> AsyncIterator[AIMessageChunk]:
        yield chunk("a", additional_kwargs={"x": test_a_roster_is_checked_before_anything_is_asked})
        yield chunk("b", additional_kwargs={"x": test_a_given_check_takes_the_place_of_loading})

    reply = await Setting(load_model=streaming(parts)).reply(heard=True)

    assert (reply.outcome, reply.text) == ("server_error", "ab")


async def test_a_stream_without_any_chunk_is_a_failure() -> None:
    async def parts() -> AsyncIterator[AIMessageChunk]:
        return
        yield chunk()

    reply = await Setting(load_model=streaming(parts)).reply(heard=True)

    assert (reply.outcome, reply.text) == ("server_error", "")


async def test_a_stream_that_is_given_up_is_closed_before_the_next_one_is_opened() -> None:
    opened: list[int] = []
    closed: list[bool] = []

    class Wrong(ScriptedModel):
        async def astream(self, *_args: Any, **_kwargs: Any) -> AsyncIterator[Any]:
            opened.append(len(closed))
            try:
                yield "no chunk"
            finally:
                closed.append(True)

    reply = await Setting(load_model=lambda _name, **_options: Wrong(script=lambda _r: "x")).reply(heard=True)

    assert (reply.outcome, opened, len(closed)) == ("server_error", [0, 1, 2], 3)


class Odd(ScriptedModel):
    """A model that gives back what no chat model should."""

    gives: Any

    async def ainvoke(self, *_args: Any, **_kwargs: Any) -> Any:
        return self.gives


NO_CONTENT = AIMessage("").model_copy(update={"content": None})


@pytest.mark.parametrize("gives", [None, "text", {"content": "x"}, NO_CONTENT], ids=repr)
async def test_what_is_no_message_is_a_failure(gives: Any) -> None:
    reply = await Setting(load_model=lambda _name, **_options: Odd(script=lambda _r: "x", gives=gives)).reply()

    assert (reply.outcome, reply.text, len(reply.entries)) == ("server_error", "", MAX_RETRIES + 1)


async def test_a_message_of_another_class_is_an_answer() -> None:
    gives = HumanMessage("hello")

    reply = await Setting(load_model=lambda _name, **_options: Odd(script=lambda _r: "x", gives=gives)).reply()

    assert (reply.outcome, reply.text) == ("answer", "hello")


@pytest.mark.parametrize("kind", ["panelist_delta", "call_finished"])
async def test_a_listener_that_fails_does_not_cost_a_paid_answer(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    def emit(event: dict[str, Any]) -> None:
        if event["type"] == kind:
            raise ValueError("the listener is broken")

    it = Setting("one two")
    with within(HEARD):
        reply = await it.ask(a_call(), emit=emit)

    assert (reply.text, len(it.models.requests)) == ("one two", 1)
    assert f"nobody was told of {kind}" in caplog.text


# Deadlines and cancellation


class Hanging:
    """A stream that says some words and then nothing more; `ended` tells how its generator came to its end."""

    def __init__(self, *texts: str, then: Callable[[BaseException], BaseException] | None = None) -> None:
        self.hangs = asyncio.Event()
        self.ended: list[str] = []
        self._texts, self._then = texts, then

    async def parts(self) -> AsyncIterator[AIMessageChunk]:
        try:
            for text in self._texts:
                yield chunk(text)
            self.hangs.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            self.ended.append(type(error).__name__)
            raise self._then(error) if self._then else error from None

    @property
    def load(self) -> Callable[..., BaseChatModel]:
        return streaming(self.parts)


async def test_the_deadline_cuts_a_stream_and_keeps_its_text() -> None:
    hanging = Hanging("so ", "far")
    it = Setting(load_model=hanging.load)

    reply = await it.reply(heard=True, timeout_seconds=0.05)

    assert (reply.outcome, reply.text, outcomes(reply)) == ("timeout", "so far", ["timeout"])
    assert reply.error == {"kind": "timeout", "message": "no complete answer within 0.05 s"}
    assert (reply.entries[0]["cost_usd"], reply.entries[0]["cost_source"]) == (None, None)
    assert hanging.ended == ["CancelledError"]


async def test_the_deadline_cuts_a_call_that_is_not_streamed() -> None:
    async def never(_request: ScriptedRequest) -> str:
        await asyncio.Event().wait()
        return "too late"

    reply = await Setting(never).reply(timeout_seconds=0.05)

    assert (reply.outcome, reply.message, len(reply.entries)) == ("timeout", None, 1)


@pytest.mark.parametrize(
    "then",
    [
        lambda _error: RuntimeError("the library's words for a cancellation"),
        lambda error: BaseExceptionGroup("tasks", [error]),
        lambda _error: TimeoutError("the library's own"),
    ],
)
async def test_a_deadline_is_one_whatever_the_library_makes_of_it(
    then: Callable[[BaseException], BaseException],
) -> None:
    reply = await Setting(load_model=Hanging("so far", then=then).load).reply(heard=True, timeout_seconds=0.05)

    assert (reply.outcome, reply.text) == ("timeout", "so far")
    assert reply.error == {"kind": "timeout", "message": "no complete answer within 0.05 s"}


async def test_a_timeout_of_the_library_is_not_the_deadline() -> None:
    it = Setting(TimeoutError("read timed out"), "x")

    reply = await it.reply()

    assert outcomes(reply) == ["timeout", "answer"]
    assert reply.entries[0]["error"] == {"kind": "timeout", "message": "read timed out"}


async def test_a_library_that_cancels_itself_is_a_lost_connection() -> None:
    async def cut(_request: ScriptedRequest) -> str:
        raise asyncio.CancelledError

    assert outcomes(await Setting(cut, cut, "x").reply(heard=True)) == ["connection", "connection", "answer"]


@pytest.mark.parametrize("seconds", [0.0, -5.0])
async def test_a_call_without_any_time_is_not_sent(seconds: float) -> None:
    notes = Notes()
    it = Setting("too late")

    with within(RunScope("run", notes)):
        reply = await it.ask(a_call(timeout_seconds=seconds))

    assert (reply.outcome, it.models.requests, notes.told) == ("timeout", [], [])
    assert (reply.entries[0]["cost_usd"], reply.entries[0]["cost_source"]) == (0.0, "not sent")


async def test_a_cancelled_call_ends_its_stream_and_gives_its_place_back() -> None:
    hanging, notes = Hanging("so far"), Notes()
    it = Setting(load_model=hanging.load, max_concurrent_calls=1)

    with within(RunScope("run", notes, is_heard=lambda: True)):
        task = asyncio.create_task(it.ask(a_call(), emit=it.heard.append))
        await hanging.hangs.wait()
        task.cancel()
        await asyncio.wait([task])

    assert task.cancelled()
    assert hanging.ended == ["CancelledError"]
    assert [kind for kind, _ in notes.told] == ["begin"]  # the journal alone knows now what may have been paid
    await asyncio.wait_for(it.ask._limiter.acquire(""), 5)


async def test_a_group_with_our_own_cancellation_in_it_is_passed_on() -> None:
    hanging = Hanging("so far", then=lambda error: BaseExceptionGroup("tasks", [error]))

    with within(HEARD):
        task = asyncio.create_task(Setting(load_model=hanging.load).ask(a_call(), emit=lambda _event: None))
        await hanging.hangs.wait()
        task.cancel()
        await asyncio.wait([task])

    assert isinstance(task.exception(), BaseExceptionGroup)


@pytest.mark.parametrize("failure", [KeyboardInterrupt, SystemExit])
async def test_the_end_of_the_program_is_not_an_outcome(failure: type[BaseException]) -> None:
    class Stop(ScriptedModel):
        async def ainvoke(self, *_args: Any, **_kwargs: Any) -> Any:
            raise failure

    it = Setting(load_model=lambda _name, **_options: Stop(script=lambda _request: "x"), max_concurrent_calls=1)

    with pytest.raises(failure):
        await it.ask(a_call())
    await asyncio.wait_for(it.ask._limiter.acquire(""), 5)


# A cut from outside


class Cut:
    """What ends a call before its time; `watching` are those who want to hear of it."""

    reason = "it is late"

    def __init__(self) -> None:
        self.is_over = False
        self.watching: dict[object, Callable[[], None]] = {}

    def watch(self, cut: Callable[[], None]) -> Callable[[], None]:
        key = object()
        self.watching[key] = cut
        return lambda: self.watching.pop(key, None) and None

    def end(self) -> None:
        self.is_over = True
        for cut in list(self.watching.values()):
            cut()


WHY_CUT = {"kind": "timeout", "message": "cut, because it is late"}


@pytest.mark.parametrize("heard", [True, False])
async def test_a_call_that_is_cut_keeps_its_text_whether_or_not_somebody_listens(heard: bool) -> None:  # noqa: FBT001
    hanging, cut = Hanging("so ", "far"), Cut()
    it = Setting(load_model=hanging.load)
    task = asyncio.create_task(it.reply(heard=heard, cut=cut, is_streamed=True))
    await hanging.hangs.wait()

    cut.end()
    reply = await asyncio.wait_for(task, 5)

    assert (reply.outcome, reply.text, reply.error) == ("timeout", "so far", WHY_CUT)
    assert (len(reply.entries), it.clock.slept, cut.watching) == (1, [], {})
    assert it.deltas == (["so ", "far"] if heard else [])


async def test_a_call_that_is_not_streamed_is_cut_as_well() -> None:
    asked, cut = asyncio.Event(), Cut()

    async def hangs(_request: ScriptedRequest) -> str:
        asked.set()
        await asyncio.Event().wait()
        return "too late"

    task = asyncio.create_task(Setting(hangs).reply(cut=cut))
    await asked.wait()

    cut.end()
    reply = await asyncio.wait_for(task, 5)

    assert (reply.outcome, reply.text, reply.error, cut.watching) == ("timeout", "", WHY_CUT, {})


@pytest.mark.parametrize(("is_streamed", "streams"), [(False, 0), (True, 1)])
async def test_that_a_call_may_be_cut_does_not_have_it_streamed(is_streamed: bool, streams: int) -> None:  # noqa: FBT001
    streamed: list[bool] = []

    class Whole(ScriptedModel):
        async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
            streamed.append(True)
            async for part in super()._astream(*args, **kwargs):
                yield part

    it = Setting(load_model=lambda _name, **_options: Whole(script=lambda _request: "one two"))

    reply = await it.reply(cut=Cut(), is_streamed=is_streamed)

    assert (reply.text, len(streamed)) == ("one two", streams)


async def test_nothing_is_sent_once_it_is_over() -> None:
    it, cut = Setting("too late"), Cut()
    cut.end()

    reply = await it.reply(cut=cut)

    assert (reply.outcome, reply.error, it.models.requests) == ("timeout", WHY_CUT, [])
    assert reply.entries[0]["cost_source"] == "not sent"


async def test_a_call_that_waits_for_a_place_is_cut() -> None:
    crowd, cut = Crowd(), Cut()
    it = Setting(crowd, max_concurrent_calls=1)
    first = asyncio.create_task(it.reply())
    await settled()
    second = asyncio.create_task(it.reply(cut=cut))
    await settled()

    cut.end()
    reply = await asyncio.wait_for(second, 5)

    assert (reply.error, len(it.models.requests), cut.watching) == (WHY_CUT, 1, {})
    crowd.leave.set()
    await first


async def test_a_call_that_sleeps_before_a_retry_is_woken_and_not_sent_again() -> None:
    it, cut = Setting(error(429, retry_after="60"), "too late"), Cut()

    async def sleep(_seconds: float) -> None:
        cut.end()
        await asyncio.Event().wait()

    it.ask._sleep = sleep

    reply = await asyncio.wait_for(it.reply(cut=cut), 5)

    assert (reply.outcome, len(it.models.requests), cut.watching) == ("rate_limited", 1, {})


async def test_a_cut_that_comes_while_the_deadline_is_ending_a_call_changes_nothing() -> None:
    cut, others_were_told = Cut(), []

    async def parts() -> AsyncIterator[AIMessageChunk]:
        try:
            yield chunk("so far")
            await asyncio.Event().wait()
        finally:
            cut.end()  # the library takes its time to let go
            others_were_told.append(True)

    reply = await Setting(load_model=streaming(parts)).reply(cut=cut, is_streamed=True, timeout_seconds=0.05)

    assert (reply.outcome, reply.text, others_were_told) == ("timeout", "so far", [True])


async def test_a_call_that_nobody_cuts_is_as_any_other() -> None:
    cut = Cut()

    reply = await Setting(error(500), "x").reply(cut=cut)

    assert (outcomes(reply), cut.watching) == (["server_error", "answer"], {})


# The limiter


class Crowd:
    """Count how many calls are inside a model at once; they leave when told to."""

    def __init__(self) -> None:
        self.inside = self.most = 0
        self.leave = asyncio.Event()

    async def __call__(self, _request: ScriptedRequest) -> str:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await self.leave.wait()
        self.inside -= 1
        return "x"


async def settled(turns: int = 50) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("names", "most"),
    [
        (["x:a", "x:b", "x:a", "x:b"], 2),
        (["x:a", "y:a", "x:b", "y:b"], 4),
        (["v/a", "v/b:free", "w/c", "plain"], 2),
    ],
)
async def test_calls_to_one_provider_wait_for_each_other(names: list[str], most: int) -> None:
    crowd = Crowd()
    ask = Asker(ScriptedModels(dict.fromkeys(names, crowd)), max_concurrent_calls=2)

    tasks = [asyncio.create_task(ask(a_call(model=name))) for name in names]
    await settled()
    assert crowd.inside == most

    crowd.leave.set()
    replies = await asyncio.gather(*tasks)
    assert ([reply.outcome for reply in replies], crowd.most) == (["answer"] * 4, most)


async def test_who_serves_a_model_can_be_told() -> None:
    crowd = Crowd()
    ask = Asker(
        ScriptedModels({"x:a": crowd, "y:b": crowd}), max_concurrent_calls=1, provider_of=lambda _name: "one for all"
    )

    tasks = [asyncio.create_task(ask(a_call(model=name))) for name in ("x:a", "y:b")]
    await settled()
    assert crowd.inside == 1

    crowd.leave.set()
    await asyncio.gather(*tasks)


async def test_all_askers_of_a_process_share_one_limit() -> None:
    crowd = Crowd()
    asks = [Asker(ScriptedModels({"shared:a": crowd})) for _ in range(2)]

    tasks = [asyncio.create_task(asks[n % 2](a_call(model="shared:a"))) for n in range(MAX_CONCURRENT_CALLS + 8)]
    await settled()
    assert crowd.inside == MAX_CONCURRENT_CALLS

    crowd.leave.set()
    await asyncio.gather(*tasks)


async def test_waiting_for_a_place_counts_against_the_deadline_and_is_not_an_attempt_to_pay_for() -> None:
    crowd, notes = Crowd(), Notes()
    it = Setting(crowd, max_concurrent_calls=1)
    first = asyncio.create_task(it.reply())
    await settled()

    with within(RunScope("run", notes)):
        second = await it.ask(a_call(timeout_seconds=0.05))

    assert (second.outcome, len(it.models.requests), notes.told) == ("timeout", 1, [])
    assert [(entry["cost_usd"], entry["cost_source"]) for entry in second.entries] == [(0.0, "not sent")]
    crowd.leave.set()
    assert (await first).outcome == "answer"


async def test_who_gets_a_place_too_late_gives_it_back_unused() -> None:
    crowd = Crowd()
    it = Setting(crowd, max_concurrent_calls=1)
    first = asyncio.create_task(it.reply())
    await settled()
    second = asyncio.create_task(it.reply())
    await settled()

    it.clock.now += SECONDS
    crowd.leave.set()

    assert (await second).outcome == "timeout"
    assert len(it.models.requests) == 1
    await first
    await asyncio.wait_for(it.ask._limiter.acquire(""), 5)


async def test_who_is_cancelled_while_waiting_for_a_place_leaves_no_trace() -> None:
    crowd, notes = Crowd(), Notes()
    it = Setting(crowd, max_concurrent_calls=1)
    first = asyncio.create_task(it.reply())
    await settled()

    with within(RunScope("run", notes)):
        second = asyncio.create_task(it.ask(a_call()))
        await settled()
        second.cancel()
        await asyncio.wait([second])

    assert (second.cancelled(), notes.told, len(it.models.requests)) == (True, [], 1)
    crowd.leave.set()
    await first
    await asyncio.wait_for(it.ask._limiter.acquire(""), 5)


async def test_nobody_keeps_a_place_while_sleeping_before_a_retry() -> None:
    it = Setting(error(500), "x", max_concurrent_calls=1)
    taken: list[bool] = []

    async def sleep(seconds: float) -> None:
        await asyncio.wait_for(it.ask._limiter.acquire(""), 5)
        taken.append(True)
        it.ask._limiter.release("")

    it.ask._sleep = sleep

    assert (await it.reply()).outcome == "answer"
    assert taken == [True]


def test_an_asker_outlives_the_event_loops_it_is_used_in() -> None:
    it = Setting("x", max_concurrent_calls=1)

    async def two() -> list[str]:
        return [reply.text for reply in await asyncio.gather(it.reply(), it.reply())]

    assert [asyncio.run(two()) for _ in range(3)] == [["x", "x"]] * 3


async def test_parallel_calls_learn_and_count_for_themselves() -> None:
    it = Setting(picky)

    replies = await asyncio.gather(*(it.reply(temperature=0.2, key=f"k{n}") for n in range(8)))

    assert {reply.outcome for reply in replies} == {"answer"}
    assert all({entry["key"] for entry in reply.entries} == {f"k{n}"} for n, reply in enumerate(replies))
    assert sum(len(reply.entries) for reply in replies) == len(it.models.requests)


# The journal


async def test_the_journal_knows_of_an_attempt_before_the_model_does_and_of_its_end_before_the_caller() -> None:
    notes = Notes()
    seen: list[int] = []

    def script(_request: ScriptedRequest) -> Outcome:
        seen.append(len(notes.told))
        return error(500) if len(seen) == 1 else "x"

    it = Setting(script)
    with within(RunScope("run-7", notes)):
        reply = await it.ask(a_call())

    assert seen == [1, 3]
    assert [kind for kind, _ in notes.told] == ["begin", "end", "begin", "end"]
    assert [entry for kind, entry in notes.told if kind == "end"] == reply.entries
    begun = notes.told[0][1]
    assert (begun["outcome"], begun["run_id"], begun["id"]) == (None, "run-7", reply.entries[0]["id"])


@pytest.mark.parametrize("failure", [LeaseLostError("taken over"), OSError("disk full")])
async def test_without_word_in_the_journal_nothing_is_sent(failure: Exception) -> None:
    it = Setting("x", max_concurrent_calls=1)

    with within(RunScope("run", Notes(begin=failure))), pytest.raises(type(failure)):
        await it.ask(a_call())

    assert it.models.requests == []
    await asyncio.wait_for(it.ask._limiter.acquire(""), 5)


async def test_a_journal_that_cannot_note_the_end_is_heard_of() -> None:
    with within(RunScope("run", Notes(end=OSError("disk full")))), pytest.raises(OSError, match="disk full"):
        await Setting("x").ask(a_call())


async def test_a_lease_lost_inside_a_model_is_not_an_outcome() -> None:
    def script(_request: ScriptedRequest) -> Outcome:
        return LeaseLostError("a graph used as a model lost its lease")

    with pytest.raises(LeaseLostError):
        await Setting(script).reply()


@pytest.mark.parametrize(
    "said",
    [
        "an answer",
        ScriptedReply("half", finish_reason="length"),
        ScriptedReply(tool_calls=[{"name": "look", "args": {"at": "x"}, "id": "1"}]),
    ],
    ids=str,
)
@pytest.mark.parametrize("heard", [True, False])
async def test_what_an_earlier_process_was_answered_is_not_asked_again(said: Outcome, heard: bool) -> None:  # noqa: FBT001
    notes, it = Notes(), Setting(said)
    with within(RunScope("run", notes, is_heard=lambda: heard)):
        first = await it.ask(a_call(preface="Note: "))
        again = await it.ask(a_call(preface="Note: "), emit=it.heard.append)

    assert (again.outcome, again.message, again.error) == (first.outcome, first.message, first.error)
    assert (again.entries, len(it.models.requests)) == (first.entries, 1)
    assert it.deltas == ([f"Note: {first.text}"] if heard and first.text else [])
    assert [event["call"] for event in it.heard if event["type"] == "call_finished"] == first.entries


async def test_a_recalled_answer_may_have_nobody_to_be_told_to() -> None:
    notes, it = Notes(), Setting("x")

    with within(RunScope("run", notes)):
        assert [(await it.ask(a_call())).text for _ in range(2)] == ["x", "x"]

    assert len(it.models.requests) == 1


async def test_an_answer_is_recalled_by_what_was_asked_for_and_not_by_what_the_model_took() -> None:
    notes, it = Notes(), Setting(picky)
    fields: dict[str, Any] = {"temperature": 0.2, "max_tokens": 16_000, "tools": [look], "tool_choice": "required"}

    with within(RunScope("run", notes)):
        await it.ask(a_call(**fields))
        before = len(it.models.requests)
        await Asker(it.models)(a_call(**fields))  # another process: it has not learnt what the model refuses

    assert len(it.models.requests) == before


@pytest.mark.parametrize("said", [error(401), ScriptedReply("no", refusal="no")], ids=str)
async def test_a_failure_is_not_an_answer_to_be_recalled(said: Outcome) -> None:
    notes, it = Notes(), Setting(said)

    with within(RunScope("run", notes)):
        await it.ask(a_call())
        await it.ask(a_call())

    assert len(it.models.requests) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"key": "panelist:1:1"},
        {"model": "beta"},
        {"messages": [HumanMessage("Why not?")]},
        {"tools": [look]},
        {"response_format": {"type": "json_object"}},
        {"max_tokens": 9},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_another_question_has_another_answer(other: dict[str, Any]) -> None:
    notes, it = Notes(), Setting("x")

    with within(RunScope("run", notes)):
        await it.ask(a_call())
        await it.ask(a_call(**other))

    assert len(it.models.requests) == 2


def test_outside_of_a_run_there_is_no_journal_and_nobody_listens() -> None:
    scope = run_scope.get()

    assert (scope.run_id, scope.journal, scope.is_heard()) == ("", None, False)


# All together

OUTCOMES = st.sampled_from(
    [
        "an answer",
        "",
        ScriptedReply("half", finish_reason="length"),
        ScriptedReply("no", refusal="no"),
        ScriptedReply(tool_calls=[{"name": "look", "args": {"at": "x"}, "id": "1"}]),
        ScriptedReply("one two three", error=ConnectionResetError("lost"), error_after=2),
        ScriptedReply("odd", usage=None, cost=float("nan")),
        error(400, NO_TEMPERATURE),
        error(400, LIMIT),
        error(400, "Thinking mode does not support this tool_choice"),
        error(400, "input length and `max_tokens` exceed context limit: 190000 + 16000 > 200000"),
        error(401),
        error(402),
        error(404),
        error(413),
        error(429),
        error(429, retry_after="3"),
        error(429, retry_after="40"),
        error(429, retry_after="nan"),
        error(503, retry_after_ms="100"),
        error(500),
        TimeoutError("read"),
        ExceptionGroup("tasks", [OSError("gone")]),
        ValueError("<html>"),
        RuntimeError(),
    ]
)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(OUTCOMES, min_size=1, max_size=12),
    st.sampled_from([0.0, 0.3, 1.0, 5.0, 60.0]),
    st.booleans(),
    st.booleans(),
)
async def test_whatever_a_model_does_the_ledger_is_whole_and_no_limit_is_passed(
    played: list[Outcome],
    seconds: float,
    heard: bool,  # noqa: FBT001
    asks_for_much: bool,  # noqa: FBT001
) -> None:
    it, notes = Setting(*played), Notes()
    much: dict[str, Any] = {"temperature": 0.2, "max_tokens": 16_000, "tools": [look], "tool_choice": "required"}

    with within(RunScope("run", notes, is_heard=lambda: heard)):
        reply = await it.ask(a_call(timeout_seconds=seconds, **(much if asks_for_much else {})), emit=it.heard.append)

    sent = [entry for entry in reply.entries if entry["cost_source"] != "not sent"]
    assert len(sent) == len(it.models.requests) == sum(kind == "begin" for kind, _ in notes.told)
    assert [entry for kind, entry in notes.told if kind == "end"] == sent
    assert [entry["attempt"] for entry in reply.entries] == list(range(1, len(reply.entries) + 1))
    assert len(sent) <= 1 + MAX_RETRIES + MAX_REMEDIES
    assert len(it.clock.slept) <= MAX_RETRIES
    assert sum(it.clock.slept) <= seconds
    assert outcomes(reply).count("empty") <= 2
    assert reply.outcome == reply.entries[-1]["outcome"]
    assert [event["call"] for event in it.heard if event["type"] == "call_finished"] == reply.entries
    assert all(entry["cost_usd"] is None or entry["cost_usd"] >= 0 for entry in reply.entries)


def test_a_key_that_several_models_lack_is_told_once_with_all_it_is_needed_for() -> None:
    def check(name: str) -> None:
        if name != "other":
            raise MissingKeyError("X_API_KEY is not set", needed_by=repr(name), hint="export it")

    roster = {"alpha": ["seat 1", "judge"], "other": ["seat 2"], "beta": ["writer", "seat 3"]}

    with pytest.raises(MissingKeyError) as raised:
        Asker(unloadable(AssertionError()), check_model=check).check(roster)

    assert str(raised.value) == "X_API_KEY is not set (needed by seat 1, seat 3, judge, writer)"
    assert raised.value.hint == "export it"


# A fallback


def by_name(**outcomes: Outcome) -> Callable[[ScriptedRequest], Any]:
    return lambda request: outcomes[request.model]


@pytest.mark.parametrize("outcome", [error(401), error(404), error(500), "", ScriptedReply("", refusal="No.")], ids=str)
async def test_a_fallback_is_asked_where_a_model_failed(outcome: Outcome) -> None:
    it = Setting(*[by_name(alpha=outcome, beta="spare")] * 5)

    reply = await it.reply(fallback="beta")

    assert (reply.outcome, reply.text) == ("answer", "spare")
    assert [entry["model"] for entry in reply.entries][-2:] == ["alpha", "beta"]
    assert reply.entries[-1]["key"] == "panelist:1:0:fallback"


@pytest.mark.parametrize("outcome", ["whole", ScriptedReply("half", finish_reason="length"), error(413)], ids=str)
async def test_no_fallback_is_asked_where_there_is_an_answer_or_too_much_was_asked(outcome: Outcome) -> None:
    it = Setting(by_name(alpha=outcome, beta="spare"))

    reply = await it.reply(fallback="beta")

    assert {entry["model"] for entry in reply.entries} == {"alpha"}


async def test_what_a_fallback_answered_is_recalled_without_asking_the_model_that_failed() -> None:
    notes = Notes()
    again = Setting("never asked")
    with within(RunScope("run", notes)):
        first = await Setting(*[by_name(alpha=error(404), beta="spare")] * 2).ask(a_call(fallback="beta"))
        recalled = await again.ask(a_call(fallback="beta"))

    assert (first.text, recalled.text) == ("spare", "spare")
    assert again.models.requests == []


async def test_a_fallback_has_only_the_time_that_is_left() -> None:
    async def slow(_request: ScriptedRequest) -> Outcome:
        it.clock.now += SECONDS + 1
        return error(500)

    it = Setting(slow, "too late")

    reply = await it.reply(fallback="beta")

    assert {entry["model"] for entry in reply.entries} == {"alpha"}
