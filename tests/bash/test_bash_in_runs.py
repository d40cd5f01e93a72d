import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fusion_graph.deployment import Parts, build_fusion_graph
from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest
from fusion_graph.panelist_graph import build_panelist_graph
from fusion_graph.results import run_result
from fusion_graph.runs import open_runs
from fusion_graph.tools.bash.choice import Shells
from fusion_graph.tools.bash.workspace import Workspaces
from tests.bash.killed_run import SLEEPS, models
from tests.bash.running import command_lines_with
from tests.graphs import ROSTER, asked, scripted, texts


def runs_commands(*commands: str, answer: str = "Done.") -> Any:
    """A seat that gives one command after the other, then answers."""

    def script(request: ScriptedRequest) -> Any:
        done = sum(1 for message in request.messages if message.type == "tool")
        if done >= len(commands):
            return answer
        call = {"name": "bash", "args": {"command": commands[done]}, "id": f"c{done}"}
        return ScriptedReply(tool_calls=[call])

    return script


def start_and_kill(database: Path, home: Path) -> str:
    """Start a run in a process of its own, kill that in the middle of a command, and return the run's id."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = [sys.executable, "-m", "tests.bash.killed_run", str(database)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout
        run_id = process.stdout.readline().strip()
        started = Workspaces({"FUSION_HOME": str(home)}).folder(f"run-{run_id}") / "1" / "d" / "started"
        while process.poll() is None and not started.exists():
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    return run_id


def processes_after_a_while(word: str) -> list[str]:
    """Return the command lines with a word in them, if any are left after a time in which they should have ended."""
    deadline = time.monotonic() + 20
    while (found := command_lines_with(word)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


async def test_seats_compute_each_in_its_own_folder_and_their_files_are_in_the_result(sandbox: Shells) -> None:
    command = "test -e mine && echo shared; echo $((6 * 7)) > mine; cat mine"
    seats = {name: runs_commands(command, answer=f"{name}: 42") for name in ("north", "south", "east")}
    models = scripted(**seats)

    result = await outcome(models)

    assert result["status"] == "ok"
    assert [response["files"] for response in result["responses"]] == [[{"path": "mine", "bytes": 3}]] * 3
    assert [use["by_tool"] for use in result["usage"]["tools"]] == [{"bash": 1}] * 3
    told = texts(asked(models, "north")[-1].messages)
    assert '"stdout": "42\\n"' in told
    assert "shared" not in told


async def outcome(models: Any, **settings: Any) -> dict[str, Any]:
    """Run one turn with bash by the settings' own word."""
    graph: Any = build_fusion_graph(load_model=models).compile()
    values = await graph.ainvoke({"messages": [("user", "What?")]}, context=ROSTER | {"tools": ["bash"]} | settings)
    return run_result("run", "thread", values)


async def test_bash_is_off_unless_it_is_asked_for(sandbox: Shells) -> None:
    models = scripted(north=runs_commands("true"))

    await outcome(models, tools=["web_fetch"])

    assert [tool["function"]["name"] for tool in asked(models, "north")[0].tools] == ["web_fetch"]


async def test_an_address_that_a_command_prints_is_no_source(sandbox: Shells) -> None:
    models = scripted(north=runs_commands("echo https://made.example/up", answer="As https://made.example/up says."))

    result = await outcome(models)

    assert result["sources"] == []


async def test_a_seat_without_the_shell_it_was_to_have_answers_and_the_result_says_why(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUSION_BASH", "none")
    models = scripted()

    result = await outcome(models)

    assert result["status"] == "ok"
    assert result["notes"] == ["bash is not offered: FUSION_BASH=none. Remedy: unset FUSION_BASH."]
    assert asked(models, "north")[0].tools == []


async def test_a_run_keeps_its_files_and_its_directory_over_a_kill_and_is_removed_with_them(
    sandbox: Shells, home: Path, tmp_path: Path
) -> None:
    database = tmp_path / "runs.db"
    run_id = await asyncio.to_thread(start_and_kill, database, home)
    folder = Workspaces({"FUSION_HOME": str(home)}).folder(f"run-{run_id}")
    left = await asyncio.to_thread(processes_after_a_while, SLEEPS)

    async with open_runs(database, Parts.real(load_model=models())) as runs:
        result = await (await runs.resume(run_id)).result()
        kept = folder.exists()
        await runs.delete(run_id)

    assert left == []
    assert "/workspace/d\\none\\n" in result["responses"][0]["content"]
    assert {file["path"] for file in result["responses"][0]["files"]} == {"d/kept", "d/started"}
    assert (kept, folder.exists()) == (True, False)


async def test_a_client_that_writes_a_plan_of_its_own_gets_no_other_runs_files(sandbox: Shells, home: Path) -> None:
    workspaces = Workspaces({"FUSION_HOME": str(home)})
    (workspaces.open("run-victim/1") / "secret").write_text("canary")
    models = scripted(north=runs_commands("ls; ls ..; cat secret ../*/secret"))
    parts = Parts.real(load_model=models)
    graph: Any = build_panelist_graph(ask=parts.ask, offer_tools=parts.offer_tools).compile()
    plan = _plan(panel_id="run-victim", name="x", model="north", tools=["bash"])

    for seat in (1, "../../run-victim/1", "../run-victim/1"):
        await graph.ainvoke({"seat": seat, "plan": plan, "messages": [("user", "What?")]})

    assert "canary" not in texts([message for request in models.requests for message in request.messages])


def _plan(**own: Any) -> dict[str, Any]:
    """Return a seat's plan with all its fields."""
    plan: dict[str, Any] = {
        "system_prompt": "",
        "temperature": None,
        "reasoning": "",
        "max_tool_calls": 8,
        "max_completion_tokens": 1000,
        "timeout_seconds": 60.0,
        "quorum": 0,
        "grace_seconds": 0.0,
        "max_cost_usd": None,
        "price_ceiling": 0.0,
        "fallback": "",
        "only_these_tools": False,
        "allowed_domains": [],
        "excluded_domains": [],
        "blocked_domains": [],
    }
    return plan | own
