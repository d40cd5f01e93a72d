"""The `fusion` command in processes forked from one that has imported it: real processes, without an import each.

`Forked` starts the parent once; `spawn` gives a process its arguments, its environment and files for stdin, stdout and
stderr (one that is a terminal becomes the process's own), and `wait` its exit code (negative: the signal that killed it).
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from coverage import Coverage


class Forked:
    """A parent process that has imported everything, and forks on demand."""

    def __enter__(self) -> Self:
        measured = ["-m", "coverage", "run"] if Coverage.current() else []
        self._process = subprocess.Popen(
            [sys.executable, *measured, "-m", "tests.forked"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate(timeout=30)

    def spawn(self, arguments: Sequence[str], environ: Mapping[str, str], stdin: Path, out: Path, err: Path) -> int:
        """Return the id of a new process."""
        files = [str(stdin), str(out), str(err)]
        return int(self._ask(do="spawn", arguments=list(arguments), environ=dict(environ), files=files))

    def wait(self, pid: int) -> int:
        """Return the exit code of a process, waiting for its end."""
        return int(self._ask(do="wait", pid=pid))

    def _ask(self, **command: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def _child(command: Mapping[str, Any]) -> None:
    if any(name.startswith(("/dev/pts/", "/dev/tty")) for name in command["files"]):
        os.setsid()  # the terminal is then its own: Ctrl-C reaches it, and nobody else
    for number, (name, flags) in enumerate(
        zip(command["files"], (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT), strict=True)
    ):
        os.dup2(os.open(name, flags, 0o600), number)
    os.environ.clear()
    os.environ.update(command["environ"])
    sys.argv = ["fusion", *command["arguments"]]
    from fusion_graph.cli import main  # noqa: PLC0415 -- imported by the parent

    main()


def _spawn(command: Mapping[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        _child(command)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 -- a forked child must never go on in its parent's code
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _serve() -> None:
    import langchain_openai  # noqa: F401, PLC0415
    import uvicorn  # noqa: F401, PLC0415

    import fusion_graph.cli  # noqa: PLC0415
    import fusion_graph.server.app  # noqa: F401, PLC0415
    from fusion_graph.models import estimate_price  # noqa: PLC0415

    estimate_price("openai:gpt-5", 1, 1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for line in sys.stdin:
        command = json.loads(line)
        spawn = command["do"] == "spawn"
        answer = _spawn(command) if spawn else os.waitstatus_to_exitcode(os.waitpid(command["pid"], 0)[1])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
