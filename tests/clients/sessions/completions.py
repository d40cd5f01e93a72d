"""What clients have in common whose interface is OpenAI's chat completions."""

import json
from abc import ABC, abstractmethod
from typing import Any


class Completions(ABC):
    @abstractmethod
    def create(self, messages: list[Any], **fields: Any) -> Any:
        """Ask for a completion."""

    def ask(self, question: str) -> dict[str, Any]:
        told = self.create([_user(question)])
        return {"text": told.choices[0].message.content, "tokens": told.usage.total_tokens}

    def stream(self, question: str) -> list[str]:
        chunks = self.create([_user(question)], stream=True)
        return [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]

    def use_tools(self, question: str, tools: list[Any]) -> dict[str, Any]:
        """Answer every call of a function until there is none."""
        spoken: list[Any] = [_user(question)]
        called, tokens = list[Any](), 0
        while True:
            told = self.create(spoken, tools=tools)
            tokens += told.usage.total_tokens
            message = told.choices[0].message
            spoken.append(message)
            if not message.tool_calls:
                return {"called": called, "text": message.content, "tokens": tokens}
            for call in message.tool_calls:
                called.append([call.function.name, json.loads(call.function.arguments)])
                spoken.append({"role": "tool", "tool_call_id": call.id, "content": f"{call.function.name}: done"})

    def talk(self, *questions: str) -> list[str]:
        spoken: list[Any] = []
        for question in questions:
            spoken.append(_user(question))
            spoken.append(self.create(spoken).choices[0].message)
        return [message.content for message in spoken[1::2]]

    def leave(self, question: str) -> str:
        chunks = self.create([_user(question)], stream=True)
        heard = next(text for chunk in chunks if (text := chunk.choices[0].delta.content))
        self.hang_up(chunks)
        return str(heard)

    def hang_up(self, chunks: Any) -> None:
        """Go away from a stream."""
        chunks.close()


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}
