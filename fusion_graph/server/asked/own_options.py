"""What a request says in `x_fusion`, the field that is this server's own; as settings of a run."""

from typing import Any, Literal

from pydantic import Field, field_validator

from fusion_graph.checked import Checked
from fusion_graph.errors import SettingsError
from fusion_graph.seats import MAX_TOOLS, Seat
from fusion_graph.server.asked.fusion_words import InnerTool, Name
from fusion_graph.server.asked.inner_tools import inner_tool, parsed_at
from fusion_graph.settings import MAX_SEATS
from fusion_graph.urls import parse_rule

OWN = "x_fusion"


class AskedSeat(Seat):
    """One place on the panel, with tools as clients name them."""

    model: Name = Field(description="The model that answers")
    tools: list[InnerTool] | None = Field(  # type: ignore[assignment]
        None, max_length=MAX_TOOLS, description="Tools of this seat, and no others; an empty list: none"
    )

    @field_validator("tools", mode="after")
    @classmethod
    def _parse_tools(cls, value: Any) -> Any:
        return None if value is None else [inner_tool(tool, number) for number, tool in enumerate(value)]

    def settings(self) -> dict[str, Any]:
        """Return the seat as settings have it."""
        return self.model_dump(include=self.model_fields_set)


class OwnOptions(Checked):
    """The field `x_fusion` of a request, this server's own."""

    on_disconnect: Literal["finish", "cancel"] = Field(
        "finish", description="finish: a run whose client has gone goes on, and is kept; cancel: it is stopped"
    )
    approve: bool | None = Field(
        None, description="true: the run waits before its panel is asked, to be resumed with a decision; not in chat"
    )
    writer: Name | None = Field(None, description="The model that writes, nearer than any other word for it")
    max_cost_usd: float | None = Field(None, ge=0, description="Budget of the run in US dollars. 0: none")
    excluded_domains: list[str] | None = Field(
        None, description="Hosts (a path may follow) never to be used, beside those of the preset and of this server"
    )
    seats: list[AskedSeat] | None = Field(
        None, min_length=1, max_length=MAX_SEATS, description="The panel, nearer than analysis_models"
    )

    @field_validator("excluded_domains")
    @classmethod
    def _check_domains(cls, given: list[str] | None) -> list[str] | None:
        for number, rule in enumerate(given or ()):
            parse_rule(rule, field=f"excluded_domains.{number}")
        return given

    @field_validator("seats", mode="before")
    @classmethod
    def _name_their_fields(cls, given: Any) -> Any:
        if not isinstance(given, list) or len(given) > MAX_SEATS:
            return given
        return [parsed_at(f"seats.{number}", AskedSeat, seat) for number, seat in enumerate(given)]

    def settings(self) -> dict[str, Any]:
        """Return what this says, as settings of a run."""
        said: dict[str, Any] = {
            "panel": None if self.seats is None else [seat.settings() for seat in self.seats],
            "writer": self.writer,
            "approve": self.approve,
            "max_cost_usd": self.max_cost_usd,
            "excluded_domains": self.excluded_domains or None,  # an empty list lifts nothing
        }
        return {name: value for name, value in said.items() if value is not None}


def own_options(given: Any, *, offers: bool) -> OwnOptions:
    """Return what a request says in `x_fusion`; `offers`: fusion is offered in it. Raises SettingsError."""
    options = parsed_at(OWN, OwnOptions, {} if given is None else given)
    if options.seats and not offers:
        hint = "ask for the model 'fusion', or add the plugin"
        raise SettingsError("x_fusion.seats: no panel is asked here", field=f"{OWN}.seats", hint=hint)
    return options
