"""A chat completion request, as a turn of the graph: who answers, what was said, what the caller brings."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import BaseMessage, convert_to_messages

from fusion_graph.errors import SettingsError
from fusion_graph.schemas import Caller
from fusion_graph.server.fusion_words import SERVER_TOOL, of_model, plugin_in, server_tool_in
from fusion_graph.server.housekeeping import is_housekeeping
from fusion_graph.settings import MAX_TOKENS

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_KEPT = ("role", "content", "name", "tool_calls", "tool_call_id")  # of a message; clients send many things besides


@dataclass(frozen=True, slots=True)
class Turn:
    """What a request asks for. `settings` are fields of FusionSettings; `is_forced`: the panel, whatever the mode."""

    messages: list[BaseMessage]
    settings: dict[str, Any]
    caller: Caller
    stream: bool


def parse_chat(body: Any, *, depth: int = 0) -> Turn:
    """Return what the body of a chat completion request asks for. `depth` above 0: a fusion asks, and gets no panel.

    Raises:
        SettingsError: a field is not what it must be; `field` names it as the client wrote it.
    """
    if not isinstance(body, Mapping):
        raise SettingsError("the body is no JSON object", field="body", hint="send {'model': ..., 'messages': [...]}")
    messages = _messages(body.get("messages"))
    tools = body.get("tools") or []
    if not isinstance(tools, list):
        raise SettingsError("tools is no list", field="tools", value=tools, hint="give tools as a list")
    functions = [tool for tool in tools if isinstance(tool, Mapping) and tool.get("type") == "function"]
    settings, offers = _settings(body, tools)
    forced = _is_forced(body.get("tool_choice"), offers=offers, has_functions=bool(functions))
    if depth or is_housekeeping(messages, body) or (body.get("tool_choice") == "none" and settings["mode"] == "auto"):
        settings["mode"], forced = "never", False
    return Turn(messages, settings, _caller(body, functions, forced=forced), stream=body.get("stream") is True)


def _settings(body: Mapping[str, Any], tools: Sequence[Any]) -> tuple[dict[str, Any], bool]:
    """Return the settings of a request, and whether fusion is offered in it."""
    model = body.get("model")
    if not isinstance(model, str) or not model.strip():
        raise SettingsError("model names no model", field="model", value=model, hint="give 'fusion', or a model's name")
    slug, plugin, parameters = of_model(model.strip()), plugin_in(body.get("plugins")), server_tool_in(tools)
    said = (parameters.settings() if parameters else {}) | (plugin.settings() if plugin else {})
    if slug is not None:  # what plugin and tool call `model` then compares and writes
        writes = {"writer": said["judge"]} if "judge" in said else {}
        return {"mode": "always", **slug, **said, **writes}, True
    offers = bool(plugin or parameters)
    mode = "auto" if offers else "never"
    return {"mode": mode, "judge": model, **said, "writer": model}, offers


def _is_forced(choice: Any, *, offers: bool, has_functions: bool) -> bool:
    if isinstance(choice, Mapping) and choice.get("type") == SERVER_TOOL:
        if not offers:
            hint = f"add {{'type': {SERVER_TOOL!r}}} to tools"
            raise SettingsError("tool_choice asks for a tool that is not offered", field="tool_choice", hint=hint)
        return True
    # Beside functions `required` means one of these: clients that want structured output say so.
    return choice == "required" and offers and not has_functions


def _caller(body: Mapping[str, Any], functions: Sequence[Mapping[str, Any]], *, forced: bool) -> Caller:
    caller: Caller = {}
    if functions:
        caller["tools"] = [dict(function) for function in functions]
    choice = body.get("tool_choice")
    if forced:
        caller["tool_choice"] = "fusion"
    elif functions and choice is not None:
        caller["tool_choice"] = _choice(choice, functions)
    if body.get("response_format") is not None:
        caller["response_format"] = _format(body["response_format"])
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    if limit is not None:
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise SettingsError(
                f"max_tokens = {limit!r} is no number of tokens", field="max_tokens", value=limit, hint="1 or more"
            )
        caller["max_tokens"] = min(limit, MAX_TOKENS)
    return caller


def _choice(choice: Any, functions: Sequence[Mapping[str, Any]]) -> Any:
    if choice in ("none", "auto", "required"):
        return choice
    names = [str(function.get("function", {}).get("name")) for function in functions]
    named = choice.get("function", {}).get("name") if isinstance(choice, Mapping) else None
    if named not in names:
        hint = f"none, auto, required, or one of the functions: {', '.join(names)}"
        raise SettingsError(f"tool_choice = {choice!r} is not known", field="tool_choice", value=choice, hint=hint)
    return {"type": "function", "function": {"name": named}}


def _format(wanted: Any) -> dict[str, Any] | None:
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    if kind not in {"text", "json_object", "json_schema"}:
        hint = "text, json_object or json_schema"
        raise SettingsError(f"response_format.type = {kind!r}", field="response_format.type", value=wanted, hint=hint)
    return None if kind == "text" else dict(wanted)


def _messages(given: Any) -> list[BaseMessage]:
    if not isinstance(given, list) or not given:
        raise SettingsError("messages holds no message", field="messages", value=given, hint="give a list of messages")
    return [_message(entry, f"messages.{number}") for number, entry in enumerate(given)]


def _message(entry: Any, place: str) -> BaseMessage:
    role = entry.get("role") if isinstance(entry, Mapping) else None
    if role not in _ROLES:
        raise SettingsError(f"{place}.role = {role!r}", field=f"{place}.role", value=role, hint=", ".join(_ROLES))
    said = {name: entry[name] for name in _KEPT if entry.get(name) is not None}
    content = said.setdefault("content", "")
    if not isinstance(content, (str, list)) or any(not isinstance(part, (str, Mapping)) for part in content):
        hint = "a text, or a list of parts"
        raise SettingsError(f"{place}.content is no content", field=f"{place}.content", value=content, hint=hint)
    try:
        calls = [_call(call) for call in said.pop("tool_calls", None) or []]
        (message,) = convert_to_messages([said | ({"tool_calls": calls} if calls else {})])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "a message as OpenAI's API has it"
        raise SettingsError(f"{place} is no message: {error}", field=place, value=entry, hint=hint) from error
    return message


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool call of the history; arguments that a model once wrote wrongly are kept as they were."""
    function, arguments = call["function"], call["function"].get("arguments") or "{}"
    try:
        parsed = json.loads(arguments)
    except ValueError:
        parsed = {"arguments": arguments}
    args = parsed if isinstance(parsed, dict) else {"arguments": parsed}
    return {"name": function["name"], "args": args, "id": call["id"], "type": "tool_call"}
