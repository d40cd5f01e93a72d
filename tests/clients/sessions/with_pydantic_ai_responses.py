"""Agents of pydantic-ai over the Responses API."""

from pydantic_ai.models.openai import OpenAIResponsesModel  # type: ignore[import-not-found]
from pydantic_ai.providers.openai import OpenAIProvider  # type: ignore[import-not-found]

from tests.clients.sessions.with_pydantic_ai import Agents


class Client(Agents):
    def __init__(self, url: str, key: str, model: str) -> None:
        super().__init__(OpenAIResponsesModel(model, provider=OpenAIProvider(base_url=url, api_key=key)))

    async def talk_by_id(self, *questions: str) -> list[str]:
        return await self.talk(*questions, openai_previous_response_id="auto")
