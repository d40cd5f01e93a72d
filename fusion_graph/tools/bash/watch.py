"""A command as processes of this machine: its output, its time, and what it takes while it runs."""

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fusion_graph.tools.bash.outcome import MIB, Capture, Limits, Outcome
from fusion_graph.tools.bash.workspace import Usage, usage

# Becomes the program after it has set the limits of each process; POSIX counts files in units of 512 bytes.
_LIMITED = (
    'ulimit -c 0 && ulimit -v "$1" && ulimit -f "$2" && ulimit -n "$3" && ulimit -t "$4" && shift 4 && exec "$@" '
    "|| exit 125"
)
_TICK = 0.05  # seconds between two looks
_GRACE = 0.5  # seconds that output is still read when the shell is gone, and something else holds its end
_CHUNK = 64 * 1024
_MOST_DESCRIPTORS = 4_000  # of the whole command: more cannot be looked at as often as is needed
_MEMORY = ("RssAnon:", "RssShmem:", "VmSwap:")
_TIMED_OUT, _KILLED = 124, 137  # exit codes, as coreutils' timeout and shells have them


def limited(limits: Limits, arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the limits of each process before them."""
    numbers = (limits.address_space // 1024, limits.file_bytes // 512, limits.open_files, limits.cpu_seconds)
    return ["/bin/sh", "-c", _LIMITED, "sh", *map(str, numbers), *arguments]


@dataclass(slots=True)
class Watched:
    """One run of a program. `own` are further arguments of Popen."""

    arguments: Sequence[str]
    workspace: Path
    limits: Limits
    seconds: float
    stop: threading.Event
    own: Mapping[str, Any] = field(default_factory=dict)

    def run(self) -> Outcome:
        """Run it to its end, or to ours. Blocks; raises OSError if it cannot be started."""
        started = time.monotonic()
        before = usage(self.workspace)
        with subprocess.Popen(  # noqa: S603 - what runs is a sandbox, or what its user chose in its place
            self.arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            **self.own,
        ) as process:
            out, err = Capture(), Capture()
            try:
                killed = self._follow(process, started, before, out, err)
            finally:
                _kill(process)
        return _outcome(process.returncode, killed, time.monotonic() - started, out, err)

    def _follow(
        self, process: subprocess.Popen[bytes], started: float, before: Usage, out: Capture, err: Capture
    ) -> str:
        """Read what it says, and look at it every tick; return why it is to be ended, "" if it has ended."""
        looked = started
        gone: float | None = None
        with selectors.DefaultSelector() as selector:
            for stream, capture in ((process.stdout, out), (process.stderr, err)):
                assert stream is not None  # noqa: S101 - for the type checker: both are pipes
                selector.register(stream, selectors.EVENT_READ, capture)
            while True:
                _read(selector)
                now = time.monotonic()
                if process.poll() is not None:
                    gone = gone or now
                    if not selector.get_map() or now - gone > _GRACE:
                        return ""
                elif now - looked >= _TICK:
                    looked = now
                    if reason := self._excess(process.pid, now - started, out.total + err.total, before):
                        return reason

    def _excess(self, pid: int, seconds: float, said: int, before: Usage) -> str:
        """Return in words which limit is passed, "" if none is."""
        limits, taken, held = self.limits, usage(self.workspace), _holding(pid, self.workspace)
        passed = {
            "it was no longer wanted": self.stop.is_set(),
            f"it took longer than {self.seconds:g} s": seconds > self.seconds,
            f"it wrote more than {limits.output_bytes // MIB} MiB of output": said > limits.output_bytes,
            f"it took more than {limits.memory // MIB} MiB of memory": held.memory > limits.memory,
            f"it held more than {_MOST_DESCRIPTORS} open files": held.descriptors > _MOST_DESCRIPTORS,
            f"its files are more than {limits.workspace_bytes // MIB} MiB": (
                taken.bytes + held.unlinked > max(limits.workspace_bytes, before.bytes)
            ),
            f"its files are more than {limits.workspace_files:,}": (
                taken.files > max(limits.workspace_files, before.files)
            ),
            taken.trouble: bool(taken.trouble),
        }
        return next((reason for reason, is_so in passed.items() if is_so), "")


@dataclass(slots=True)
class _Holding:
    """What the processes of a command hold: bytes of memory, open descriptors, bytes of files without a name."""

    memory: int = 0
    descriptors: int = 0
    unlinked: int = 0


def _holding(pid: int, workspace: Path) -> _Holding:
    held, seen, device = _Holding(), set(), os.stat(workspace).st_dev
    for each in _tree(pid):
        with suppress(OSError, ValueError):  # it has ended meanwhile
            held.memory += _memory(each)
            for number in os.listdir(f"/proc/{each}/fd"):
                held.descriptors += 1
                status = os.stat(f"/proc/{each}/fd/{number}")
                key = status.st_dev, status.st_ino
                if status.st_nlink == 0 and status.st_dev == device and key not in seen:
                    seen.add(key)
                    held.unlinked += status.st_blocks * 512
    return held


def _memory(pid: int) -> int:
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        return sum(int(line.split()[1]) * 1024 for line in status if line.startswith(_MEMORY))


def _tree(pid: int) -> Iterator[int]:
    """Yield the ids of a process and of all that descend from it; those whose parents are gone belong to its init."""
    waiting = [pid]
    while waiting:
        yield (each := waiting.pop())
        with suppress(OSError):
            for task in os.listdir(f"/proc/{each}/task"):
                with open(f"/proc/{each}/task/{task}/children", encoding="ascii") as children:
                    waiting += map(int, children.read().split())


def _read(selector: selectors.BaseSelector) -> None:
    if not selector.get_map():
        time.sleep(_TICK)
    for key, _events in selector.select(_TICK):
        if data := os.read(key.fd, _CHUNK):
            key.data.add(data)
        else:
            selector.unregister(key.fileobj)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End what is left: the init of a sandbox dies with its parent, and all else in there with it."""
    descendants = list(_tree(process.pid)) if process.poll() is None else []
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for pid in descendants:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _outcome(code: int, killed: str, seconds: float, out: Capture, err: Capture) -> Outcome:
    timed_out = killed.startswith("it took longer")
    ended = 128 - code if code < 0 else code  # by a signal, as shells tell it
    return Outcome(
        stdout=out.text(),
        stderr=err.text(),
        exit_code=(_TIMED_OUT if timed_out else _KILLED) if killed else ended,
        duration_seconds=seconds,
        truncated=bool(out.cut or err.cut),
        timed_out=timed_out,
        killed=killed,
    )
