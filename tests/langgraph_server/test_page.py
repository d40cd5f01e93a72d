"""The page on a LangGraph server's port, beside that server's own routes."""

from typing import Any

import httpx
import pytest
from langgraph_sdk.client import SyncLangGraphClient

from tests.langgraph_server.asking import asked, texts
from tests.langgraph_server.dev import ANSWER, Dev

PAGES = ["/", "/runs", "/runs/resp_0190"]


@pytest.mark.parametrize("path", PAGES)
def test_the_page_and_its_files_load(dev: Dev, path: str) -> None:
    page = httpx.get(f"{dev.url}{path}")
    script = httpx.get(f"{dev.url}/chatroom/app.js")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "trusted-types fusion" in page.headers["content-security-policy"]
    assert page.text.startswith("<!doctype html>")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert httpx.get(f"{dev.url}/chatroom/nothing.js").json()["error"]["code"] == 404


def test_it_loads_without_a_key_and_what_it_asks_for_does_not(keyed: Dev) -> None:
    pages = [httpx.get(f"{keyed.url}{path}").status_code for path in (*PAGES, "/chatroom/app.js")]

    assert pages == [200] * 4
    assert httpx.get(f"{keyed.url}/v1/models").status_code == 401
    assert httpx.post(f"{keyed.url}/runs/wait", json={}).status_code == 401


def test_pages_of_others_do_not_get_it(dev: Dev) -> None:
    assert httpx.get(dev.url, headers={"origin": "https://elsewhere.example"}).status_code == 403
    assert httpx.get(dev.url, headers={"host": "elsewhere.example"}).status_code == 403


def test_the_servers_own_runs_go_on_working(dev: Dev, client: SyncLangGraphClient) -> None:
    body: dict[str, Any] = {
        "assistant_id": "fusion",
        "input": asked("When did the page stand in the way?"),
        "context": {"preset": "bridges"},
    }
    started = httpx.post(f"{dev.url}/runs", json=body)
    waited = httpx.post(f"{dev.url}/runs/wait", json=body, timeout=60)
    streamed = list(client.runs.stream(None, "fusion", input=body["input"], context=body["context"]))

    assert started.json()["status"] == "pending"
    assert texts(waited.json())[-1] == ("ai", ANSWER)
    assert streamed[-1].event != "error"
    assert httpx.get(f"{dev.url}/ok").json()["ok"] is True
    assert "/runs" in httpx.get(f"{dev.url}/openapi.json").json()["paths"]
