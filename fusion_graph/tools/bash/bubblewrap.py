"""The sandbox: a command in namespaces of its own, made by bubblewrap, under limits and a filter of system calls.

Never as root: with every capability dropped, root still writes to files of /proc that are the host's, and no limit on
processes holds it. Started as root, this drops to an unprivileged user first.
"""

import os
import platform
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fusion_graph.tools.bash.outcome import Limits, Outcome, ShellError
from fusion_graph.tools.bash.seccomp import filter_program
from fusion_graph.tools.bash.threads import in_thread
from fusion_graph.tools.bash.watch import Watched, limited
from fusion_graph.tools.bash.workspace import CWD_FILE, INSIDE, Workspaces, tidy

COMMAND_FILE = "/run/command"
_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_PASSWD = b"user:x:1000:1000:user:/workspace:/bin/bash\nroot:x:0:0:root:/root:/bin/sh\n"
_GROUP = b"user:x:1000:\nroot:x:0:\n"
_VARIABLES = {
    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    "HOME": INSIDE,
    "USER": "user",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "TERM": "dumb",
    "TMPDIR": "/tmp",  # noqa: S108 - the sandbox's own
}
# The limit on processes is set in here, where it counts those of this sandbox and no others of the user. What is kept
# of one command for the next is the folder it ended in, and only the shell inside ever reads that. Should the machine
# run out of memory, the kernel ends a command first.
_INNER = f"""ulimit -u "$1" || exit 125
echo 1000 2>/dev/null > /proc/self/oom_score_adj
cd "$(cat {INSIDE}/{CWD_FILE} 2>/dev/null)" 2>/dev/null || cd {INSIDE}
trap 'pwd -P > {INSIDE}/{CWD_FILE}' EXIT
. {COMMAND_FILE}"""


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """Commands in the sandbox of the bubblewrap at `path`. Started as root, it becomes their owner first."""

    path: str
    workspaces: Workspaces
    limits: Limits = field(default_factory=Limits)

    async def run(self, command: str, workspace: Path, seconds: float) -> Outcome:
        """Run a command. See `Shell`."""
        stop = threading.Event()
        return await in_thread(lambda: self.run_now(command, workspace, seconds, stop), stop.set)

    def run_now(self, command: str, workspace: Path, seconds: float, stop: threading.Event) -> Outcome:
        """Run a command; `stop` ends it. Blocks. Raises ShellError."""
        program = filter_program()
        owner = self.workspaces.owner
        if program is None:
            raise ShellError(f"the system calls of {platform.machine()} are not known here, so no filter can be made")
        if os.geteuid() == 0 and not owner:
            raise ShellError("commands are never run as root")
        with self.workspaces.lock(workspace), ExitStack() as files:
            passwd, group, script, rules = (
                files.enter_context(_in_memory(data)) for data in (_PASSWD, _GROUP, command.encode(), program)
            )
            inner = [*self._sandbox(workspace, passwd, group, script, rules), *_shell(self.limits)]
            drop = {"user": owner, "group": owner, "extra_groups": []} if owner else {}
            own = {"pass_fds": (passwd, group, script, rules), "env": {}, "cwd": "/", "umask": 0o077, **drop}
            try:
                watched = Watched(limited(self.limits, inner), workspace, self.limits, seconds, stop, own)
                return _started(watched.run())
            finally:
                tidy(workspace)

    def _sandbox(self, workspace: Path, passwd: int, group: int, script: int, rules: int) -> list[str]:
        limits = self.limits
        return [
            self.path,
            *("--unshare-user", "--unshare-all", "--disable-userns", "--die-with-parent", "--new-session"),
            *("--as-pid-1", "--cap-drop", "ALL", "--clearenv", "--hostname", "sandbox", "--uid", "1000"),
            *("--gid", "1000"),
            *("--ro-bind", "/usr", "/usr"),
            *_system_folders(),
            *("--ro-bind-try", "/etc/alternatives", "/etc/alternatives"),
            *("--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"),
            *("--ro-bind-data", str(passwd), "/etc/passwd", "--ro-bind-data", str(group), "/etc/group"),
            *("--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"),
            *("--size", str(limits.shared_bytes), "--tmpfs", "/dev/shm"),  # noqa: S108 - the sandbox's own
            *("--size", str(limits.scratch_bytes), "--tmpfs", "/tmp"),  # noqa: S108
            *("--ro-bind-data", str(script), COMMAND_FILE),
            *("--bind", str(workspace), INSIDE, "--chdir", INSIDE),
            *("--remount-ro", "/dev", "--remount-ro", "/"),
            *("--seccomp", str(rules)),
            *(part for name, value in _VARIABLES.items() for part in ("--setenv", name, value)),
        ]


def _started(outcome: Outcome) -> Outcome:
    """Return what a command did. Raises ShellError if it is bubblewrap itself that failed."""
    if outcome.exit_code == 1 and not outcome.stdout and outcome.stderr.startswith("bwrap: "):
        raise ShellError(outcome.stderr.removeprefix("bwrap: ").strip())
    return outcome


def _system_folders() -> list[str]:
    """Return what makes /bin, /lib and the like what they are on this machine: links into /usr, or folders."""
    found: list[str] = []
    for name in _SYSTEM:
        path = Path("/", name)
        if path.is_symlink():
            found += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            found += ["--ro-bind", str(path), str(path)]
    return found


def _shell(limits: Limits) -> Sequence[str]:
    return "bash", "--noprofile", "--norc", "-c", _INNER, "bash", str(limits.processes)


@contextmanager
def _in_memory(data: bytes) -> Iterator[int]:
    """Give the descriptor of a file without a name: a command line bounds its length, and others read it."""
    descriptor = os.memfd_create("fusion")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
