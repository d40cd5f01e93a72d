"""What running a command is: the limits, what runs it, and what comes out."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fusion_graph.characters import visible

MIB = 1024 * 1024
TIMED_OUT, KILLED = 124, 137  # exit codes, as coreutils' timeout and shells have them
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")  # ECMA-48: CSI, OSC, others
_HALF = 32 * 1024  # bytes kept of each end of a stream


@dataclass(frozen=True, slots=True)
class Limits:
    """What one command may take. Processes, memory, output, workspace and time are of the whole command."""

    address_space: int = 512 * MIB  # of each process
    memory: int = 512 * MIB
    file_bytes: int = 64 * MIB  # of each file
    open_files: int = 256  # of each process
    processes: int = 64
    cpu_seconds: int = 10  # of each process
    workspace_bytes: int = 256 * MIB
    workspace_files: int = 10_000
    output_bytes: int = 8 * MIB
    scratch_bytes: int = 64 * MIB  # of /tmp, which each command has anew
    shared_bytes: int = 16 * MIB  # of /dev/shm


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command did. `killed` says in words why it was ended before its time, "" if it ended by itself.

    `exit_code` is the shell's; 124 of one that took too long, 137 of one that was killed for another reason.
    """

    stdout: str
    stderr: str
    exit_code: int
    duration_seconds: float
    truncated: bool = False
    timed_out: bool = False
    killed: str = ""


class ShellError(Exception):
    """A command could not be run at all; the sentence says why."""


class Shell(Protocol):
    """Something that runs a command in a workspace. Nothing of the shell but its current directory is kept."""

    async def run(self, command: str, workspace: Path, seconds: float) -> Outcome:
        """Run a command. Raises ShellError if that is not possible; being cancelled ends the command."""
        ...


class Capture:
    """The beginning and the end of one stream."""

    def __init__(self) -> None:
        self.total = 0
        self._head, self._tail = bytearray(), bytearray()

    def add(self, data: bytes) -> None:
        """Take in what comes next."""
        self.total += len(data)
        room = _HALF - len(self._head)
        self._head += data[:room]
        self._tail += data[room:] if room > 0 else data
        del self._tail[:-_HALF]

    @property
    def cut(self) -> int:
        """How many bytes between the two are not kept."""
        return self.total - len(self._head) - len(self._tail)

    def text(self) -> str:
        """Return what is kept, as a person would see it."""
        gap = f"\n[{self.cut} bytes left out]\n".encode() if self.cut else b""
        return shown(bytes(self._head + gap + self._tail).decode(errors="replace"))


def shown(text: str) -> str:
    """Return text without terminal codes and without characters that only a machine reads."""
    return visible(_ESCAPE.sub("", text))
