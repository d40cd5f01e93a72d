"""The input of a responses request, as messages of the graph: items of several kinds, and texts where a list may stand."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, SystemMessage

from fusion_graph.checked import shown
from fusion_graph.errors import SettingsError
from fusion_graph.server.asked.fusion_words import SERVER_TOOL
from fusion_graph.server.asked.messages import check_count, message_in
from fusion_graph.server.deliberations import call_and_result

INSTRUCTIONS = "fusion-instructions"  # the id of the message that holds them: they are of one request only
REFERENCE = "item_reference"
_SILENT = ("reasoning",)  # items that clients send back and that say nothing to another model
_TEXTS = ("input_text", "output_text", "text", "summary_text", "refusal")
KINDS = ("message", "function_call", "function_call_output", SERVER_TOOL, REFERENCE, *_SILENT)


def items_in(given: Any) -> list[Any]:
    """Return the input of a request as items. Raises SettingsError."""
    if isinstance(given, str) and given.strip():
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise SettingsError("input holds nothing", field="input", value=given, hint="give a text, or a list of items")
    check_count(given, "input")
    return given


def instructions_in(given: Any) -> list[BaseMessage]:
    """Return what a request says in `instructions`, which no later one takes over. Raises SettingsError."""
    if given is None or given == "":
        return []
    if not isinstance(given, str):
        raise SettingsError(f"instructions = {shown(given)}", field="instructions", value=given, hint="give a text")
    return [SystemMessage(given, id=INSTRUCTIONS)]


def messages_of(items: Sequence[Any]) -> list[BaseMessage]:
    """Return items as messages. Raises SettingsError with the place of the one that is not what it must be."""
    messages: list[BaseMessage] = []
    for number, item in enumerate(items):
        found = _messages(item, f"input.{number}")
        before = messages[-1] if messages else None
        # What an assistant said in several items is one message in chat completions; a panel's work stands alone.
        if isinstance(before, AIMessage) and len(found) == 1 and isinstance(found[0], AIMessage):
            messages[-1] = _joined(before, found[0])
        else:
            messages += found
    return messages


def _messages(item: Any, place: str) -> list[BaseMessage]:
    kind = item.get("type", "message") if isinstance(item, Mapping) else None
    if kind not in KINDS or kind == REFERENCE:
        hint = "items of these types: " + ", ".join(name for name in KINDS if name != REFERENCE)
        raise SettingsError(f"{place}.type = {shown(kind)} is not taken", field=f"{place}.type", value=kind, hint=hint)
    if kind in _SILENT:
        return []
    if kind == SERVER_TOOL:
        return _deliberation(item)
    if kind == "function_call":
        return [message_in(_call(item), place)]
    if kind == "function_call_output":
        said = {
            "role": "tool",
            "tool_call_id": item.get("call_id"),
            "content": _content(item.get("output"), f"{place}.output"),
        }
        return [message_in(said, place)]
    role = item.get("role")
    return [message_in({"role": role, "content": _content(item.get("content"), f"{place}.content")}, place)]


def _call(item: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": item.get("name"), "arguments": item.get("arguments")}
    return {"role": "assistant", "tool_calls": [{"id": item.get("call_id"), "type": "function", "function": function}]}


def _content(content: Any, place: str) -> Any:
    """Return content in the parts of chat completions. Raises SettingsError."""
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list):
        hint = "a text, or a list of parts"
        raise SettingsError(f"{place} = {shown(content)} is no content", field=place, value=content, hint=hint)
    return [_part(part, f"{place}.{number}") for number, part in enumerate(content)]


def _part(part: Any, place: str) -> Any:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind in _TEXTS:
        return {"type": "text", "text": part.get("text", part.get("refusal"))}
    if kind == "input_image" and isinstance(part.get("image_url"), str):
        detail = {"detail": part["detail"]} if isinstance(part.get("detail"), str) else {}
        return {"type": "image_url", "image_url": {"url": part["image_url"], **detail}}
    if kind == "input_file" and isinstance(part.get("file_data"), str):
        return {"type": "file", "file": {key: part[key] for key in ("filename", "file_data") if part.get(key)}}
    if kind == "input_audio" and isinstance(part.get("input_audio"), Mapping):
        return dict(part)
    hint = "input_text, output_text, input_image with image_url, input_file with file_data, input_audio"
    raise SettingsError(f"{place} = {shown(part)} is not taken", field=place, value=part, hint=hint)


def _deliberation(item: Mapping[str, Any]) -> list[BaseMessage]:
    """Return a panel's work that a client sends back, as a call of fusion and its result."""
    told = {key: item[key] for key in ("analysis", "responses", "failed_models", "sources") if item.get(key)}
    if "responses" not in told:
        return []
    result = json.dumps({"status": "ok", **told}, ensure_ascii=False)
    return list(call_and_result(str(item.get("id") or SERVER_TOOL), result))


def _joined(one: AIMessage, two: AIMessage) -> AIMessage:
    content = one.content if not two.content else two.content if not one.content else [*_list(one), *_list(two)]
    return AIMessage(content, tool_calls=[*one.tool_calls, *two.tool_calls])


def _list(message: AIMessage) -> list[Any]:
    content = message.content
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
