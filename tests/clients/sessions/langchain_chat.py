"""What LangChain's chat models have in common."""

from contextlib import closing
from typing import Any

from langchain_core.messages import HumanMessage, ToolMessage


class LangChainChat:
    def __init__(self, chat: Any) -> None:
        self._chat = chat

    def ask(self, question: str) -> dict[str, Any]:
        told = self._chat.invoke(question)
        return {"text": told.text, "tokens": told.usage_metadata["total_tokens"]}

    def stream(self, question: str) -> list[str]:
        return [chunk.text for chunk in self._chat.stream(question)]

    def use_tools(self, question: str, tools: list[Any]) -> dict[str, Any]:
        """Answer every call of a function until there is none."""
        spoken: list[Any] = [HumanMessage(question)]
        called, tokens = list[Any](), 0
        while True:
            message = self._chat.bind_tools(tools).invoke(spoken)
            tokens += message.usage_metadata["total_tokens"]
            spoken.append(message)
            if not message.tool_calls:
                return {"called": called, "text": message.text, "tokens": tokens}
            for call in message.tool_calls:
                called.append([call["name"], call["args"]])
                spoken.append(ToolMessage(f"{call['name']}: done", tool_call_id=call["id"]))

    def talk(self, *questions: str) -> list[str]:
        spoken: list[Any] = []
        for question in questions:
            spoken.append(HumanMessage(question))
            spoken.append(self._chat.invoke(spoken))
        return [message.text for message in spoken[1::2]]

    def leave(self, question: str) -> str:
        with closing(self._chat.stream(question)) as chunks:
            return next(str(chunk.text) for chunk in chunks if chunk.text)
