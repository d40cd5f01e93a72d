"""`Asker`: the one way to call a model.

It loads the model, waits for a place at its provider, keeps a deadline, honours Retry-After, retries at most twice, drops
a parameter that this model refuses, and returns every outcome as a value: a seat never raises. Each *attempt* is one
ledger entry. It knows no provider; prices and models are given to it.
"""

import asyncio
import hashlib
import json
import logging
import math
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any, cast, get_args

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import BaseTool

from fusion_graph.calls.call import Call, Emit, LoadModel, Price, Reply, inside_fusion, run_scope, time_limit
from fusion_graph.calls.library_errors import is_ours, retry_after, said
from fusion_graph.calls.limiter import Limiter
from fusion_graph.calls.messages import (
    as_chunk,
    as_message,
    finish_reason,
    joined,
    reasoning_of,
    response_id,
    sound,
    text_of,
    text_so_far,
    tokens_of,
)
from fusion_graph.calls.outcomes import error_of, outcome_of
from fusion_graph.calls.tries import TAKEN, Result, Tries
from fusion_graph.errors import FusionError, ModelLoadError
from fusion_graph.schemas import CallEntry, CallError, Outcome
from fusion_graph.seats import PROVIDER_TOOL

MAX_CONCURRENT_CALLS = 32  # per provider and process: above it providers answer 429 and retries cost more than waiting
UNBILLED: frozenset[Outcome] = frozenset(
    {"bad_request", "unauthorized", "payment_required", "not_found", "rate_limited", "context_overflow"}
)
ANSWERED: frozenset[Outcome] = frozenset({"answer", "tool_calls", "cut"})
FAILED: frozenset[Outcome] = frozenset(get_args(Outcome)) - ANSWERED - {"context_overflow"}  # a fallback may do better
_OPTIONAL = ("temperature", "tool_choice", "reasoning", "max_tokens", "response_format")
_LIMITER = Limiter(MAX_CONCURRENT_CALLS)
_log = logging.getLogger(__name__)


class Asker:
    """Call models through `load_model` and price the answers with `price` (USD or None, and the price's source).

    `provider_of` says whose limit a model counts against. The askers of a process share one limiter, unless
    `max_concurrent_calls` gives this one its own.
    """

    def __init__(
        self,
        load_model: LoadModel,
        price: Price = lambda _name, _message: (None, None),
        *,
        check_model: Callable[[str], None] | None = None,
        provider_of: Callable[[str], str] | None = None,
        max_concurrent_calls: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._load = load_model
        self._price = price
        self._check = check_model or self._load_plain
        self._provider_of = provider_of or _prefix
        self._limiter = _LIMITER if max_concurrent_calls is None else Limiter(max_concurrent_calls)
        self._clock = clock
        self._sleep = sleep
        # What models refuse, by name and whether tools were offered: some take an effort only without tools.
        self._refused: defaultdict[tuple[str, bool], dict[str, Any]] = defaultdict(dict)

    def load(self) -> Mapping[str, tuple[int, int]]:
        """How many calls are under way, and how many wait for their turn, by provider."""
        return self._limiter.load()

    def check(self, roster: Mapping[str, Sequence[str]]) -> None:
        """Raise the ModelLoadError of the first model that cannot be loaded; `roster` says what each is needed for.

        What it lacks may be lacking to others as well: then the error names them all.
        """
        errors = {name: error for name in roster if (error := self._fault(name))}
        for first in errors.values():
            alike = [role for name in errors if errors[name].what == first.what for role in roster[name]]
            roles = sorted(alike, key=lambda role: (not role.startswith("seat"), role))
            raise type(first)(first.what, needed_by=", ".join(roles), hint=first.hint) from first

    def _fault(self, name: str) -> ModelLoadError | None:
        try:
            self._check(name)
        except ModelLoadError as error:
            return error
        return None

    def _load_plain(self, name: str) -> None:
        self._loaded(name, temperature=None, max_tokens=None, reasoning=None)

    def _loaded(self, name: str, **options: Any) -> BaseChatModel:
        model = self._load(name, **options)
        if not isinstance(model, Runnable):
            hint = "load_model returns a LangChain chat model, or raises ModelLoadError"
            raise ModelLoadError(f"load_model gave {type(model).__name__} for {name!r}", hint=hint)
        return model

    async def __call__(self, call: Call, /, *, emit: Emit | None = None) -> Reply:
        """Return what became of `call` after at most two retries and what its model made us leave out.

        If it failed and names a fallback, that model is asked in the time that is left; the ledger tells of both.
        """
        inside_fusion.set(True)  # of this node's own context; its task ends with it
        stand_in = (
            replace(call, model=call.fallback, key=f"{call.key}:fallback", fallback="") if call.fallback else None
        )
        for asked in (call, stand_in):
            if asked and (recalled := await _recalled(asked, emit)):
                return recalled
        deadline = self._clock() + call.timeout_seconds
        reply = await self._tried(call, deadline, emit)
        left = deadline - self._clock()
        if stand_in is None or reply.outcome not in FAILED or left <= 0 or _is_over(call):
            return reply
        second = await self._tried(replace(stand_in, timeout_seconds=left), deadline, emit)
        return replace(second if second.outcome not in FAILED else reply, entries=[*reply.entries, *second.entries])

    async def _tried(self, call: Call, deadline: float, emit: Emit | None) -> Reply:
        request = _digest(call)  # of what was asked for, whatever its model then made us leave out
        refused = self._refused[call.model, bool(call.tools)]
        tries = Tries(dict(refused))
        while True:
            sent = _adapted(call, tries.refused)
            entry = _open_entry(sent, len(tries.entries) + 1, request)
            result, entry = await self._attempt(sent, entry, deadline, emit)
            tries.note(result, entry)
            if result.outcome in TAKEN:
                refused.update(tries.lasting)
            pause = tries.pause_after(result, _parameters(sent), call.model)
            if pause is None or self._clock() + pause >= deadline or _is_over(call):
                break
            if pause:
                await self._rest(call, pause)
            if self._clock() >= deadline or _is_over(call):
                break
        lowered = sent.max_tokens != call.max_tokens
        return Reply(result.outcome, tries.message(result), result.error, tries.entries, at_models_limit=lowered)

    async def _attempt(
        self, call: Call, entry: CallEntry, deadline: float, emit: Emit | None
    ) -> tuple[Result, CallEntry]:
        """Make one attempt. It is in the journal before anything is sent; one that never was sent is not in it."""
        scope, arrived = run_scope.get(), self._clock()
        ready = await self._ready(call, deadline)
        entry = {**entry, "started_at": time.time()}
        if isinstance(ready, Result):
            result, closed = ready, _closed(entry, ready, self._clock() - arrived, (0.0, "not sent"))
        else:
            started = self._clock()
            try:
                if scope.journal:
                    await scope.journal.begin(entry)
                # Asked once per attempt: who listens gets all of its text or none, never an end without a beginning.
                result = await self._send(ready, call, entry["id"], deadline, emit if scope.is_heard() else None)
            finally:
                self._limiter.release(self._provider_of(call.model))
            closed = _closed(entry, result, self._clock() - started, self._cost(call.model, result))
            if scope.journal:
                await scope.journal.end(closed, result.message if result.outcome in ANSWERED else None)
        if emit:
            _tell(emit, {"type": "call_finished", "call": closed})
        return result, closed

    async def _rest(self, call: Call, seconds: float) -> None:
        with suppress(TimeoutError):
            async with time_limit(None, call.cut):
                await self._sleep(seconds)

    async def _ready(self, call: Call, deadline: float) -> Runnable[Any, AIMessage] | Result:
        """Return the model with all its options and with a place at its provider taken, or why there is none."""
        try:
            model = self._bound(call)
        except Exception as exception:  # noqa: BLE001  (the model edge: a library refuses some options by itself)
            error = error_of(exception)
            if not isinstance(exception, FusionError):
                error["kind"] = "bad_request"
            return Result(error["kind"], error=error, said=said(exception))
        provider = self._provider_of(call.model)
        try:
            async with time_limit(max(deadline - self._clock(), 0), call.cut):
                await self._limiter.acquire(provider)
        except TimeoutError:
            return _late(call)
        if self._clock() < deadline and not _is_over(call):
            return model
        self._limiter.release(provider)
        return _late(call)

    def _bound(self, call: Call) -> Runnable[Any, AIMessage]:
        model = self._loaded(
            call.model, temperature=call.temperature, max_tokens=call.max_tokens, reasoning=call.reasoning or None
        )
        bound: Runnable[Any, AIMessage] = model
        if call.tools:
            choice = {"tool_choice": call.tool_choice} if call.tool_choice else {}
            tools = [_as_sent(tool) for tool in call.tools]
            try:
                bound = model.bind_tools(tools, **choice)  # type: ignore[arg-type]
            except NotImplementedError:
                raise ValueError(f"{type(model).__name__} takes no tools: it has no bind_tools") from None
        return bound.bind(response_format=call.response_format) if call.response_format else bound

    async def _send(
        self, model: Runnable[Any, AIMessage], call: Call, item: str, deadline: float, emit: Emit | None
    ) -> Result:
        chunks: list[AIMessageChunk] = []
        try:
            async with time_limit(max(deadline - self._clock(), 0), call.cut) as limit:
                message = await _receive(model, call, item, emit, chunks)
            outcome, problem = outcome_of(message)
        except BaseException as exception:
            if is_ours(exception):
                raise
            if limit.expired():
                return replace(_late(call), message=text_so_far(chunks))
            error = error_of(exception)
            return Result(error["kind"], text_so_far(chunks), error, said(exception), retry_after(exception))
        return Result(outcome, message, problem, is_whole=True)

    def _cost(self, model: str, result: Result) -> tuple[float | None, str | None]:
        """Return what an attempt cost and who says so; of one that broke off the tokens are not all counted."""
        if result.message is None:
            return (0.0, "refused") if result.outcome in UNBILLED else (None, None)
        try:
            cost, source = self._price(model, result.message)
        except Exception:  # noqa: BLE001  (the model edge: a paid answer must not be lost over its price)
            _log.exception("no price for an answer of %s", model)
            return None, None
        if cost is None or not 0 <= cost < math.inf or not (result.is_whole or source == "provider"):
            return None, None
        return cost, source


async def _receive(
    model: Runnable[Any, AIMessage], call: Call, item: str, emit: Emit | None, chunks: list[AIMessageChunk]
) -> AIMessage:
    """Return the model's whole message; what is heard as it comes is also gathered in `chunks`."""
    # Panel and judge are not the answer: LangGraph's message streams must not show them as if they were.
    config: RunnableConfig = {"tags": [] if call.role == "writer" else ["nostream", "langsmith:nostream"]}
    if (emit is None or call.delta_event is None) and not call.is_streamed:
        return sound(as_message(await model.ainvoke(list(call.messages), config)))
    preface = call.preface
    stream = cast("AsyncGenerator[AIMessage]", model.astream(list(call.messages), config))
    async with aclosing(stream):
        async for part in stream:
            chunks.append(as_chunk(part))
            for kind, text in _pieces(part, call, preface):
                _tell(emit, {"type": kind, "item": item, "seat": call.seat, "delta": text})
                preface = "" if kind == call.delta_event else preface
    return sound(joined(chunks))


def _pieces(part: AIMessage, call: Call, preface: str) -> Iterator[tuple[str, str]]:
    """Yield what listeners are told of one part of a stream: event types, and texts that are not empty."""
    if call.reasoning_event and (thought := reasoning_of(part)):
        yield call.reasoning_event, thought
    if call.delta_event and (text := text_of(part)):
        yield call.delta_event, preface + text


def _tell(emit: Emit | None, event: dict[str, Any]) -> None:
    try:
        if emit:
            emit(event)
    except Exception:  # noqa: BLE001  (the model edge: taken for the model's, a listener's fault would be paid for thrice)
        _log.exception("nobody was told of %s", event["type"])


async def _recalled(call: Call, emit: Emit | None) -> Reply | None:
    """Return the answer that an earlier process of this run was given and did not live to store in a checkpoint."""
    scope = run_scope.get()
    found = await scope.journal.recall(call.key, _digest(call)) if scope.journal else None
    if found is None:
        return None
    entries, message = found
    if emit:
        if call.delta_event and scope.is_heard() and (text := text_of(message)):
            item = entries[-1]["id"]
            _tell(emit, {"type": call.delta_event, "item": item, "seat": call.seat, "delta": call.preface + text})
        for entry in entries:
            _tell(emit, {"type": "call_finished", "call": entry})
    outcome = entries[-1]["outcome"] or "answer"
    return Reply(outcome, message, entries[-1]["error"], entries)


def _digest(call: Call) -> str:
    """Return a hash of what is asked: equal for the same call made again by another process."""
    said = [
        (message.type, message.content, getattr(message, "tool_calls", None), getattr(message, "tool_call_id", None))
        for message in call.messages
    ]
    asked = [call.model, said, len(call.tools), call.tool_choice, call.response_format, call.max_tokens]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _parameters(call: Call) -> dict[str, Any]:
    """Return what a model may refuse of what it is sent."""
    return {name: value for name in _OPTIONAL if (value := getattr(call, name)) not in (None, "", {})}


def _adapted(call: Call, refused: Mapping[str, Any]) -> Call:
    """Return the call without what its model is known to refuse."""
    changes = dict(refused)
    if changes.get("max_tokens"):
        changes["max_tokens"] = min(call.max_tokens, changes["max_tokens"]) if call.max_tokens else None
    if "reasoning" in changes:
        changes["reasoning"] = changes["reasoning"] or ""
    return replace(call, **changes)


def _is_over(call: Call) -> bool:
    return call.cut is not None and call.cut.is_over


def _as_sent(tool: BaseTool | Mapping[str, Any]) -> Any:
    """Return a tool as it is bound: one that the provider runs itself as what the provider is sent."""
    given = tool.metadata if isinstance(tool, BaseTool) else None
    return (given or {}).get(PROVIDER_TOOL, tool)


def _late(call: Call) -> Result:
    why = f"no complete answer within {call.timeout_seconds:g} s"
    if call.cut is not None and call.cut.is_over:
        why = f"cut, because {call.cut.reason}"
    error: CallError = {"kind": "timeout", "message": why}
    return Result("timeout", error=error)


def _prefix(model: str) -> str:
    """Return the provider of `provider:model`, '' for a name without one; in `vendor/model:free` there is none."""
    provider, colon, _ = model.partition(":")
    return provider if colon and "/" not in provider else ""


def _served_run() -> str:
    """Return the id that a LangGraph server gives the run which this code is a part of."""
    config = var_child_runnable_config.get() or {}
    return str((config.get("configurable") or {}).get("run_id") or "")


def _open_entry(call: Call, attempt: int, request: str) -> CallEntry:
    return {
        "id": uuid.uuid4().hex,
        "key": call.key,
        "request": request,
        "run_id": run_scope.get().run_id or _served_run(),
        "role": call.role,
        "seat": call.seat,
        "model": call.model,
        "attempt": attempt,
        "started_at": time.time(),
        "duration_seconds": None,
        "outcome": None,
        "finish_reason": None,
        "response_id": None,
        "tokens": None,
        "cost_usd": None,
        "cost_source": None,
        "error": None,
        "repeated": False,
    }


def _closed(entry: CallEntry, result: Result, seconds: float, cost: tuple[float | None, str | None]) -> CallEntry:
    message = result.message
    return {
        **entry,
        "duration_seconds": round(seconds, 3),
        "outcome": result.outcome,
        "finish_reason": finish_reason(message) if message else None,
        "response_id": response_id(message) if message else None,
        "tokens": tokens_of(message) if message else None,
        "cost_usd": cost[0],
        "cost_source": cost[1],
        "error": result.error,
    }
