"""LiteLLM's responses."""

from typing import Any

import litellm  # type: ignore[import-not-found]

from tests.clients.sessions.responses import Responses


class Client(Responses):
    def __init__(self, url: str, key: str, model: str) -> None:
        self._url, self._key, self._model = url, key, f"openai/{model}"
        # Of a model that it does not know it makes a stream by itself, of the whole answer.
        litellm.register_model({self._model: {"litellm_provider": "openai"}})

    def create(self, given: Any, **fields: Any) -> Any:
        return litellm.responses(model=self._model, input=given, api_base=self._url, api_key=self._key, **fields)

    def hang_up(self, events: Any) -> None:
        events.response.close()  # its own stream cannot be closed
