import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, ToolException
from pydantic import ValidationError

from fusion_graph.tools.bash.bubblewrap import Bubblewrap
from fusion_graph.tools.bash.choice import Shells
from fusion_graph.tools.bash.outcome import Outcome, Shell, ShellError
from fusion_graph.tools.bash.tool import make_bash_tool
from tests.bash.running import command_lines_with, wait_for
from tests.system import required

PLACE = "run-1/1"


@pytest.fixture(params=["bubblewrap", "bashkit", "unsandboxed-host-shell"])
def shells(request: pytest.FixtureRequest, home: Path) -> Shells:
    if request.param == "bubblewrap":
        found: Shells = request.getfixturevalue("sandbox")
        return found
    return Shells({"FUSION_HOME": str(home), "FUSION_BASH": request.param})


def bash(shells: Shells, place: str = PLACE) -> BaseTool:
    shell = shells.chosen().shell
    assert shell
    return make_bash_tool(shell, shells.workspaces, place)


async def message(tool: BaseTool, *commands: str, **arguments: Any) -> ToolMessage:
    given = {"command": commands[0]} if len(commands) == 1 else {"commands": list(commands)}
    call = {"type": "tool_call", "id": "1", "name": "bash", "args": given | arguments}
    answer = await tool.ainvoke(call)
    assert isinstance(answer, ToolMessage)
    return answer


async def ran(tool: BaseTool, *commands: str, **arguments: Any) -> Any:
    told = json.loads(str((await message(tool, *commands, **arguments)).content))
    return told["results"] if len(commands) > 1 else told


async def test_a_result_is_output_errors_and_exit_code(shells: Shells) -> None:
    told = await ran(bash(shells), "echo one; echo zwei ü >&2; exit 3")

    assert (told["stdout"], told["stderr"], told["exitCode"]) == ("one\n", "zwei ü\n", 3)
    assert (told["truncated"], told["timedOut"]) == (False, False)
    assert told["durationMs"] >= 0


async def test_files_and_the_current_directory_are_kept_and_nothing_else_is(shells: Shells) -> None:
    tool = bash(shells)
    await ran(tool, "mkdir -p 'a b' && cd 'a b' && echo kept > file; export LOST=1; lost() { :; }")

    told = await ran(bash(shells), 'cat file; echo "[$LOST]"; basename "$(pwd)"; type lost 2>/dev/null || echo gone')

    assert told["stdout"] == "kept\n[]\na b\ngone\n"


async def test_a_directory_that_is_gone_is_no_place_to_go_on(shells: Shells) -> None:
    tool = bash(shells)
    await ran(tool, "mkdir d && cd d && rmdir ../d")

    told = await ran(tool, "echo here > file && ls")

    assert told["stdout"] == "file\n"


async def test_several_commands_run_one_after_the_other_each_with_a_result(shells: Shells) -> None:
    first, second, third = await ran(bash(shells), "mkdir d; cd d; echo 1 > f", "false", "cat f")

    assert [first["exitCode"], second["exitCode"], third["exitCode"]] == [0, 1, 0]
    assert third["stdout"] == "1\n"


async def test_a_seat_has_its_own_files(shells: Shells) -> None:
    await ran(bash(shells, "run-1/1"), "echo mine > file")

    other_seat = await ran(bash(shells, "run-1/2"), "cat file")
    other_run = await ran(bash(shells, "run-2/1"), "cat file")

    assert (other_seat["exitCode"], other_run["exitCode"]) == (1, 1)


async def test_calls_of_one_step_do_not_disturb_each_other(shells: Shells) -> None:
    tool = bash(shells)

    await asyncio.gather(*(ran(tool, f"mkdir d{n} && cd d{n} && echo {n} > file && cd ..") for n in range(6)))

    told = await ran(tool, "cat d*/file | sort")
    assert told["stdout"].split() == ["0", "1", "2", "3", "4", "5"]


async def test_a_command_that_takes_too_long_is_ended_and_what_it_said_is_kept(shells: Shells) -> None:
    told = await ran(bash(shells), "echo first; echo kept > file; sleep 30; echo last", timeout_ms=1000)

    assert (told["timedOut"], told["exitCode"]) == (True, 124)
    assert told["stdout"] == "first\n"
    assert (await ran(bash(shells), "cat file"))["stdout"] == "kept\n"


async def test_commands_that_there_is_no_time_for_are_told_as_not_run(
    shells: Shells, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fusion_graph.tools.bash.tool.MAX_SECONDS", 1.0)

    first, second = await ran(bash(shells), "sleep 30", "echo never > file")

    assert first["timedOut"]
    assert (second["exitCode"], second["stderr"]) == (None, "not run: the time for this call is over")


async def test_long_output_keeps_its_ends_within_what_a_model_is_shown(shells: Shells) -> None:
    answer = await message(bash(shells), "echo begin; seq 1 30000; echo end")
    told = json.loads(str(answer.content))

    assert len(str(answer.content)) < 40_000
    assert told["truncated"]
    assert told["stdout"].startswith("begin\n1\n2\n")
    assert told["stdout"].endswith("30000\nend\n")
    assert "left out]" in told["stdout"]


async def test_no_more_output_is_given_than_is_asked_for(shells: Shells) -> None:
    short = await message(bash(shells), "seq 1 5000; seq 1 5000 >&2", max_output_length=500)

    assert len(str(short.content)) < 1200
    assert json.loads(str(short.content))["truncated"]


async def test_what_a_person_would_not_see_is_not_in_the_output(shells: Shells) -> None:
    told = await ran(bash(shells), r"printf 'a\033[31mred\033[0m\342\200\256b\000c\n'")

    assert told["stdout"] == "aredbc\n"


async def test_files_are_listed_with_their_sizes_and_links_are_no_sources(shells: Shells) -> None:
    answer = await message(
        bash(shells), "mkdir d; printf 12345 > d/b.txt; printf '' > a.txt; echo https://example.org/page"
    )

    assert answer.artifact["files"] == {"files": [{"path": "a.txt", "bytes": 0}, {"path": "d/b.txt", "bytes": 5}]}
    assert answer.artifact["sources"] == []


async def test_more_files_than_are_listed_are_counted(shells: Shells) -> None:
    answer = await message(bash(shells), "for i in $(seq 1 130); do echo > f$i; done")

    assert len(answer.artifact["files"]["files"]) == 100
    assert answer.artifact["files"]["more_files"] == 30


async def test_files_that_are_removed_or_become_folders_are_that(shells: Shells) -> None:
    tool = bash(shells)
    await ran(tool, "echo 1 > was_file; mkdir -p was_folder/in; echo 2 > was_folder/in/x; echo 3 > gone")

    await ran(tool, "rm gone was_file; mkdir was_file; echo 4 > was_file/y; rm -r was_folder; echo 5 > was_folder")

    answer = await message(tool, "cat was_folder was_file/y")
    assert json.loads(str(answer.content))["stdout"] == "5\n4\n"
    assert [file["path"] for file in answer.artifact["files"]["files"]] == ["was_file/y", "was_folder"]


async def test_a_syntax_error_is_a_result_and_the_next_command_runs(shells: Shells) -> None:
    tool = bash(shells)

    told = await ran(tool, "if then")

    assert told["exitCode"] != 0
    assert "syntax error" in told["stderr"]
    assert (await ran(tool, "echo on"))["stdout"] == "on\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "give either `command` or `commands`"),
        ({"command": "  "}, "give either `command` or `commands`"),
        ({"command": "a", "commands": ["b"]}, "give either `command` or `commands`"),
        ({"command": "echo a\0b"}, "no NUL"),
        ({"commands": ["true"] * 17}, "at most 16"),
        ({"command": "true", "timeout_ms": 0}, "timeout_ms"),
        ({"command": "true", "max_output_length": -1}, "max_output_length"),
    ],
)
async def test_arguments_that_cannot_be_are_refused_by_name(arguments: dict[str, Any], said: str, home: Path) -> None:
    tool = bash(Shells({"FUSION_HOME": str(home), "FUSION_BASH": "bashkit"}))

    with pytest.raises(ValidationError) as caught:
        await tool.ainvoke({"type": "tool_call", "id": "1", "name": "bash", "args": arguments})

    assert said in str(caught.value)


async def test_a_call_that_is_cancelled_leaves_no_process(sandbox: Shells) -> None:
    tool = bash(sandbox)
    task = asyncio.create_task(ran(tool, "echo started > file; sleep 986"))
    folder = sandbox.workspaces.folder("run-1") / "1"
    await asyncio.to_thread(wait_for, folder / "file")

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert command_lines_with("sleep 986") == []


async def test_if_memory_runs_out_a_command_is_ended_before_anything_else(sandbox: Shells) -> None:
    told = await ran(bash(sandbox), "cat /proc/self/oom_score_adj")

    assert told["stdout"] == "1000\n"


async def test_ordinary_programs_that_share_memory_in_files_are_let_work(sandbox: Shells) -> None:
    required("python3", "python3")
    locks = "[multiprocessing.Lock() for _ in range(20)]"
    script = f"import multiprocessing, time\nlocks = {locks}\ntime.sleep(0.3)\nprint(len(locks))"

    told = await ran(bash(sandbox), f"python3 - <<'END'\n{script}\nEND")

    assert (told["stdout"], told.get("killed")) == ("20\n", None)


async def test_a_workspace_that_cannot_be_made_is_told_and_nothing_runs(home: Path) -> None:
    (home / "workspaces").write_text("in the way")
    tool = bash(Shells({"FUSION_HOME": str(home), "FUSION_BASH": "bashkit"}))

    with pytest.raises(ToolException) as caught:
        await ran(tool, "true")

    assert "The workspace cannot be used: File exists" in str(caught.value)


async def test_a_sandbox_that_breaks_later_is_told_in_its_own_words(sandbox: Shells) -> None:
    broken = Bubblewrap("/bin/false", sandbox.workspaces)
    missing = Bubblewrap("/nowhere/bwrap", sandbox.workspaces)

    told = await ran(make_bash_tool(broken, sandbox.workspaces, PLACE), "echo never")
    gone = await ran(make_bash_tool(missing, sandbox.workspaces, PLACE), "echo never")

    assert (told["stdout"], told["exitCode"]) == ("", 1)
    assert gone["exitCode"] == 127


class Breaks(Shell):
    async def run(self, command: str, workspace: Path, seconds: float) -> Outcome:
        raise ShellError("setting up uid map: Permission denied")


async def test_a_command_that_cannot_be_started_is_an_error_a_model_can_act_on(sandbox: Shells) -> None:
    with pytest.raises(ToolException, match="could not be run: setting up uid map"):
        await ran(make_bash_tool(Breaks(), sandbox.workspaces, PLACE), "true")
