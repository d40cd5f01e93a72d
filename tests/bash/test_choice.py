import os
import subprocess
import sys
from pathlib import Path

import pytest

from fusion_graph.errors import SettingsError
from fusion_graph.tools import make_panel_tools
from fusion_graph.tools.bash import bashkit
from fusion_graph.tools.bash.bashkit import Bashkit
from fusion_graph.tools.bash.bubblewrap import Bubblewrap
from fusion_graph.tools.bash.choice import Shells
from fusion_graph.tools.bash.host import HostShell

OLD = "bwrap: Unknown option --disable-userns"
CLOSED = "bwrap: No permissions to create new namespace, likely because the kernel does not allow non-privileged user"


# Starts commands, in the workspace, with all rights.
HOLDS_NOTHING_BACK = """\
while [ "$1" != bash ]; do [ "$1" = --bind ] && cd "$2"; [ "$3" = /run/command ] && script=$2; shift; done
. /proc/self/fd/$script"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bwrap of the test's own, the only one there is; every user can run it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder / "bwrap"


def pretends(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    for each in [program, *program.parents]:  # pytest's folders are closed to the user that root becomes
        if str(each).startswith("/tmp/pytest"):  # noqa: S108
            each.chmod(each.stat().st_mode | 0o055)


@pytest.fixture
def without_bashkit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bashkit, "is_installed", lambda: False)


def shells(home: Path, wanted: str = "") -> Shells:
    return Shells({"FUSION_HOME": str(home), "FUSION_BASH": wanted})


def test_the_sandbox_of_bubblewrap_is_the_first_choice(sandbox: Shells, home: Path) -> None:
    chosen = shells(home).chosen()

    assert isinstance(chosen.shell, Bubblewrap)
    assert (chosen.name, chosen.missing) == ("bubblewrap", "")
    assert "tried and found to hold" in chosen.why


def test_without_bubblewrap_bashkit_is_taken_and_it_is_told_why(home: Path, program: Path) -> None:
    chosen = shells(home).chosen()

    assert isinstance(chosen.shell, Bashkit)
    assert chosen.why.startswith("bubblewrap (bwrap) is not installed; bashkit runs commands in memory")
    assert "not the same" in chosen.why


@pytest.mark.usefixtures("without_bashkit")
def test_without_both_bash_is_not_offered_and_the_remedy_is_told(home: Path, program: Path) -> None:
    tools = make_panel_tools({"FUSION_HOME": str(home), "FUSION_SEARCH": "none"})

    (note,) = tools.missing(["bash", "web_fetch"])

    assert note.startswith("bash is not offered: bubblewrap (bwrap) is not installed; bashkit is not installed")
    assert "apt install bubblewrap" in note
    assert "pip install 'fusion-graph[bashkit]'" in note
    assert [tool.name for tool in tools.bind(["bash", "web_fetch"])] == ["web_fetch"]


@pytest.mark.usefixtures("without_bashkit")
@pytest.mark.parametrize(
    ("script", "why"),
    [
        (f"echo '{OLD}' >&2; exit 1", "Unknown option --disable-userns"),
        (f"echo '{CLOSED}' >&2; exit 1", "No permissions to create new namespace"),
        ("exit 0", "a command that says"),
        ("printf 'wörk ✓ 漢字'; exit 0", "what a command writes does not arrive"),
        ("exit 7", "ended with 7"),
        (
            HOLDS_NOTHING_BACK,
            "a file outside of it can be read",
        ),
    ],
    ids=["too old", "no namespaces", "says nothing", "writes nothing", "fails", "holds nothing back"],
)
def test_a_bubblewrap_that_does_not_hold_is_not_used(home: Path, program: Path, script: str, why: str) -> None:
    pretends(program, script)

    chosen = shells(home).chosen()

    assert chosen.shell is None
    assert chosen.why.startswith("bubblewrap does not hold here: ")
    assert why in chosen.why
    assert not list((home / "workspaces").glob("probe-*"))


def test_a_choice_is_made_once(home: Path, program: Path) -> None:
    found = shells(home)
    first = found.chosen()
    pretends(program, "exit 1")

    assert found.chosen() is first


def test_what_is_named_is_the_only_one_that_is_tried(home: Path, program: Path) -> None:
    chosen = shells(home, "bubblewrap").chosen()

    assert chosen.shell is None
    assert chosen.why == "bubblewrap (bwrap) is not installed"


def test_none_is_none(sandbox: Shells, home: Path) -> None:
    chosen = shells(home, "none").chosen()

    assert (chosen.shell, chosen.missing) == (None, "bash is not offered: FUSION_BASH=none. Remedy: unset FUSION_BASH.")


def test_a_value_that_is_no_shell_is_refused_with_those_there_are(home: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        shells(home, "zsh")

    assert caught.value.value == "zsh"
    assert "'bubblewrap', 'bashkit', 'none'" in str(caught.value.hint)


def test_the_host_is_used_only_by_its_long_name_and_is_refused_on_a_server(home: Path) -> None:
    found = shells(home, "unsandboxed-host-shell")

    assert isinstance(found.chosen().shell, HostShell)
    with pytest.raises(SettingsError, match="refused on a server"):
        found.refuse_unsandboxed()
    shells(home, "bashkit").refuse_unsandboxed()


def test_a_langgraph_server_does_not_start_with_the_host_as_a_shell(home: Path) -> None:
    environ = {**os.environ, "FUSION_BASH": "unsandboxed-host-shell", "FUSION_HOME": str(home)}

    done = subprocess.run(
        [sys.executable, "-c", "import fusion_graph.served"], env=environ, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "FUSION_BASH=unsandboxed-host-shell is refused on a server" in done.stderr


def test_on_a_machine_whose_system_calls_are_not_known_there_is_no_sandbox(
    sandbox: Shells, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")

    chosen = shells(home, "bubblewrap").chosen()

    assert chosen.shell is None
    assert "riscv64" in chosen.why
