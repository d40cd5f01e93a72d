"""Whether a sandbox holds on this machine: tried out, because a sandbox that cannot start refuses everything, too.

Each try has its control: what must work is asked for beside what must not, and the host can do what the command cannot.
"""

import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fusion_graph.tools.bash.bubblewrap import Bubblewrap
from fusion_graph.tools.bash.outcome import ShellError

_SPOKEN = "wörk ✓ 漢字"
_LONG = 200_000  # characters of a command: more than one argument of a process may have
_SECONDS = 10.0


def why_not(shell: Bubblewrap) -> str:
    """Return why commands may not be given to the sandbox, in words, "" if it holds. Blocks."""
    key = f"probe-{secrets.token_hex(8)}"
    try:
        folder = shell.workspaces.open(f"{key}/0")
        try:
            return _tried(shell, folder)
        finally:
            shell.workspaces.remove(key)
    except ShellError as error:
        return str(error)
    except OSError as error:
        return f"{type(error).__name__}: {error}"


def _tried(shell: Bubblewrap, folder: Path) -> str:
    beside = folder.parent / "canary"
    beside.write_text("canary", encoding="ascii")
    beside.chmod(0o644)
    with _listening() as port:
        unwanted = {
            "a file outside of it can be read": f"cat '{beside}'",
            "the network can be reached": f"exec 3<>/dev/tcp/127.0.0.1/{port}",
            "the system can be written to": "touch /usr/fusion || touch /etc/fusion || touch /fusion",
            "it has rights of root": "! grep -q '^CapBnd:.0*$' /proc/self/status",
            "system calls are not filtered": "! grep -q '^Seccomp:.2$' /proc/self/status",
            "programs can gain rights": "! grep -q '^NoNewPrivs:.1$' /proc/self/status",
        }
        tries = (f"( {command} ) >/dev/null 2>&1 && echo '{name}' >&2" for name, command in unwanted.items())
        wanted = f"printf '{_SPOKEN}' && printf written > file && : {'x' * _LONG}"
        told = shell.run_now("\n".join([wanted, *tries, "exit 0"]), folder, _SECONDS, threading.Event())
    if broken := told.stderr.strip():
        return broken
    if (told.stdout, told.exit_code) != (_SPOKEN, 0) or told.killed:
        return told.killed or f"a command that says {_SPOKEN!r} said {told.stdout!r} and ended with {told.exit_code}"
    if not (folder / "file").is_file() or (folder / "file").read_text() != "written":
        return "what a command writes does not arrive"
    return ""


@contextmanager
def _listening() -> Iterator[int]:
    """Give the port of a server on the loopback that this process itself can reach."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        with socket.socket() as own:
            own.settimeout(_SECONDS)
            own.connect(("127.0.0.1", port))
            yield port
