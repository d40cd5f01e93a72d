"""The messages of a request, as the graph takes them: what models read is checked, what clients add besides is left out."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, convert_to_messages

from fusion_graph import prompts
from fusion_graph.checked import shown
from fusion_graph.errors import SettingsError
from fusion_graph.server.asked.payloads import fault_in
from fusion_graph.server.deliberations import echoed

MAX_MESSAGES = 2000
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_KEPT = {"assistant": ("name", "tool_calls"), "tool": ("name", "tool_call_id")}  # beside the content
_NEEDED = {"tool": "tool_call_id", "function": "name"}


def messages_in(given: Any) -> list[BaseMessage]:
    """Return the messages of a request. Raises SettingsError for what is none, and if there is nothing to answer."""
    if not isinstance(given, list) or not given:
        raise SettingsError("messages holds no message", field="messages", value=given, hint="give a list of messages")
    check_count(given, "messages")
    messages: list[BaseMessage] = []
    for number, entry in enumerate(given):
        message = message_in(entry, f"messages.{number}")
        messages += [*(echoed(entry) if message.type == "ai" else []), message]
    check_asks(messages, "messages")
    return messages


def check_count(given: Sequence[Any], field: str) -> None:
    """Raise a SettingsError if a client sends more than can be looked at."""
    if len(given) > MAX_MESSAGES:
        raise SettingsError(f"{field}: more than {MAX_MESSAGES}", field=field, hint="leave the oldest out")


def check_asks(messages: Sequence[BaseMessage], field: str) -> None:
    """Raise a SettingsError if nobody asks anything in these messages."""
    if not prompts.asked(messages):
        raise SettingsError(f"{field} holds nothing to answer", field=field, hint="add a message of the user")


def message_in(entry: Any, place: str) -> BaseMessage:
    """Return one message of a request. Raises SettingsError."""
    role = entry.get("role") if isinstance(entry, Mapping) else None
    if role not in ROLES:
        raise SettingsError(f"{place}.role = {shown(role)}", field=f"{place}.role", value=role, hint=", ".join(ROLES))
    said: dict[str, Any] = {"role": role, "content": _content(entry.get("content"), f"{place}.content")}
    said |= {name: entry[name] for name in _KEPT.get(role, ("name",)) if entry.get(name) is not None}
    try:
        _check_texts(said, _NEEDED.get(role, "role"))
        calls = _calls(said.pop("tool_calls", []))
        (message,) = convert_to_messages([said | ({"tool_calls": calls} if calls else {})])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "a message as OpenAI's API has it"
        raise SettingsError(f"{place} is no message: {error}", field=place, value=entry, hint=hint) from error
    return message


def _check_texts(said: Mapping[str, Any], needed: str) -> None:
    if needed not in said:
        raise ValueError(f"it has no {needed}")
    for name in ("name", "tool_call_id"):
        if not isinstance(said.get(name, ""), str):
            raise TypeError(f"its {name} is no text")


def _content(content: Any, place: str) -> str | list[Any]:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list) or not all(map(_is_part, content)):
        hint = "a text, or a list of parts that each have a type"
        raise SettingsError(f"{place} is no content", field=place, value=content, hint=hint)
    return content


def _is_part(part: Any) -> bool:
    if not isinstance(part, Mapping):
        return isinstance(part, str)
    kind = part.get("type")
    return isinstance(part.get("text"), str) if kind == "text" else isinstance(kind, str)


def _calls(calls: Any) -> list[dict[str, Any]]:
    if not isinstance(calls, list):
        raise TypeError("its tool_calls are no list")
    return [_call(call) for call in calls]


def _call(call: Any) -> dict[str, Any]:
    """Return a tool call of the history; arguments that a model once wrote wrongly are kept as they were."""
    if not isinstance(call, Mapping) or not isinstance(function := call.get("function"), Mapping):
        raise TypeError("a tool call of it has no function")
    arguments = "{}" if function.get("arguments") in (None, "") else function["arguments"]
    if not all(isinstance(text, str) for text in (call.get("id"), function.get("name"), arguments)):
        raise TypeError("id, name and arguments of a tool call are texts")
    return {"name": function["name"], "args": _parsed(arguments), "id": call["id"], "type": "tool_call"}


def _parsed(arguments: str) -> dict[str, Any]:
    try:
        parsed = json.loads(arguments)
    except (ValueError, RecursionError):
        return {"arguments": arguments}
    return parsed if isinstance(parsed, dict) and not fault_in(parsed) else {"arguments": arguments}
