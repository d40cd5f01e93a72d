"""What a scripted model is asked, and what a script may answer. `scripted` is the way in."""

import itertools
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal, TypeAlias

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolCall
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk

CHARS_PER_TOKEN = 4
_ids = itertools.count(1)


@dataclass(frozen=True)
class ScriptedRequest:
    """What a model is asked: all that a script may go by."""

    model: str
    messages: list[BaseMessage]
    tools: list[dict[str, Any]]
    tool_choice: Any
    response_format: dict[str, Any] | None
    temperature: float | None
    max_tokens: int | None
    reasoning: str | None

    @property
    def text(self) -> str:
        """The text of the user's last message, '' if there is none."""
        return next((str(m.text) for m in reversed(self.messages) if isinstance(m, HumanMessage)), "")


@dataclass(frozen=True)
class ScriptedReply:
    """What a model says, how it ends, and how long it takes.

    `finish_reason` None is a stream that breaks off, `usage` None a server that counts nothing. `delay` seconds pass
    before the reply and `pause` before each of its chunks. `error` is raised after `error_after` chunks, or at once
    where nothing is streamed.
    """

    content: str | AIMessage = ""
    tool_calls: Sequence[Mapping[str, Any]] = ()
    finish_reason: str | None = "auto"
    refusal: str | None = None
    reasoning: str | None = None
    usage: UsageMetadata | Literal["auto"] | None = "auto"
    cost: float | None = None
    delay: float = 0.0
    pause: float = 0.0
    error: Exception | None = None
    error_after: int = 0

    def message(self, request: ScriptedRequest) -> AIMessage:
        """Return the whole message with the metadata a real model's has; what an AIMessage brought along stays."""
        said = self.content if isinstance(self.content, AIMessage) else AIMessage(self.content)
        calls = [*said.tool_calls, *({"type": "tool_call", **call} for call in self.tool_calls)]
        finish = ("tool_calls" if calls else "stop") if self.finish_reason == "auto" else self.finish_reason
        metadata = {"id": f"scripted-{next(_ids)}", "model_name": request.model, "finish_reason": finish}
        usage = said.usage_metadata or (_counted(request, said, calls) if self.usage == "auto" else self.usage)
        return said.model_copy(
            update={
                "tool_calls": calls,
                "additional_kwargs": _sent(refusal=self.refusal, reasoning=self.reasoning) | said.additional_kwargs,
                "response_metadata": _sent(**metadata, cost=self.cost) | said.response_metadata,
                "usage_metadata": usage,
            }
        )


Outcome: TypeAlias = ScriptedReply | AIMessage | Exception | str
Script: TypeAlias = Callable[[ScriptedRequest], Outcome | Awaitable[Outcome]]


class ScriptedError(Exception):
    """An error as the providers' libraries raise them: `status_code`, and `response.headers` (names in lower case)."""

    def __init__(self, message: str, *, status_code: int = 500, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status_code = status_code
        lowered = {name.lower(): value for name, value in (headers or {}).items()}
        self.response = SimpleNamespace(status_code=status_code, headers=lowered)


def as_reply(outcome: Outcome) -> ScriptedReply:
    """Return the reply a script's outcome stands for."""
    if isinstance(outcome, ScriptedReply):
        return outcome
    return ScriptedReply(error=outcome) if isinstance(outcome, Exception) else ScriptedReply(outcome)


def pieces(message: AIMessage) -> Iterator[AIMessageChunk]:
    """Yield a message in words, then its tool calls in halves, then all else in a last chunk."""
    words = re.findall(r"\s*\S+|\s+", message.content) if isinstance(message.content, str) else [message.content]
    yield from (AIMessageChunk(content=word) for word in words)
    for index, call in enumerate(message.tool_calls):
        yield from _call_pieces(index, call)
    yield AIMessageChunk(
        content="",
        additional_kwargs=message.additional_kwargs,
        response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata,
        chunk_position="last",
    )


def _call_pieces(index: int, call: ToolCall) -> Iterator[AIMessageChunk]:
    arguments = json.dumps(call["args"])
    half = len(arguments) // 2
    first = tool_call_chunk(name=call["name"], id=call["id"], args=arguments[:half], index=index)
    yield AIMessageChunk(content="", tool_call_chunks=[first])
    yield AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(args=arguments[half:], index=index)])


def _counted(request: ScriptedRequest, said: AIMessage, calls: Sequence[Mapping[str, Any]]) -> UsageMetadata:
    asked = _tokens("".join(str(message.text) for message in request.messages))
    answered = _tokens(str(said.text) + "".join(json.dumps(call["args"]) for call in calls))
    return UsageMetadata(input_tokens=asked, output_tokens=answered, total_tokens=asked + answered)


def _tokens(text: str) -> int:
    return -(-len(text) // CHARS_PER_TOKEN)


def _sent(**fields: Any) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}
