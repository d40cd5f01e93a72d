"""`route`: where a turn goes on. One pure function serves start, resume, retried seats and added seats."""

from typing import Literal

from fusion_graph.state import FusionState

Next = Literal["decide", "approve", "judge", "write", "__end__"]


def waiting_seats(state: FusionState) -> list[int]:
    """Return the numbers of the seats that have not brought a result yet."""
    done = {result["seat"] for result in state.get("results") or []}
    return [number for number in range(1, len(state["settings"]["panel"]) + 1) if number not in done]


async def route(state: FusionState) -> Next:
    """Return the next node, from what state holds. Async, because LangGraph runs what is not in a thread."""
    decision = state.get("decision")
    if decision is None:
        return "decide"
    if decision["kind"] == "fuse":
        if waiting_seats(state):
            return "approve"
        return "write" if _is_judged(state) else "judge"
    return "__end__" if decision["kind"] in {"answered", "refused"} else "write"


def _is_judged(state: FusionState) -> bool:
    status = state.get("status")
    return state.get("analysis") is not None or bool(status and status["judge_failure"])
