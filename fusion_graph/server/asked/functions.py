"""The client's own tools: what is needed of them, and which of them the model may, must or must not call."""

from collections.abc import Mapping, Sequence
from typing import Any

from fusion_graph.checked import shown
from fusion_graph.errors import SettingsError

CHOICES = ("none", "auto", "required")


def functions_in(tools: Sequence[Any], *, flat: bool = False) -> list[dict[str, Any]]:
    """Return the function tools of a request, as chat completions have them; `flat`: as responses have them.

    Raises:
        SettingsError: no model could be offered one of them.
    """
    found: dict[str, dict[str, Any]] = {}
    for number, tool in enumerate(tools):
        if not isinstance(tool, Mapping) or tool.get("type") != "function":
            continue
        place = f"tools.{number}" if flat else f"tools.{number}.function"
        function = {key: tool[key] for key in tool if key != "type"} if flat else tool.get("function")
        name = _name(function, place)
        if name in found:
            raise SettingsError(f"two tools are called {name!r}", field=f"{place}.name", value=name)
        found[name] = {"type": "function", "function": function} if flat else dict(tool)
    return list(found.values())


def _name(function: Any, place: str) -> str:
    """Return a function's name, after a look at the rest of it."""
    if not isinstance(function, Mapping):
        raise SettingsError(f"{place} = {shown(function)} is no function", field=place, hint="give name and parameters")
    kinds: dict[str, type] = {"name": str, "description": str, "parameters": Mapping}
    for field, kind in kinds.items():
        value = function.get(field)
        if value is not None and not isinstance(value, kind):
            hint = "an object" if kind is Mapping else "a text"
            raise SettingsError(f"{place}.{field} = {shown(value)}", field=f"{place}.{field}", value=value, hint=hint)
    name = function.get("name")
    if not name:
        raise SettingsError(f"{place}.name = {name!r}", field=f"{place}.name", value=name, hint="give it a name")
    return str(name)


def chosen(choice: Any, functions: Sequence[Mapping[str, Any]]) -> Any:
    """Return a tool_choice as models take it. Raises SettingsError for one that is not known."""
    if isinstance(choice, str) and choice in CHOICES:
        return choice
    names = [function["function"]["name"] for function in functions]
    function = choice.get("function") if isinstance(choice, Mapping) and choice.get("type") == "function" else None
    named = function.get("name") if isinstance(function, Mapping) else None
    if named not in names:
        hint = f"{', '.join(CHOICES)}, or one of the functions: {', '.join(names) or 'there is none'}"
        message = f"tool_choice = {shown(choice)} is not known"
        raise SettingsError(message, field="tool_choice", value=choice, hint=hint)
    return {"type": "function", "function": {"name": named}}
