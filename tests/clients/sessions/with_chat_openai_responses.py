"""ChatOpenAI over the Responses API."""

from typing import Any

from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from tests.clients.sessions.langchain_chat import LangChainChat
from tests.clients.sessions.shapes import Opening


class Client(LangChainChat):
    def __init__(self, url: str, key: str, model: str) -> None:
        self._fields: Any = {"base_url": url, "api_key": SecretStr(key), "model": model, "use_responses_api": True}
        super().__init__(ChatOpenAI(**self._fields))

    async def stream(self, question: str) -> list[str]:  # type: ignore[override]
        return [chunk.text async for chunk in self._chat.astream(question)]

    def parse(self, question: str) -> dict[str, Any]:
        found: Opening = self._chat.with_structured_output(Opening).invoke(question)
        return found.model_dump()

    def talk_by_id(self, *questions: str) -> list[str]:
        return LangChainChat(ChatOpenAI(**self._fields, use_previous_response_id=True)).talk(*questions)
