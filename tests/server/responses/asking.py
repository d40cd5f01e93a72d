"""Asking for responses, and what a client makes of their events: items by id, text by its deltas."""

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.server.conftest import PANEL, Served

QUESTION = "What is the answer?"


def url(served: Served, response_id: str = "", rest: str = "") -> str:
    return f"{served.url}/v1/responses" + (f"/{response_id}" if response_id else "") + rest


def request(given: Any = QUESTION, **body: Any) -> dict[str, Any]:
    return {"model": "fusion", "plugins": [PANEL], "input": given, **body}


def ask(served: Served, given: Any = QUESTION, *, headers: Any = None, **body: Any) -> httpx.Response:
    """Ask fusion under its slug, with a panel of scripted models."""
    return httpx.post(url(served), json=request(given, **body), headers=headers, timeout=30)


def asked(served: Served, given: Any = QUESTION, **body: Any) -> dict[str, Any]:
    """Return the response to a request that is answered."""
    response = ask(served, given, **body)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def streaming(served: Served, given: Any = QUESTION, **body: Any) -> AbstractContextManager[httpx.Response]:
    """Ask for events that the test reads, or leaves."""
    return httpx.stream("POST", url(served), json=request(given, stream=True, **body), timeout=30)


def fetched(served: Served, response_id: str, **query: Any) -> httpx.Response:
    return httpx.get(url(served, response_id), params=query, timeout=30)


def replayed(served: Served, response_id: str, after: int | None = None) -> list[dict[str, Any]]:
    """Return the events of a response from its log, and those to come."""
    query = {"stream": "true", **({"starting_after": str(after)} if after is not None else {})}
    return events(fetched(served, response_id, **query))


def events(response: httpx.Response) -> list[dict[str, Any]]:
    """Return the events of a stream, each named as it says, with numbers that only grow."""
    response.read()
    blocks = [block for block in response.text.split("\n\n") if block and not block.startswith(":")]
    assert blocks.pop() == "data: [DONE]", response.text[-300:]
    found = [event_of(block) for block in blocks]
    numbers = [event["sequence_number"] for event in found]
    assert numbers == sorted(set(numbers))
    return found


def event_of(block: str) -> dict[str, Any]:
    name, data = block.split("\n")
    event: dict[str, Any] = json.loads(data.removeprefix("data: "))
    assert name == f"event: {event['type']}"
    return event


@dataclass
class Shown:
    """What a client shows of a stream: items by their ids, each with the text that its deltas add up to."""

    order: list[str] = field(default_factory=list)
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    seats: dict[int, str] = field(default_factory=dict)
    response: dict[str, Any] = field(default_factory=dict)
    last: int = -1

    def take(self, event: dict[str, Any]) -> None:
        self.last = event["sequence_number"]
        kind = event["type"].removeprefix("response.")
        if kind.startswith("output_item"):
            self.items[event["item"]["id"]] = event["item"]
        if kind == "output_item.added":
            assert event["output_index"] == len(self.order)
            self.order.append(event["item"]["id"])
        elif kind == "output_text.delta":
            self.texts[event["item_id"]] = self.texts.get(event["item_id"], "") + event["delta"]
        elif kind == "fusion_call.panel.added":
            self.seats[event["panel_index"]] = ""
        elif kind == "fusion_call.panel.delta":
            self.seats[event["panel_index"]] += event["delta"]
        elif "response" in event:
            self.response = event["response"]

    @property
    def text(self) -> str:
        """The text of the messages that were finished, as their deltas told it."""
        done = [item for item in self.order if self.items[item].get("status") == "completed"]
        return "".join(self.texts.get(item, "") for item in done)


def shown(found: list[dict[str, Any]], before: Shown | None = None) -> Shown:
    state = before or Shown()
    for event in found:
        state.take(event)
    return state


def text_of(response: dict[str, Any]) -> str:
    """Return the text of a response as OpenAI's SDK puts it together."""
    messages = [item for item in response["output"] if item["type"] == "message"]
    return "".join(part["text"] for message in messages for part in message["content"])
