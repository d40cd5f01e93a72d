"""What clients have in common whose interface is OpenAI's Responses API."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any


class Responses(ABC):
    @abstractmethod
    def create(self, given: Any, **fields: Any) -> Any:
        """Ask for a response."""

    def ask(self, question: str) -> dict[str, Any]:
        told = self.create(question)
        return {"text": text_of(told), "tokens": told.usage.total_tokens}

    def stream(self, question: str) -> list[str]:
        return list(deltas(self.create(question, stream=True)))

    def use_tools(self, question: str, tools: list[Any]) -> dict[str, Any]:
        """Answer every call of a function until there is none, sending back all that was said."""
        spoken: list[Any] = [user(question)]
        called, tokens = list[Any](), 0
        while True:
            told = self.create(spoken, tools=[flat(tool) for tool in tools])
            tokens += told.usage.total_tokens
            spoken += self.echo(told)
            calls = calls_of(told)
            if not calls:
                return {"called": called, "text": text_of(told), "tokens": tokens}
            called += [[call.name, json.loads(call.arguments)] for call in calls]
            spoken += [result_of(call) for call in calls]

    def talk(self, *questions: str) -> list[str]:
        spoken, said = list[Any](), []
        for question in questions:
            told = self.create([*spoken, user(question)])
            spoken += [user(question), *self.echo(told)]
            said.append(text_of(told))
        return said

    def leave(self, question: str) -> str:
        events = self.create(question, stream=True)
        heard = next(deltas(events))
        self.hang_up(events)
        return heard

    def echo(self, told: Any) -> list[Any]:
        """Return the items of a response as they are sent back."""
        return list(told.output)

    def hang_up(self, events: Any) -> None:
        """Go away from a stream."""
        events.close()


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def flat(tool: dict[str, Any]) -> dict[str, Any]:
    """Return a tool of chat completions as one of responses."""
    return {"type": "function", **tool["function"]} if "function" in tool else tool


def text_of(told: Any) -> str:
    return "".join(part.text for item in told.output if item.type == "message" for part in item.content)


def calls_of(told: Any) -> list[Any]:
    return [item for item in told.output if item.type == "function_call"]


def result_of(call: Any) -> dict[str, str]:
    return {"type": "function_call_output", "call_id": call.call_id, "output": f"{call.name}: done"}


def deltas(events: Any) -> Iterator[str]:
    return (event.delta for event in events if event.type == "response.output_text.delta")
