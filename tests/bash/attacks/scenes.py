"""Attacks that take more than a command to play: what is seen from outside, who runs it, and what the filter answers."""

import fcntl
import json
import os
import pty
import signal
import subprocess
import termios
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from fusion_graph.tools.bash import bubblewrap, workspace
from fusion_graph.tools.bash.outcome import ShellError
from fusion_graph.tools.bash.seccomp import filter_program
from tests.bash.attacks import calls
from tests.bash.attacks.case import Case
from tests.bash.attacks.stage import World, left_in, wait_until
from tests.bash.running import command_lines_with

_BOUND = 20.0  # seconds that anything in here may take


def root_is_refused(world: World) -> str:
    """Return what root can do where nothing says whom it becomes."""
    owner = world.workspaces.owner
    if owner is None:
        return ""  # this process is not root
    world.workspaces.owner = None
    try:
        folder = world.folder()
        world.run(Case(name="", guard="", command="touch file"), folder)
    except ShellError:
        return ""
    finally:
        world.workspaces.owner = owner
        world.base.chmod(0o711)
    return f"it ran as {Path(folder, 'file').stat().st_uid}"


def root_becomes_nobody(world: World) -> str:
    """Return whose the files of a command are, if they are root's."""
    folder = world.folder()
    world.run(Case(name="", guard="", command="touch file"), folder)
    status = Path(folder, "file").stat()
    return "it ran as root" if 0 in {status.st_uid, status.st_gid} else ""


def arguments_are_seen(world: World) -> str:
    """Return what of a command the machine's other users can read while it runs."""
    case = Case(name="", guard="", command="touch ready; sleep 1 # @token@")
    found = _meanwhile(world, case, lambda: command_lines_with(world.token))
    return "the command is in the arguments of a process" if found else ""


def arguments_are_seen_without(world: World) -> str:
    """Return the same for a command without a sandbox."""
    with subprocess.Popen(["bash", "-c", f"sleep 5; true {world.token}"]) as process:
        try:
            wait_until(lambda: bool(command_lines_with(world.token)), _BOUND)
            return "seen" if command_lines_with(world.token) else ""
        finally:
            process.kill()


def a_stop_ends_it(world: World) -> str:
    """Return what a command does after it is no longer wanted."""
    stop = threading.Event()
    case = Case(name="", guard="", command="touch ready; sleep 1.2; touch harm")
    folder = world.folder()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(world.run, case, folder, stop)
        wait_until((folder / "ready").exists, _BOUND)
        stop.set()
        outcome = future.result(timeout=_BOUND)
    return "" if "no longer wanted" in outcome.killed and not (folder / "harm").exists() else "it went on"


def it_dies_with_its_parent(world: World) -> str:
    """Return what is left when the process that runs a command is killed."""
    folder = world.folder()
    case = Case(name="", guard="", command="touch ready; sleep 8")
    pid, out = _child(lambda: str(world.run(case, folder)))
    try:
        wait_until((folder / "ready").exists, _BOUND)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(out)
    wait_until(lambda: not left_in(folder), 3.0)
    return f"processes go on: {left_in(folder)}" if left_in(folder) else ""


def the_terminal_is_reached(world: World) -> str:
    """Return whether a command can open the terminal of its parent."""
    case = Case(name="", guard="", command="( exec 3<>/dev/tty ) && echo HARM")
    return "it can be opened" if "HARM" in _in_terminal(lambda: world.run(case, world.folder()).stdout) else ""


def the_terminal_is_reached_without(world: World) -> str:
    """Return the same without a sandbox."""
    return _in_terminal(
        lambda: "HARM" if subprocess.run(["sh", "-c", "exec 3<>/dev/tty"], check=False).returncode == 0 else ""
    )


def all_is_over_when_it_is_tidied(world: World) -> str:
    """Return which processes are at work while the workspace is tidied: no path in it can be trusted then."""
    left: list[int] = []
    tidy = workspace.tidy

    def look_first(folder: Path) -> None:
        left.extend(left_in(folder))
        tidy(folder)

    memory = "$x = chr(64) x (64 << 20)"  # takes a moment to be given back
    case = Case(
        name="",
        guard="",
        command=f"perl -e 'for (1..6) {{ fork or last }} {memory}; open(F, chr(62), chr(102)); sleep 5'",
        limits={"memory": 2**30},
        seconds=1.5,
    )
    with patch.object(bubblewrap, "tidy", look_first):
        world.run(case, world.folder())
    return f"{len(left)} processes were still at work" if left else ""


def links_are_swapped_in(world: World) -> str:
    """Return whether tidying changes a file outside when a link takes the place of a file it has looked at."""
    folder, chmod = world.folder(), os.chmod
    (folder / "file").touch()
    world.secret.chmod(0o644)

    def swap_first(path: str | Path, mode: int, **kwargs: Any) -> None:
        if path != folder:
            (folder / "file").unlink(missing_ok=True)
            (folder / "file").symlink_to(world.secret)
        chmod(path, mode, **kwargs)

    (folder / "file").chmod(0o777)
    with patch.object(os, "chmod", swap_first), suppress(OSError):
        workspace.tidy(folder)
    mode = world.secret.stat().st_mode & 0o777
    world.secret.chmod(0o666)
    return "" if mode == 0o644 else f"the file outside has the mode {mode:o} now"


def tidying_takes_long(world: World) -> str:
    """Return how long a workspace full of costly links is tidied, if that is long beside one of as many plain links."""

    def seconds(path: str) -> float:
        case = Case(name="", guard="", command=f'perl -e \'mkdir "d"; for (1..1500) {{ symlink "{path}d", $_ }}\'')
        folder, started = world.folder(), time.monotonic()
        world.run(case, folder)
        return time.monotonic() - started

    plain, costly = seconds(""), seconds("d/../" * 800)
    return f"it took {costly:.1f} s, and {plain:.1f} s with plain links" if costly > 4 and costly > 10 * plain else ""


def memory_of_the_host_is_read(world: World) -> str:
    """Return whether shared memory of the machine can be read by its number."""
    return "" if "HARM" not in _shared(lambda key: world.run(_reads(key), world.folder()).stdout) else "it was read"


def memory_of_the_host_is_read_without(world: World) -> str:
    """Return the same without a sandbox."""
    return _shared(lambda key: world.plainly(_reads(key)))


def _reads(key: int) -> Case:
    return Case(name="", guard="", command=f'perl -e \'shmread({key}, $x, 0, 6) && $x eq "canary" && print "HARM\\n"\'')


def _shared(work: Callable[[int], str]) -> str:
    made = "$i = shmget(0, 4096, 0666 | 01000); shmwrite($i, q(canary), 0, 6); print $i"
    key = int(subprocess.run(["perl", "-e", made], capture_output=True, check=True).stdout)
    try:
        return work(key)
    finally:
        subprocess.run(["perl", "-e", f"shmctl({key}, 0, 0)"], check=True)


def _meanwhile(world: World, case: Case, look: Callable[[], list[str]]) -> list[str]:
    folder = world.folder()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(world.run, case, folder)
        wait_until((folder / "ready").exists, _BOUND)
        seen = look()
        future.result(timeout=_BOUND)
    return seen


def _child(work: Callable[[], str]) -> tuple[int, int]:
    """Do work in a forked process; return its id, and a descriptor that gives what the work returned."""
    out, into = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: this one only works and ends
        pid = os.fork()
    if pid:
        os.close(into)
        return pid, out
    try:
        signal.alarm(int(_BOUND))
        os.write(into, json.dumps(work()).encode())
    finally:
        os._exit(0)


def _in_terminal(work: Callable[[], str]) -> str:
    ours, theirs = pty.openpty()

    def at_it() -> str:
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
        return work()

    pid, out = _child(at_it)
    try:
        said = os.read(out, 10_000)
    finally:
        os.waitpid(pid, 0)
        for each in (ours, theirs, out):
            os.close(each)
    return str(json.loads(said)) if said else "it gave no answer"


def _filters(each: calls.Try, machine: str) -> Callable[[World], str]:
    place = (calls.X86_64, calls.AARCH64).index(machine)

    def answers(_world: World) -> str:
        program, call = filter_program(machine), each.numbers[place]
        assert program is not None
        assert call is not None
        said = calls.verdict(program, calls.AUDIT[machine], call, each.arguments)
        return "" if said == each.errno else f"the filter says {said}"

    return answers


def _lets_through(machine: str) -> Callable[[World], str]:
    def answers(_world: World) -> str:
        program = filter_program(machine)
        assert program is not None
        return ", ".join(calls.refused(program, machine))

    return answers


def _scene(name: str, guard: str, scene: Callable[[World], str], control: str = "") -> Case:
    return Case(name=name, guard=guard, scene=scene, control=control)


CONTROLS = {
    "a command in the arguments of processes": arguments_are_seen_without,
    "the terminal of the parent": the_terminal_is_reached_without,
    "shared memory of the machine": memory_of_the_host_is_read_without,
}
ANSWERS = "it asks the filter alone; what it lets through is asked, too"

CASES = [
    _scene("a command in the arguments of processes", "memfd", arguments_are_seen),
    _scene("the terminal of the parent", "terminal", the_terminal_is_reached),
    _scene("shared memory of the machine", "ipc", memory_of_the_host_is_read),
    _scene("root that becomes nobody else", "never root", root_is_refused, "only root can be refused"),
    _scene("files of root", "never root", root_becomes_nobody, "only root has any"),
    _scene("a command that is no longer wanted", "stop", a_stop_ends_it, "nothing else ends it"),
    _scene("the parent is killed", "--die-with-parent", it_dies_with_its_parent, "other processes of a command go on"),
    _scene("work while all is tidied", "all is over", all_is_over_when_it_is_tidied, "nothing is tidied without it"),
    _scene("a link instead of a file", "no link followed", links_are_swapped_in, "nothing is tidied without it"),
    _scene("links that cost time", "time of tidying", tidying_takes_long, "nothing is tidied without it"),
    *(
        _scene(f"the filter of {machine} for {each.name}", each.guard, _filters(each, machine), ANSWERS)
        for machine, number in ((calls.X86_64, 0), (calls.AARCH64, 1))
        for each in calls.TRIES
        if each.numbers[number] is not None
    ),
    *(
        _scene(f"what the filter of {machine} lets through", "architecture", _lets_through(machine), ANSWERS)
        for machine in (calls.X86_64, calls.AARCH64)
    ),
]
