"""The fan-out: one Send for each seat that has no answer yet, with its plan and what it is asked."""

import time
import uuid
from typing import Any, Literal

from langgraph.types import Send

from fusion_graph import prompts
from fusion_graph.nodes.route import waiting_seats
from fusion_graph.nodes.seat_tools import hidden
from fusion_graph.seats import Seat
from fusion_graph.settings import FusionSettings, load_settings
from fusion_graph.state import FusionState, OfferTools, Plan


async def send_seats(state: FusionState, *, offer_tools: OfferTools) -> list[Send] | Literal["judge", "__end__"]:
    """Return one Send for each waiting seat: its number, its plan, and what it is asked."""
    decision = state.get("decision")
    if decision and decision["kind"] == "refused":
        return "__end__"
    settings = load_settings(state["settings"])
    waiting = waiting_seats(state)
    quorum = _quorum(settings, len(waiting))
    panel_id = uuid.uuid4().hex
    plans = {n: _plan(settings, settings.seats[n - 1], panel_id=panel_id, quorum=quorum) for n in waiting}
    offers = {number: await offer_tools(plan, "") for number, plan in plans.items()}
    return [
        _send(state, settings, number, plan, bool(offers[number].tools)) for number, plan in plans.items()
    ] or "judge"


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
    # What has an id is the conversation's, which a stream of messages shows once; anything else it would show anew.
    own = [message for place, message in enumerate(messages) if place == 0 or not message.id]
    hidden({"seat": number, "plan": plan, "messages": []}, own)
    return Send("panelist", {"seat": number, "plan": plan, "messages": messages})


def _last_prompt(state: FusionState) -> Any:
    return prompts.asked(state["messages"])[-1].content


def _plan(settings: FusionSettings, seat: Seat, *, panel_id: str, quorum: int) -> Plan:
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
        "price_ceiling": settings.price_ceiling,
        "fallback": seat.fallback,
        "tools": settings.dump()["tools"] if seat.tools is None else seat.model_dump(mode="json")["tools"],
        "only_these_tools": seat.tools is not None,
        "allowed_domains": settings.allowed_domains,
        "excluded_domains": settings.excluded_domains,
        "blocked_domains": settings.blocked_domains,
    }
