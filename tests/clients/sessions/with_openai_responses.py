"""openai-python's responses: asked for, kept, fetched, followed, cancelled, deleted."""

import time
from typing import Any

from openai import NotFoundError, OpenAI

from tests.clients.sessions.responses import Responses, deltas
from tests.clients.sessions.shapes import Opening


class Client(Responses):
    def __init__(self, url: str, key: str, model: str) -> None:
        self._responses: Any = OpenAI(base_url=url, api_key=key).responses
        self._model = model

    def create(self, given: Any, **fields: Any) -> Any:
        return self._responses.create(model=self._model, input=given, **fields)

    def accumulate(self, question: str) -> dict[str, Any]:
        with self._responses.stream(model=self._model, input=question) as events:
            return _told(list(deltas(events)), events.get_final_response())

    def parse(self, question: str) -> dict[str, Any]:
        told = self._responses.parse(model=self._model, input=question, text_format=Opening)
        found: Opening = told.output_parsed
        return found.model_dump()

    def wait(self, question: str) -> dict[str, Any]:
        told = first = self.create(question, background=True)
        while told.status in {"queued", "in_progress"}:
            time.sleep(0.05)
            told = self._responses.retrieve(first.id)
        return {"was": first.status, "is": told.status, **_told([], told)}

    def rejoin(self, question: str) -> dict[str, Any]:
        """Leave a response in the middle of its text, and be told the rest in two ways."""
        events = self.create(question, stream=True, background=True)
        response_id = next(events).response.id
        last = next(event for event in events if event.type == "response.output_text.delta")
        self.hang_up(events)
        rest = self._responses.retrieve(response_id, stream=True, starting_after=last.sequence_number)
        raw = list(deltas(rest))
        with self._responses.stream(response_id=response_id, starting_after=last.sequence_number) as events:
            helped = list(deltas(events))
            told = _told([last.delta, *raw], events.get_final_response())
        return {**told, "begun": last.delta, "helped": "".join(helped)}

    def cancel(self, question: str) -> list[str]:
        told = self.create(question, background=True)
        return [each.status for each in (told, self._responses.cancel(told.id), self._responses.retrieve(told.id))]

    def delete(self, question: str) -> str:
        told = self.create(question)
        self._responses.delete(told.id)
        try:
            return str(self._responses.retrieve(told.id).status)
        except NotFoundError as error:
            return error.message

    def items(self, *texts: str) -> list[str]:
        """Return what was asked, oldest first."""
        parts = [{"role": "user", "content": [{"type": "input_text", "text": text}]} for text in texts]
        told = self.create(parts, instructions="Be brief.")
        return [item.content[0].text for item in self._responses.input_items.list(told.id, order="asc", limit=1)]


def _told(heard: list[str], told: Any) -> dict[str, Any]:
    return {"heard": "".join(heard), "text": told.output_text, "tokens": told.usage.total_tokens}
