"""What a fork starts from: another run's state, with something changed, as if the nodes before had just run."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from langchain_core.messages import AIMessage, BaseMessage

from fusion_graph import prompts
from fusion_graph.errors import SettingsError
from fusion_graph.estimate import Estimate, render_again
from fusion_graph.nodes.route import waiting_seats
from fusion_graph.results import answered
from fusion_graph.schemas import Role, SeatResult
from fusion_graph.seats import Seat
from fusion_graph.settings import FusionSettings, load_settings
from fusion_graph.state import FusionState
from fusion_graph.store import RunRow


class ForkPlan(NamedTuple):
    """A fork before its start: the run it comes from, the state it starts with, and the node that counts as having run.

    `paid` are the roles, with their seats, that the other run has paid for.
    """

    parent: RunRow
    values: dict[str, Any]
    node: str
    paid: frozenset[tuple[Role, int | None]]

    @property
    def settings(self) -> FusionSettings:
        """The settings of the fork. Its panel is asked whatever the mode says: that is decided."""
        return load_settings(self.values["settings"]).model_copy(update={"mode": "always"})

    @property
    def seats(self) -> list[int]:
        """The seats that will be asked."""
        return waiting_seats(cast("FusionState", self.values)) if self.compares else []

    @property
    def compares(self) -> bool:
        """Whether the answers will be compared; if not, the analysis is taken over."""
        return self.node == "decide"

    @property
    def answers(self) -> int:
        """How many answers are taken over."""
        return len(answered(self.values["results"]))

    def told(self, cost: Estimate) -> str:
        """Return in one line what is paid, what is taken over without paying, and what that will cost."""
        has_analysis = self.values["analysis"] is not None
        return render_again(cost, before=self.paid, answers=self.answers, has_analysis=has_analysis)


def forked_state(
    values: Mapping[str, Any],
    judge: str,
    writer: str,
    add_seats: Sequence[str | Seat],
    *,
    retry_failed: bool,
    cap: float | None = None,
) -> tuple[dict[str, Any], str]:
    """Return the state a fork starts from, and the node it counts as having run. `cap`: its budget is no more than that."""
    results = [r for r in values.get("results") or [] if r["content"] or not retry_failed]
    if not values.get("results"):
        raise _none_asked(values)
    if retry_failed and len(results) == len(values["results"]):
        raise _none_failed(results)
    if not (judge or writer or add_seats or len(results) < len(values["results"])):
        raise SettingsError(
            "a fork changes something", field="fork", hint="another judge or writer, an added or retried seat"
        )
    old = load_settings(values["settings"])
    panel = [*old.seats, *(Seat(model=seat) if isinstance(seat, str) else seat for seat in add_seats)]
    changed: dict[str, Any] = {"panel": [seat.model_dump(mode="json") for seat in panel]}
    changed |= ({"judge": judge} if judge else {}) | ({"writer": writer} if writer else {})
    changed |= {} if cap is None else {"max_cost_usd": min(cap, old.max_cost_usd or cap)}
    settings = FusionSettings.model_validate(old.dump() | changed)
    again = bool(judge or add_seats or len(results) < len(values["results"]))
    redone = {"judge", "writer"} if again else {"writer"}  # what is made anew is no part of what the new answer cost
    state = {
        "messages": _until_panel(values["messages"]),
        "caller": values.get("caller") or {},
        "settings": settings.dump(),
        "decision": values.get("decision"),
        "results": results,
        "sources": values.get("sources") or [],
        "calls": [call for call in values.get("calls") or [] if call["role"] not in redone],
        "analysis": None if again else values.get("analysis"),
        "status": None if again else values.get("status"),
    }
    return state, "decide" if again else "judge"


def _none_asked(values: Mapping[str, Any]) -> SettingsError:
    if (values.get("decision") or {}).get("kind") == "fuse":
        message, hint = "no seat of this run has answered yet, so there is nothing to fork", "resume it"
        return SettingsError(message, field="run", hint=hint)
    return SettingsError("this run asked no panel, so there is nothing to fork", field="run", hint="ask again")


def _none_failed(results: Sequence[SeatResult]) -> SettingsError:
    cut = [str(result["seat"]) for result in results if result["error"]]
    said = f"; what seat {' and seat '.join(cut)} wrote before it was cut counts as an answer" if cut else ""
    return SettingsError(
        f"no seat of this run failed, so there is none to ask again{said}",
        field="retry_failed",
        value=True,
        hint="fork it with another judge or writer, or with an added seat; resume it if it has not finished",
    )


def _until_panel(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return the conversation as the panel found it: up to the call that asked for the panel, or the user's message."""
    asked = len(prompts.asked(messages))
    calls = [n for n, message in enumerate(messages[asked:], asked + 1) if _asks_for_panel(message)]
    return list(messages[: calls[-1] if calls else asked])


def _asks_for_panel(message: BaseMessage) -> bool:
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    return any(call["name"] == prompts.FUSION_TOOL_NAME for call in calls)
