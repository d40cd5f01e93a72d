"""Messages and their parts: who says what, up to where, and how two contents become one."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from fusion_graph.prompts import wording

_ROLES: Mapping[str, type[BaseMessage]] = {
    "assistant": AIMessage,
    "ai": AIMessage,
    "system": SystemMessage,
    "developer": SystemMessage,
}


def known(message: BaseMessage) -> BaseMessage:
    """Return the message as one of the four common kinds."""
    if isinstance(message, ChatMessage):
        return _ROLES.get(message.role, HumanMessage)(message.content, id=message.id)
    if isinstance(message, FunctionMessage):
        return ToolMessage(message.content, tool_call_id="", name=message.name)
    return message


def with_text(content: Any, more: Any) -> Any:
    """Return `content` followed by `more`, each a text or a list of content blocks."""
    if isinstance(content, str) and isinstance(more, str):
        return f"{content}\n\n{more}"
    return [*blocks_of(content), *blocks_of(more)]


def blocks_of(content: Any) -> list[dict[str, Any]]:
    """Return content as blocks: what is plain text becomes a text block."""
    parts: Iterable[Any] = [content] if isinstance(content, str) else content
    return [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]


def asked(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return the conversation up to and with its last user message."""
    last = max((i for i, message in enumerate(messages) if isinstance(known(message), HumanMessage)), default=-1)
    return list(messages[: last + 1])


def known_to_panel(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return what the panel was asked: up to the last user message, with what the caller's tools brought since."""
    question = asked(messages)
    rounds = takewhile(
        lambda m: isinstance(m, ToolMessage) or getattr(m, "tool_calls", None), messages[len(question) :]
    )
    return [*question, *rounds]


def system_text(messages: Sequence[BaseMessage]) -> str:
    """Return what the caller's system (and developer) messages say, joined."""
    said = (str(message.text).strip() for message in map(known, messages) if isinstance(message, SystemMessage))
    return "\n\n".join(text for text in said if text)


def render_system(*parts: str) -> SystemMessage:
    """Return one system message of the parts that say something."""
    return SystemMessage("\n\n".join(part.strip() for part in parts if part.strip()))


def callers_own(messages: Sequence[BaseMessage], frame: str = wording.CALLER) -> str:
    """Return the caller's own instructions, introduced by `frame`; '' if there are none."""
    caller = system_text(messages)
    return frame.format(text=caller) if caller else ""
