"""The panel's tools, as plugin and server tool name them, and what may be said of each."""

from collections.abc import Mapping
from typing import Any, TypeVar

from fusion_graph.checked import Checked, placed, shown
from fusion_graph.errors import SettingsError, did_you_mean
from fusion_graph.seats import PanelTool

_PREFIX = "openrouter:"
_NAMES = ("web_search", "web_fetch", "bash")
_UNHEEDED = frozenset({"engine", "mode", "max_total_results", "user_location", "environment", "sleep_after_seconds"})
_T = TypeVar("_T", bound=Checked)


def inner_tool(tool: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return a tool of the panel as settings name it. Raises SettingsError."""
    place, kind = f"tools.{number}", str(tool.get("type", ""))
    limits = parameters_of(tool)
    name = kind.removeprefix(_PREFIX)
    if name not in _NAMES:
        hint = did_you_mean(kind, [f"{_PREFIX}{each}" for each in _NAMES])
        message = f"{place}: {shown(kind)} is no tool of the panel"
        raise SettingsError(message, field=f"{place}.type", value=kind, hint=hint)
    if not isinstance(limits, Mapping) or "name" in limits:  # which would make it another tool
        field, hint = f"{place}.parameters", "an object with the limits of this tool"
        raise SettingsError(f"{field} = {shown(limits)}", field=field, value=limits, hint=hint)
    given = {key: value for key, value in limits.items() if key not in _UNHEEDED}
    made = parsed_at(f"{place}.parameters", PanelTool, {"name": name, **given})
    try:
        made.check_limits()
    except SettingsError as error:
        raise placed(error, place) from None
    return made.model_dump(mode="json", include=made.model_fields_set)


def parameters_of(tool: Mapping[str, Any]) -> Any:
    """Return the parameters of a tool that is no function, without any an empty object."""
    given = tool.get("parameters")
    return {} if given is None else given


def parsed_at(place: str, kind: type[_T], entry: Any) -> _T:
    """Return an entry parsed: as JSON has it, without reading numbers out of texts. Raises SettingsError with the place."""
    try:
        return kind.model_validate(entry, strict=True)
    except SettingsError as error:
        error.field = f"{place}.{error.field}".rstrip(".")
        raise placed(error, place) from None


def schema() -> dict[str, Any]:
    """Return the JSON schema of a tool of the panel."""
    return {"anyOf": [_schema(name) for name in _NAMES]}


def _schema(name: str) -> dict[str, Any]:
    known = PanelTool.model_json_schema()["properties"]
    limits = {field: known[field] for field in known if field != "name" and _takes(name, field)}
    limits |= {field: {"description": "Taken, and not heeded"} for field in sorted(_UNHEEDED)}
    parameters = {"type": ["object", "null"], "properties": limits, "additionalProperties": False}
    return {
        "type": "object",
        "properties": {"type": {"enum": [f"{_PREFIX}{name}", name]}, "parameters": parameters},
        "required": ["type"],
    }


def _takes(name: str, field: str) -> bool:
    given: dict[str, Any] = {"name": name, field: "given"}
    try:
        PanelTool.model_construct({field}, **given).check_limits()
    except SettingsError:
        return False
    return True
