"""The plan of a panel that waits for approval, in words and as a message.

Some chat clients show a pause under an AI message only. So `prepare` puts the plan into the conversation as one, and
`approve` takes it out again; in mode auto the outer model's call of the panel serves as well.
"""

import uuid
from collections.abc import Collection, Sequence
from typing import Protocol

from langchain_core.messages import AIMessage, BaseMessage, RemoveMessage

from fusion_graph.estimate import Estimate, render_estimate
from fusion_graph.results import PLAN_ID
from fusion_graph.settings import FusionSettings


class EstimateRun(Protocol):
    """Tell what is still to be paid; `deployment.Parts.estimate` is the real one."""

    async def __call__(self, settings: FusionSettings, seats: Collection[int]) -> Estimate:
        """Return what asking these seats, and the judge and the writer after them, would cost."""
        ...


def plan_text(settings: FusionSettings, seats: Sequence[int], cost: Estimate) -> str:
    """Return who would be asked, and what it would cost, as Markdown."""
    models = ", ".join(settings.seats[seat - 1].model for seat in seats)
    count = f"{len(seats)} {'seat' if len(seats) == 1 else 'seats'}"
    then = f"then {settings.judge} compares and {settings.writer} writes."
    limit = f" Budget: ${settings.max_cost_usd:.2f}." if settings.max_cost_usd else ""
    return f"**{render_estimate(cost)}**: {count} ({models}), {then}{limit}"


def plan_message(settings: FusionSettings, seats: Sequence[int], cost: Estimate) -> AIMessage:
    """Return the plan as a message of the conversation."""
    return AIMessage(plan_text(settings, seats, cost), id=f"{PLAN_ID}{uuid.uuid4().hex}")


def is_plan(message: BaseMessage) -> bool:
    """Say whether a message of the conversation is a plan."""
    return (message.id or "").startswith(PLAN_ID)


def without_plans(messages: Sequence[BaseMessage]) -> list[RemoveMessage]:
    """Return what removes the plans from a conversation: answered ones, and those a later message made obsolete."""
    return [RemoveMessage(id=m.id) for m in messages if m.id and is_plan(m)]
