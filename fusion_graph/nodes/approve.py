"""`approve`: pause before the panel is paid for, if the settings ask for it; then send the waiting seats."""

import json
import time
import uuid
from typing import Any, Literal, NotRequired

from langgraph.types import Send, interrupt
from typing_extensions import TypedDict

from fusion_graph import prompts
from fusion_graph.errors import SettingsError
from fusion_graph.nodes.route import waiting_seats
from fusion_graph.schemas import RunStatus
from fusion_graph.settings import FusionSettings, Seat, load_settings
from fusion_graph.state import FusionState, OfferTools, Plan

EDITABLE = ("panel", "judge", "writer", "max_cost_usd")


class EditedAction(TypedDict):
    """The action as the approver changed it; values may come back as text."""

    name: str
    args: dict[str, Any]


class ApprovalDecision(TypedDict):
    """One answer of the approver."""

    type: Literal["approve", "edit", "reject"]
    edited_action: NotRequired[EditedAction]
    message: NotRequired[str]


class ApprovalDecisions(TypedDict):
    """What resumes a run that waits for approval."""

    decisions: list[ApprovalDecision]


async def approve(state: FusionState) -> dict[str, Any]:
    """Pass, or wait for a person's decision about the panel that state holds.

    Raises:
        SettingsError: an edited value is impossible; nothing was called, and the run still waits.
    """
    settings = load_settings(state["settings"])
    if not settings.approve:
        return {}
    answer: ApprovalDecisions = interrupt(_request(settings, waiting_seats(state)), response_schema=ApprovalDecisions)
    decision = answer["decisions"][0]
    if decision["type"] == "reject":
        return {"decision": {"kind": "refused"}, "status": _refused(decision.get("message", ""))}
    if decision["type"] == "edit":
        action = decision.get("edited_action")
        return {"settings": _edited(settings, action["args"] if action else {}).dump()}
    return {}


def _request(settings: FusionSettings, seats: list[int]) -> dict[str, Any]:
    panel = ", ".join(settings.seats[seat - 1].model for seat in seats)
    args = {"panel": panel, "judge": settings.judge, "writer": settings.writer, "max_cost_usd": settings.max_cost_usd}
    text = f"Ask {len(seats)} models ({panel}), then {settings.judge} compares and {settings.writer} writes."
    return {
        "action_requests": [{"name": prompts.FUSION_TOOL_NAME, "args": args, "description": text}],
        "review_configs": [
            {"action_name": prompts.FUSION_TOOL_NAME, "allowed_decisions": ["approve", "edit", "reject"]}
        ],
    }


def _edited(settings: FusionSettings, args: dict[str, Any]) -> FusionSettings:
    for name, value in args.items():
        if name not in EDITABLE:
            raise SettingsError(f"{name!r} cannot be edited here", field=name, value=value, hint=", ".join(EDITABLE))
    changed = {name: value for name, value in args.items() if value not in ("", None)}
    if isinstance(panel := changed.get("panel"), str):
        changed["panel"] = _names(panel)
    return FusionSettings.model_validate(settings.dump() | changed)


def _names(text: str) -> Any:
    """Return the models of a panel that came back as text: a JSON list, or names with commas between."""
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except ValueError as error:
            raise SettingsError(f"panel = {text!r}: {error}", field="panel", value=text, hint="a, b, c") from None
    return [name.strip() for name in text.split(",") if name.strip()]


def _refused(message: str) -> RunStatus:
    return {
        "status": "error",
        "reasons": [f"the panel was not approved{': ' + message if message else ''}"],
        "failure_reason": "cancelled",
        "judge_failure": None,
        "fused": False,
        "citations": [],
    }


def send_seats(state: FusionState, *, offer_tools: OfferTools) -> list[Send] | Literal["judge", "__end__"]:
    """Return one Send for each waiting seat: its number, its plan, and what it is asked."""
    decision = state.get("decision")
    if decision and decision["kind"] == "refused":
        return "__end__"
    settings = load_settings(state["settings"])
    waiting = waiting_seats(state)
    quorum = _quorum(settings, len(waiting))
    panel_id = uuid.uuid4().hex
    plans = {n: plan_of(settings, settings.seats[n - 1], panel_id=panel_id, quorum=quorum) for n in waiting}
    return [_send(state, settings, number, plan, bool(offer_tools(plan))) for number, plan in plans.items()] or "judge"


def _quorum(settings: FusionSettings, waiting: int) -> int:
    """Return how many of the waiting seats complete the quorum, 0 if it takes them all."""
    missing = settings.quorum - (len(settings.panel) - waiting)
    return max(missing, 1) if settings.quorum and missing < waiting else 0


def _send(state: FusionState, settings: FusionSettings, number: int, plan: Plan, has_tools: bool) -> Send:  # noqa: FBT001
    decision = state.get("decision")
    prompt = (decision and decision.get("prompt")) or _last_prompt(state)
    messages = prompts.render_panelist(
        state["messages"],
        tool_steps=plan["max_tool_calls"] if has_tools else 0,
        system_prompt=plan["system_prompt"],
        prompt=prompt if settings.panel_context == "prompt" else None,
        today=time.strftime("%Y-%m-%d", time.gmtime()),
    )
    return Send("panelist", {"seat": number, "plan": plan, "messages": messages})


def _last_prompt(state: FusionState) -> Any:
    return prompts.asked(state["messages"])[-1].content


def plan_of(settings: FusionSettings, seat: Seat, *, panel_id: str, quorum: int) -> Plan:
    """Return what one seat may do and spend: its own settings over the run's, and its share of the budget.

    A quarter of the budget is kept for judge and writer, which read all answers and write about as much as one seat.
    """
    share = settings.max_cost_usd * 0.75 / len(settings.panel) if settings.max_cost_usd else None
    return {
        "model": seat.model,
        "name": seat.name or seat.model,
        "system_prompt": seat.system_prompt,
        "temperature": settings.temperature if seat.temperature is None else seat.temperature,
        "reasoning": seat.reasoning or settings.reasoning,
        "max_tool_calls": seat.max_tool_calls or settings.max_tool_calls,
        "max_completion_tokens": settings.max_completion_tokens,
        "timeout_seconds": settings.panel_timeout_seconds,
        "panel_id": panel_id,
        "quorum": quorum,
        "grace_seconds": settings.grace_seconds,
        "max_cost_usd": share,
        "tools": settings.tools if seat.tools is None else seat.tools,
        "allowed_domains": settings.allowed_domains,
        "excluded_domains": settings.excluded_domains,
        "blocked_domains": settings.blocked_domains,
    }
