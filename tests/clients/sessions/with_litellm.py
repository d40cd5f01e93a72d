"""LiteLLM."""

from typing import Any

import litellm  # type: ignore[import-not-found]

from tests.clients.sessions.completions import Completions


class Client(Completions):
    def __init__(self, url: str, key: str, model: str) -> None:
        self._url, self._key, self._model = url, key, f"openai/{model}"

    def create(self, messages: list[Any], **fields: Any) -> Any:
        return litellm.completion(model=self._model, messages=messages, api_base=self._url, api_key=self._key, **fields)

    def models(self) -> list[str]:
        root = self._url.removesuffix("/v1")  # it adds that itself here
        names: list[str] = litellm.get_valid_models(
            check_provider_endpoint=True, custom_llm_provider="openai", api_base=root, api_key=self._key
        )
        return [name.removeprefix("openai/") for name in names]

    def hang_up(self, chunks: Any) -> None:
        chunks.completion_stream.close()  # its own stream cannot be closed
