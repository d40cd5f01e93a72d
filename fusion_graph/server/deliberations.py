"""A panel's work beyond its request: told in `reasoning_details`, and taken up again when a client's tools have answered."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from fusion_graph import prompts
from fusion_graph.errors import RunNotFoundError
from fusion_graph.results import deliberation
from fusion_graph.runs import Runs
from fusion_graph.schemas import FailureReason, SeatResult
from fusion_graph.server.asked.fusion_words import SERVER_TOOL
from fusion_graph.server.echoes import panel_in
from fusion_graph.server.sharing import Run
from fusion_graph.state import PanelState

_KIND = "reasoning.server_tool_call"
CALL_ID = "fusion_"  # before a run's id: the call of fusion, as the client sees it


class TakenUp(NamedTuple):
    """What a panel has brought earlier in a turn, and the run it is from, None if that is not of this server."""

    panel: PanelState
    run_id: str | None


def detail_of(result: Mapping[str, Any], question: str) -> dict[str, Any]:
    """Return a run's deliberation as the reasoning detail that a client sends back with its message."""
    too_few = len(result["responses"]) < (result["settings"] or {}).get("min_answers", 1)
    failure: FailureReason | None = result.get("failure_reason", "all_panels_failed") if too_few else None
    told = deliberation(result["analysis"], result["responses"], result["failed_models"], failure)
    sources = [{"url": source["url"], "title": source["title"]} for source in result["sources"]]
    return {
        "type": _KIND,
        "tool_name": SERVER_TOOL,
        "tool_call_id": f"{CALL_ID}{result['run_id']}",
        "arguments": json.dumps({"prompt": question}, ensure_ascii=False),
        "result": json.dumps(told | ({"sources": sources} if sources else {}), ensure_ascii=False),
        "id": None,
        "index": 0,
    }


def echoed(message: Mapping[str, Any]) -> list[BaseMessage]:
    """Return what a client sends back of deliberations with one of its messages, as calls of fusion and their results."""
    details = message.get("reasoning_details")
    found = [each for each in details if _is_ours(each)] if isinstance(details, list) else []
    return [half for each in found for half in call_and_result(each["tool_call_id"], each["result"])]


def _is_ours(detail: Any) -> bool:
    named = isinstance(detail, Mapping) and (detail.get("type"), detail.get("tool_name")) == (_KIND, SERVER_TOOL)
    return named and all(isinstance(detail.get(field), str) for field in ("tool_call_id", "result"))


def call_and_result(call_id: str, result: str) -> tuple[BaseMessage, BaseMessage]:
    """Return a deliberation as a conversation has it: a call of fusion, and its result."""
    name = prompts.FUSION_TOOL_NAME
    call = {"name": name, "args": {}, "id": call_id, "type": "tool_call"}
    return AIMessage("", tool_calls=[call]), ToolMessage(result, tool_call_id=call_id, name=name)


async def taken_up(runs: Runs, owner: str, messages: Sequence[BaseMessage]) -> TakenUp | None:
    """Return what a panel has brought since the last user message of a turn that a client's tools have answered.

    It is found by the calls that this server handed out, else in what the client echoes. None: no panel was asked.
    """
    since = messages[len(prompts.asked(messages)) :]
    if not since or not isinstance(since[-1], ToolMessage):
        return None
    for call_id in _calls(since):
        run_id = await _run_of(runs, owner, call_id, messages)
        if run_id and (panel := await _panel_of(runs, owner, run_id)):
            return TakenUp(panel, run_id)
    told = [m for m in reversed(since) if isinstance(m, ToolMessage) and m.name == prompts.FUSION_TOOL_NAME]
    return next((TakenUp(panel, None) for m in told if (panel := panel_in(str(m.text)))), None)


async def noted(live: Run, runs: Runs, owner: str, messages: Sequence[BaseMessage]) -> dict[str, Any]:
    """Return the result of a run, after noting which calls of the client's tools it ended with.

    The answer to them belongs to that run's panel.
    """
    result = await live.result()
    for call in result["tool_calls"]:
        name = _name(str(call["id"]), messages)
        await runs.claims.take(owner, "call", name, digest="", run_id=result["run_id"])
    return result


def _calls(since: Sequence[BaseMessage]) -> Iterator[str]:
    """Yield the ids of the calls that were made in a turn, latest first."""
    for message in reversed(since):
        if isinstance(message, AIMessage):
            yield from (str(call["id"]) for call in message.tool_calls)


async def _run_of(runs: Runs, owner: str, call_id: str, messages: Sequence[BaseMessage]) -> str | None:
    if call_id.startswith(CALL_ID):
        return call_id.removeprefix(CALL_ID)
    claim = await runs.claims.find(owner, "call", _name(call_id, messages))
    return claim["run_id"] if claim else None


def _name(call_id: str, messages: Sequence[BaseMessage]) -> str:
    """Return what a call is known by: many models number theirs anew in every conversation."""
    spoken = [message.content for message in messages if message.type == "human"]
    return f"{call_id} {hashlib.sha256(json.dumps(spoken, default=str).encode()).hexdigest()}"


async def _panel_of(runs: Runs, owner: str, run_id: str) -> PanelState | None:
    try:
        row = await runs.store.get(run_id)
    except RunNotFoundError:
        return None
    if row["owner"] != owner or row["run_id"] != run_id:
        return None
    values = await runs.state(row)
    if not values.get("results"):
        return None
    uncounted = {"tool_calls_requested": 0, "tool_calls_executed": 0, "tools": {}}  # they were told once
    results = cast("list[SeatResult]", [{**result, **uncounted} for result in values["results"]])
    sources, status = values.get("sources") or [], values.get("status")
    return PanelState(results=results, sources=sources, analysis=values.get("analysis"), status=status)
