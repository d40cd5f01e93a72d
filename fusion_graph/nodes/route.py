"""`route`: where a turn goes on. One function, of state alone, serves start, resume, retried seats and added seats."""

from typing import Literal

from langgraph.types import Send

from fusion_graph.nodes.fan_out import send_seats, waiting_seats
from fusion_graph.state import FusionState, OfferTools

Next = Literal["decide", "approve", "judge", "write", "__end__"]


async def route(state: FusionState, *, offer_tools: OfferTools) -> Next | list[Send]:
    """Return the next node, or the seats that are asked next. Async, because LangGraph runs what is not in a thread."""
    decision = state.get("decision")
    if decision is None:
        return "decide"
    if decision["kind"] == "fuse":
        if waiting_seats(state):
            return "approve" if state["settings"]["approve"] else await send_seats(state, offer_tools=offer_tools)
        return "write" if _is_judged(state) else "judge"
    return "__end__" if decision["kind"] in {"answered", "refused"} else "write"


def _is_judged(state: FusionState) -> bool:
    status = state.get("status")
    return state.get("analysis") is not None or bool(status and status["judge_failure"])
