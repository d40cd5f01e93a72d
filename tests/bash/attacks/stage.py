"""What attacks are after, made by this test itself, and how they are run: inside of the sandbox, and without one."""

import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from fusion_graph.tools.bash.bubblewrap import Bubblewrap
from fusion_graph.tools.bash.outcome import Limits, Outcome
from fusion_graph.tools.bash.workspace import Workspaces, files_in, remove_tree
from tests.bash.attacks import calls
from tests.bash.attacks.case import ANYHOW, TOO_LONG, Case, Seen

BWRAP = shutil.which("bwrap") or ""
VARIABLE = "FUSION_CANARY"
_ALIVE = "ALIVE"  # said at the end of a script that nothing has ended
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_PATIENCE = 30.0  # for a command without a sandbox
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


class World:
    """Canaries in a folder of their own, and workspaces. Close it; what it has made is gone then."""

    def __init__(self) -> None:
        self._made = ExitStack()
        self.base = Path(
            tempfile.mkdtemp(prefix="fusion-attack-", dir="/var/tmp")
        )  # root's tmp_path is closed to others
        self._made.callback(_remove, self.base)
        self.base.chmod(0o711)
        self.token = secrets.token_hex(8)
        self.secret = self.base / "outside" / "secret"
        self.secret.parent.mkdir()
        self.secret.parent.chmod(0o777)
        self.secret.write_text(f"{self.token}\n", encoding="ascii")
        self.secret.chmod(0o666)
        self._key = f"run-{secrets.token_hex(8)}"
        self.workspaces = Workspaces({"FUSION_HOME": str(self.base)})
        self.other = self.workspaces.open("others/2")
        (self.other / "note").write_text(f"{self.token}\n", encoding="ascii")
        self._own(self.other / "note")
        self._listen()
        self.victim = subprocess.Popen(["sleep", "600"], cwd="/", **self.drop)
        self._made.callback(self._end_victim)
        self._inherited = os.open(self.base / "inherited-canary", os.O_RDWR | os.O_CREAT, 0o600)
        os.set_inheritable(self._inherited, True)  # noqa: FBT003 - the function has it so
        self._made.callback(os.close, self._inherited)
        self._count = 0

    def close(self) -> None:
        self._made.close()

    @property
    def drop(self) -> dict[str, Any]:
        """Arguments of Popen that make a process the same user as commands are."""
        owner = self.workspaces.owner
        return {"user": owner, "group": owner, "extra_groups": []} if owner else {}

    @property
    def words(self) -> Mapping[str, str]:
        return {
            "@secret@": str(self.secret),
            "@token@": self.token,
            "@other@": str(self.other),
            "@socket@": str(self.secret.parent / "socket"),
            "@abstract@": f"fusion-attack-{self.token}",
            "@tcp@": str(self._tcp.getsockname()[1]),
            "@udp@": str(self._udp.getsockname()[1]),
            "@victim@": str(self.victim.pid),
            "@base@": str(self.base),
            **{f"@{name}@": str(calls.number(name)) for name in calls.NUMBERS},
        }

    def heard(self) -> bool:
        """Say whether a datagram has come."""
        with suppress(BlockingIOError):
            return bool(self._udp.recv(100))
        return False

    def folder(self) -> Path:
        """Return a new workspace."""
        self._count += 1
        return self.workspaces.open(f"{self._key}/{self._count}")

    def script(self, text: str) -> str:
        for word, meaning in self.words.items():
            text = text.replace(word, meaning)
        return f"{text}\necho {_ALIVE}"

    def shell(self, limits: Mapping[str, int]) -> Bubblewrap:
        return Bubblewrap(BWRAP, self.workspaces, Limits(**limits))

    def run(self, case: Case, folder: Path, stop: threading.Event | None = None) -> Outcome:
        """Run a case's command in the sandbox."""
        with _variable(self.token):
            return self.shell(case.limits).run_now(
                self.script(case.command), folder, case.seconds, stop or threading.Event()
            )

    def plainly(self, case: Case) -> str:
        """Run a case's command as the same user without a sandbox; return what harm it did."""
        folder = self.folder()
        environ = {"PATH": _PATH, VARIABLE: self.token, "HOME": str(folder)}
        with (
            _variable(self.token),
            subprocess.Popen(
                ["bash", "-c", self.script(case.command)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=folder,
                env=environ,
                close_fds=False,
                start_new_session=True,
                **self.drop,
            ) as process,
        ):
            try:
                out, err = process.communicate(timeout=_PATIENCE)
                return case.harm(Seen(self, folder, _text(out), _text(err)))
            finally:
                for pid in {process.pid, *left_in(folder)}:
                    with suppress(ProcessLookupError, PermissionError):
                        os.killpg(pid, signal.SIGKILL)
                    with suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL)

    def sweep(self) -> None:
        """Take away what controls have left."""
        _remove(self.workspaces.folder(self._key))

    def _listen(self) -> None:
        self._tcp = self._made.enter_context(socket.create_server(("127.0.0.1", 0), backlog=50))
        self._udp = self._made.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._udp.bind(("127.0.0.1", 0))
        self._udp.settimeout(0)
        for name in (str(self.secret.parent / "socket"), f"\0fusion-attack-{self.token}"):
            server = self._made.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(name)
            server.listen(50)
        (self.secret.parent / "socket").chmod(0o777)

    def _own(self, path: Path) -> None:
        if self.workspaces.owner:
            os.chown(path, self.workspaces.owner, self.workspaces.owner)

    def _end_victim(self) -> None:
        self.victim.kill()
        self.victim.wait()


def _remove(folder: Path) -> None:
    """Remove what may be closed, and deeper than Python can name."""
    subprocess.run(["chmod", "-R", "u+rwX", folder], check=False, capture_output=True)
    subprocess.run(["rm", "-rf", folder], check=True)


def problem(case: Case, world: World) -> str:
    """Return what is wrong when a case is tried on the sandbox, "" if it holds."""
    try:
        return case.scene(world) if case.scene else _attacked(case, world)
    except (Exception, RecursionError) as error:  # noqa: BLE001 - whatever it is, the sandbox must not raise it
        return f"it raised {type(error).__name__}: {str(error)[:300]}"


def works(world: World) -> str:
    """Return why the sandbox does not run a command at all, "" if it does."""
    return problem(Case(name="nothing", guard=""), world)


def _attacked(case: Case, world: World) -> str:
    folder, before = world.folder(), _descriptors()
    outcome = world.run(case, folder)
    seen = Seen(world, folder, outcome.stdout, outcome.stderr, outcome.killed)
    found = [case.harm(seen), _ended(case, outcome)]
    wait_until(lambda: not left_in(folder), 3.0)
    found += [f"processes are left: {left}" for left in [left_in(folder)] if left]
    found += [untidy(folder), _unremoved(folder), _leaked(before)]
    return "; ".join(filter(None, found))


def _ended(case: Case, outcome: Outcome) -> str:
    """Return how a command ended otherwise than it should have."""
    if case.killed == ANYHOW:
        return "" if outcome.killed or _ALIVE in outcome.stdout else f"it did not go on: {outcome}"
    if case.killed:
        told = outcome.timed_out == (case.killed == TOO_LONG) and outcome.exit_code == (
            124 if outcome.timed_out else 137
        )
        return (
            "" if case.killed in outcome.killed and told else f"it was not ended as it should be: {str(outcome)[-300:]}"
        )
    return "" if not outcome.killed and _ALIVE in outcome.stdout else f"it did not go on: {str(outcome)[-600:]}"


def wait_until(is_so: Callable[[], bool], seconds: float) -> None:
    """Wait until something is so, but no longer than some seconds."""
    end = time.monotonic() + seconds
    while not is_so() and time.monotonic() < end:
        time.sleep(0.02)


def left_in(folder: Path) -> list[int]:
    """Return the ids of processes that work in a workspace, from inside of a sandbox or without one."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            mounts, cwd = (each / "mountinfo").read_bytes(), str((each / "cwd").readlink())
            is_dead = (each / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] in "ZX"
            if not is_dead and (os.fsencode(folder) + b" " in mounts or cwd.startswith(str(folder))):
                found.append(int(each.name))
    return found


def untidy(folder: Path) -> str:
    """Return what is in a workspace that no command may leave there."""
    found = ["its own mode"] if stat.S_IMODE(folder.stat().st_mode) != 0o700 else []
    with _opened(folder) as where:
        found += _untidy(where, where, "")
    with suppress(OSError):
        files_in(folder, 10)
    return f"left behind: {', '.join(found[:5])}" if found else ""


def _untidy(root: int, where: int, path: str) -> Iterator[str]:
    for name in os.listdir(where):
        status = os.stat(name, dir_fd=where, follow_symlinks=False)
        said = f"{path}/{name}"[-60:]
        if stat.S_ISLNK(status.st_mode):
            if _leads_out(root, where, name):
                yield f"{said} leads out"
        elif not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            yield f"{said} is {stat.filemode(status.st_mode)}"
        elif status.st_mode & 0o7000 or status.st_mode & 0o600 != 0o600:
            yield f"{said} has {stat.filemode(status.st_mode)}"
        elif stat.S_ISDIR(status.st_mode):
            with _opened(name, where) as inner:
                yield from _untidy(root, inner, f"{path}/{name}")


def _leads_out(root: int, where: int, name: str) -> bool:
    """Ask the kernel where a link leads, as whoever opens it would."""
    if os.readlink(name, dir_fd=where).startswith("/"):
        return True
    with suppress(OSError), _opened(name, where, os.O_PATH) as end:  # an error: it leads nowhere, or very deep
        inside, at = (Path(f"/proc/self/fd/{each}").readlink() for each in (root, end))
        return not at.is_relative_to(inside)
    return False


@contextmanager
def _opened(name: str | Path, where: int | None = None, how: int = _FOLDER) -> Iterator[int]:
    descriptor = os.open(name, how, dir_fd=where)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _unremoved(folder: Path) -> str:
    remove_tree(folder)
    return "the workspace is still there" if folder.exists() else ""


def _descriptors() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


def _leaked(before: set[Path]) -> str:
    now = _descriptors()
    return "" if len(now) <= len(before) else f"descriptors are left open: {now - before}"


@contextmanager
def _variable(value: str) -> Iterator[None]:
    os.environ[VARIABLE] = value
    try:
        yield
    finally:
        del os.environ[VARIABLE]


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")
