"""What the processes of a command hold, as /proc tells it: what no limit of the kernel's bounds for all of them."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from fusion_graph.tools.bash.outcome import Limits

MOST_DESCRIPTORS = 4_000  # of the whole command: more cannot be looked at as often as is needed
MOST_MAPPINGS = 20_000  # of the whole command
_MEMORY = ("RssAnon:", "RssShmem:", "VmSwap:", "VmPTE:")
_SOCKET_BYTES = 256 * 1024  # that the kernel may hold for one
_IN_MEMORY = ("/tmp", "/dev/shm")  # noqa: S108 - the sandbox's own file systems, whose size is bounded


@dataclass(slots=True)
class Holding:
    """What all processes together hold, and what of it cannot be seen.

    `memory` and `unlinked` (files without a name) are bytes; `in_memory` counts the files of the sandbox's own file
    systems. `shares`: memory that stays when no process shows it. `hides`: a process that cannot be looked into;
    `starts`: the first one cannot, as is usual in its first moments.
    """

    memory: int = 0
    descriptors: int = 0
    mappings: int = 0
    unlinked: int = 0
    in_memory: int = 0
    shares: bool = False
    hides: bool = False
    starts: bool = False
    seen: set[int] = field(default_factory=set)  # inodes of the files without a name


def holding(pid: int, workspace: Path, limits: Limits) -> Holding:
    """Return what a process and all that descend from it hold. Blocks."""
    held, device = Holding(), os.stat(workspace).st_dev
    for each in tree(pid):
        with suppress(OSError, ValueError):  # it has ended meanwhile
            held.memory += _memory(each)
            try:
                _look_at_files(each, device, held)
                _look_at_mappings(each, limits, held)
                held.in_memory = max(held.in_memory, _files_in_memory(each))
            except PermissionError:
                is_first, is_at_work = each in _children(pid), each != pid and _memory(each) > 0
                held.starts |= is_at_work and is_first
                held.hides |= is_at_work and not is_first
    return held


def tree(pid: int) -> Iterator[int]:
    """Yield the ids of a process and of all that descend from it; those whose parents are gone belong to its init."""
    waiting = [pid]
    while waiting:
        yield (each := waiting.pop())
        waiting += _children(each)


def is_at_work(pid: int) -> bool:
    """Say whether a process is there, and not only waited for: when it is the first of a sandbox, all are gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as told:
            return told.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as children:
                found += map(int, children.read().split())
    return found


def _memory(pid: int) -> int:
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        return sum(int(line.split()[1]) * 1024 for line in status if line.startswith(_MEMORY))


def _look_at_files(pid: int, device: int, held: Holding) -> None:
    for number in os.listdir(f"/proc/{pid}/fd"):
        held.descriptors += 1
        with suppress(FileNotFoundError):
            status = os.stat(f"/proc/{pid}/fd/{number}")
            if stat.S_ISSOCK(status.st_mode):
                held.memory += _SOCKET_BYTES
            if status.st_nlink == 0 and status.st_dev == device and status.st_ino not in held.seen:
                held.seen.add(status.st_ino)
                held.unlinked += status.st_blocks * 512


def _look_at_mappings(pid: int, limits: Limits, held: Holding) -> None:
    """Count files that only memory holds as large as a file may be: how large they are, only root could see."""
    bounded = {_device(f"/proc/{pid}/root{name}") for name in _IN_MEMORY}
    with open(f"/proc/{pid}/maps", "rb") as mappings:
        for line in islice(mappings, MOST_MAPPINGS + 1):
            held.mappings += 1
            if line.endswith(b" (deleted)\n"):
                _span, _rights, _offset, device, inode, path = line.split(None, 5)
                held.shares |= path.startswith(b"/dev/zero")
                if device.decode() not in bounded and int(inode) not in held.seen:
                    held.seen.add(int(inode))
                    held.unlinked += limits.file_bytes


def _device(path: str) -> str:
    """Return the device of a file system as /proc/PID/maps writes it."""
    number = os.stat(path).st_dev
    return f"{os.major(number):02x}:{os.minor(number):02x}"


def _files_in_memory(pid: int) -> int:
    count = 0
    for name in _IN_MEMORY:
        inside = f"/proc/{pid}/root{name}"
        if os.stat(inside).st_dev != os.stat(name).st_dev:
            told = os.statvfs(inside)
            count += told.f_files - told.f_ffree
    return count
