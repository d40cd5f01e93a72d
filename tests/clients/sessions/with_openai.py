"""openai-python."""

from typing import Any

from openai import OpenAI

from tests.clients.sessions.completions import Completions


class Client(Completions):
    def __init__(self, url: str, key: str, model: str) -> None:
        self._client: Any = OpenAI(base_url=url, api_key=key)
        self._model = model

    def create(self, messages: list[Any], **fields: Any) -> Any:
        return self._client.chat.completions.create(model=self._model, messages=messages, **fields)

    def models(self) -> list[str]:
        return [model.id for model in self._client.models.list()]
