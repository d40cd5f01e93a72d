"""`fusion mcp` as a process that an agent starts."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.commands import own_environ, wait_until
from tests.model_server import Behaviour, ModelServer, by_model, judge, panelist, says, writer
from tests.server.mcp.agent import Agent, over_stdio, stored

ROSTER = {
    "panel": ["openai:north", "openai:south"],
    "judge": "openai:judge",
    "writer": "openai:writer",
    "tools": ["none"],
}
QUESTION = "When did the bridge open?"
PID = "import os, pathlib; pathlib.Path(os.environ['PID_FILE']).write_text(str(os.getpid()))"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}

INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


@pytest.fixture
def environ(tmp_path: Path, server: ModelServer) -> dict[str, str]:
    server.settings.behaviour = by_model({"judge": judge(), "writer": writer(), "*": panelist()})
    return own_environ(tmp_path, server.url, OPENAI_API_KEY="the-key-of-the-tests", PID_FILE=str(tmp_path / "pid"))


@pytest.fixture
def db(environ: dict[str, str]) -> Path:
    return Path(environ["FUSION_HOME"]) / "runs.db"


def slow_south(behaviour: Behaviour) -> Behaviour:
    """One seat answers later than any test waits."""
    late = says("south: it opened in 1932.", delay=60)
    return lambda request: (late if request.model == "south" else behaviour)(request)


def asked(server: ModelServer) -> list[str]:
    return [entry.model for entry in server.log]


async def asks_and_is_left(agent: Agent, server: ModelServer) -> str:
    """Return the id of a run of which one seat has answered, and one is under way."""
    asking = asyncio.ensure_future(agent.call("fusion_ask", question=QUESTION, **ROSTER))
    await agent.hears(lambda told: bool(told) and told[-1][2].startswith("1 of 2 answered"))
    await asyncio.to_thread(wait_until, lambda: "south" in asked(server))
    asking.cancel()
    return agent.progress[0][2].rpartition(" ")[2]


async def test_an_agent_that_starts_it_gets_an_answer(environ: dict[str, str], server: ModelServer, db: Path) -> None:
    async with over_stdio(environ) as agent:
        told = await agent.call("fusion_ask", question=QUESTION, **ROSTER)

    assert told.status == "ok"
    assert sorted(asked(server)) == ["judge", "north", "south", "writer"]
    assert [run["status"] for run in stored(db)] == ["ok"]


async def test_the_runs_are_those_of_the_database_that_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    async with over_stdio(environ, "--db", str(tmp_path / "mine.db")) as agent:
        await agent.call("fusion_ask", question=QUESTION, **ROSTER)

    assert len(stored(tmp_path / "mine.db")) == 1


@pytest.mark.parametrize("end", ["killed", "left"])
async def test_a_run_goes_on_in_the_next_process_and_is_paid_once(
    end: str, environ: dict[str, str], server: ModelServer, tmp_path: Path, db: Path
) -> None:
    quick = server.settings.behaviour
    server.settings.behaviour = slow_south(quick)
    async with over_stdio(environ, code=PID) as agent:
        run_id = await asks_and_is_left(agent, server)
        if end == "killed":
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    statuses = [run["status"] for run in stored(db)]
    server.settings.behaviour = quick

    async with over_stdio(environ) as agent:
        told = await agent.result(run_id)

    assert statuses == ["running" if end == "killed" else "stopped"]
    assert told.status == "ok"
    assert sorted(asked(server)) == ["judge", "north", "south", "south", "writer"]


class Process:
    """`fusion mcp`, spoken to line by line."""

    def __init__(self, environ: dict[str, str], code: str = "") -> None:
        program = f"{code}\nfrom fusion_graph.cli import main\nmain()"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.popen = subprocess.Popen([sys.executable, "-c", program, "mcp"], env=environ, text=True, **pipes)  # type: ignore[call-overload]

    def ask(self, message: object) -> str:
        self.popen.stdin.write(json.dumps(message) + "\n")
        self.popen.stdin.flush()
        return str(self.popen.stdout.readline())

    def ends(self) -> tuple[str, str]:
        """Return what it still says on stdout and stderr when stdin is closed."""
        out, err = self.popen.communicate(timeout=30)
        return out, err


@pytest.fixture
def process(environ: dict[str, str]) -> Iterator[Process]:
    process = Process(environ)
    yield process
    process.popen.kill()
    process.popen.wait()
    for pipe in (process.popen.stdin, process.popen.stdout, process.popen.stderr):
        with suppress(BrokenPipeError):
            pipe.close()


def test_nothing_else_gets_on_stdout_and_nothing_else_reads_stdin(environ: dict[str, str], tmp_path: Path) -> None:
    noise = f"""
import os, pathlib, subprocess, sys, threading, time
def noise():
    while not pathlib.Path({str(tmp_path / "go")!r}).exists():
        time.sleep(0.01)
    print("noise of Python", flush=True)
    subprocess.run(["sh", "-c", "cat; echo noise of a program"])
    pathlib.Path({str(tmp_path / "done")!r}).touch()
threading.Thread(target=noise, daemon=True).start()
"""
    process = Process(environ, noise)
    first = process.ask(INITIALIZE)
    (tmp_path / "go").touch()
    wait_until((tmp_path / "done").exists)
    second = process.ask({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    out, err = process.ends()

    assert json.loads(first)["result"]["serverInfo"]["name"] == "fusion"
    assert json.loads(second) == {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert out == ""
    assert {"noise of Python", "noise of a program"} <= set(err.splitlines())
    assert process.popen.returncode == 0


def test_a_line_that_is_no_message_is_passed_over(process: Process) -> None:
    process.ask(INITIALIZE)
    process.popen.stdin.write("this is no JSON\n")

    told = process.ask({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    while "result" not in told:  # the SDK may tell of it in a notification
        told = process.popen.stdout.readline()

    assert json.loads(told)["id"] == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_while_it_waits_for_a_line(process: Process, number: signal.Signals) -> None:
    process.ask(INITIALIZE)

    process.popen.send_signal(number)

    assert process.popen.wait(30) == 0
    assert "Traceback" not in process.popen.stderr.read()


def test_it_ends_when_nobody_reads_any_more(process: Process, db: Path, server: ModelServer) -> None:
    server.settings.behaviour = slow_south(server.settings.behaviour)
    process.ask(INITIALIZE)
    process.popen.stdin.write(json.dumps(INITIALIZED) + "\n")
    params = {"name": "fusion_ask", "arguments": {**ROSTER, "question": QUESTION}, "_meta": {"progressToken": 1}}
    process.ask({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    process.popen.stdout.close()

    assert process.popen.wait(30) == 0
    assert "Traceback" not in process.popen.stderr.read()
    assert [run["status"] for run in stored(db)] == ["stopped"]


def test_without_its_package_it_says_what_to_install(environ: dict[str, str]) -> None:
    process = Process(environ, "import sys; sys.modules['mcp'] = None")

    out, err = process.ends()

    assert (process.popen.returncode, out) == (2, "")
    assert "mcp is not installed" in err
    assert "hint: pip install 'fusion-graph[mcp]'" in err


def test_a_shell_without_a_sandbox_is_refused(environ: dict[str, str]) -> None:
    process = Process(environ | {"FUSION_BASH": "unsandboxed-host-shell"})

    _, err = process.ends()

    assert process.popen.returncode == 2
    assert "refused on a server" in " ".join(err.split())
