"""What a panel is made of: its seats, and the tools they have."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import Field, field_validator

from fusion_graph.checked import Checked, placed, shown
from fusion_graph.errors import SettingsError

Reasoning = Literal["", "none", "minimal", "low", "medium", "high", "xhigh", "max"]
MAX_TOOL_STEPS = 16  # what the published benchmark allowed; the hosted service has the same limit
MAX_TOOLS = 8  # the hosted service has the same limit
MAX_TEMPERATURE = 2  # the widest range of a provider; one with a narrower range says so itself
PROVIDER_TOOL = "fusion_provider_tool"  # in a tool's metadata: what a provider is sent that runs the tool itself
USES = "fusion_uses"  # in a tool's metadata: whose calls are counted together, and how many a seat may make
MAX_RESULTS = 25  # of one search; the hosted service has the same limit
_OF_SEARCH = frozenset({"max_results", "max_characters", "search_context_size", "excluded_domains"})
_OF_FETCH = frozenset({"max_content_tokens", "blocked_domains"})


class PanelTool(Checked):
    """A tool of the panel with limits of its own. What is left out is the run's, or without a limit."""

    name: str = Field(
        min_length=1, description="web_search, web_fetch, bash, mcp:SERVER[/TOOL], community:CLASS, or your own"
    )
    max_uses: int | None = Field(None, ge=1, le=MAX_TOOL_STEPS * 8, description="Calls of each seat")
    max_results: int | None = Field(
        None, ge=1, le=MAX_RESULTS, description="web_search: results of one call, if the model does not say"
    )
    max_characters: int | None = Field(
        None, ge=50, le=10_000, description="web_search: characters of each result's excerpt"
    )
    search_context_size: Literal["", "low", "medium", "high"] = Field(
        "", description="web_search: how long the excerpts are (300, 1000, 3000 characters)"
    )
    max_content_tokens: int | None = Field(
        None, ge=100, le=100_000, description="web_fetch: length of the text that one call gives"
    )
    allowed_domains: list[str] = Field([], description="The only hosts this tool may use, beside the run's own rules")
    excluded_domains: list[str] = Field([], description="web_search: hosts it leaves out, beside the run's own")
    blocked_domains: list[str] = Field([], description="web_fetch: hosts it does not open, beside the run's own")

    def check_limits(self) -> None:
        """Raise a SettingsError if a limit is given that this tool does not have."""
        other = {"web_search": _OF_FETCH, "web_fetch": _OF_SEARCH}.get(self.name)
        strange = other or _OF_SEARCH | _OF_FETCH | {"allowed_domains"}
        for name in sorted(self.model_fields_set & strange):
            value = getattr(self, name)
            if value not in (None, "", []):
                fit = sorted({*type(self).model_fields} - strange - {"name"})
                hint = f"it takes {', '.join(fit)}"
                raise SettingsError(f"{self.name} has no {name}", field=f"tools.{name}", value=value, hint=hint)


class Seat(Checked):
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
    tools: list[str | PanelTool] | None = Field(
        None,
        max_length=MAX_TOOLS,
        description="Tools of this seat, and no others; an empty list: none. Left out: the run's",
    )

    @field_validator("tools", mode="before")
    @classmethod
    def _parse_tools(cls, value: Any) -> Any:
        return parse_tools(value)


def parse_seats(value: Any) -> Any:
    """Return a panel with seats given as objects parsed, names as they are; complaints say which seat is meant."""
    return _each(value, _SEATS)


def parse_tools(value: Any) -> Any:
    """Return a list of tools with those given as objects parsed, names as they are."""
    return _each(value, _TOOLS)


def tools_in(entries: Sequence[str | PanelTool | Mapping[str, Any]]) -> list[PanelTool]:
    """Return tools, each as an object, as `Plan` and settings hold them."""
    return [PanelTool(name=entry) if isinstance(entry, str) else PanelTool.model_validate(entry) for entry in entries]


def known_part(stored: Mapping[str, Any], kind: type[Checked], **lists: type[Checked]) -> dict[str, Any]:
    """Return the fields that `kind` has, and of the objects in its `lists` the same."""
    known = {name: value for name, value in stored.items() if name in kind.model_fields}
    for name, inner in lists.items():
        if isinstance(entries := known.get(name), list):
            known[name] = [_known_entry(entry, inner) for entry in entries]
    return known


def _known_entry(entry: Any, kind: type[Checked]) -> Any:
    inner = {"tools": PanelTool} if kind is Seat else {}
    return known_part(entry, kind, **inner) if isinstance(entry, Mapping) else entry


class _Entries(NamedTuple):
    """A list whose entries are names or objects, and what is said of an entry that is neither."""

    kind: type[Checked]
    field: str
    place: str
    lacks: str
    hint: str


_SEATS = _Entries(
    Seat,
    "panel",
    "seat {} of the panel",
    "names no model",
    "give a model name, or an object with `model` and what else is this seat's own",
)
_TOOLS = _Entries(
    PanelTool,
    "tools",
    "tool {}",
    "names no tool",
    "give a tool's name (such as web_fetch), or an object with `name` and its limits; tools made in Python go into "
    "build_fusion_graph(tools=[...]), make_fusion_tool(tools=[...]) or ChatFusion(panel_tools=[...])",
)


def _each(value: Any, entries: _Entries) -> Any:
    if not isinstance(value, list | tuple):
        return value
    return [_one(entry, number, entries) for number, entry in enumerate(value, 1)]


def _one(entry: Any, number: int, entries: _Entries) -> Any:
    if isinstance(entry, str) and entry.strip():
        return entry
    field, place = f"{entries.field}.{number}", entries.place.format(number)
    if not isinstance(entry, Mapping | entries.kind):
        raise SettingsError(f"{place} = {shown(entry)} {entries.lacks}", field=field, value=entry, hint=entries.hint)
    try:
        return entries.kind.model_validate(entry)
    except SettingsError as error:
        error.field = f"{field}.{error.field}"
        raise placed(error, place) from None
