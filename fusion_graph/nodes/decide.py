"""`decide`: the outer model answers, calls the caller's tools, or asks for the panel."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, ToolMessage
from langgraph.runtime import Runtime

from fusion_graph import prompts
from fusion_graph.calls import Ask, Call, Reply
from fusion_graph.errors import SettingsError
from fusion_graph.nodes.asking import ask_with_room
from fusion_graph.results import CAPPED
from fusion_graph.schemas import Decision, RunStatus
from fusion_graph.settings import MAX_TOKENS, FusionSettings, load_settings
from fusion_graph.state import FusionState


async def decide(state: FusionState, runtime: Runtime[FusionSettings], *, ask: Ask) -> dict[str, Any]:
    """Write the outer model's decision into state, with its message if it answered or called the caller's tools."""
    settings = load_settings(state["settings"])
    caller = state.get("caller") or {}
    tools = caller.get("tools") or []
    call = Call(
        role="decide",
        key=f"decide:{len(state['messages'])}",
        model=settings.writer,
        messages=prompts.render_decide(state["messages"], tools=bool(tools)),
        timeout_seconds=settings.panel_timeout_seconds,
        tools=[prompts.FUSION_TOOL, *tools],
        tool_choice=caller.get("tool_choice"),
        temperature=caller.get("temperature"),
        max_tokens=min(settings.max_completion_tokens, caller.get("max_tokens") or MAX_TOKENS),
    )
    reply = await ask_with_room(ask, call, runtime.stream_writer, whole=False)
    return {"calls": reply.entries, **_decided(reply, runtime)}


def refuse_own_name(tools: Sequence[Mapping[str, Any]], *, hint: str) -> None:
    """Raise a SettingsError if a tool of the caller's is called like the one by which a model asks for the panel."""
    if any((tool.get("function") or {}).get("name") == prompts.FUSION_TOOL_NAME for tool in tools):
        said = f"tools: {prompts.FUSION_TOOL_NAME!r} is the panel's own name"
        raise SettingsError(said, field="tools", value=prompts.FUSION_TOOL_NAME, hint=hint)


def _decided(reply: Reply, runtime: Runtime[FusionSettings]) -> dict[str, Any]:
    message = reply.message
    asked = [call for call in message.tool_calls if call["name"] == prompts.FUSION_TOOL_NAME] if message else []
    if message and asked:
        # The caller's tools that were called beside the panel are not run now: the writer decides on them again.
        first = asked[0] | {"id": asked[0]["id"] or f"call_{uuid.uuid4().hex[:24]}"}
        decision: Decision = {"kind": "fuse", "tool_call_id": str(first["id"])}
        if isinstance(prompt := first["args"].get("prompt"), str) and prompt.strip():
            decision["prompt"] = prompt
        again = [call | {"id": call["id"] or f"call_{uuid.uuid4().hex[:24]}"} for call in asked[1:]]
        capped = [ToolMessage(CAPPED, tool_call_id=str(call["id"]), name=call["name"]) for call in again]
        return {"decision": decision, "messages": [AIMessage(message.content, tool_calls=[first, *again]), *capped]}
    if message and (message.tool_calls or reply.outcome in {"answer", "cut"}) and (reply.text or message.tool_calls):
        runtime.stream_writer({"type": "answer_delta", "item": reply.entries[-1]["id"], "delta": reply.text})
        return {"decision": {"kind": "answered"}, "messages": [message], "status": _answered(reply)}
    return {"decision": {"kind": "failed"}}


def _answered(reply: Reply) -> RunStatus:
    cut = reply.outcome == "cut"
    return {
        "status": "degraded" if cut else "ok",
        "reasons": ["the output limit cut the answer"] if cut else [],
        "failure_reason": None,
        "judge_failure": None,
        "fused": False,
        "citations": [],
    }
