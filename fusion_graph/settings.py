"""What a user can set: every field with its range, its default and the reason for it.

`presets.resolve` finds the settings of one call.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator

from fusion_graph.checked import Checked
from fusion_graph.seats import (
    MAX_TEMPERATURE,
    MAX_TOOL_STEPS,
    MAX_TOOLS,
    PanelTool,
    Reasoning,
    Seat,
    known_part,
    parse_seats,
    parse_tools,
)

ROSTER = ("panel", "judge", "writer")
DEFAULT_PRESET = "quality"
# What forms suggest, without reading a file; `load_presets` knows these and the user's own.
PUBLISHED_PRESETS = (
    "quality", "budget", "fast", "self", "demo",
    "draco-fable-gpt", "draco-opus-gpt-gemini", "draco-opus-gpt", "draco-opus-twice", "draco-budget",
)  # fmt: skip
MAX_SEATS = 8  # bounds what one question can cost; the hosted service has the same limit
MIN_TOKENS, MAX_TOKENS = 64, 200_000  # less is no answer with a source; no model writes more in one call
MAX_SECONDS = 7200  # a typing error must not hold a run for days; the published benchmark allowed 1800


def _setting(default: Any, description: str, *nodes: str, **extra: Any) -> Any:
    """Return a field with the metadata that LangGraph Studio draws beside the named nodes."""
    return Field(default, description=description, json_schema_extra={"langgraph_nodes": list(nodes)}, **extra)


class FusionSettings(Checked):
    """The settings of a run. Every field is optional; `resolve` fills in the rest."""

    # In the order in which forms show them: flat fields first, lists last.
    preset: str = _setting(
        DEFAULT_PRESET, "Roster to start from, a published one or your own: `fusion presets` lists them", "prepare",
        examples=list(PUBLISHED_PRESETS),
    )  # fmt: skip
    judge: str = _setting("", "Model that compares the answers. Empty: the preset's judge", "judge")
    writer: str = _setting(
        "", "Model that writes the final answer. Empty: the preset's writer, else the judge", "decide", "write"
    )
    mode: Literal["always", "auto", "never"] = _setting(
        "always", "always: ask the panel on every user turn; auto: the writer decides; never: the writer alone",
        "prepare", "decide",
    )  # fmt: skip
    max_tool_calls: int = _setting(
        4, "Tool steps of each panelist (a step runs at most 8 calls). 4: enough to search, read twice and check",
        "panelist", ge=1, le=MAX_TOOL_STEPS,
    )  # fmt: skip
    max_completion_tokens: int = _setting(
        16000, "Output limit of each model call. 16000: unbounded runs cost most of the money and were worse",
        "decide", "panelist", "judge", "write", ge=MIN_TOKENS, le=MAX_TOKENS,
    )  # fmt: skip
    reasoning: Reasoning = _setting(
        "", "Reasoning effort of panel and judge. Empty: the provider's default", "panelist", "judge"
    )
    temperature: float | None = _setting(
        None, "Temperature of the panel (the judge's is 0). Empty: the provider's default", "panelist",
        ge=0, le=MAX_TEMPERATURE,
    )  # fmt: skip
    min_answers: int = _setting(
        1, "Fewer answers than this make the run an error", "judge", "write", ge=1, le=MAX_SEATS
    )
    quorum: int = _setting(0, "Answers that start the grace for the rest. 0: all seats", "panelist", ge=0, le=MAX_SEATS)
    grace_seconds: float = _setting(
        30.0, "How long late seats may go on after the quorum. 30: one more model call", "panelist",
        ge=0, le=MAX_SECONDS,
    )  # fmt: skip
    panel_timeout_seconds: float = _setting(
        420.0, "Time of each seat. 420: judge and writer still fit into the 600 s that OpenAI's clients wait",
        "decide", "panelist", "judge", "write", gt=0, le=MAX_SECONDS,
    )  # fmt: skip
    max_cost_usd: float = _setting(
        0.0, "Budget in US dollars: a seat stops researching when its share is spent. 0: none", "approve", ge=0
    )
    price_ceiling: float = _setting(
        0.0, "US dollars per million tokens that a model without a known price is taken to cost. 0: under a budget "
        "such a model is refused", "panelist", ge=0,
    )  # fmt: skip
    approve: bool = _setting(False, "Ask before the panel is paid for (needs a checkpointer)", "approve")  # noqa: FBT003
    require_panel: bool = _setting(False, "If no seat answers, call nobody else either", "write")  # noqa: FBT003
    panel_context: Literal["messages", "prompt"] = _setting(
        "messages", "What the panel sees: the whole conversation, or the last prompt only", "panelist"
    )
    tools: list[str | PanelTool] = _setting(
        ["web_search", "web_fetch"], "Tools of the panel: web_search, web_fetch, bash, mcp:SERVER, community:CLASS; "
        "empty: none of these. An application's own come on top", "panelist", max_length=MAX_TOOLS,
    )  # fmt: skip
    excluded_domains: list[str] = _setting(
        [], "Hosts (with sub-domains; a path may follow) never to be used", "panelist"
    )
    blocked_domains: list[str] = _setting(
        [], "Hosts that must not be opened; searches leave them out as well", "panelist"
    )
    allowed_domains: list[str] = _setting([], "If not empty, the only hosts to be used", "panelist")
    panel: list[str | Seat] = _setting(
        [], "1 to 8 models that answer in parallel; the same model may sit twice. Empty: the preset's panel",
        "prepare", "panelist", max_length=MAX_SEATS,
    )  # fmt: skip

    @field_validator("panel", mode="before")
    @classmethod
    def _parse_seats(cls, value: Any) -> Any:
        return parse_seats(value)

    @field_validator("tools", mode="before")
    @classmethod
    def _parse_tools(cls, value: Any) -> Any:
        return parse_tools(value)

    @property
    def seats(self) -> list[Seat]:
        """The panel with every entry as a Seat; seat numbers count from 1 in this order."""
        return [seat if isinstance(seat, Seat) else Seat(model=seat) for seat in self.panel]

    @property
    def roles(self) -> dict[str, list[str]]:
        """The models that a run may call, each with what it is needed for: `seat 1`, `judge`, `writer`."""
        roles = [(seat.model, f"seat {number}") for number, seat in enumerate(self.seats, 1)]
        roles += [
            (seat.fallback, f"seat {number}'s fallback") for number, seat in enumerate(self.seats, 1) if seat.fallback
        ]
        roles = [] if self.mode == "never" else [*roles, (self.judge, "judge")]
        found: dict[str, list[str]] = {}
        for model, role in [*roles, (self.writer, "writer")]:
            found.setdefault(model, []).append(role)
        return found

    def dump(self) -> dict[str, Any]:
        """Return all fields, JSON-plain, as state stores them."""
        return self.model_dump(mode="json")


def load_settings(stored: Mapping[str, Any]) -> FusionSettings:
    """Return the settings that state holds; fields this version does not know (an old checkpoint) are passed over."""
    return FusionSettings.model_validate(known_part(stored, FusionSettings, panel=Seat, tools=PanelTool))
