"""What is asked of a run that is there: to go on, with an approver's decision if it waits for one; to be forked."""

import math
from collections.abc import Mapping
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fusion_graph.checked import Checked, shown
from fusion_graph.errors import SettingsError
from fusion_graph.nodes.approve import amount_in, names_in
from fusion_graph.prompts import FUSION_TOOL_NAME
from fusion_graph.seats import Seat
from fusion_graph.server.asked.fusion_words import Name
from fusion_graph.server.asked.inner_tools import parsed_at
from fusion_graph.server.asked.own_options import AskedSeat
from fusion_graph.server.asked.payloads import check_payload
from fusion_graph.settings import MAX_SEATS

_T = TypeVar("_T", bound=Checked)
APPROVAL = 'send {"decision": {"decisions": [{"type": "approve"}]}}, or of the type edit or reject'


class _Part(BaseModel):
    """A part of a body; what is wrong in it is told with its place."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)


class EditedRun(_Part):
    """What an approver changed of a run. Clients send everything back, much of it as text; what is empty stays."""

    panel: str | list[str] | None = Field(None, description="Models, as a list or with commas between")
    judge: str | None = Field(None, description="The model that compares")
    writer: str | None = Field(None, description="The model that writes")
    max_cost_usd: float | str | None = Field(None, description="Budget in US dollars. 0: none")
    estimate: str | None = Field(None, description="Taken, and not heeded")

    @field_validator("max_cost_usd")
    @classmethod
    def _check_amount(cls, given: float | str | None) -> float | None:
        if given is None or given == "":
            return None
        try:
            amount = float(amount_in(given))
        except ValueError:
            amount = -1.0
        if not 0 <= amount < math.inf:
            raise ValueError("no amount of US dollars")
        return amount

    @property
    def models(self) -> list[str]:
        """The models that are named."""
        return [name for name in (*names_in(self.panel), self.judge, self.writer) if name]


class EditedAction(_Part):
    """The panel as the approver wants it."""

    name: Literal["fusion"]
    args: EditedRun


class Decision(_Part):
    """What an approver says to a run that waits."""

    type: Literal["approve", "edit", "reject"]
    edited_action: EditedAction | None = Field(None, description="With edit: what is to be changed")
    message: str | None = Field(None, description="With reject: why")

    @model_validator(mode="after")
    def _check_edit(self) -> Self:
        if (self.type == "edit") != (self.edited_action is not None):
            raise ValueError("edited_action belongs to edit, and to nothing else")
        return self


class Decisions(_Part):
    """The one decision that a run waits for, in the shape of LangChain's human-in-the-loop middleware."""

    decisions: list[Decision] = Field(min_length=1, max_length=1)


class ResumeRequest(Checked):
    """What a run is told to go on with; a body may be missing."""

    decision: Decisions | None = Field(None, description="Where the run waits for approval: approve, edit or reject")

    @field_validator("decision", mode="before")
    @classmethod
    def _check_decision(cls, given: Any) -> Any:
        if given is not None and not isinstance(given, Mapping):
            raise SettingsError(f"decision = {shown(given)} is no object", field="decision", value=given, hint=APPROVAL)
        return given

    @property
    def models(self) -> list[str]:
        """The models that the decision names."""
        decided = self.decision.decisions[0] if self.decision else None
        return decided.edited_action.args.models if decided and decided.edited_action else []

    def resumed_with(self, budget: float, cap: float | None) -> dict[str, Any] | None:
        """Return the decision for a run of this budget (0: none) that may cost no more than `cap` (None: any amount)."""
        if self.decision is None:
            return None
        decision = self.decision.decisions[0].model_dump(exclude_none=True)
        if cap is not None and decision["type"] != "reject":
            args = decision.get("edited_action", {}).get("args", {})
            most = min(cap, args.get("max_cost_usd", budget) or cap)
            edited = {"name": FUSION_TOOL_NAME, "args": args | {"max_cost_usd": most}}
            decision = {"type": "edit", "edited_action": edited}
        return {"decisions": [decision]}


class ForkRequest(Checked):
    """What a new run does otherwise than the one whose answers it takes over; what does not change is not paid again."""

    judge: Name | None = Field(None, description="The model that compares, another or the same again")
    writer: Name | None = Field(None, description="The model that writes, another or the same again")
    add_seats: list[Name | AskedSeat] | None = Field(
        None,
        max_length=MAX_SEATS,
        description="Models that are asked as well, by name or with what is their seat's own",
    )
    retry_failed: bool = Field(False, description="true: seats that failed are asked again")  # noqa: FBT003
    estimate: bool = Field(False, description="true: only tell what it would cost")  # noqa: FBT003

    @field_validator("add_seats", mode="before")
    @classmethod
    def _name_their_fields(cls, given: Any) -> Any:
        if not isinstance(given, list):
            return given
        seats = ({"model": seat} if isinstance(seat, str) else seat for seat in given)
        return [parsed_at(f"add_seats.{number}", AskedSeat, seat) for number, seat in enumerate(seats)]

    @property
    def models(self) -> list[str]:
        """The models that are named."""
        of_seats = [name for seat in self._seats for name in (seat.model, seat.fallback)]
        return [name for name in (self.judge, self.writer, *of_seats) if name]

    @property
    def _seats(self) -> list[AskedSeat]:
        return [seat for seat in self.add_seats or () if isinstance(seat, AskedSeat)]  # they have been made of names

    def changes(self) -> dict[str, Any]:
        """Return what changes, as `Runs.plan_fork` takes it."""
        return {
            "judge": self.judge or "",
            "writer": self.writer or "",
            "add_seats": [Seat.model_validate(seat.settings()) for seat in self._seats],
            "retry_failed": self.retry_failed,
        }


def parse_again(kind: type[_T], body: dict[str, Any]) -> _T:
    """Return the body of such a request. Raises SettingsError that names the field."""
    check_payload(body)
    return kind.model_validate(body, strict=True)
