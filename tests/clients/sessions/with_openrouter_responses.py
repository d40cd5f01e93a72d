"""The responses of OpenRouter's own SDK for Python."""

from typing import Any

from openrouter import OpenRouter  # type: ignore[import-not-found]

from tests.clients.sessions.responses import Responses


class Client(Responses):
    def __init__(self, url: str, key: str, model: str) -> None:
        self._client = OpenRouter(server_url=url, api_key=key)
        self._model = model

    def create(self, given: Any, **fields: Any) -> Any:
        return self._client.responses.send(model=self._model, input=given, **fields)

    def echo(self, told: Any) -> list[Any]:
        return [item.model_dump(by_alias=True, exclude_unset=True) for item in told.output]
