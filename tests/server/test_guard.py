import asyncio
import json
import os
import socket
from typing import Any

import httpx
import pytest

from fusion_graph.errors import SettingsError
from fusion_graph.server.access import guard
from fusion_graph.server.access.guard import Guard
from fusion_graph.server.access.keys import Keys
from tests.server.conftest import PANEL, Serve, Served, judge_and_writer

KEY = "a-key-that-nobody-guesses"
ASKED: dict[str, Any] = {"model": "fusion", "plugins": [PANEL], "input": "What?"}


def get(served: Served, path: str = "/v1/models", **headers: str) -> httpx.Response:
    return httpx.get(f"{served.url}{path}", headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("", 401),
        (KEY, 401),
        (f"Basic {KEY}", 401),
        ("Bearer", 401),
        ("Bearer another-key-of-length", 401),
        (f"Bearer {KEY}x", 401),
        (f"Bearer {KEY}", 200),
        (f"bearer  {KEY}", 200),
    ],
)
def test_with_keys_only_a_key_opens(serve: Serve, authorization: str, status: int) -> None:
    served = serve(keys=[KEY])

    response = get(served, **({"authorization": authorization} if authorization else {}))

    assert response.status_code == status
    if status != 200:
        assert response.json()["error"]["type"] == "authentication_error"
        assert response.headers["www-authenticate"] == "Bearer"
        assert KEY not in response.text


def test_health_needs_no_key(serve: Serve) -> None:
    assert get(serve(keys=[KEY]), "/healthz").json()["status"] == "ok"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost"}, 200),
        ({"host": "localhost:9"}, 200),
        ({"host": "[::1]:80"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": "localhost.evil.example:80"}, 403),
        ({"x_forwarded_for": "9.9.9.9"}, 403),
        ({"forwarded": "for=9.9.9.9"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"host": "localhost", "origin": "http://localhost:3000"}, 200),
    ],
)
def test_without_keys_only_this_machine_asks(served: Served, headers: dict[str, str], status: int) -> None:
    response = get(served, **headers)

    assert response.status_code == status
    assert status == 200 or response.json()["error"]["type"] == "permission_error"


async def test_without_keys_another_machine_is_refused_whatever_it_says() -> None:
    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        raise AssertionError("it was let in")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    scope = {"type": "http", "client": ("192.0.2.7", 1), "headers": [(b"host", b"localhost")]}
    await Guard(app, is_open=True)(scope, receive, send)

    assert sent[0]["status"] == 403
    assert "FUSION_API_KEYS" in json.loads(sent[1]["body"])["error"]["message"]


@pytest.mark.contract("3.24")
def test_a_body_that_is_too_long_is_refused_declared_or_not(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MAX_BODY", 10_000)
    url = f"{served.url}/v1/chat/completions"

    declared = httpx.post(url, content=b"x" * 20_000)
    in_chunks = httpx.post(url, content=iter([b"x" * 5_000] * 4))

    assert (declared.status_code, in_chunks.status_code) == (413, 413)
    assert declared.json()["error"]["code"] == 413
    assert get(served).status_code == 200


def test_a_body_that_does_not_come_is_not_waited_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.3)
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as half_open:
        half_open.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{")
        told = half_open.recv(4096)

    assert told.startswith(b"HTTP/1.1 408")
    assert b"x-should-retry" not in told
    assert get(served).status_code == 200


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"b" * 200_000,
        b"",
    ],
    ids=["bytes", "version", "bad chunk", "long line", "long header", "nothing"],
)
def test_abuse_of_a_socket_leaves_the_server_serving(served: Served, junk: bytes) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(junk)

    assert get(served).status_code == 200


@pytest.mark.contract("3.21", "3.22")
@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/nowhere", "GET", 404), ("/v1/models", "POST", 405), ("/v1/models/no-such-model", "GET", 404)],
)
def test_errors_of_the_framework_have_the_same_shape(served: Served, path: str, method: str, status: int) -> None:
    response = httpx.request(method, f"{served.url}{path}")

    assert response.status_code == status
    assert response.json()["error"]["code"] == status
    assert isinstance(response.json()["error"]["message"], str)


@pytest.mark.contract("3.19")
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"5", b"[" * 100_000, b"\xff\xfe"])
def test_a_body_that_is_no_json_object_is_refused(served: Served, content: bytes) -> None:
    response = httpx.post(f"{served.url}/v1/chat/completions", content=content)

    assert response.status_code == 400
    assert response.json()["error"]["code"] == 400


def test_keys_come_from_environment_and_file_and_are_not_kept(tmp_path: Any) -> None:
    (tmp_path / "keys").write_text("# people\nkey-of-the-second-person\n\n")

    keys = Keys.from_environ({"FUSION_API_KEYS": f" {KEY} , ", "FUSION_API_KEYS_FILE": str(tmp_path / "keys")})

    assert keys.owner(f"Bearer {KEY}") != keys.owner("Bearer key-of-the-second-person")
    assert keys.owner("Bearer # people") is None
    assert KEY not in str(vars(keys))


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"FUSION_API_KEYS": "short"}, "too short"),
        ({"FUSION_API_KEYS_FILE": "/nowhere/keys"}, "cannot be read"),
        ({"FUSION_API_KEYS": ","}, "FUSION_API_KEYS = ',' holds no key"),
        ({"FUSION_API_KEYS": " , ,", "FUSION_API_KEYS_FILE": os.devnull}, "FUSION_API_KEYS = ', ,' holds no key"),
        ({"FUSION_API_KEYS_FILE": os.devnull}, f"FUSION_API_KEYS_FILE = '{os.devnull}' holds no key"),
    ],
)
def test_keys_that_cannot_be_are_refused(environ: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Keys.from_environ(environ)


@pytest.mark.parametrize("environ", [{}, {"FUSION_API_KEYS": " "}, {"FUSION_API_KEYS_FILE": ""}])
def test_a_variable_that_says_nothing_is_none(environ: dict[str, str]) -> None:
    assert not Keys.from_environ(environ)


@pytest.mark.parametrize("key", [KEY, "another-key-of-length"])
def test_no_browser_keeps_what_a_key_is_told(serve: Serve, key: str) -> None:
    served = serve(keys=[KEY], judge=judge_and_writer)
    run_id = served.chat(headers={"authorization": f"Bearer {KEY}"}).headers["x-fusion-run-id"]
    paths = ["/metrics", "/v1/models", "/v1/nowhere", "/v1/fusion", "/v1/responses"]
    paths += [f"/v1/responses/{run_id}{rest}" for rest in ("", "?stream=true", "/input_items", "/details", "/cancel")]

    found = {path: get(served, path, authorization=f"Bearer {key}").headers["cache-control"] for path in paths}

    assert found == dict.fromkeys(paths, "no-store")


@pytest.mark.parametrize("stream", [True, False])
def test_no_browser_keeps_an_answer_or_its_stream(
    served: Served,
    stream: bool,  # noqa: FBT001
) -> None:
    found = [
        served.chat(stream=stream),
        httpx.post(f"{served.url}/v1/responses", json=ASKED | {"stream": stream}, timeout=30),
    ]

    assert [(each.status_code, each.headers.get_list("cache-control")) for each in found] == [(200, ["no-store"])] * 2


async def test_the_guard_lets_other_kinds_of_traffic_pass() -> None:
    seen: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])
        await asyncio.sleep(0)

    await Guard(app, is_open=True)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]

    assert seen == ["lifespan"]
