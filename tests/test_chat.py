"""`fusion chat` as a process of its own, with a program for a browser that notes what it is shown."""

import http.server
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.commands import Cli, own_environ, wait_until
from tests.forked import Forked
from tests.model_server import ModelServer
from tests.ports import answers, free_port

KEY = "a-key-that-nobody-guesses"


class Browser:
    """A program that opens a URL: it connects to the server, and only then notes the URL."""

    def __init__(self, folder: Path) -> None:
        self._notes = folder / "notes"
        self.program = folder / "browser"
        self.program.write_text(
            "#!/bin/bash\nplace=${1#http://}; place=${place%%/*}\n"
            f"exec 3<>/dev/tcp/${{place/:/\\/}} && echo \"$1\" >> '{self._notes}'\n"
        )
        self.program.chmod(0o700)

    @property
    def opened(self) -> list[str]:
        """What it was shown so far."""
        return self._notes.read_text().splitlines() if self._notes.exists() else []


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    return Browser(tmp_path)


@pytest.fixture
def cli(forked: Forked, server: ModelServer, tmp_path: Path, browser: Browser) -> Cli:
    return Cli(forked, tmp_path, own_environ(tmp_path, server.url, BROWSER=str(browser.program)))


@pytest.fixture
def port() -> int:
    return free_port()


@contextmanager
def running(cli: Cli, *arguments: str, port: int, **environ: str) -> Iterator[Any]:
    """Run a command that serves, from when it answers to when Ctrl-C has ended it."""
    process = cli.start(*arguments, "--port", str(port), **environ)
    try:
        wait_until(lambda: answers(port))
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def ask(port: int, model: str, **headers: str) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "When did the bridge open?"}]}
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    return httpx.post(url, json=body, headers=headers, timeout=30)


def test_it_opens_the_page_once_it_listens(cli: Cli, browser: Browser, port: int) -> None:
    with running(cli, "chat", port=port) as process:
        wait_until(lambda: bool(browser.opened))
        page = httpx.get(browser.opened[0])

    assert browser.opened == [f"http://127.0.0.1:{port}/"]
    assert page.headers["content-type"].startswith("text/html")
    assert process.stderr == f"fusion is at http://127.0.0.1:{port}/ (no keys: for this machine); Ctrl-C ends it\n"
    assert process.stdout == ""


def test_ctrl_c_ends_it_as_it_ends_serve(cli: Cli, port: int) -> None:
    codes = []
    for command in ("chat", "serve"):
        process = cli.start(command, "--port", str(port))
        wait_until(lambda: answers(port))
        process.send_signal(signal.SIGINT)
        done = process.wait()
        codes.append(done.returncode)
        assert "Traceback" not in done.stderr

    assert codes[0] == codes[1]


def test_no_browser_is_opened_that_is_not_wanted(cli: Cli, browser: Browser, port: int) -> None:
    with running(cli, "chat", "--no-open", port=port):
        again = cli("chat", "--no-open", "--port", str(port))

    assert again.returncode == 0
    assert browser.opened == []


def test_without_a_browser_it_says_where_to_look(cli: Cli, port: int) -> None:
    environ = {"BROWSER": "", "PATH": "/nowhere", "DISPLAY": "", "WAYLAND_DISPLAY": ""}
    with running(cli, "chat", port=port, **environ) as process:
        wait_until(lambda: "no browser was found" in process.stderr)

    assert process.stderr.endswith(f"no browser was found; open http://127.0.0.1:{port}/ in one\n")


@pytest.mark.parametrize("command", ["chat", "serve"])
def test_where_fusion_serves_already_its_page_is_opened(cli: Cli, browser: Browser, port: int, command: str) -> None:
    with running(cli, command, port=port):
        if command == "chat":
            wait_until(lambda: bool(browser.opened))
        again = cli("chat", "--port", str(port))

    assert again.returncode == 0
    assert again.stderr == f"fusion is at http://127.0.0.1:{port}/ already\n"
    assert browser.opened[-1] == f"http://127.0.0.1:{port}/"


@contextmanager
def somebody_else(port: int, kind: str, health: str) -> Iterator[None]:
    """Let another program listen: one that answers everything with the same."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", kind)
            self.end_headers()
            self.wfile.write(health.encode())

        def log_message(self, *_said: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        try:
            yield
        finally:
            other.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("kind", "health"),
    [
        ("text/html", "<h1>Hello</h1>"),
        ("application/json", json.dumps({"status": "ok", "version": "1"})),
        ("text/html", json.dumps({"status": "ok"})),
        ("application/json", "[]"),
    ],
    ids=["a page", "an API", "another's health", "a list"],
)
def test_a_port_that_somebody_else_has_is_refused(
    cli: Cli, browser: Browser, port: int, kind: str, health: str
) -> None:
    with somebody_else(port, kind, health):
        done = cli("chat", "--port", str(port))

    assert done.returncode == 2
    assert done.stderr == f"error: --port {port} is taken by another program\nhint: fusion chat --port {port + 1}\n"
    assert browser.opened == []


@pytest.mark.parametrize(
    ("environ", "statuses"),
    [
        ({}, [200, 200]),
        ({"FUSION_SERVER_MODELS": "openai:one"}, [200, 404]),
        ({"FUSION_API_KEYS": KEY}, [404, 404]),
        ({"FUSION_API_KEYS": KEY, "FUSION_SERVER_MODELS": "openai:one"}, [200, 404]),
    ],
    ids=["neither", "models", "keys", "both"],
)
def test_any_model_may_be_asked_unless_something_says_which(
    cli: Cli, port: int, environ: dict[str, str], statuses: list[int]
) -> None:
    with running(cli, "chat", "--no-open", port=port, **environ):
        told = [ask(port, f"openai:{name}", authorization=f"Bearer {KEY}") for name in ("one", "two")]

    assert [response.status_code for response in told] == statuses


def test_its_runs_are_in_the_database_that_it_is_given(cli: Cli, port: int, tmp_path: Path) -> None:
    db = str(tmp_path / "own.db")
    with running(cli, "chat", "--no-open", "--db", db, port=port):
        run_id = ask(port, "fusion/demo").headers["x-fusion-run-id"]

    assert [row["run_id"] for row in cli.json("runs", "list", "--db", db)] == [run_id]


@pytest.mark.parametrize("command", [["chat"], ["serve"], ["mcp", "--http"]])
def test_a_database_that_cannot_be_opened_is_told_in_words(
    cli: Cli, browser: Browser, port: int, command: list[str]
) -> None:
    done = cli(*command, "--port", str(port), "--db", "/proc/nowhere/runs.db")

    assert done.returncode == 1
    assert "error: the database '/proc/nowhere/runs.db': " in done.stderr
    assert "Traceback" not in done.stderr
    assert browser.opened == []
