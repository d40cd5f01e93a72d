"""`fusion serve` as a process of its own."""

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fusion_graph.runs import open_runs
from tests.ports import answers, free_port

ASKED = {"model": "fusion/demo", "messages": [{"role": "user", "content": "What does a panel cost?"}]}


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def server(port: int, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    environ = {**os.environ, "FUSION_HOME": str(tmp_path)}
    arguments = [
        sys.executable,
        "-c",
        "from fusion_graph.cli import main; main()",
        "serve",
        "--port",
        str(port),
        "--drain",
        "0",
    ]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env=environ) as process:
        while process.poll() is None and not answers(port):
            time.sleep(0.05)
        yield process
        process.kill()


def ask(port: int) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=ASKED, timeout=60)


def stop_in_the_middle(server: subprocess.Popen[str], port: int, db: Path) -> None:
    """Ask, and stop the server as soon as the run is stored."""
    thread = threading.Thread(target=lambda: suppressed(port))
    thread.start()
    while count(db) == 0:
        time.sleep(0.02)
    server.send_signal(signal.SIGTERM)
    server.wait(30)
    thread.join()


def suppressed(port: int) -> None:
    with contextlib.suppress(httpx.HTTPError):
        ask(port)


def count(db: Path) -> int:
    with contextlib.closing(sqlite3.connect(db)) as connection:
        return int(connection.execute("SELECT count(*) FROM fusion_runs").fetchone()[0])


def test_it_answers_the_demo_without_a_key(server: subprocess.Popen[str], port: int) -> None:
    told = ask(port).json()

    assert told["choices"][0]["message"]["content"].startswith("Offline demo")
    assert told["model"] == "demo:writer"
    assert told["x_fusion"]["status"] == "ok"


async def test_a_run_under_way_when_it_is_stopped_goes_on_later(
    server: subprocess.Popen[str], port: int, tmp_path: Path
) -> None:
    await asyncio.to_thread(stop_in_the_middle, server, port, tmp_path / "runs.db")

    async with open_runs(tmp_path / "runs.db") as runs:
        (row,) = await runs.list()
        result = await (await runs.resume(row["run_id"])).result()
    assert row["status"] == "stopped"
    assert result["status"] == "ok", result["reasons"]


@pytest.mark.parametrize(
    ("arguments", "environ", "said"),
    [
        (["--host", "0.0.0.0"], {}, "no API key"),  # noqa: S104 - it is refused
        ([], {"FUSION_API_KEYS": "short"}, "too short"),
        ([], {"FUSION_BASH": "unsandboxed-host-shell"}, "refused on a server"),
    ],
)
def test_what_would_not_be_safe_does_not_start(arguments: list[str], environ: dict[str, str], said: str) -> None:
    command = [sys.executable, "-c", "from fusion_graph.cli import main; main()", "serve", *arguments]

    done = subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 2
    assert said in done.stderr.replace("\n", " ")
    assert "hint: " in done.stderr


@pytest.mark.parametrize("command", [["serve"], ["mcp", "--http"]])
def test_a_port_that_is_taken_is_told_before_anything_is_said_to_be_served(command: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = [sys.executable, "-c", "from fusion_graph.cli import main; main()", *command, "--port", str(port)]
        done = subprocess.run(line, env=os.environ, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 2
    assert done.stderr.startswith(f"error: --host 127.0.0.1 --port {port}: Address already in use\n")
    assert "hint: another program listens there" in done.stderr
    assert f"fusion {' '.join(command)} --port {port + 1}" in done.stderr.replace("\n", " ")
    assert "fusion serves" not in done.stderr
