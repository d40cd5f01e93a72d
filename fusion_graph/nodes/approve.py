"""`approve`: pause before the panel is paid for, if the settings ask for it, and send the panel out.

The pause has the shape of LangChain's human-in-the-loop middleware, which chat clients draw with buttons.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, cast

from langgraph.types import Command, interrupt
from pydantic import ValidationError
from typing_extensions import TypedDict

from fusion_graph import prompts
from fusion_graph.checked import shown
from fusion_graph.errors import FusionError, SettingsError
from fusion_graph.estimate import Estimate, render_estimate
from fusion_graph.nodes.fan_out import send_seats
from fusion_graph.nodes.plans import EstimateRun, is_plan, plan_text, without_plans
from fusion_graph.nodes.prepare import Settle
from fusion_graph.nodes.route import waiting_seats
from fusion_graph.schemas import RunStatus
from fusion_graph.seats import Seat
from fusion_graph.settings import FusionSettings, load_settings
from fusion_graph.state import FusionState, OfferTools

EDITABLE = ("panel", "judge", "writer", "max_cost_usd")
_MONEY = re.compile(r"[\s$]|USD|usd")


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


async def approve(
    state: FusionState, *, estimate: EstimateRun, settle: Settle, offer_tools: OfferTools
) -> Command[Literal["panelist", "judge", "__end__"]]:
    """Send the panel out; where the settings ask for it, when a person has agreed to it.

    What was decided and where it leads are written together: of a node that fails or is stopped in the edge behind it,
    LangGraph keeps what it wrote and takes it for done.

    Raises:
        SettingsError: a seat's tools cannot be had; the run can be gone on with when they can.
    """
    decided = await _approval(state, estimate, settle)
    messages = [message for message in state["messages"] if not is_plan(message)]
    approved = cast("FusionState", {**state, **decided, "messages": messages})
    return Command(update=decided, goto=await send_seats(approved, offer_tools=offer_tools))


async def _approval(state: FusionState, estimate: EstimateRun, settle: Settle) -> dict[str, Any]:
    """Pass, or wait for a person's decision about the panel that state holds; return what it writes into state.

    An answer that cannot be followed leaves it waiting: the question is put again, with what was wrong.
    """
    settings = load_settings(state["settings"])
    if not settings.approve:
        return {}
    seats = waiting_seats(state)
    cost = await estimate(settings, seats)
    problem = ""
    while True:
        answer = _answer(_request(settings, seats, cost, problem))
        try:
            decided = _decided(state, settings, answer, settle)
        except FusionError as error:  # raised here, LangGraph would give the same answer to every later try
            problem = f"{error}{f' ({error.hint})' if error.hint else ''}"
        else:
            return decided | {"messages": without_plans(state["messages"])}


def _answer(request: Mapping[str, Any]) -> ApprovalDecisions:
    """Return the approver's answer. Raises SettingsError if it has another shape; nothing of it is kept then."""
    try:
        return interrupt(request, response_schema=ApprovalDecisions)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, ("answer", *first["loc"])))
        hint = 'resume with {"decisions": [{"type": "approve"}]}; types: approve, edit, reject'
        said = f"the panel waits for a decision; {place} = {shown(first['input'])}: {first['msg']}"
        raise SettingsError(said, field="decisions", value=first["input"], hint=hint) from None


def _request(settings: FusionSettings, seats: Sequence[int], cost: Estimate, problem: str) -> dict[str, Any]:
    args = {
        "panel": ", ".join(_panel_names(settings, seats)),
        "judge": settings.judge,
        "writer": settings.writer,
        "max_cost_usd": settings.max_cost_usd,
        "estimate": render_estimate(cost),
    }
    text = plan_text(settings, seats, cost)
    told = f"{text}\n\nThe last answer could not be followed: {problem}" if problem else text
    return {
        "action_requests": [{"name": prompts.FUSION_TOOL_NAME, "args": args, "description": told}],
        "review_configs": [
            {"action_name": prompts.FUSION_TOOL_NAME, "allowed_decisions": ["approve", "edit", "reject"]}
        ],
    }


def _panel_names(settings: FusionSettings, seats: Sequence[int]) -> list[str]:
    return [settings.seats[seat - 1].model for seat in seats]


def _decided(state: FusionState, settings: FusionSettings, answer: ApprovalDecisions, settle: Settle) -> dict[str, Any]:
    """Return what a decision writes into state. Raises FusionError if it cannot be followed."""
    if not answer["decisions"]:
        raise SettingsError("decisions is empty", field="decisions", hint="approve, edit or reject")
    decision = answer["decisions"][0]
    if decision["type"] == "reject":
        return {"decision": {"kind": "refused"}, "status": _refused(decision.get("message", ""))}
    if decision["type"] == "approve":
        return {}
    action = decision.get("edited_action")
    if not action:
        raise SettingsError("edit without edited_action", field="edited_action", hint="approve, or say what to change")
    edited = _edited(settings, waiting_seats(state), action["args"], has_answers=bool(state.get("results")))
    return {"settings": settle(edited, stored=None).dump()}


def _edited(
    settings: FusionSettings, seats: Sequence[int], args: Mapping[str, Any], *, has_answers: bool
) -> FusionSettings:
    """Return the settings with what the approver changed. Clients send everything back, much of it as text."""
    for name, value in args.items():
        if name not in (*EDITABLE, "estimate"):
            raise SettingsError(f"{name!r} cannot be edited here", field=name, value=value, hint=", ".join(EDITABLE))
    changed = {name: args[name] for name in EDITABLE if args.get(name) not in ("", None)}
    if "max_cost_usd" in changed:
        changed["max_cost_usd"] = amount_in(changed["max_cost_usd"])
    names = names_in(changed.pop("panel", None))
    if names and names != _panel_names(settings, seats):
        if has_answers:
            raise SettingsError("seats that have answered keep their places", field="panel", value=names)
        changed["panel"] = _seated(settings, names)
    return FusionSettings.model_validate(settings.dump() | changed)


def amount_in(given: Any) -> Any:
    """Return an amount of US dollars; of one that came back as text, its figures."""
    return _MONEY.sub("", given) if isinstance(given, str) else given


def names_in(given: Any) -> list[str]:
    """Return the models of a panel that came back as a list, a JSON list, or names with commas or lines between."""
    if isinstance(given, str) and given.lstrip().startswith("["):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise SettingsError(f"panel = {given!r}: {error}", field="panel", value=given, hint="a, b, c") from None
    parts = re.split(r"[,\n]", given) if isinstance(given, str) else given or []
    return [str(part["model"] if isinstance(part, Mapping) else part).strip() for part in parts if part]


def _seated(settings: FusionSettings, names: Sequence[str]) -> list[str | Seat]:
    """Return the new panel; a model that keeps sitting keeps what its seat was told."""
    left = list(settings.seats)
    panel: list[str | Seat] = []
    for name in filter(None, names):
        own = next((seat for seat in left if seat.model == name), None)
        panel.append(own or name)
        left = [seat for seat in left if seat is not own]
    return panel


def _refused(message: str) -> RunStatus:
    return {
        "status": "error",
        "reasons": [f"the panel was not approved{': ' + message if message else ''}"],
        "failure_reason": "cancelled",
        "judge_failure": None,
        "fused": False,
        "citations": [],
    }
