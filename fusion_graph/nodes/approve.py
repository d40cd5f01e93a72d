"""`approve`: pause before the panel is paid for, if the settings ask for it."""

import json
from typing import Any, Literal, NotRequired

from langgraph.types import interrupt
from typing_extensions import TypedDict

from fusion_graph import prompts
from fusion_graph.errors import SettingsError
from fusion_graph.nodes.route import waiting_seats
from fusion_graph.schemas import RunStatus
from fusion_graph.settings import FusionSettings, load_settings
from fusion_graph.state import FusionState

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
