"""instructor, with the shape of the answer as a function of the Responses API."""

from typing import Any

import instructor  # type: ignore[import-not-found]
from openai import OpenAI

from tests.clients.sessions.shapes import Opening


class Client:
    def __init__(self, url: str, key: str, model: str) -> None:
        mode = instructor.Mode.RESPONSES_TOOLS
        self._client: Any = instructor.from_openai(OpenAI(base_url=url, api_key=key), mode=mode)
        self._model = model

    def parse(self, question: str) -> dict[str, Any]:
        found: Opening = self._client.responses.create(model=self._model, input=question, response_model=Opening)
        return found.model_dump()
