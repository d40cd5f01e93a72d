"""What a behaviour is given and what it answers: the two values of this server."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Message: TypeAlias = dict[str, Any]


def text_of(message: Message) -> str:
    """Return a message's text, whether its content is a string, a list of parts or null."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return content if isinstance(content, str) else ""


def calls_of(message: Message) -> list[dict[str, Any]]:
    """Return a message's tool calls, an empty list when it has none."""
    return message.get("tool_calls") or []


@dataclass(frozen=True)
class Request:
    """One chat completion as asked for. `ordinal` counts the requests of this model, from 1."""

    model: str = ""
    messages: list[Message] = field(default_factory=list)
    tools: list[dict[str, Any]] = field(default_factory=list)
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    stream: bool = False
    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    ordinal: int = 1

    @property
    def tool_names(self) -> list[str]:
        """Names of the tools this request may call: none of them under `tool_choice: none`."""
        return [] if self.tool_choice == "none" else [tool["function"]["name"] for tool in self.tools]

    @property
    def forced_tool(self) -> str | None:
        """The tool this request must call: the named one, or the first under `required`."""
        if isinstance(self.tool_choice, dict):
            return str(self.tool_choice["function"]["name"])
        return self.tool_names[0] if self.tool_choice in {"required", "any"} and self.tools else None

    @property
    def forces_a_tool(self) -> bool:
        return isinstance(self.tool_choice, dict) or self.tool_choice in {"required", "any"}

    @property
    def json_schema(self) -> dict[str, Any] | None:
        """The schema of `response_format: json_schema`."""
        given = (self.response_format or {}).get("json_schema")
        return given.get("schema", {}) if isinstance(given, dict) else None

    @property
    def output_limit(self) -> tuple[str, int] | None:
        """The field that bounds the answer, with its value."""
        for name in ("max_completion_tokens", "max_tokens"):
            if isinstance(value := self.body.get(name), int):
                return name, value
        return None

    @property
    def system(self) -> str:
        return "\n".join(text_of(m) for m in self.messages if m.get("role") in {"system", "developer"})

    @property
    def question(self) -> str:
        """The text of the last user message."""
        return next((text_of(m) for m in reversed(self.messages) if m.get("role") == "user"), "")

    @property
    def text(self) -> str:
        """Every word of the request: messages, tool calls and tool definitions."""
        calls = [call["function"]["arguments"] for m in self.messages for call in calls_of(m)]
        tools = [json.dumps(self.tools)] if self.tools else []
        return "\n".join([text_of(m) for m in self.messages] + calls + tools)

    @property
    def turn(self) -> list[Message]:
        """The messages after the last user message: this turn's calls and results."""
        last = max((i for i, m in enumerate(self.messages) if m.get("role") == "user"), default=-1)
        return self.messages[last + 1 :]

    @property
    def called(self) -> list[str]:
        """Names of the tools called so far in this turn, in order."""
        return [call["function"]["name"] for m in self.turn for call in calls_of(m)]

    def results(self, tool: str) -> list[str]:
        """Return what the calls of `tool` brought in this turn."""
        ids = {c["id"] for m in self.turn for c in calls_of(m) if c["function"]["name"] == tool}
        return [text_of(m) for m in self.turn if m.get("role") == "tool" and m.get("tool_call_id") in ids]


@dataclass(frozen=True)
class Reply:
    """One answer, and everything that may go wrong on its way.

    `usage` overrides prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens; other keys are added as given.
    A `status` of 400 or more sends `error` (default: the family's words for that status). Chunks are the SSE events of
    a stream, the role first, or 64-byte pieces of a plain body; an error event is then the whole body. Times are
    seconds. A text longer than the request's output limit is cut there, with finish reason "length", unless
    `finish_reason` is given.
    """

    text: str = ""
    tool_calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    finish_reason: str | None = None
    refusal: str | None = None
    annotations: Sequence[Mapping[str, Any]] = ()
    reasoning: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)
    omit_usage: bool = False
    cost: float | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    error: Any = None
    delay: float = 0.0
    chunk_delay: float = 0.0
    chunk_size: int = 16
    reset_before: bool = False
    reset_after_chunks: int | None = None
    no_done: bool = False
    error_event_after: int | None = None
    keepalive_comments: int = 0
    truncated_json: bool = False
    html: bool = False
    empty: bool = False
    hang: float = 0.0
    hang_after_chunks: int | None = None
    raw: bytes | None = None


Behaviour: TypeAlias = Callable[[Request], Reply]
