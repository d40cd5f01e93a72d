"""The conversation, as the strictest provider accepts it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage

from fusion_graph.prompts import wording
from fusion_graph.prompts.fences import fenced, harmless
from fusion_graph.prompts.messages import blocks_of, known, with_text


@dataclass(slots=True)
class _Step:
    """One message that is not a tool result, its calls each with what came back, and results that nobody asked for."""

    content: Any = ""
    assistant: bool = False
    id: str | None = None
    calls: list[tuple[ToolCall, str | None]] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    reasoning: dict[str, Any] = field(default_factory=dict)  # some models refuse their own calls without it


def render_conversation(messages: Sequence[BaseMessage], *, tools: bool) -> list[BaseMessage]:
    """Return the conversation without its system messages, fit for any provider.

    The user begins, the assistant never ends, neighbours of one role are one message, and none is empty. A tool call
    stays one, with exactly one result, only where `tools` are offered again and the assistant spoke next; elsewhere it
    becomes text on the user's side, because a model copies calls that it reads as its own words. Calls of the panel
    vanish, with what led up to them: the answer that followed stands.
    """
    groups: list[list[BaseMessage]] = []
    follower: BaseMessage | None = None
    for step in reversed(_steps(messages)):
        live = tools and step.calls and not isinstance(follower, HumanMessage)
        group = _as_calls(step) if live else _as_text(step)
        follower = group[0] if group else follower
        groups.append(group)
    kept: list[BaseMessage] = []
    for message in (message for group in reversed(groups) for message in group):
        _add(kept, message)
    return _between_users(kept)


def _steps(messages: Sequence[BaseMessage]) -> list[_Step]:
    """Return the conversation as steps: every call with its result and an id of its own."""
    steps: list[_Step] = []
    used: set[str] = set()
    rest = [message for message in map(known, messages) if not isinstance(message, SystemMessage)]
    while rest:
        message = None if isinstance(rest[0], ToolMessage) else rest.pop(0)
        results = list(takewhile(lambda m: isinstance(m, ToolMessage), rest))
        rest = rest[len(results) :]
        steps.append(_step(message, results, used))
    return steps


def _step(message: BaseMessage | None, results: list[BaseMessage], used: set[str]) -> _Step:
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    paired = [(_with_own_id(call, used), _result_of(call, results)) for call in calls]
    step = _Step(
        calls=[(call, result) for call, result in paired if call["name"] != wording.FUSION_TOOL_NAME],
        strays=[_fenced_result(result) for result in results if result.name != wording.FUSION_TOOL_NAME],
        id=message.id if message else None,  # a client shows a message once, by its id
    )
    if isinstance(message, AIMessage):
        step.assistant, only_panel = True, bool(calls) and not step.calls
        step.content = "" if only_panel else harmless(str(message.text)).strip()
        step.reasoning = {k: v for k, v in message.additional_kwargs.items() if "reasoning" in k or "signature" in k}
    elif message is not None:
        step.content = _said(message.content)
    return step


def _result_of(call: ToolCall, results: list[BaseMessage]) -> str | None:
    """Take the first result of a call out of `results`; None if there is none."""
    for index, result in enumerate(results):
        if isinstance(result, ToolMessage) and result.tool_call_id == call["id"]:
            return harmless(str(results.pop(index).text)).strip() or wording.NO_OUTPUT
    return None


def _with_own_id(call: ToolCall, used: set[str]) -> ToolCall:
    """Return the call with its id, or with a new one of nine letters and digits (Mistral's rule) if that is taken."""
    own = call["id"] or ""
    while not own or own in used:
        own = hashlib.sha256(f"{own} {len(used)}".encode()).hexdigest()[:9]
    used.add(own)
    return ToolCall(name=call["name"], args=call["args"], id=own)


def _fenced_result(result: BaseMessage) -> str:
    named = {"tool": result.name} if result.name else {}
    return f"{wording.RESULT}\n{fenced({**named, 'result': str(result.text).strip() or wording.NO_OUTPUT})}"


def _said(content: Any) -> Any:
    """Return a user's content without its empty parts: blocks if there is more than text in it, else a string."""
    if isinstance(content, str):
        return content if content.strip() else ""
    blocks = [
        block for block in blocks_of(content) if block.get("type") != "text" or str(block.get("text", "")).strip()
    ]
    texts = [str(block["text"]) for block in blocks if block.get("type") == "text"]
    return "\n\n".join(texts) if len(texts) == len(blocks) else blocks


def _as_calls(step: _Step) -> list[BaseMessage]:
    answers = [result or wording.NO_RESULT for _, result in step.calls]
    answers[-1] = "\n\n".join([answers[-1], *step.strays])  # a result without a call has no message of its own
    results = zip(step.calls, answers, strict=True)
    return [
        AIMessage(step.content, tool_calls=[call for call, _ in step.calls], additional_kwargs=step.reasoning),
        *(ToolMessage(text, tool_call_id=str(call["id"]), name=call["name"]) for (call, _), text in results),
    ]


def _as_text(step: _Step) -> list[BaseMessage]:
    told = "\n\n".join([*(_told(call, result) for call, result in step.calls), *step.strays])
    own = (AIMessage if step.assistant else HumanMessage)(step.content, id=step.id)
    return [*([own] if step.content else []), *([HumanMessage(told)] if told else [])]


def _told(call: ToolCall, result: str | None) -> str:
    called = f"{call['name']}({json.dumps(call['args'], ensure_ascii=False, default=str)})"
    return f"{wording.CALLED}\n{fenced({'call': called, 'result': result or wording.NO_RESULT})}"


def _add(kept: list[BaseMessage], message: BaseMessage) -> None:
    last = kept[-1] if kept else None
    if isinstance(last, HumanMessage) and isinstance(message, HumanMessage):
        kept[-1] = HumanMessage(with_text(last.content, message.content), id=last.id)
    elif isinstance(last, AIMessage) and isinstance(message, AIMessage):  # the first has no calls: results would follow
        said = "\n\n".join(str(text) for text in (last.content, message.content) if text)
        more = {"tool_calls": message.tool_calls, "additional_kwargs": message.additional_kwargs}
        kept[-1] = AIMessage(said, id=last.id, **more)
    else:
        kept.append(message)


def _between_users(kept: list[BaseMessage]) -> list[BaseMessage]:
    if not kept:
        return [HumanMessage(wording.NOTHING_SAID)]
    opening = [] if isinstance(kept[0], HumanMessage) else [HumanMessage(wording.OPENING)]
    closing = [HumanMessage(wording.GO_ON)] if isinstance(kept[-1], AIMessage) else []
    return [*opening, *kept, *closing]
