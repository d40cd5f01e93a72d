"""The OpenAI-compatible routes on a LangGraph server's port, beside that server's own."""

import json
from typing import Any

import httpx
from openai import OpenAI

from fusion_graph.store import open_store
from tests.langgraph_server.asking import asked
from tests.langgraph_server.dev import ANSWER, KEYS, REPOSITORY, Dev

MCP = {"accept": "application/json, text/event-stream"}


def question(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "fusion/bridges", **asked(text), **more}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_an_openai_client_is_answered_and_streamed_to(dev: Dev) -> None:
    with OpenAI(base_url=f"{dev.url}/v1", api_key="none is asked for", max_retries=0) as client:
        names = {model.id for model in client.models.list()}
        whole = client.chat.completions.create(**question("When was it whole?"))
        pieces = list(client.chat.completions.create(**question("When was it in pieces?", stream=True)))

    assert {"fusion", "fusion/bridges", "fusion/demo"} <= names
    assert whole.choices[0].message.content == ANSWER
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices) == ANSWER
    assert dev.asked("When was it whole?") == {"north": 1, "south": 1, "judge": 1, "writer": 1}


async def test_their_runs_are_in_our_database_and_no_threads_of_the_server(dev: Dev) -> None:
    async with httpx.AsyncClient(base_url=dev.url, timeout=60) as client:
        answer = await client.post("/v1/chat/completions", json=question("Where is it kept?"))
        threads = (await client.post("/threads/search", json={"limit": 1000})).json()

    async with open_store(dev.db) as store:
        assert (await store.get(answer.headers["x-fusion-run-id"]))["status"] == "ok"
    assert "Where is it kept?" not in json.dumps(threads)


def test_a_fusion_that_asks_itself_through_this_port_gets_no_panel(dev: Dev) -> None:
    headers = {"x-fusion-depth": "1", "x-openrouter-fusion-depth": "1"}

    answer = httpx.post(f"{dev.url}/v1/chat/completions", json=question("Who asks?"), headers=headers, timeout=60)

    assert answer.json()["choices"][0]["message"]["content"] == ANSWER
    assert dev.asked("Who asks?") == {"writer": 1}


def test_keys_are_asked_for_in_the_shape_of_each_api(keyed: Dev) -> None:
    routes = httpx.get(f"{keyed.url}/v1/models")
    own = httpx.post(f"{keyed.url}/threads/search", json={})

    assert (routes.status_code, routes.json()["error"]["type"]) == (401, "authentication_error")
    assert routes.headers["www-authenticate"] == "Bearer"
    assert (own.status_code, set(own.json())) == (401, {"detail"})
    assert httpx.get(f"{keyed.url}/v1/models", headers=bearer(KEYS[0])).is_success
    assert httpx.get(f"{keyed.url}/healthz").json()["status"] == "ok"


def test_errors_keep_the_shape_of_each_api(dev: Dev) -> None:
    routes = httpx.post(f"{dev.url}/v1/chat/completions", json={"model": "fusion", "messages": []})
    unknown = httpx.get(f"{dev.url}/v1/nothing")
    page = httpx.get(f"{dev.url}/v1/models", headers={"origin": "https://elsewhere.example"})
    own = httpx.get(f"{dev.url}/threads/01a202d4-0000-7000-8000-000000000000")

    assert [answer.status_code for answer in (routes, unknown, page, own)] == [400, 404, 403, 404]
    assert all(set(answer.json()) == {"error"} for answer in (routes, unknown, page))
    assert set(own.json()) == {"detail"}


def test_one_description_has_the_routes_of_both(dev: Dev) -> None:
    told = httpx.get(f"{dev.url}/openapi.json").json()

    assert {"/v1/chat/completions", "/v1/models", "/healthz", "/threads", "/runs/wait"} <= set(told["paths"])
    completion = told["paths"]["/v1/chat/completions"]["post"]
    assert "model" in json.dumps(completion["requestBody"])


def test_a_large_body_is_the_routes_own_limit_and_not_the_servers(dev: Dev) -> None:
    large = "x" * (9 * 1024 * 1024)

    refused = httpx.post(f"{dev.url}/v1/chat/completions", json=question(large), timeout=60)
    taken = httpx.post(f"{dev.url}/threads", json={"metadata": {"notes": large}}, timeout=60)

    assert (refused.status_code, taken.status_code) == (413, 200)


def test_the_servers_mcp_offers_the_graphs_with_what_they_are_for(dev: Dev, keyed: Dev) -> None:
    def tools(url: str, **headers: str) -> dict[str, str]:
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        told = httpx.post(f"{url}/mcp", json=call, headers=MCP | headers, timeout=60)
        return {tool["name"]: tool["description"] for tool in told.json()["result"]["tools"]}

    described = json.loads((REPOSITORY / "langgraph.json").read_text())["graphs"]

    assert tools(dev.url)["fusion"] == described["fusion"]["description"]
    assert tools(keyed.url, **bearer(KEYS[1])).keys() == {"fusion", "panelist"}
    assert httpx.post(f"{keyed.url}/mcp", json={}, headers=MCP).status_code == 401
