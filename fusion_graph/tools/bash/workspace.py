"""Where the commands of a seat keep their files: one folder for each seat of a run, and how it is kept clean.

What is in such a folder was made by a stranger: no path in it is trusted, no link followed, no depth assumed.
"""

import hashlib
import os
import re
import shutil
import stat
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from fusion_graph.errors import SettingsError
from fusion_graph.folders import home
from fusion_graph.schemas import SeatFile
from fusion_graph.tools.bash.outcome import shown

INSIDE = "/workspace"  # what a sandboxed command sees the folder as
CWD_FILE = ".fusion_cwd"  # written and read by the shell inside only
MAX_DEPTH = 40
_LONGEST_LINK = 400  # characters of where a link leads: a longer one costs whoever follows it
DROPPED = 65534  # the user that root becomes for a command: nobody, whose id is known wherever ids are mapped
_FOR_ROOT = Path("/var/tmp/fusion_graph")  # noqa: S108 - made by root, and checked before it is used
RUN = "run-"  # keys of stored runs: their folders go with the run
_KEEP_SECONDS = 7 * 86_400  # for folders of no stored run
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,80}")
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a folder holds. `trouble` says in words what hides more from view, "" if nothing does."""

    bytes: int = 0
    files: int = 0
    trouble: str = ""


class Workspaces:
    """The folders of all commands, under the data folder of `environ`, or where the user whom root becomes can go."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.owner = DROPPED if hasattr(os, "geteuid") and os.geteuid() == 0 else None
        self._home = home("data", environ)
        self._locks: WeakValueDictionary[Path, threading.Lock] = WeakValueDictionary()
        self._guard = threading.Lock()

    @cached_property
    def root(self) -> Path:
        """Where the folders lie. Raises SettingsError if there is no safe place for them."""
        if self.owner is None or all(
            _is_open(each) for each in (self._home, *self._home.absolute().parents) if each.exists()
        ):
            return self._home / "workspaces"
        _FOR_ROOT.mkdir(mode=0o711, exist_ok=True)
        status = _FOR_ROOT.lstat()
        if status.st_uid != 0 or not stat.S_ISDIR(status.st_mode) or status.st_mode & 0o022:
            raise SettingsError(
                f"{_FOR_ROOT} is not a folder of root alone",
                field="FUSION_HOME",
                value=str(_FOR_ROOT),
                hint="remove it, or set FUSION_HOME to a folder that every user may enter",
            )
        return _FOR_ROOT / "workspaces"

    def open(self, place: str) -> Path:
        """Return the folder of a place, `RUN/SEAT`, made if it is not there. Blocks; raises OSError."""
        key, _, seat = place.rpartition("/")
        run = self.folder(key)
        if not run.exists():
            self._drop_old()
        folder = run / _plain(seat)
        for each in (self.root, run):
            each.mkdir(mode=0o700, parents=each is self.root, exist_ok=True)
            if self.owner is not None:
                each.chmod(0o711)
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.owner is not None:
            os.chown(folder, self.owner, self.owner)
        return folder

    def folder(self, key: str) -> Path:
        """Return where the folders of a run are, or would be."""
        return self.root / _plain(key)

    def lock(self, folder: Path) -> threading.Lock:
        """Return what is held while a command runs in a folder: calls of one step are made side by side."""
        with self._guard:
            return self._locks.setdefault(folder, threading.Lock())

    def remove(self, key: str) -> None:
        """Remove the folders of a run, if there are any. Blocks; raises OSError."""
        path = self.folder(key)
        if path.is_dir() and not path.is_symlink():
            remove_tree(path)

    def _drop_old(self) -> None:
        """Remove the folders of threads that nobody has touched for a week: nothing tells when those are deleted."""
        with suppress(OSError):
            for entry in os.scandir(self.root):
                old = entry.stat(follow_symlinks=False).st_mtime < time.time() - _KEEP_SECONDS
                if old and not entry.name.startswith(RUN) and entry.is_dir(follow_symlinks=False):
                    remove_tree(Path(entry.path))


def _plain(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()


def _is_open(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001)


def usage(folder: Path) -> Usage:
    """Return what a folder holds while a command works in it. Blocks."""
    total, count = 0, 0
    try:
        for _where, _path, status in _entries(folder):
            total, count = total + status.st_blocks * 512, count + 1
    except _HiddenError as error:
        return Usage(total, count, str(error))
    except PermissionError:
        return Usage(trouble="its folder itself cannot be looked into")
    return Usage(total, count)


def tidy(folder: Path) -> None:
    """Take away, after a command, what is neither file nor folder nor a link that stays inside, and bits of rights.

    Blocks; raises OSError.
    """
    os.chmod(folder, 0o700)
    for where, path, status in _entries(folder, repair=True):
        if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
            rights = 0o700 if stat.S_ISDIR(status.st_mode) else 0o600
            _set_mode(os.path.basename(path), where, stat.S_IMODE(status.st_mode) & 0o777 | rights)
        elif not stat.S_ISLNK(status.st_mode):
            os.unlink(os.path.basename(path), dir_fd=where)
    for where, path, status in _entries(folder):
        if stat.S_ISLNK(status.st_mode):
            _keep_inside(folder, where, path)


def files_in(folder: Path, most: int) -> dict[str, Any]:
    """Return `files`, the first `most` of a tidy folder by path, and `more_files`, how many others. Blocks."""
    found: list[tuple[str, int]] = []
    for where, _folders, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            if name != CWD_FILE and not os.path.islink(path):
                found.append((_told(os.path.relpath(path, folder)), os.path.getsize(path)))
    listed = [SeatFile(path=path, bytes=size) for path, size in sorted(found)[:most]]
    return ({"files": listed} if listed else {}) | ({"more_files": len(found) - most} if len(found) > most else {})


def remove_tree(path: Path) -> None:
    """Remove a folder of any depth: folders inside are moved up beside it first. Blocks; raises OSError."""
    if os.open not in os.supports_dir_fd:
        return shutil.rmtree(path)
    where = os.open(path.parent, _FOLDER)
    try:
        _remove(path.name, where)
    finally:
        os.close(where)


class _HiddenError(Exception):
    """There is more than can be seen."""


_Entry = tuple[int, str, os.stat_result]


def _entries(folder: Path, *, repair: bool = False) -> Iterator[_Entry]:
    """Yield descriptor of the folder it is in, path and status of all there is; no link is followed.

    `repair` opens folders that are closed to their owner and removes those that are too deep, which otherwise raise.
    """
    where = os.open(folder, _FOLDER)
    try:
        yield from _below(where, "", 1, repair=repair)
    finally:
        os.close(where)


def _below(where: int, above: str, depth: int, *, repair: bool) -> Iterator[_Entry]:
    for name in os.listdir(where):
        try:
            status = os.stat(name, dir_fd=where, follow_symlinks=False)
        except FileNotFoundError:  # a command is at work in here
            continue
        except PermissionError as error:
            raise _HiddenError("one of its folders cannot be looked into") from error
        yield where, above + name, status
        if stat.S_ISDIR(status.st_mode):
            if depth >= MAX_DEPTH and repair:
                _remove(name, where)
            elif depth >= MAX_DEPTH:
                raise _HiddenError(f"its folders are nested more than {MAX_DEPTH} deep")
            else:
                yield from _inside(name, where, above + name + "/", depth, repair=repair)


def _inside(name: str, where: int, path: str, depth: int, *, repair: bool) -> Iterator[_Entry]:
    try:
        inner = os.open(name, _FOLDER, dir_fd=where)
    except PermissionError as error:
        raise _HiddenError("one of its folders cannot be looked into") from error
    except OSError:  # it has become something else meanwhile
        return
    try:
        yield from _below(inner, path, depth + 1, repair=repair)
    finally:
        os.close(inner)


def _set_mode(name: str, where: int, mode: int) -> None:
    """Change the mode of a file or folder, but never that of what a link leads to."""
    if not hasattr(os, "O_PATH"):
        return os.chmod(name, mode, dir_fd=where)
    at = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=where)
    try:
        if not stat.S_ISLNK(os.fstat(at).st_mode):
            os.chmod(f"/proc/self/fd/{at}", mode)
    finally:
        os.close(at)


def _keep_inside(folder: Path, where: int, path: str) -> None:
    """Make a link to an absolute path inside a relative one; remove a link that leads out of the folder."""
    name, target = os.path.basename(path), os.readlink(os.path.basename(path), dir_fd=where)
    if target == INSIDE or target.startswith(f"{INSIDE}/"):
        target = os.path.relpath(target, os.path.join(INSIDE, os.path.dirname(path)))
        os.unlink(name, dir_fd=where)
        os.symlink(target[:_LONGEST_LINK], name, dir_fd=where)
    if target.startswith("/") or len(target) >= _LONGEST_LINK or not _leads_inside(folder, where, name, target):
        os.unlink(name, dir_fd=where)


def _leads_inside(folder: Path, where: int, name: str, target: str) -> bool:
    """Ask the kernel where a link leads: it follows links that are too long or too many for us to follow."""
    if not hasattr(os, "O_PATH"):
        return Path(os.path.realpath(os.path.join(folder, name))).is_relative_to(os.path.realpath(folder))
    try:
        end = os.open(name, os.O_PATH, dir_fd=where)
    except OSError:  # nowhere: every other link on its way is looked at for itself
        return ".." not in target.split("/")
    try:
        return f"{os.readlink(f'/proc/self/fd/{end}')}/".startswith(f"{os.path.realpath(folder)}/")
    except OSError:  # too deep to be told
        return False
    finally:
        os.close(end)


def _remove(name: str, where: int) -> None:
    waiting = [name]
    while waiting:
        name = waiting.pop()
        os.chmod(name, 0o700, dir_fd=where)
        folder = os.open(name, _FOLDER, dir_fd=where)
        try:
            for entry in os.listdir(folder):
                if stat.S_ISDIR(os.stat(entry, dir_fd=folder, follow_symlinks=False).st_mode):
                    waiting.append(f".gone-{uuid.uuid4().hex}")
                    os.chmod(entry, 0o700, dir_fd=folder)
                    os.rename(entry, waiting[-1], src_dir_fd=folder, dst_dir_fd=where)
                else:
                    os.unlink(entry, dir_fd=folder)
        finally:
            os.close(folder)
        os.rmdir(name, dir_fd=where)


def _told(path: str) -> str:
    return shown(path.encode(errors="surrogateescape").decode(errors="replace"))
