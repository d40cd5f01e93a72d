"""OpenRouter's own SDK for Python."""

from typing import Any

from openrouter import OpenRouter  # type: ignore[import-not-found]

from tests.clients.sessions.completions import Completions


class Client(Completions):
    def __init__(self, url: str, key: str, model: str) -> None:
        self._client = OpenRouter(server_url=url, api_key=key)
        self._model = model

    def create(self, messages: list[Any], **fields: Any) -> Any:
        return self._client.chat.send(model=self._model, messages=messages, **fields)

    def models(self) -> list[str]:
        return [model.id for model in self._client.models.list().result.data]
