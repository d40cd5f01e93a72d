"""A command as processes of this machine: its output, its time, and what it takes while it runs."""

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fusion_graph.tools.bash.holding import MOST_DESCRIPTORS, MOST_MAPPINGS, holding, is_at_work, tree
from fusion_graph.tools.bash.outcome import KILLED, MIB, TIMED_OUT, Capture, Limits, Outcome
from fusion_graph.tools.bash.workspace import Usage, usage

# Becomes the program after it has set the limits of each process; POSIX counts files in units of 512 bytes.
_LIMITED = (
    'ulimit -c 0 && ulimit -v "$1" && ulimit -f "$2" && ulimit -n "$3" && ulimit -t "$4" && shift 4 && exec "$@" '
    "|| exit 125"
)
_TICK = 0.05  # seconds between two looks
_GRACE = 0.5  # seconds that output is still read when the shell is gone, and something else holds its end
_CHUNK = 64 * 1024
_STARTING = 2.0  # seconds in which the first process may still be closed to us
_END = 5.0  # seconds for what was killed to be gone


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
        limits, taken, held = self.limits, usage(self.workspace), holding(pid, self.workspace, self.limits)
        passed = {
            "it was no longer wanted": self.stop.is_set(),
            f"it took longer than {self.seconds:g} s": seconds > self.seconds,
            f"it wrote more than {limits.output_bytes // MIB} MiB of output": said > limits.output_bytes,
            f"it took more than {limits.memory // MIB} MiB of memory": held.memory > limits.memory,
            f"it held more than {MOST_DESCRIPTORS} open files": held.descriptors > MOST_DESCRIPTORS,
            f"it had more than {MOST_MAPPINGS} pieces of memory": held.mappings > MOST_MAPPINGS,
            "it shared memory that cannot be counted": held.shares,
            "one of its processes cannot be looked into": held.hides or (held.starts and seconds > _STARTING),
            f"its files in memory are more than {limits.workspace_files:,}": held.in_memory > limits.workspace_files,
            f"its files are more than {limits.workspace_bytes // MIB} MiB": (
                taken.bytes + held.unlinked > max(limits.workspace_bytes, before.bytes)
            ),
            f"its files are more than {limits.workspace_files:,}": (
                taken.files > max(limits.workspace_files, before.files)
            ),
            taken.trouble: bool(taken.trouble),
        }
        return next((reason for reason, is_so in passed.items() if is_so), "")


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
    descendants = list(tree(process.pid)) if process.poll() is None else []
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for pid in descendants:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + _END
    while any(map(is_at_work, descendants[1:])) and time.monotonic() < end:  # the first one is waited for by Popen
        time.sleep(_TICK / 10)


def _outcome(code: int, killed: str, seconds: float, out: Capture, err: Capture) -> Outcome:
    timed_out = killed.startswith("it took longer")
    ended = 128 - code if code < 0 else code  # by a signal, as shells tell it
    return Outcome(
        stdout=out.text(),
        stderr=err.text(),
        exit_code=(TIMED_OUT if timed_out else KILLED) if killed else ended,
        duration_seconds=seconds,
        truncated=bool(out.cut or err.cut),
        timed_out=timed_out,
        killed=killed,
    )
