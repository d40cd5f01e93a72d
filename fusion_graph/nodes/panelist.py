"""One seat: `call_model` and `run_tools` in turn until it answers, with its own budget of steps, time and money.

A seat never raises. When a budget is spent it makes a last call without tools and answers from what it has.
"""

import hashlib
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langchain_core.tools import BaseTool
from langgraph.runtime import Runtime

from fusion_graph import prompts
from fusion_graph.calls import Ask, Call, Emit, Reply
from fusion_graph.errors import SettingsError
from fusion_graph.evidence import sources_told
from fusion_graph.nodes.asking import ask_with_room
from fusion_graph.nodes.quorum import WANTED, Panel, panel_of
from fusion_graph.nodes.seat_tools import FILES, READ, SOURCES, UNREADABLE, allowed, hidden, seconds_left, workspace_of
from fusion_graph.schemas import EARLY, CallEntry, CallError, SeatResult, Source, ToolFailures
from fusion_graph.settings import FusionSettings
from fusion_graph.state import OfferTools, PanelistState, Plan, merge_sources

MAX_NOTES_CHARS = 200_000  # of all results together in the last call; a quarter if even that overflows
MAX_FAILURE_CHARS = 200  # of what a failed tool said, in the result
LAST_CALL_SHARE = 0.25  # of the seat's time is kept for the call that turns research into an answer
_TOOLS = re.compile(r"\btools?\b|function.?call|web.?search", re.IGNORECASE)


async def call_model(
    state: PanelistState, runtime: Runtime[FusionSettings], *, ask: Ask, offer_tools: OfferTools
) -> dict[str, Any]:
    """Ask the seat's model for its next step: tool calls, or the seat's result. Raises SettingsError if it was sent none."""
    _refuse_alone(state)
    emit, seat, plan = runtime.stream_writer, state["seat"], state["plan"]
    steps = _steps(state)
    if not steps:
        emit({"type": "panelist_started", "seat": seat, "model": plan["model"]})
    started = time.monotonic()
    panel = panel_of(plan, runtime.control)
    if panel.is_over and steps:
        return _cut_between_calls(state, panel)
    spent = panel.reason if panel.reason and steps else _spent_budget(state)
    tools, missing = await offer_tools(plan, workspace_of(state, runtime))
    tools = [] if spent else tools
    if spent:
        reply = await _last_call(state, ask, emit, spent, panel, prior=[])
    else:
        reply = await ask_with_room(ask, _call(state, tools, panel), emit, whole=False)
        spent = _why_no_more_tools(reply, steps, tools)
        if spent:
            reply = await _last_call(state, ask, emit, spent, panel, prior=reply.entries)
    elapsed = state.get("elapsed_seconds", 0.0) + time.monotonic() - started
    told = allowed(sources_told(reply.message, seat), plan) if reply.message else []
    update: dict[str, Any] = {"calls": reply.entries, "found": told, "elapsed_seconds": elapsed}
    if reply.outcome == "tool_calls" and tools and reply.message:
        return update | {"messages": hidden(state, [_with_sound_calls(reply.message, seat, steps)])}
    state = {**state, "found": merge_sources(state.get("found") or [], told)}
    result = _result(state, reply, [f"{EARLY}: {spent}"] if spent else [])
    if missing:
        result["missing_tools"] = missing
    if result["content"] and not result["partial"]:
        panel.answered()
    return update | {"results": [result], "sources": _with_texts(state)}


def _refuse_alone(state: PanelistState) -> None:
    if "plan" not in state:
        said = "this graph is one seat's loop: it is sent a seat, a plan and messages by the graph `fusion`"
        raise SettingsError(said, field="plan", hint='ask `fusion`; a panel of one is {"panel": ["..."]}')


def _with_texts(state: PanelistState) -> list[Source]:
    """Return the seat's sources, those it read with the text it was shown: its messages are where that is kept."""
    texts: dict[str, list[str]] = {}
    for message in state["messages"]:
        for key in message.additional_kwargs.get(READ, ()):
            bodies = prompts.unfenced(str(message.text))
            texts.setdefault(key, []).extend(body for title, body in bodies.items() if title != SOURCES)
    return [{**source, "text": "\n".join(texts.get(source["key"], ()))} for source in state.get("found") or []]


def _cut_between_calls(state: PanelistState, panel: Panel) -> dict[str, Any]:
    """Return the result of a seat whose time ended in its research: what it said on the way, and what it found."""
    said = "\n\n".join(str(m.text) for m in state["messages"] if isinstance(m, AIMessage) and m.tool_calls and m.text)
    error: CallError = {"kind": "timeout", "message": f"cut, because {panel.reason}"}
    notes = [f"the answer is partial: {error['message']}"] if said else []
    result = _seat_result(state, said, error, notes, partial=bool(said))
    return {"results": [result], "sources": _with_texts(state)}


def _steps(state: PanelistState) -> int:
    return sum(1 for message in state["messages"] if isinstance(message, AIMessage) and message.tool_calls)


def _spent_budget(state: PanelistState) -> str | None:
    """Return in words which budget is spent, None while there is some left of each."""
    plan, steps = state["plan"], _steps(state)
    if not steps:
        return None
    if steps >= plan["max_tool_calls"]:
        return f"all {plan['max_tool_calls']} tool rounds are used"
    if seconds_left(state) < plan["timeout_seconds"] * LAST_CALL_SHARE:
        return "the time is nearly over"
    paid = sum(_cost(call, plan.get("price_ceiling", 0.0)) for call in state.get("calls") or [])
    if plan["max_cost_usd"] is not None and paid >= plan["max_cost_usd"] * (1 - LAST_CALL_SHARE):
        return "the budget is nearly spent"
    return None


def _cost(call: CallEntry, ceiling: float) -> float:
    """Return what a call cost, in US dollars; of one without a price, what it costs at most."""
    if call["cost_usd"] is not None:
        return call["cost_usd"]
    tokens = call["tokens"]
    return (tokens["input"] + tokens["output"]) * ceiling / 1_000_000 if tokens else 0.0


def _stands_in(state: PanelistState, *more: CallEntry) -> bool:
    """Return whether the fallback has taken over this seat: it goes on with what it has begun."""
    fallback, calls = state["plan"].get("fallback"), [*(state.get("calls") or []), *more]
    return any(call["model"] == fallback and call["outcome"] in {"answer", "tool_calls"} for call in calls)


def _why_no_more_tools(reply: Reply, steps: int, tools: Sequence[BaseTool]) -> str | None:
    """Return why the seat has to answer without another round of tools, None if it need not."""
    if reply.outcome == "context_overflow" and steps:
        return "its results no longer fit into your context"
    refused = reply.outcome in {"bad_request", "not_found"} and reply.error and _TOOLS.search(reply.error["message"])
    return "no tool can be used" if tools and refused else None


def _call(state: PanelistState, tools: Sequence[BaseTool], panel: Panel) -> Call:
    plan, fallback = state["plan"], state["plan"].get("fallback", "")
    stands_in = _stands_in(state)
    return Call(
        role="panelist",
        key=f"panelist:{state['seat']}:{_steps(state)}",
        seat=state["seat"],
        model=fallback if stands_in else plan["model"],
        fallback="" if stands_in else fallback,
        messages=state["messages"],
        timeout_seconds=max(seconds_left(state), 1.0),
        tools=tools,
        temperature=plan["temperature"],
        reasoning=plan["reasoning"],
        max_tokens=plan["max_completion_tokens"],
        delta_event="panelist_delta",
        reasoning_event="panelist_reasoning_delta",
        cut=panel,
        is_streamed=bool(plan["quorum"]),
    )


async def _last_call(
    state: PanelistState, ask: Ask, emit: Emit, reason: str, panel: Panel, prior: list[CallEntry]
) -> Reply:
    """Ask for the answer now; if even the notes overflow the model's context, once more with a quarter of them."""
    entries = list(prior)
    told = "the user wants the answer now" if reason == WANTED else reason
    room = min(MAX_NOTES_CHARS, sum(len(str(message.text)) for message in state["messages"]))
    for number, max_chars in enumerate((room, room // 4)):
        messages = prompts.render_last_call(state["messages"], reason=told, max_chars=max_chars)
        plain = _call(state, (), panel)
        call = replace(plain, key=f"{plain.key}:last{number or ''}", messages=messages)
        reply = await ask_with_room(ask, call, emit, whole=False)
        entries += reply.entries
        if reply.outcome != "context_overflow":
            break
    return Reply(reply.outcome, reply.message, reply.error, entries)


def _with_sound_calls(message: AIMessage, seat: int, step: int) -> AIMessage:
    """Return the message with tool calls any provider takes back: unique ids, readable arguments, text where needed."""
    calls: list[ToolCall] = []
    seen: set[str] = set()
    unreadable = [
        ToolCall(name=call["name"] or "unknown", args={UNREADABLE: call["args"] or ""}, id=call["id"])
        for call in message.invalid_tool_calls
    ]
    for number, call in enumerate([*message.tool_calls, *unreadable]):
        own = call["id"] if call["id"] and call["id"] not in seen else _call_id(seat, step, number)
        seen.add(own)
        calls.append(ToolCall(name=call["name"], args=call["args"], id=own))
    return AIMessage(
        message.content,
        tool_calls=calls,
        additional_kwargs={k: v for k, v in message.additional_kwargs.items() if k != "tool_calls"},
    )


def _call_id(*place: int) -> str:
    """Return an id for a call that came without one of its own: nine alphanumerics, which every provider accepts."""
    return hashlib.sha256(repr(place).encode()).hexdigest()[:9]


def _result(state: PanelistState, reply: Reply, notes: list[str]) -> SeatResult:
    """Return the seat's result; text that came with an error is a partial answer, labelled."""
    text = reply.text.strip() if reply.outcome != "refusal" else ""
    error = reply.error
    if not text and error is None:
        error = {"kind": "empty", "message": "the model asked for tools it was not offered, without producing any text"}
    partial = bool(text and error)
    if partial and error:
        notes = [*notes, f"the answer is partial: {error['message']}"]
    result = _seat_result(state, text, error, notes, partial=partial)
    if text and _stands_in(state, *reply.entries):
        result["answered_by"] = state["plan"]["fallback"]
    return result


def _seat_result(
    state: PanelistState, text: str, error: CallError | None, notes: list[str], *, partial: bool
) -> SeatResult:
    requested = [m for m in state["messages"] if isinstance(m, AIMessage)]
    executed = [m for m in state["messages"] if isinstance(m, ToolMessage) and m.additional_kwargs.get("executed")]
    files = [m.additional_kwargs[FILES] for m in executed if FILES in m.additional_kwargs]
    result: SeatResult = {
        "seat": state["seat"],
        "model": state["plan"]["model"],
        "name": state["plan"]["name"],
        "content": text,
        "partial": partial,
        "error": error,
        "sources": [source["key"] for source in state.get("found") or []],
        "read": [source["key"] for source in state.get("found") or [] if source["read"]],
        "notes": notes,
        "tool_calls_requested": sum(len(message.tool_calls) for message in requested),
        "tool_calls_executed": len(executed),
        "tools": dict(Counter(str(message.name) for message in executed)),
    }
    if files:
        result.update(files[-1])
    if failed := _failed_tools(executed):
        result["failed_tools"] = failed
    return result


def _failed_tools(executed: Sequence[ToolMessage]) -> dict[str, ToolFailures]:
    found: dict[str, ToolFailures] = {}
    for message in executed:
        if message.status == "error":
            name, said = str(message.name), prompts.unfenced(str(message.text))
            last = " ".join(next(iter(said.values()), "").split())[:MAX_FAILURE_CHARS]
            found[name] = {"calls": found[name]["calls"] + 1 if name in found else 1, "last": last}
    return found


def failed_seat(seat: int, plan: Plan, error: CallError) -> SeatResult:
    """Return the result of a seat that a fault of this program ended."""
    empty: PanelistState = {"seat": seat, "plan": plan, "messages": []}
    return _seat_result(empty, "", error, [], partial=False)
