"""A chat completion request, as a turn of the graph: who answers, what was said, what the caller brings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import BaseMessage

from fusion_graph.checked import shown
from fusion_graph.errors import SettingsError
from fusion_graph.nodes.decide import refuse_own_name
from fusion_graph.schemas import Caller
from fusion_graph.seats import MAX_TEMPERATURE
from fusion_graph.server.asked.functions import chosen, functions_in
from fusion_graph.server.asked.fusion_words import PLAIN, SERVER_TOOL, of_model, plugin_in, server_tool_in
from fusion_graph.server.asked.housekeeping import is_housekeeping
from fusion_graph.server.asked.messages import messages_in
from fusion_graph.server.asked.own_options import OWN, own_options
from fusion_graph.server.asked.payloads import check_payload
from fusion_graph.settings import MAX_TOKENS

FORMATS = ("text", "json_object", "json_schema")


@dataclass(frozen=True, slots=True)
class Turn:
    """What a request asks for. `settings` are fields of FusionSettings; `cancels`: who goes away wants it stopped."""

    messages: list[BaseMessage]
    settings: dict[str, Any]
    caller: Caller
    stream: bool
    stop: list[str]
    cancels: bool


def parse_chat(body: Any, *, depth: int = 0) -> Turn:
    """Return what the body of a chat completion request asks for. `depth` above 0: a fusion asks, and gets no panel.

    Raises:
        SettingsError: a field is not what it must be; `field` names it as the client wrote it.
    """
    if not isinstance(body, Mapping):
        raise SettingsError("the body is no JSON object", field="body", hint="send {'model': ..., 'messages': [...]}")
    check_payload(body)
    turn = turn_of(body, messages_in(body.get("messages")), functions_in(tools_in(body)), depth=depth)
    if turn.settings.get("approve"):
        hint = "ask POST /v1/responses: a chat completion has nowhere to be approved"
        raise SettingsError("x_fusion.approve = True", field=f"{OWN}.approve", value=True, hint=hint)
    return turn


def tools_in(body: Mapping[str, Any]) -> list[Any]:
    """Return the tools of a request. Raises SettingsError if they are no list."""
    tools = [] if body.get("tools") is None else body["tools"]
    if not isinstance(tools, list):
        raise SettingsError("tools is no list", field="tools", value=tools, hint="give tools as a list")
    return tools


def turn_of(
    body: Mapping[str, Any], messages: list[BaseMessage], functions: Sequence[Mapping[str, Any]], *, depth: int
) -> Turn:
    """Return what a request asks for whose messages and functions have been read. Raises SettingsError."""
    settings, offers = _settings(body, tools_in(body))
    options = own_options(body.get(OWN), offers=offers)
    settings |= options.settings()
    forced = _is_forced(body.get("tool_choice"), offers=offers, has_functions=bool(functions))
    if depth or is_housekeeping(messages, body) or (body.get("tool_choice") == "none" and settings["mode"] == "auto"):
        settings["mode"], forced = "never", False
    if not depth:  # another fusion offers its own
        refuse_own_name(functions, hint="give this function another name")
    caller, cancels = _caller(body, functions, forced=forced), options.on_disconnect == "cancel"
    stream, stop = _is_streamed(body.get("stream")), _stop(body.get("stop"))
    return Turn(messages, settings, caller, stream=stream, stop=stop, cancels=cancels)


def _stop(given: Any) -> list[str]:
    words = [] if given is None else [given] if isinstance(given, str) else given
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        hint = "a text, or a list of texts"
        raise SettingsError(f"stop = {shown(given)}", field="stop", value=given, hint=hint)
    return words


def _is_streamed(stream: Any) -> bool:
    if stream is not None and not isinstance(stream, bool):
        raise SettingsError(f"stream = {shown(stream)}", field="stream", value=stream, hint="true or false")
    return bool(stream)


def _settings(body: Mapping[str, Any], tools: Sequence[Any]) -> tuple[dict[str, Any], bool]:
    """Return the settings of a request, and whether fusion is offered in it."""
    model = body.get("model")
    if not isinstance(model, str) or not model.strip():
        raise SettingsError("model names no model", field="model", value=model, hint="give 'fusion', or a model's name")
    model = model.strip().removesuffix(PLAIN)
    slug, plugin, parameters = of_model(model), plugin_in(body.get("plugins")), server_tool_in(tools)
    said = (parameters.settings() if parameters else {}) | (plugin.settings() if plugin else {})
    if slug is not None:  # what plugin and tool call `model` then compares and writes
        writes = {"writer": said["judge"]} if "judge" in said else {}
        return {"mode": "always", **slug, **said, **writes}, True
    offers = bool(plugin or parameters)
    mode = "auto" if offers else "never"
    return {"mode": mode, "judge": model, **said, "writer": model}, offers


def _is_forced(choice: Any, *, offers: bool, has_functions: bool) -> bool:
    if _is_fusion(choice):
        if not offers:
            hint = f"add {{'type': {SERVER_TOOL!r}}} to tools"
            raise SettingsError("tool_choice asks for a tool that is not offered", field="tool_choice", hint=hint)
        return True
    # Beside functions `required` means one of these: clients that want structured output say so.
    return choice == "required" and offers and not has_functions


def _is_fusion(choice: Any) -> bool:
    return isinstance(choice, Mapping) and choice.get("type") == SERVER_TOOL


def _caller(body: Mapping[str, Any], functions: Sequence[Mapping[str, Any]], *, forced: bool) -> Caller:
    caller: Caller = {}
    if functions:
        caller["tools"] = [dict(function) for function in functions]
    choice = body.get("tool_choice")
    if forced:
        caller["tool_choice"] = "fusion"
    elif choice is not None and not _is_fusion(choice):
        known = chosen(choice, functions)
        caller |= {"tool_choice": known} if functions else {}
    if body.get("response_format") is not None:
        caller["response_format"] = _format(body["response_format"])
    if limit := _limit(body):
        caller["max_tokens"] = limit
    if (temperature := body.get("temperature")) is not None:
        caller["temperature"] = _temperature(temperature)
    return caller


def _temperature(given: Any) -> float:
    if not isinstance(given, (int, float)) or isinstance(given, bool) or not 0 <= given <= MAX_TEMPERATURE:
        hint = f"a number from 0 to {MAX_TEMPERATURE:g}"
        raise SettingsError(f"temperature = {shown(given)}", field="temperature", value=given, hint=hint)
    return float(given)


def _limit(body: Mapping[str, Any]) -> int | None:
    """Return how many tokens the outer model may write, None if the request does not say."""
    given = [(name, body[name]) for name in ("max_completion_tokens", "max_tokens") if body.get(name) is not None]
    for name, limit in given:
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            message = f"{name} = {shown(limit)} is no number of tokens"
            raise SettingsError(message, field=name, value=limit, hint="1 or more")
    return min(given[0][1], MAX_TOKENS) if given else None


def _format(wanted: Any) -> dict[str, Any] | None:
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    if kind not in FORMATS:
        message = f"response_format.type = {shown(kind)}"
        raise SettingsError(message, field="response_format.type", value=wanted, hint=f"one of: {', '.join(FORMATS)}")
    if kind == "json_schema" and not isinstance(wanted.get("json_schema"), Mapping):
        field = "response_format.json_schema"
        raise SettingsError(f"{field} is no object", field=field, value=wanted, hint="give it name and schema")
    return None if kind == "text" else dict(wanted)
