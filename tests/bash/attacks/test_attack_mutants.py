"""Every guard of the sandbox, taken out: an attack that does no harm otherwise must do some.

To add one, add a row: the guard (its cases are tried first) and what is done to it, and the edits of the source that do
it. Where another guard stops the same, one mutant takes out both, and its row names the other after "and".
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from types import ModuleType

import pytest

from fusion_graph.tools.bash import bubblewrap, holding, outcome, seccomp, watch, workspace
from tests.bash.attacks.case import Case
from tests.bash.attacks.stage import World, problem, works
from tests.bash.attacks.table import CASES
from tests.guards.mutation import mutated

# Minutes for all of them, and a mutant that survives has the whole suite tried on it.
pytestmark = [pytest.mark.full, pytest.mark.timeout(120)]
Edits = Mapping[ModuleType, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A guard taken out. `for_root`: only a process that has been started as root has it."""

    name: str
    edits: Edits
    for_root: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def guard(self) -> str:
        return self.name.partition(": ")[0]


def _unshared(*names: str) -> str:
    return ", ".join(f'"--unshare-{name}"' for name in ("ipc", "pid", "net", "uts", "cgroup-try") if name not in names)


_ALL, _PID_1, _ENV = '"--unshare-all"', '"--as-pid-1", ', '"env": {}'
_NO_SETUID = {"_SETUID_BITS = 0o6000": "_SETUID_BITS = 0"}

BUBBLEWRAP = {
    "network: the machine's": {_ALL: _unshared("net")},
    "processes: the machine's, and its first one": {_ALL: _unshared("pid"), _PID_1: ""},
    "ipc: the machine's": {_ALL: _unshared("ipc")},
    "--hostname: the machine's": {_ALL: _unshared("uts"), '"--hostname", "sandbox", ': ""},
    "--hostname: not set": {'"--hostname", "sandbox", ': ""},
    "--die-with-parent: left out": {'"--die-with-parent", ': ""},
    "--as-pid-1: left out": {_PID_1: ""},
    "capabilities: all": {'"--cap-drop"': '"--cap-add"'},
    "env: the parent's, and --clearenv": {_ENV: '"env": None', '"--clearenv", ': ""},
    "env: the parent's, and --as-pid-1": {_ENV: '"env": None', _PID_1: ""},
    "--uid: the real one": {'"--uid", "1000"': ""},
    "--uid: the real group": {'*("--gid", "1000"),': ""},
    "umask: the parent's": {', "umask": 0o077': ""},
    "mounts: /var as well": {
        '*("--ro-bind", "/usr", "/usr"),': '*("--ro-bind", "/usr", "/usr", "--ro-bind", "/var", "/var"),'
    },
    "mounts: /etc as well": {
        '*("--ro-bind", "/usr", "/usr"),': '*("--ro-bind", "/usr", "/usr", "--ro-bind", "/etc", "/etc"),'
    },
    "read-only: not /usr": {'"--ro-bind", "/usr"': '"--bind", "/usr"'},
    "read-only: not /etc/alternatives": {'"--ro-bind-try", "/etc/alternatives"': '"--bind-try", "/etc/alternatives"'},
    "read-only: not /etc/ld.so.cache": {'"--ro-bind-try", "/etc/ld.so.cache"': '"--bind-try", "/etc/ld.so.cache"'},
    "read-only: not /etc/passwd": {'"--ro-bind-data", str(passwd)': '"--bind-data", str(passwd)'},
    "read-only: not /etc/group": {'"--ro-bind-data", str(group)': '"--bind-data", str(group)'},
    "read-only: not the command": {'"--ro-bind-data", str(script)': '"--bind-data", str(script)'},
    "/proc/sys: not read-only": {'"--ro-bind", "/proc/sys", "/proc/sys", ': ""},
    "--dev: the machine's": {'"--dev", "/dev"': '"--dev-bind", "/dev", "/dev"'},
    "--size of /dev/shm: any": {'"--size", str(limits.shared_bytes), ': ""},
    "--size of /tmp: any": {'"--size", str(limits.scratch_bytes), ': ""},
    "remount-ro: not /dev": {'"--remount-ro", "/dev", ': ""},
    "remount-ro: not /": {', "--remount-ro", "/")': ")"},
    "--seccomp: left out": {'*("--seccomp", str(rules)),': ""},
    "memfd: the command is an argument": {"*_shell(self.limits)]": "*_shell(self.limits), command]"},
    "ulimit -u: any": {'ulimit -u "$1" || exit 125': ":"},
    "close_fds: all are passed on": {
        '"pass_fds": (passwd, group, script, rules)': '"close_fds": False',
        'os.memfd_create("fusion")': 'os.memfd_create("fusion", 0)',
    },
    "links: nothing is tidied": {"                tidy(workspace)": "                pass"},
}
ROOT: Mapping[str, Edits] = {
    "never root: not refused": {bubblewrap: {"if os.geteuid() == 0 and not owner:": "if False:"}},
    "never root: not dropped, and its own workspaces": {
        bubblewrap: {'{"user": owner, "group": owner, "extra_groups": []} if owner else {}': "{}"},
        workspace: {"os.chown(folder, self.owner, self.owner)": "pass"},
    },
}
WATCH = {
    "ulimit -c: any": {"ulimit -c 0 && ": ""},
    "ulimit -v: any": {'ulimit -v "$1" && ': ""},
    "ulimit -f: any": {'ulimit -f "$2" && ': ""},
    "ulimit -n: any": {'ulimit -n "$3" && ': ""},
    "ulimit -t: any": {'ulimit -t "$4" && ': ""},
    "seconds: any": {"seconds > self.seconds": "False"},
    "seconds: nothing is killed": {"                _kill(process)": "                pass"},
    "stop: not asked": {"self.stop.is_set()": "False"},
    "output bytes: any": {"said > limits.output_bytes": "False"},
    "output bytes: of errors": {"out.total + err.total": "out.total"},
    "output bytes: of what is no error": {"out.total + err.total": "err.total"},
    "memory: any": {"held.memory > limits.memory": "False"},
    "descriptors of all: any": {"held.descriptors > MOST_DESCRIPTORS": "False"},
    "workspace bytes: any": {"taken.bytes + held.unlinked >": "False and 0 >"},
    "workspace files: any": {"taken.files >": "False and 0 >"},
    "unlinked files: not counted": {"taken.bytes + held.unlinked": "taken.bytes"},
    "pieces of memory: any": {"held.mappings > MOST_MAPPINGS": "False"},
    "files in memory: any": {"held.in_memory > limits.workspace_files": "False"},
    "nesting: any": {"bool(taken.trouble)": "False"},
}
HOLDING = {
    "memory: of one process only": {"for each in tree(pid):": "for each in [pid]:"},
    "memory: that of no file": {'"RssAnon:", ': ""},
    "shared memory: any": {'"RssShmem:", ': ""},
    "page tables: any": {', "VmPTE:"': ""},
    "unlinked files: those that memory holds": {"held.unlinked += limits.file_bytes": "pass"},
    "sockets: any": {"held.memory += _SOCKET_BYTES": "pass"},
}
WORKSPACE = {
    "sparse files: by their length": {"status.st_blocks * 512": "status.st_size"},
    "nesting: not cut off": {"if depth >= MAX_DEPTH and repair:": "if False:"},
    "links: not looked at": {"            _keep_inside(folder, where, path)\n": "            pass\n"},
    "links: as they are written": {
        "not _leads_inside(folder, where, name, target)": (
            'os.path.normpath(os.path.join(os.path.dirname(path), target)).startswith("..")'
        )
    },
    "links: too long to be written anew": {"os.symlink(target[:_LONGEST_LINK]": "os.symlink(target"},
    "no link followed: any is": {
        "        return os.chmod(name, mode, dir_fd=where)\n": "        pass\n    return os.chmod(name, mode, dir_fd=where)\n"
    },
    "its mode: as it is": {"    os.chmod(folder, 0o700)\n": ""},
    "inner links: taken for outer ones": {"if target == INSIDE or": "if False and"},
    "special files: left": {"            os.unlink(os.path.basename(path), dir_fd=where)\n": "            pass\n"},
    "rights: as they are": {" & 0o777 | rights": " & 0o777"},
}
OUTCOME = {
    "shown: codes of terminals": {'_ESCAPE.sub("", text)': "text"},
    "shown: what only machines read": {"return visible(": "return str("},
    "head and tail: no head": {"room = _HALF - len(self._head)": "room = 0"},
    "head and tail: all of it": {"        del self._tail[:-_HALF]": "        pass"},
    "head and tail: no gap": {r'f"\n[{self.cut} bytes left out]\n".encode()': 'b""'},
}
SECCOMP = {
    "architecture: any": {"_op(_RETURN, _KILL)": "_op(_RETURN, _ALLOW)"},
    "x32: let through": {"*_when(_JUMP_GREATER_EQUAL, _X32, _refusal(_ENOSYS)),": ""},
    "clone: new users": {"0x7E020000": "0x6E020000"},
    "setgid: let through": {"0o6000": "0o4000"},
    "O_TMPFILE: let through": {" | 0o20000000": ""},
    "TIOCSTI: let through": {"(_TIOCSTI, _TIOCLINUX, _TIOCSETD)": "(_TIOCLINUX, _TIOCSETD)"},
    "TIOCLINUX: let through": {"(_TIOCSTI, _TIOCLINUX, _TIOCSETD)": "(_TIOCSTI, _TIOCSETD)"},
    "TIOCSETD: let through": {"(_TIOCSTI, _TIOCLINUX, _TIOCSETD)": "(_TIOCSTI, _TIOCLINUX)"},
    **{f"socket: {family} as well": {"(1, 2, 10)": f"(1, 2, 10, {family})"} for family in (16, 17, 38, 40)},
}
BOTH: Mapping[str, Edits] = {
    "nested namespaces: --disable-userns, and the rule for unshare": {
        bubblewrap: {'"--disable-userns", ': ""},
        seccomp: {'    "unshare": (272, 97),\n': ""},
    },
    "terminal: --new-session, and a session of its own": {
        bubblewrap: {', "--new-session"': ""},
        watch: {"start_new_session=True": "start_new_session=False"},
    },
    "shared memory: of a device, and files that memory holds": {
        watch: {"held.shares,": "False,"},
        holding: {"held.unlinked += limits.file_bytes": "pass"},
    },
    "setuid: kept when it is tidied, and the rules for it": {
        workspace: {" & 0o777 | rights": " | rights"},
        seccomp: _NO_SETUID,
    },
    "special files: left when it is tidied, and the rules for mknod": {
        workspace: {"            os.unlink(os.path.basename(path), dir_fd=where)\n": "            pass\n"},
        seccomp: {'    "mknod": (133, None),\n': "", '    "mknodat": (259, 33),\n': ""},
    },
}


def _rules() -> Iterator[Mutant]:
    """Yield one mutant for each rule of the filter that is a line of its tables."""
    lines = re.findall(r'^    "([a-z0-9_]+)": .*\n', inspect.getsource(seccomp), re.MULTILINE)
    for name in lines:
        (line,) = re.findall(rf'^    "{name}": .*\n', inspect.getsource(seccomp), re.MULTILINE)
        yield Mutant(f"{name}: let through", {seccomp: {line: ""}})


def _of(module: ModuleType, rows: Mapping[str, Mapping[str, str]]) -> Iterator[Mutant]:
    yield from (Mutant(name, {module: edits}) for name, edits in rows.items())


MUTANTS = [
    *_of(bubblewrap, BUBBLEWRAP),
    *(Mutant(name, edits, for_root=True) for name, edits in ROOT.items()),
    *_of(watch, WATCH),
    *_of(holding, HOLDING),
    *_of(workspace, WORKSPACE),
    *_of(outcome, OUTCOME),
    *_of(seccomp, SECCOMP),
    *_rules(),
    *(Mutant(name, edits) for name, edits in BOTH.items()),
]


@contextmanager
def without(edits: Edits) -> Iterator[None]:
    with ExitStack() as undo:
        for module, own in edits.items():
            undo.enter_context(mutated(module, own))
        yield


@cache
def _is_sound(case: Case, world: World) -> bool:
    return problem(case, world) == ""


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_guard_that_is_taken_out_is_missed(mutant: Mutant, world: World) -> None:
    if mutant.for_root and world.workspaces.owner is None:
        pytest.skip("this is an ordinary user")

    for case in sorted(CASES, key=lambda case: case.guard != mutant.guard):
        with without(mutant.edits):
            missed = problem(case, world)
        if missed and _is_sound(case, world):
            break
    else:
        pytest.fail("the mutant survived all cases")

    with without(mutant.edits):
        assert works(world) == "", "this mutant is a program that fails"


@pytest.mark.parametrize("module", [bubblewrap, outcome, seccomp, watch, workspace], ids=lambda each: each.__name__)
def test_a_module_that_only_is_written_anew_is_not_missed(module: ModuleType, world: World) -> None:
    own = {mutant.guard for mutant in MUTANTS if module in mutant.edits}
    cases = {case.guard: case for case in reversed(CASES) if case.guard in own}.values()

    with mutated(module, {}):
        missed = [each.name for each in cases if problem(each, world) and _is_sound(each, world)]

    assert missed == []
