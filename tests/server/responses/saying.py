"""What the tests of /v1/responses look for: who heard what, items by their types, ends; and writers that end otherwise."""

from typing import Any

import httpx

from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest
from tests import graphs
from tests.commands import wait_until
from tests.server.conftest import Served, is_judge, judge_and_writer
from tests.server.responses.asking import fetched, url

ANSWER = "The answer is 1 [1]."
FUNCTION: dict[str, Any] = {
    "type": "function",
    "name": "order",
    "description": "Order.",
    "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}},
}


def heard(served: Served, model: str = "north") -> str:
    """Return all text that a model was last asked with."""
    return graphs.texts(graphs.asked(served.models, model)[-1].messages)


def kinds(response: dict[str, Any]) -> list[str]:
    """Return the types of a response's items."""
    return [item["type"] for item in response["output"]]


def ended(served: Served, response_id: str) -> dict[str, Any]:
    """Return a response when it is under way no longer."""
    wait_until(lambda: fetched(served, response_id).json()["status"] != "in_progress")
    found: dict[str, Any] = fetched(served, response_id).json()
    return found


def cancelled(served: Served, response_id: str) -> httpx.Response:
    return httpx.post(url(served, response_id, "/cancel"), timeout=30)


def answered_now(served: Served, response_id: str) -> httpx.Response:
    return httpx.post(url(served, response_id, "/answer_now"), timeout=30)


def deleted(served: Served, response_id: str) -> httpx.Response:
    return httpx.delete(url(served, response_id), timeout=30)


def cut(request: ScriptedRequest) -> Any:
    """A writer whose limit cuts its answer."""
    return judge_and_writer(request) if is_judge(request) else ScriptedReply("The answer", finish_reason="length")
