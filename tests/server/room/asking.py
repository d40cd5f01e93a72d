"""What the tests of the room ask beside responses, and how they read what the server says."""

from typing import Any

import httpx

from tests.commands import wait_until
from tests.server.conftest import Served
from tests.server.responses.asking import url
from tests.server.responses.saying import ended


def get(served: Served, path: str, *, headers: Any = None, **query: Any) -> httpx.Response:
    return httpx.get(f"{served.url}/v1/{path}", params=query, headers=headers, timeout=30)


def found(served: Served, path: str, *, headers: Any = None, **query: Any) -> dict[str, Any]:
    """Return what the server answers to a request that it takes."""
    response = get(served, path, headers=headers, **query)
    assert response.status_code == 200, response.text
    told: dict[str, Any] = response.json()
    return told


def history(served: Served, *, headers: Any = None, **query: Any) -> dict[str, Any]:
    return found(served, "responses", headers=headers, **query)


def details(served: Served, response_id: str, *, headers: Any = None) -> dict[str, Any]:
    return found(served, f"responses/{response_id}/details", headers=headers)


def price(served: Served, *, headers: Any = None, **body: Any) -> httpx.Response:
    return httpx.post(f"{served.url}/v1/fusion/estimate", json=body, headers=headers, timeout=30)


def resume(served: Served, response_id: str, body: Any = None, *, headers: Any = None) -> httpx.Response:
    sent = {} if body is None else {"json": body}
    return httpx.post(url(served, response_id, "/resume"), headers=headers, timeout=30, **sent)


def decide(served: Served, response_id: str, kind: str, **more: Any) -> httpx.Response:
    """Answer a run that waits for approval."""
    return resume(served, response_id, {"decision": {"decisions": [{"type": kind, **more}]}})


def fork(served: Served, response_id: str, *, headers: Any = None, **body: Any) -> httpx.Response:
    return httpx.post(url(served, response_id, "/fork"), json=body, headers=headers, timeout=30)


def forked(served: Served, response_id: str, **body: Any) -> dict[str, Any]:
    """Return the response of a fork that has ended."""
    begun = fork(served, response_id, **body)
    assert begun.status_code == 200, begun.text
    return ended(served, begun.json()["id"])


def at_rest(served: Served, response_id: str, status: str) -> dict[str, Any]:
    """Return a run's details when it stands so."""
    wait_until(lambda: details(served, response_id)["status"] == status)
    return details(served, response_id)
