"""What model messages hold, whatever form they come in: whole, in chunks, broken off, or of an older class."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, InvalidToolCall, ToolCall, ToolCallChunk
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.messages.utils import message_chunk_to_message

from fusion_graph.characters import encodable
from fusion_graph.schemas import Tokens

_MAX_REASON_CHARS = 100
_REASON_KEYS = ("finish_reason", "stop_reason", "stopReason", "done_reason")
_REASONING = ("reasoning", "reasoning_content")  # fields of OpenRouter, of DeepSeek and many others
_THOUGHTS = ("reasoning", "thinking")  # LangChain's and Anthropic's blocks, with their text under the same name
_OWN_IDS = ("lc_", "run-")  # LangChain's, where the provider gave none


def text_of(message: BaseMessage | None) -> str:
    """Return the text of a message, '' for None; reasoning and other blocks are not text."""
    return "" if message is None else encodable(str(message.text))


def reasoning_of(message: BaseMessage) -> str:
    """Return what a message lets see of its model's reasoning, '' if nothing."""
    said = next((kept for name in _REASONING if isinstance(kept := message.additional_kwargs.get(name), str)), "")
    blocks = [block for block in message.content if isinstance(block, dict)] if not said else []
    said += "".join(str(block.get(name) or "") for block in blocks for name in _THOUGHTS if block.get("type") == name)
    return encodable(said)


def sound(message: AIMessage) -> AIMessage:
    """Return a message all of whose texts can be stored and sent: some servers break a character in two."""
    parts = ("content", "tool_calls", "invalid_tool_calls", "additional_kwargs", "response_metadata")
    mended = {name: _sound(getattr(message, name)) for name in parts}
    same = all(mended[name] == getattr(message, name) for name in parts)
    return message if same else message.model_copy(update=mended)


def _sound(value: Any) -> Any:
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, dict):
        return {_sound(name): _sound(part) for name, part in value.items()}
    return [_sound(part) for part in value] if isinstance(value, list) else value


def finish_reason(message: AIMessage) -> str | None:
    """Return why the model stopped, in the provider's word."""
    reasons = (message.response_metadata.get(key) for key in _REASON_KEYS)
    return next((str(getattr(reason, "name", reason))[:_MAX_REASON_CHARS] for reason in reasons if reason), None)


def response_id(message: AIMessage) -> str | None:
    """Return the provider's id of the response, by which its logs and bills know it."""
    found = str(message.response_metadata.get("id") or message.id or "")
    return None if found.startswith(_OWN_IDS) else found or None


def tokens_of(message: AIMessage) -> Tokens | None:
    """Return the tokens the provider counted, None if it counted none."""
    usage: Mapping[str, Any] | None = message.usage_metadata
    if not usage:
        return None
    return {
        "input": _count(usage, "input_tokens"),
        "cached": _count(usage.get("input_token_details"), "cache_read"),
        "output": _count(usage, "output_tokens"),
        "reasoning": _count(usage.get("output_token_details"), "reasoning"),
    }


def _count(counts: Mapping[str, Any] | None, name: str) -> int:
    value = (counts or {}).get(name)
    return int(value) if isinstance(value, int | float) and 0 <= value < math.inf else 0


def as_message(found: Any) -> AIMessage:
    """Return what a model gave back as an AIMessage.

    Raises:
        TypeError: it is no message at all.
    """
    if isinstance(found, AIMessage):
        return found
    if isinstance(found, BaseMessage):  # LangChain makes a ChatMessage of a role it does not know
        return AIMessage(
            found.content,
            id=found.id,
            additional_kwargs=found.additional_kwargs,
            response_metadata=found.response_metadata,
        )
    raise TypeError(f"the model gave back a {type(found).__name__}, not a message")


def as_chunk(found: Any) -> AIMessageChunk:
    """Return one part of a stream as an AIMessageChunk. Raises TypeError like `as_message`."""
    if isinstance(found, AIMessageChunk):
        return found
    message = as_message(found)
    return AIMessageChunk(
        content=message.content,
        id=message.id,
        additional_kwargs=message.additional_kwargs,
        response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata,
        tool_calls=message.tool_calls,
    )


def joined(chunks: Sequence[AIMessageChunk]) -> AIMessage:
    """Return the message of a stream. A tool call whose arguments are not whole JSON is an invalid one."""
    if not chunks:
        return AIMessage("")
    whole = add_ai_message_chunks(*chunks)
    message = as_message(message_chunk_to_message(whole))
    # LangChain mends half a JSON, which is right while a stream runs; but `rm -r /tmp/x` begins with `rm -r /`.
    calls = [(call, _arguments(call)) for call in whole.tool_call_chunks]
    if any(args is None for _, args in calls):
        message.tool_calls = [_call(call, args) for call, args in calls if args is not None]
        message.invalid_tool_calls = [_invalid(call) for call, args in calls if args is None]
    return message


def text_so_far(chunks: Sequence[AIMessageChunk]) -> AIMessage | None:
    """Return the message of a stream that did not come to its end: what it said and counted, none of its tool calls."""
    if not chunks:
        return None
    try:
        message = joined(chunks)
    except Exception:  # noqa: BLE001  (the model edge: chunks that do not add up are the reason it ended)
        return AIMessage("".join(text_of(chunk) for chunk in chunks))
    metadata, usage = message.response_metadata, message.usage_metadata
    return AIMessage(text_of(message), id=message.id, response_metadata=metadata, usage_metadata=usage)


def _arguments(call: ToolCallChunk) -> dict[str, Any] | None:
    try:
        found = json.loads(call["args"] or "{}")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _call(call: ToolCallChunk, args: dict[str, Any]) -> ToolCall:
    return ToolCall(type="tool_call", id=call["id"], name=call["name"] or "", args=args)


def _invalid(call: ToolCallChunk) -> InvalidToolCall:
    problem = "its arguments are not a JSON object"
    return InvalidToolCall(type="invalid_tool_call", id=call["id"], name=call["name"], args=call["args"], error=problem)
