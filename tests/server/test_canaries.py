"""Secrets in every place that takes one, providers that repeat them and faults that quote them: none may get out."""

import base64
import json
import logging
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from fusion_graph.server import chat
from fusion_graph.server.logs import Redacting
from tests.commands import own_environ, wait_until
from tests.ports import answers, free_port
from tests.server.conftest import Serve
from tests.server.echo import MARKER, EchoServer, echoing

# Of no form that a pattern knows, unless one says so.
SERVER, OF_FILE, WRONG = "canary-serverA7x2Lq9wZ", "canary-of-fileB8r5Nt3vK", "canary-wrongC4m8Pw6yJ"
OPENAI, OPENROUTER = "canary-openaiD2k7Hs5xF", "sk-or-v1-canaryE9d3Vb6nG1234567890abcdef"
SEARCH, MCP, PASSWORD, TRACES = (
    "canary-searchF5t1Rz8qM",
    "canary-mcpheaderG6j4Wc2uT",
    "canary-userinfoH3p9Xk7e",
    "canary-tracesJ1n6Yb4aS",
)
SECRETS = {
    "the server's key": SERVER,
    "its key of a file": OF_FILE,
    "a client's wrong key": WRONG,
    "OpenAI's": OPENAI,
    "OpenRouter's": OPENROUTER,
    "the search's": SEARCH,
    "an MCP server's": MCP,
    "a URL's": PASSWORD,
    "the traces'": TRACES,
}
PRESET = """
[canary]
panel = ["openai:fine", "openai:searcher", "openai:401", "openai:400", "openai:page", "openai:midway", "openrouter:403"]
judge = "openai:fine"
writer = "openai:fine"
tools = ["web_search"]
[connected]
panel = ["openai:fine"]
judge = "openai:fine"
tools = ["mcp:echo"]
"""
QUESTION = [{"role": "user", "content": f"What is the answer, {MARKER}?"}]
CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
MODELS = ("openai:401", "openai:400", "openai:midway", "openai:page", "openrouter:402", "openai:fine")


def forms(secret: str) -> list[bytes]:
    """Return what a secret looks like where it got out, whole, cut or encoded."""
    basic = base64.b64encode(f"user:{secret}".encode()).decode()
    return [text.encode() for text in (secret[:14], secret[-10:], quote(secret), basic)]


def environ_of(folder: Path, echo: EchoServer) -> dict[str, str]:
    (folder / "home").mkdir()
    (folder / "home" / "presets.toml").write_text(PRESET)
    (folder / "keys").write_text(f"{OF_FILE}\n")
    server = {"url": f"http://{echo.address}/mcp", "headers": {"Authorization": f"Bearer {MCP}"}}
    (folder / "mcp.json").write_text(json.dumps({"mcpServers": {"echo": server}}))
    own = {
        "FUSION_API_KEYS": SERVER,
        "FUSION_API_KEYS_FILE": str(folder / "keys"),
        "FUSION_SERVER_MODELS": "*",
        "FUSION_MCP": str(folder / "mcp.json"),
        "FUSION_SEARCH": "tavily",
        "OPENAI_API_KEY": OPENAI,
        "OPENROUTER_API_KEY": OPENROUTER,
        "OPENROUTER_BASE_URL": f"http://user:{PASSWORD}@{echo.address}/v1",
        "TAVILY_API_KEY": SEARCH,
        "TAVILY_BASE_URL": f"http://{echo.address}/search",
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_ENDPOINT": f"http://{echo.address}/traces",
        "LANGSMITH_API_KEY": TRACES,
        "LANGSMITH_DISABLE_RUN_COMPRESSION": "true",
    }
    return own_environ(folder, f"http://{echo.address}/v1", **own)


@contextmanager
def serving(environ: dict[str, str], log: Path) -> Iterator[str]:
    """Run `fusion serve` with faults in its routes; its stderr goes to `log`."""
    port = free_port()
    command = [sys.executable, "-m", "tests.server.faulty_serve", "serve", "--port", str(port), "--drain", "1"]
    with log.open("wb") as stderr, subprocess.Popen(command, stdout=stderr, stderr=stderr, env=environ) as process:
        while process.poll() is None and not answers(port):
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        process.wait(30)


REQUESTS: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    (CHAT, {"model": "fusion/canary"}, {}),
    (CHAT, {"model": "fusion/canary", "stream": True}, {}),
    (CHAT, {"model": "fusion/connected"}, {}),
    *((CHAT, {"model": model, "stream": stream}, {}) for model in MODELS for stream in (False, True)),
    (CHAT, {"model": "fusion/canary", "plugins": [{"id": "fusion", "colour": MARKER}]}, {}),
    (CHAT, {"model": "openai:fine"}, {"authorization": f"Bearer {WRONG}"}),
    (CHAT, {"model": "openai:fine"}, {"authorization": f"Bearer {OF_FILE}", "x-fault": "run"}),
    (CHAT, {"model": "openai:fine"}, {"x-fault": "task"}),
    (CHAT, {"model": "openai:fine", "stream": True, "stop": ["fault"]}, {}),
    (RESPONSES, {"model": "fusion/canary"}, {}),
    (RESPONSES, {"model": "fusion/canary", "stream": True}, {}),
    (RESPONSES, {"model": "fusion/connected", "background": True}, {}),
    *((RESPONSES, {"model": model, "stream": stream}, {}) for model in MODELS for stream in (False, True)),
    (RESPONSES, {"model": "fusion/canary", "plugins": [{"id": "fusion", "colour": MARKER}]}, {}),
    (RESPONSES, {"model": "openai:fine"}, {"authorization": f"Bearer {WRONG}"}),
    (RESPONSES, {"model": "openai:fine"}, {"authorization": f"Bearer {OF_FILE}", "x-fault": "run"}),
    (RESPONSES, {"model": "openai:fine", "store": False}, {"x-fault": "task"}),
    (RESPONSES, {"model": "openai:fine", "stream": True, "metadata": {"fault": "at its end"}}, {}),
    ("/v1/models", {}, {}),
    ("/v1/models/fusion", {}, {}),
]


def all_bytes(url: str) -> bytes:
    """Return every byte that clients get for all the requests, and of the responses that are kept."""
    got = b""
    for path, body, headers in REQUESTS:
        sent = {"authorization": f"Bearer {SERVER}", **headers}
        spoken = {"input" if path == RESPONSES else "messages": QUESTION}
        told = bytes_of("POST" if body else "GET", url + path, json.dumps({**spoken, **body}) if body else "", sent)
        got += told
        for response_id in re.findall(rb"resp_[0-9a-f]{32}", told)[:1]:
            for rest in ("", "?stream=true", "/input_items"):
                got += bytes_of("GET", f"{url}{RESPONSES}/{response_id.decode()}{rest}", "", sent)
    return got


def bytes_of(method: str, url: str, content: str, headers: dict[str, str]) -> bytes:
    with httpx.stream(method, url, content=content, headers=headers, timeout=60) as response:
        got = f"{response.status_code} {dict(response.headers)}\n".encode()
        try:
            for piece in response.iter_raw():
                got += piece
        except httpx.RemoteProtocolError:
            got += b"(broken off)"
    return got


def files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What got out of a server, by place; `providers` is what it rightly told to those that its secrets are for."""
    folder = tmp_path_factory.mktemp("canaries")
    with echoing() as echo:
        with serving(environ_of(folder, echo), folder / "log") as url:
            told = all_bytes(url)
            while_running = files(folder / "home")
        return {
            "answers": told,
            "database": while_running,
            "database, stopped": files(folder / "home"),
            "log": (folder / "log").read_bytes(),
            "traces": b"".join(echo.traces),
            "providers": "".join(echo.heard).encode(),
        }


PLACES = ("answers", "database", "database, stopped", "log", "traces")


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_in(place: str, evidence: dict[str, bytes]) -> None:
    found = [whose for whose, secret in SECRETS.items() if any(form in evidence[place] for form in forms(secret))]

    assert not found, excerpt(evidence[place], SECRETS[found[0]])


def excerpt(where: bytes, secret: str) -> str:
    at = next(place for form in forms(secret) if (place := where.find(form)) >= 0)
    return where[max(0, at - 200) : at + 200].decode(errors="replace")


@pytest.mark.parametrize("place", PLACES)
def test_what_stands_beside_the_secrets_and_is_none_is_in(place: str, evidence: dict[str, bytes]) -> None:
    assert MARKER.encode() in evidence[place]


@pytest.mark.parametrize("secret", [OPENAI, SEARCH, MCP, PASSWORD])
def test_those_that_a_secret_is_for_were_sent_it_and_repeated_it(secret: str, evidence: dict[str, bytes]) -> None:
    assert any(form in evidence["providers"] for form in forms(secret))


def test_a_fault_is_logged_on_one_line_without_the_key_that_asked(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_any: Any, **_more: Any) -> None:
        raise RuntimeError(f"{MARKER}\nof {OF_FILE}")

    served = serve(keys=[OF_FILE])
    monkeypatch.setattr(chat, "parse_chat", fail)

    response = served.chat(headers={"authorization": f"Bearer {OF_FILE}"})

    assert response.json()["error"]["message"] == "a fault of this server: RuntimeError"
    wait_until(lambda: bool(caplog.records))  # it is logged when it has been answered
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert said.startswith("POST /v1/chat/completions failed at test_canaries.py:")
    assert said.endswith(f"RuntimeError: {MARKER} of [redacted]")


def test_the_trace_of_an_exception_is_logged_without_the_keys_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI)
    monkeypatch.setenv("TAVILY_BASE_URL", f"http://user:{PASSWORD}@search.example")
    sent = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
    error = RuntimeError(f"{MARKER} {OPENAI} {PASSWORD} {sent}")

    told = Redacting().format(logging.LogRecord("x", 40, "", 1, "%s failed", (OPENAI,), (RuntimeError, error, None)))

    assert told == f"[redacted] failed\nRuntimeError: {MARKER} [redacted] [redacted] [redacted]=="
