"""OpenAI's messages as the APIs underneath see them: Anthropic's turns and Google's contents."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from tests.model_server.wire import Message, Request, calls_of, text_of

Block: TypeAlias = tuple[Literal["text", "tool_use", "tool_result"], str]


@dataclass
class Turn:
    """One turn as the Messages API sees it: system hoisted out, tool results in the user's turn."""

    role: str
    blocks: list[Block] = field(default_factory=list)

    def ids(self, kind: str) -> list[str]:
        return [value for block, value in self.blocks if block == kind]

    @property
    def leading_results(self) -> list[str]:
        """Ids of the results before the first text: only those count as immediately after the call."""
        first_text = next((i for i, (kind, _) in enumerate(self.blocks) if kind == "text"), len(self.blocks))
        return [value for kind, value in self.blocks[:first_text] if kind == "tool_result"]


def turns(request: Request) -> list[Turn]:
    """Translate the messages as the compatibility layers do: neighbours of one role become one turn."""
    found: list[Turn] = []
    for message in request.messages:
        if message.get("role") in {"system", "developer"}:
            continue
        role = "assistant" if message.get("role") == "assistant" else "user"
        if not found or found[-1].role != role:
            found.append(Turn(role))
        found[-1].blocks += _blocks(message)
    return found


def _blocks(message: Message) -> list[Block]:
    if message.get("role") == "tool":
        return [("tool_result", str(message.get("tool_call_id")))]
    uses: list[Block] = [("tool_use", call["id"]) for call in calls_of(message)]
    text = text_of(message)
    return uses if uses and not text else [("text", text), *uses]


@dataclass
class Content:
    """One turn of `contents`: how many texts, calls and responses it has."""

    role: str
    texts: int = 0
    calls: int = 0
    responses: int = 0

    def take(self, message: Message) -> None:
        self.calls += len(calls_of(message))
        if message.get("role") == "tool":
            self.responses += 1
        elif text_of(message):
            self.texts += 1


def contents(request: Request) -> list[Content]:
    """Translate the messages: system hoisted out, the results of one call turn in one response turn."""
    found: list[Content] = []
    for message in request.messages:
        if message.get("role") in {"system", "developer"}:
            continue
        joins = message.get("role") == "tool" and found and found[-1].responses
        if not joins:
            found.append(Content("model" if message.get("role") == "assistant" else "user"))
        found[-1].take(message)
    return found
