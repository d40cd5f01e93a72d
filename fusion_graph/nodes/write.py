"""`write`: the final answer, grounded in answers, analysis and sources; and how the turn ended, in plain words.

Fallbacks, in order: the writer, another model of this run, the best-supported single answer. An error text is never an
answer.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.runtime import Runtime

from fusion_graph import prompts
from fusion_graph.calls import Ask, Call, Emit, Reply
from fusion_graph.evidence import check_citations, renumbered
from fusion_graph.ledger import spent
from fusion_graph.nodes.asking import ask_with_room
from fusion_graph.results import HALF, answered, panel_failure, tool_result
from fusion_graph.schemas import CallEntry, FailureReason, RunStatus, SeatResult, Source
from fusion_graph.settings import MAX_TOKENS, FusionSettings, load_settings
from fusion_graph.state import FusionState

FIRST_SHARE = 0.6  # of the time left goes to a writer while there is another to fall back to
MAX_MATERIAL_CHARS = 400_000  # about 100,000 tokens; a writer whose context is smaller gets a quarter


@dataclass(frozen=True, slots=True)
class _Turn:
    """What `write` looks at."""

    state: FusionState
    settings: FusionSettings
    results: Sequence[SeatResult]
    sources: Sequence[Source]
    emit: Emit

    @property
    def fused(self) -> bool:
        return bool(self.results)

    @property
    def usable(self) -> list[SeatResult]:
        return answered(self.results)

    @property
    def too_few(self) -> bool:
        return self.fused and len(self.usable) < self.settings.min_answers


@dataclass(slots=True)
class _Written:
    """What came of it: the message, if any; what it took; and what the reader should know."""

    message: AIMessage | None = None
    entries: list[CallEntry] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    failure: FailureReason | None = None


async def write(state: FusionState, runtime: Runtime[FusionSettings], *, ask: Ask) -> dict[str, Any]:
    """Write the turn's last message (the answer, or calls of the caller's tools) and its status into state."""
    turn = _Turn(
        state,
        load_settings(state["settings"]),
        state.get("results") or [],
        state.get("sources") or [],
        runtime.stream_writer,
    )
    if turn.too_few and turn.settings.require_panel:
        written = _Written()
    else:
        written = await _written(turn, ask)
    status = _status(turn, written)
    messages = [*_panel_told(turn, status), *([written.message] if written.message else [])]
    return {"messages": messages, "calls": written.entries, "status": status}


async def _written(turn: _Turn, ask: Ask) -> _Written:
    """Return the writer's message, or what stands in for it."""
    written = _Written()
    half: AIMessage | None = None
    deadline = time.monotonic() + turn.settings.panel_timeout_seconds
    for model, share in _writers(turn).items():
        seconds = (deadline - time.monotonic()) * share
        if seconds <= 0:
            break
        reply = await _ask_writer(turn, ask, model, seconds)
        message = _message(turn, reply)
        written.entries += reply.entries
        has_come = bool(message.text or message.tool_calls)
        if has_come and reply.outcome in {"answer", "cut", "tool_calls"}:
            if model != turn.settings.writer:
                written.reasons.append(f"{model} wrote the answer in the place of {turn.settings.writer}")
            if reply.error:
                written.reasons.append(f"the answer is not complete: {reply.error['message']}")
            written.message, written.failure = message, None
            return written
        half = message if has_come and reply.outcome != "refusal" else half
        written.reasons.append(f"writer {model}: {reply.error['message'] if reply.error else 'it gave no answer'}")
        written.failure = _failure_of(reply)
    _stand_in(turn, written, half)
    return written


def _stand_in(turn: _Turn, written: _Written, half: AIMessage | None) -> None:
    """Put the best-supported single answer in the writer's place, or what a writer said before it broke off."""
    if best := _best_answer(turn):
        text = prompts.FALLBACK_ANSWER + prompts.defused(renumbered(best, turn.sources))
        turn.emit({"type": "answer_delta", "item": f"fallback-{best['seat']}", "delta": text})
        written.message, written.failure = AIMessage(text), None
    elif half:
        written.reasons.append(HALF)
        written.message, written.failure = half, None


def _writers(turn: _Turn) -> dict[str, float]:
    """Return the models to try (the writer, the judge, a seat that has answered), each with its share of the time left."""
    others = [turn.settings.judge, *(result["model"] for result in turn.usable)] if turn.fused else []
    models = list(dict.fromkeys([turn.settings.writer, *others]))[:3]
    return {model: 1.0 if model == models[-1] else FIRST_SHARE for model in models}


async def _ask_writer(turn: _Turn, ask: Ask, model: str, seconds: float) -> Reply:
    """Return the reply to the full material, or to a quarter of it where the full one overflows the model's context."""
    entries: list[CallEntry] = []
    deadline = time.monotonic() + seconds
    for number, share in enumerate((1.0, 0.25)):
        left = max(deadline - time.monotonic(), 0.0)
        reply = await ask_with_room(ask, _call(turn, model, share, number, left), turn.emit, whole=False)
        entries += reply.entries
        if reply.outcome != "context_overflow" or not turn.usable:
            break
    return replace(reply, entries=entries)


def _call(turn: _Turn, model: str, share: float, number: int, seconds: float) -> Call:
    caller = turn.state.get("caller") or {}
    tools = [] if _must_answer(turn) else caller.get("tools") or []
    choice = caller.get("tool_choice") if tools else None
    return Call(
        role="writer",
        key=f"write:{len(turn.state['messages'])}:{model}" + (f":{number}" if number else ""),
        model=model,
        messages=_material(turn, share, tools=bool(tools)),
        timeout_seconds=seconds,
        tools=tools,
        tool_choice=None if choice == prompts.FUSION_TOOL_NAME else choice,
        response_format=caller.get("response_format"),
        temperature=caller.get("temperature"),
        max_tokens=min(turn.settings.max_completion_tokens, caller.get("max_tokens") or MAX_TOKENS),
        delta_event="answer_delta",
        preface=_label(turn),
    )


def _must_answer(turn: _Turn) -> bool:
    """Return whether the steps or the money of this turn are spent: then the writer answers without the caller's tools."""
    if not turn.fused or isinstance(turn.state["messages"][-1], ToolMessage):
        return False
    paid, most = spent(turn.state.get("calls") or [])["cost_usd"], turn.settings.max_cost_usd
    return (turn.state.get("caller") or {}).get("max_steps") == 1 or bool(most and paid and paid >= most)


def _material(turn: _Turn, share: float, *, tools: bool) -> list[BaseMessage]:
    texts = [renumbered(result, turn.sources) for result in turn.usable]
    shares = prompts.shared_out(texts, int(min(MAX_MATERIAL_CHARS, sum(map(len, texts))) * share))
    answers = {
        f"{result['seat']}" + (" (partial)" if result["partial"] else ""): text
        for result, text in zip(turn.usable, shares, strict=True)
    }
    analysis = turn.state.get("analysis")
    return prompts.render_writer(
        turn.state["messages"],
        answers=answers,
        analysis=prompts.render_analysis(analysis) if analysis else "",
        sources=turn.sources,
        tools=tools,
    )


def _label(turn: _Turn) -> str:
    """Return what stands before an answer that no panel supports; a caller who wants JSON reads it in the status."""
    if not turn.fused or turn.usable or (turn.state.get("caller") or {}).get("response_format"):
        return ""
    return prompts.WITHOUT_PANEL.format(reason="every seat failed")


def _message(turn: _Turn, reply: Reply) -> AIMessage:
    """Return the reply as it stays in the conversation; calls of a tool the caller did not offer are dropped."""
    offered = {_tool_name(tool) for tool in (turn.state.get("caller") or {}).get("tools") or []}
    message = reply.message or AIMessage("")
    kept = [call for call in message.tool_calls if call["name"] in offered]
    content = message.content if not _label(turn) else _label(turn) + str(message.text)
    taken = {before.id for before in turn.state["messages"]}  # some servers give every message the same
    return AIMessage(
        content if message.text else "",
        id=None if message.id in taken else message.id,  # chat clients have had it in pieces under this id
        tool_calls=kept,
        usage_metadata=message.usage_metadata,
        response_metadata=message.response_metadata,
        additional_kwargs={k: v for k, v in message.additional_kwargs.items() if k != "tool_calls"},
    )


def _tool_name(tool: dict[str, Any]) -> str:
    return str(tool.get("function", tool).get("name", ""))


def _best_answer(turn: _Turn) -> SeatResult | None:
    """Return the judge's strongest answer, else the whole one with the most pages read."""
    analysis = turn.state.get("analysis")
    strongest = analysis["strongest"] if analysis else None
    read = {source["key"] for source in turn.sources if source["read"]}

    def worth(result: SeatResult) -> tuple[bool, bool, int]:
        named = strongest is not None and strongest["seat"] == result["seat"]
        return named, not result["partial"], len(read.intersection(result["sources"]))

    return max(turn.usable, key=worth, default=None)


def _failure_of(reply: Reply) -> FailureReason:
    kind = reply.error["kind"] if reply.error else "empty"
    reasons: dict[str, FailureReason] = {
        "payment_required": "insufficient_credits",
        "rate_limited": "rate_limited",
        "not_found": "invalid_model",
    }
    return reasons.get(kind, "unexpected_error")


def _status(turn: _Turn, written: _Written) -> RunStatus:
    """Return how the turn ended: error below the floor of answers or without an answer, degraded if anything was lost."""
    before = turn.state.get("status")
    reasons = [*_panel_reasons(turn), *([before["judge_failure"]] if before and before["judge_failure"] else [])]
    reasons = [f"no comparison: {reason}" if reason.startswith("judge_") else reason for reason in reasons]
    failure = panel_failure(turn.results) if turn.too_few else written.failure
    if failure is None and written.message is None:
        failure = "unexpected_error"
    reasons += written.reasons
    text = str(written.message.text) if written.message else ""
    return {
        "status": "error" if failure else "degraded" if reasons else "ok",
        "reasons": reasons,
        "failure_reason": failure,
        "judge_failure": before["judge_failure"] if before else None,
        "fused": turn.fused,
        "citations": check_citations(text, turn.sources),
    }


def _panel_reasons(turn: _Turn) -> list[str]:
    reasons: list[str] = []
    decision = turn.state.get("decision")
    if decision and decision["kind"] == "failed":
        reasons.append("the model that decides about the panel failed; it was not asked")
    for result in turn.results:
        who = f"seat {result['seat']} ({result['model']})"
        if result["error"]:
            verb = "was cut" if result["content"] else "failed"
            reasons.append(f"{who} {verb}: {result['error']['message']}")
        elif "answered_by" in result:
            reasons.append(f"{who} failed, and its fallback {result['answered_by']} answered")
    if turn.too_few:
        reasons.append(
            f"{len(turn.usable)} of {len(turn.results)} seats answered, {turn.settings.min_answers} are needed"
        )
    return reasons


def _panel_told(turn: _Turn, status: RunStatus) -> list[BaseMessage]:
    """Return the result of the outer model's `fusion` call, once: every tool call needs its answer in the history."""
    decision = turn.state.get("decision")
    call_id = decision.get("tool_call_id") if decision else None
    told = any(isinstance(m, ToolMessage) and m.tool_call_id == call_id for m in turn.state["messages"])
    if call_id is None or told:
        return []
    failure = status["failure_reason"] if turn.too_few else None
    text = tool_result(turn.results, turn.sources, turn.state.get("analysis"), failure)
    return [ToolMessage(text, tool_call_id=str(call_id), name=prompts.FUSION_TOOL_NAME)]
