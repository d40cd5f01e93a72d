"""Errors before a run: one shape for all of them, whoever found them."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fusion_graph.server.access import guard
from tests.server.conftest import Serve, Served, judge_and_writer
from tests.server.contract.asking import refused, running_really

KEY = "a-key-that-nobody-guesses"
HELLO = {"model": "fusion", "messages": [{"role": "user", "content": "Hello?"}]}


def asks(served: Served, **options: Any) -> httpx.Response:
    return httpx.post(f"{served.url}/v1/chat/completions", timeout=30, **options)


@pytest.mark.contract("3.16", "3.17", "3.18", "3.12")
@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("POST", "/v1/chat/completions", {"content": b"{"}, 400),
        ("POST", "/v1/chat/completions", {"json": {}}, 400),
        ("POST", "/v1/chat/completions", {"json": HELLO | {"messages": []}}, 400),
        ("POST", "/v1/chat/completions", {"json": HELLO | {"model": "no:such"}}, 404),
        ("POST", "/v1/chat/completions", {"json": HELLO, "headers": {"origin": "http://evil.example"}}, 403),
        ("GET", "/v1/models/no-such-model", {}, 404),
        ("GET", "/v1/nowhere", {}, 404),
        ("GET", "/nothing", {}, 404),
        ("GET", "/v1/chat/completions", {}, 405),
        ("DELETE", "/v1/models", {}, 405),
        ("PUT", "/v1/models/fusion", {}, 405),
    ],
)
def test_every_refusal_has_one_shape(served: Served, method: str, path: str, options: Any, status: int) -> None:
    response = httpx.request(method, f"{served.url}{path}", **options)

    (found,) = response.json().values()
    assert list(response.json()) == ["error"]
    assert set(found) == {"message", "type", "code", "param"}
    assert (response.status_code, found["code"], type(found["code"])) == (status, status, int)
    assert isinstance(found["message"], str)
    assert found["message"]
    assert isinstance(found["type"], str)
    assert found["param"] is None or isinstance(found["param"], str)
    assert response.headers["x-should-retry"] == "false"
    assert served.models.requests == []


@pytest.mark.contract("3.19", "7.9")
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"5", b"null", b'"fusion"', b"[" * 100_000, b"\xff\xfe", b"{}{}", b'{"a": NaN', b"a=1&b=2"],
)
def test_a_body_that_is_no_json_object_is_refused(served: Served, content: bytes) -> None:
    error = refused(asks(served, content=content))

    assert error["message"]
    assert served.models.requests == []


@pytest.mark.contract("3.20", "3.16", "5.31")
@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer another-key-of-length", f"Basic {KEY}", KEY])
@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/chat/completions"), ("GET", "/v1/models")])
def test_without_the_key_nothing_is_told(serve: Serve, method: str, path: str, authorization: str | None) -> None:
    served = serve(keys=[KEY], judge=judge_and_writer)
    headers = {"authorization": authorization} if authorization else {}

    response = httpx.request(method, f"{served.url}{path}", headers=headers)

    assert refused(response, 401)["type"] == "authentication_error"
    assert list(response.json()) == ["error"]
    assert KEY not in response.text
    assert served.models.requests == []


@pytest.mark.contract("3.20", "5.31")
def test_with_the_key_all_is_told(serve: Serve) -> None:
    served = serve(keys=[KEY], judge=judge_and_writer)
    headers = {"authorization": f"Bearer {KEY}"}

    listed, told = httpx.get(f"{served.url}/v1/models", headers=headers), served.chat(headers=headers)

    assert listed.json()["data"]
    assert told.json()["choices"]


@pytest.mark.contract("3.23")
def test_a_body_that_does_not_come_is_not_waited_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.1)
    answered, refuse = threading.Event(), guard.Guard._refuse

    async def noted(*said: Any) -> None:
        await refuse(*said)
        answered.set()

    def halting() -> Iterator[bytes]:
        yield b"{"
        answered.wait(20)
        yield b"}"

    monkeypatch.setattr(guard.Guard, "_refuse", noted)

    error = refused(asks(served, content=halting()), 408)

    assert error["message"]
    assert error["param"] is None


@pytest.mark.contract("3.26")
def test_a_fault_of_the_server_is_told_without_its_details(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_arguments: Any, **_options: Any) -> Any:
        raise RuntimeError("a detail that is nobody's business")

    monkeypatch.setattr("fusion_graph.server.chat.parse_chat", breaks)

    response = served.chat()

    assert refused(response, 500)["type"] == "server_error"
    assert list(response.json()) == ["error"]
    assert "nobody's business" not in response.text
    assert "Traceback" not in response.text


@pytest.mark.contract("3.27")
@pytest.mark.parametrize(
    ("body", "variable"),
    [
        ({"model": "openai:gpt-5"}, "OPENAI_API_KEY"),
        ({"model": "fusion"}, "OPENROUTER_API_KEY"),
        ({"plugins": [{"id": "fusion", "analysis_models": ["openai:gpt-5"]}]}, "OPENAI_API_KEY"),
    ],
)
def test_a_model_without_its_key_is_told_by_the_keys_name(tmp_path: Path, body: dict[str, Any], variable: str) -> None:
    with running_really(tmp_path / "runs.db") as served:
        response = asks(served, json=HELLO | body)

    error = refused(response, 503)
    assert variable in error["message"]
