"""What a request says of fusion: the model's name, the plugin, the server tool; as settings of a run."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema, field_validator

from fusion_graph.checked import Checked
from fusion_graph.errors import SettingsError
from fusion_graph.seats import MAX_TEMPERATURE, MAX_TOOL_STEPS, MAX_TOOLS
from fusion_graph.server.asked.inner_tools import inner_tool, parameters_of, parsed_at, schema
from fusion_graph.settings import MAX_SEATS, MAX_TOKENS, MIN_TOKENS

SERVER_TOOL = "openrouter:fusion"
PLAIN = ":plain"  # after a model's name: nothing but OpenAI's own items and events in the answer
PRESETS = {"general-high": "quality", "general-budget": "budget", "general-fast": "fast"}
SLUGS: dict[str, dict[str, str]] = {
    "fusion": {},
    "openrouter/fusion": {},
    "openrouter/fusion-flash": {"preset": "fast"},
}
_PRESET_SLUGS = ("fusion/", "openrouter/fusion/")

InnerTool = Annotated[dict[str, Any], WithJsonSchema(schema())]
Name = Annotated[str, Field(min_length=1, pattern=r"\S")]


class Reasoning(Checked):
    """How much the panel and the judge think."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = Field(
        None, description="Reasoning effort"
    )
    max_tokens: int | None = Field(None, ge=1, description="Accepted for the sake of clients; the effort decides")


class _Panel(Checked):
    """What plugin and server tool have in common."""

    analysis_models: list[Name] | None = Field(
        None, min_length=1, max_length=MAX_SEATS, description="1 to 8 models that answer in parallel"
    )
    model: Name | None = Field(None, description="The model that compares their answers")
    max_tool_calls: int | None = Field(
        None, ge=1, le=MAX_TOOL_STEPS, description="Tool steps of each panelist, 1 to 16"
    )
    tools: list[InnerTool] | None = Field(None, max_length=MAX_TOOLS, description="Tools of the panelists")

    def settings(self) -> dict[str, Any]:
        """Return what this says, as settings of a run."""
        tools = None if self.tools is None else [inner_tool(tool, n) for n, tool in enumerate(self.tools)]
        said = {
            "panel": self.analysis_models,
            "judge": self.model,
            "max_tool_calls": self.max_tool_calls,
            "tools": tools,
        }
        return {name: value for name, value in said.items() if value is not None}


class FusionPlugin(_Panel):
    """An entry of `plugins`. `fusion_mode` is this server's own."""

    id: Literal["fusion"] = Field(description="fusion")
    enabled: bool = Field(True, description="false: a plain call")  # noqa: FBT003
    preset: str | None = Field(None, description="general-high, general-budget, general-fast, or a preset's name here")
    fusion_mode: Literal["always", "auto", "never"] | None = Field(
        None, description="always: ask the panel; auto: the model decides; never: a plain call"
    )

    def settings(self) -> dict[str, Any]:
        """Return what this says, as settings of a run."""
        said = super().settings()
        if self.preset:
            said["preset"] = PRESETS.get(self.preset, self.preset)
        if self.fusion_mode or not self.enabled:
            said["mode"] = self.fusion_mode if self.enabled else "never"
        return said


class FusionParameters(_Panel):
    """The `parameters` of the server tool."""

    max_completion_tokens: int | None = Field(
        None, ge=MIN_TOKENS, le=MAX_TOKENS, description="Output limit of each inner call"
    )
    reasoning: Reasoning | None = Field(None, description="Reasoning of panel and judge")
    temperature: float | None = Field(None, ge=0, le=MAX_TEMPERATURE, description="Temperature of the panel")
    cache_control: dict[str, Any] | None = Field(None, description="Accepted for the sake of clients")

    @field_validator("reasoning", mode="before")
    @classmethod
    def _name_its_fields(cls, given: Any) -> Reasoning | None:
        return None if given is None else parsed_at("reasoning", Reasoning, given)

    def settings(self) -> dict[str, Any]:
        """Return what this says, as settings of a run."""
        effort = self.reasoning.effort if self.reasoning else None
        said = {
            "max_completion_tokens": self.max_completion_tokens,
            "temperature": self.temperature,
            "reasoning": effort,
        }
        return super().settings() | {name: value for name, value in said.items() if value is not None}


def of_model(name: str) -> dict[str, Any] | None:
    """Return what a slug of fusion says, as settings; None for the name of any other model."""
    if name in SLUGS:
        return dict(SLUGS[name])
    for prefix in _PRESET_SLUGS:
        if name.startswith(prefix):
            preset = name.removeprefix(prefix)
            return {"preset": PRESETS.get(preset, preset)}
    return None


def plugin_in(plugins: Any) -> FusionPlugin | None:
    """Return the fusion plugin of a request. Raises SettingsError for another, or for two."""
    if plugins is None:
        return None
    found = [_plugin(entry, f"plugins.{number}") for number, entry in enumerate(_list(plugins, "plugins"))]
    if len(found) > 1:
        raise SettingsError("plugins: fusion is there twice", field="plugins", value=plugins, hint="give it once")
    return found[0] if found else None


def _plugin(entry: Any, place: str) -> FusionPlugin:
    if not isinstance(entry, Mapping) or entry.get("id") != "fusion":
        hint = "the only plugin here has the id 'fusion'"
        raise SettingsError(f"{place}: there is no such plugin", field=f"{place}.id", value=entry, hint=hint)
    return parsed_at(place, FusionPlugin, entry)


def server_tool_in(tools: Sequence[Any]) -> FusionParameters | None:
    """Return the parameters of the fusion server tool among a request's tools. Raises SettingsError for any other."""
    found: FusionParameters | None = None
    for number, tool in enumerate(tools):
        kind, place = tool.get("type") if isinstance(tool, Mapping) else None, f"tools.{number}"
        if kind == SERVER_TOOL and found is None:
            found = parsed_at(f"{place}.parameters", FusionParameters, parameters_of(tool))
        elif kind != "function":
            hint = f"function tools, and {SERVER_TOOL} once; the panel's tools are named in its parameters"
            raise SettingsError(f"{place}: {kind!r} is not taken", field=f"{place}.type", value=kind, hint=hint)
    return found


def _list(value: Any, field: str) -> list[Any]:
    if not isinstance(value, list):
        raise SettingsError(f"{field} is no list", field=field, value=value, hint=f"give {field} as a list")
    return value
