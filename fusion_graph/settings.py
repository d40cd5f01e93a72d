"""What a user can set: every field with its range, its default and the reason for it.

`presets.resolve` finds the settings of one call.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_origin

import platformdirs
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)

from fusion_graph.errors import SettingsError, did_you_mean

Reasoning = Literal["", "none", "minimal", "low", "medium", "high", "xhigh", "max"]
ROSTER = ("panel", "judge", "writer")
DEFAULT_PRESET = "quality"
# What forms suggest, without reading a file; `load_presets` knows these and the user's own.
PUBLISHED_PRESETS = (
    "quality", "budget", "fast", "self", "demo",
    "draco-fable-gpt", "draco-opus-gpt-gemini", "draco-opus-gpt", "draco-opus-twice", "draco-budget",
)  # fmt: skip
MAX_SEATS = 8  # bounds what one question can cost; the hosted service has the same limit
MAX_TOOL_STEPS = 16  # what the published benchmark allowed; the hosted service has the same limit
MAX_TOOLS = 8  # the hosted service has the same limit
MAX_TEMPERATURE = 2  # the widest range of a provider; one with a narrower range says so itself
MIN_TOKENS, MAX_TOKENS = 64, 200_000  # less is no answer with a source; no model writes more in one call
MAX_SECONDS = 7200  # a typing error must not hold a run for days; the published benchmark allowed 1800
_SHOWN_CHARS = 200  # of a value, in messages


def _setting(default: Any, description: str, *nodes: str, **extra: Any) -> Any:
    """Return a field with the metadata that LangGraph Studio draws beside the named nodes."""
    return Field(default, description=description, json_schema_extra={"langgraph_nodes": list(nodes)}, **extra)


class _Checked(BaseModel):
    """A model whose every complaint is a `SettingsError` that names field, value and what is allowed."""

    # Infinity and NaN are no JSON: checkpoints and events could not carry them.
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(data, cls):
            return data
        if not isinstance(data, Mapping):
            hint = f"give an object with any of: {', '.join(sorted(cls.model_fields))}"
            raise SettingsError(f"{shown(data)} is no object of settings", field="", value=data, hint=hint)
        _refuse_unknown(data, set(cls.model_fields))
        try:
            return handler(dict(data))
        except ValidationError as error:
            raise _explained(error, cls) from None


class Seat(_Checked):
    """One place on the panel. What is left out is taken from the run's settings."""

    model: str = Field(min_length=1, description="Model name, as `provider:model` or `vendor/model`")
    name: str = Field("", description="What to call this seat. Empty: its model")
    temperature: float | None = Field(
        None, ge=0, le=MAX_TEMPERATURE, description="Temperature of this seat. Empty: the run's"
    )
    reasoning: Reasoning = Field("", description="Reasoning effort of this seat. Empty: the run's")
    max_tool_calls: int | None = Field(
        None, ge=1, le=MAX_TOOL_STEPS, description="Tool steps of this seat. Empty: the run's"
    )
    fallback: str = Field("", description="Model that is asked in this seat's place if its own fails. Empty: none")
    system_prompt: str = Field("", description="Added to the panelist's instructions")
    tools: list[str] | None = Field(
        None, max_length=MAX_TOOLS, description="Tools of this seat; an empty list: none. Left out: the run's"
    )


class FusionSettings(_Checked):
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
    tools: list[str] = _setting(
        ["web_search", "web_fetch"], "Tools of the panel: web_search, web_fetch; empty: none", "panelist",
        max_length=MAX_TOOLS,
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
        is_panel = isinstance(value, list | tuple)
        return [_parse_seat(number, seat) for number, seat in enumerate(value, 1)] if is_panel else value

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


def _parse_seat(number: int, seat: Any) -> str | Seat:
    """Return a seat given as an object parsed, a name as it is; complaints say which seat is meant."""
    if isinstance(seat, str) and seat.strip():
        return seat
    if not isinstance(seat, Mapping | Seat):
        raise SettingsError(
            f"seat {number} of the panel = {shown(seat)} names no model",
            field=f"panel.{number}",
            value=seat,
            hint="give a model name, or an object with `model` and what else is this seat's own",
        )
    try:
        return Seat.model_validate(seat)
    except SettingsError as error:
        error.field = f"panel.{number}.{error.field}"
        raise placed(error, f"seat {number} of the panel") from None


def load_settings(stored: Mapping[str, Any]) -> FusionSettings:
    """Return the settings that state holds; fields this version does not know (an old checkpoint) are passed over."""
    known = {name: value for name, value in stored.items() if name in FusionSettings.model_fields}
    panel = known.get("panel")
    if isinstance(panel, list):
        known["panel"] = [_known_of_seat(seat) if isinstance(seat, Mapping) else seat for seat in panel]
    return FusionSettings.model_validate(known)


def _known_of_seat(seat: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in seat.items() if name in Seat.model_fields}


def is_demo(model: str) -> bool:
    """Return whether a model's name is one of the offline demo's: no surface may pass it off as a language model."""
    return model.casefold().startswith("demo:")


def home(kind: Literal["config", "data", "cache"], environ: Mapping[str, str] = os.environ) -> Path:
    """Return this package's folder for `kind`; FUSION_HOME moves all three to one place."""
    if moved := environ.get("FUSION_HOME", "").strip():
        return Path(moved).expanduser()
    found = {
        "config": platformdirs.user_config_path,
        "data": platformdirs.user_data_path,
        "cache": platformdirs.user_cache_path,
    }[kind]
    return found("fusion_graph", appauthor=False)


def placed(error: SettingsError, where: str) -> SettingsError:
    """Return `error` with the place it is about in front of its message."""
    error.args = (f"{where}: {error}",)
    return error


def _refuse_unknown(data: Mapping[str, Any], known: set[str]) -> None:
    for key in data:
        if key not in known:
            hint = did_you_mean(str(key), known)
            raise SettingsError(f"unknown setting {shown(key)}", field=str(key), value=data[key], hint=hint)


def _explained(error: ValidationError, model: type[BaseModel]) -> SettingsError:
    first = error.errors(include_url=False)[0]
    name, *inner = (str(part) for part in first["loc"])
    field = ".".join([name, *inner])
    if first["type"] == "missing":
        return SettingsError(f"{field} is missing", field=field, hint=_allowed(model, name))
    said = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
    message = f"{field} = {shown(first['input'])}: {said}"
    return SettingsError(message, field=field, value=first["input"], hint=_allowed(model, name))


def _allowed(model: type[BaseModel], name: str) -> str:
    info = model.model_fields[name]
    if get_origin(info.annotation) is Literal:
        return "one of: " + ", ".join(repr(value) for value in get_args(info.annotation))
    return f"{name}: {info.description}"


def shown(value: object) -> str:
    """Return a value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
