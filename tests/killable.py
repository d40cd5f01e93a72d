"""Processes that run fusion and are killed with SIGKILL at their n-th write to a socket or to the database.

`Killable` starts one process that imports everything and forks a child per command, so that a matrix of hundreds of
killed processes costs milliseconds each and not an import each.
"""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

_WRITES = ("BEGIN", "COMMIT", "CREATE")  # between BEGIN and COMMIT nothing is stored


class Killable:
    """Run commands in forked processes: `start` a run, or `resume` it, to its end or to its kill."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = {**os.environ, **environ}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.killable"],
            env=self._environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()

    def run(self, **command: Any) -> dict[str, Any]:
        """Return what became of one child: `killed`, the `writes` it made, and its `result` if it came to one.

        Keys: db, action (start or resume), settings, question, kill_at (0: never), backoff (seconds before a retry).
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command, default=str) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the killable process died"
        answer: dict[str, Any] = json.loads(line)
        return answer


def _count_writes(kill_at: int) -> Callable[[], int]:
    """Count writes to network sockets and to SQLite from now on; kill this process right before the n-th."""
    made = 0

    def write() -> None:
        nonlocal made
        made += 1
        if made == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("send", "sendall", "sendmsg"):
        _before(socket.socket, name, lambda self, *_args: self.family != socket.AF_UNIX, write)
    connect = sqlite3.connect

    def watched(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)
        connection.set_trace_callback(lambda sql: write() if sql.startswith(_WRITES) else None)
        return connection

    sqlite3.connect = watched  # type: ignore[assignment]
    return lambda: made


def _before(owner: type, name: str, counts: Callable[..., bool], write: Callable[[], None]) -> None:
    original = getattr(owner, name)

    def patched(self: Any, *args: Any, **kwargs: Any) -> Any:
        if counts(self, *args):
            write()
        return original(self, *args, **kwargs)

    setattr(owner, name, patched)


async def _work(command: Mapping[str, Any]) -> dict[str, Any]:
    from fusion_graph.calls import tries  # noqa: PLC0415
    from fusion_graph.models import close_clients  # noqa: PLC0415 -- the environment comes first
    from fusion_graph.runs import open_runs  # noqa: PLC0415

    tries.BACKOFF_SECONDS = float(command.get("backoff", tries.BACKOFF_SECONDS))
    async with open_runs(command["db"]) as runs:
        if command["action"] == "start":
            live = await runs.start([command["question"]], command["settings"], thread_id="t")
        else:
            newest = await runs.list(limit=1)
            if not newest:
                return {}
            live = await runs.resume(newest[0]["run_id"])
        if command.get("heard"):
            async for _event in live.events():
                pass
        result = await live.result()
        told = [event async for event in runs.events(live.run_id)]
    await close_clients()
    return {"result": result, "events": told}


def _child(command: Mapping[str, Any], answer: int) -> None:
    writes = _count_writes(int(command.get("kill_at") or 0))
    outcome = asyncio.run(_work(command))
    with os.fdopen(answer, "w") as pipe:
        json.dump({**outcome, "writes": writes()}, pipe, default=str)


def _serve() -> None:
    """Fork a child per line of stdin and answer a line per child."""
    import langchain_openai  # noqa: F401, PLC0415

    import fusion_graph.runs  # noqa: F401, PLC0415 -- paid once, before the first fork
    from fusion_graph.models import estimate_price  # noqa: PLC0415

    estimate_price("openai:gpt-5", 1, 1)

    for line in sys.stdin:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            try:
                _child(json.loads(line), writer)
            except BaseException:  # noqa: BLE001 -- a forked child must never go on in its parent's code
                sys.excepthook(*sys.exc_info())
                os._exit(1)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            told = pipe.read()
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        sys.stdout.write(json.dumps({"killed": killed, "status": status, **(json.loads(told) if told else {})}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
