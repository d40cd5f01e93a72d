"""The processes that read: started when needed, used again, killed when they take too long."""

import atexit
import json
import os
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO, Any, cast

from fusion_graph.reading.document import Document, Kind, UnreadableError

READ_SECONDS = 10.0
IDLE_SECONDS = 60.0  # a process holds about 80 MB
HEAD = struct.Struct(">cI")
SIZE = struct.Struct(">I")

_AT_ONCE = threading.BoundedSemaphore(max(2, os.cpu_count() or 2))


def read(kind: Kind, body: bytes, seconds: float = READ_SECONDS) -> Document:
    """Return what a document says; `body` of HTML is UTF-8. Blocks: use a thread.

    Raises:
        UnreadableError: it holds no text, or takes longer than `seconds` or more memory than there is.
    """
    with _AT_ONCE:
        while True:
            worker = _idle.pop() if _idle else _Worker()
            try:
                answer = worker.ask(kind, body, seconds)
            except (EOFError, OSError) as error:
                was_used = worker.used
                took_long = worker.end()
                if took_long or not was_used:  # a process that was idle may just have gone
                    what = f"takes more than {seconds:g} s to read" if took_long else "breaks the parser"
                    raise UnreadableError(f"The document {what}.") from error
                continue
            worker.used = True
            _idle.append(worker)
            break
    if "error" in answer:
        raise UnreadableError(answer["error"])
    return Document(**answer | {"canonical": tuple(answer["canonical"])})


class _Worker:
    """One process. It knows no key of ours: its environment holds what Python needs, and its modules' places."""

    def __init__(self) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
        self.used = False
        self._late = False
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "fusion_graph.reading"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._in, self._out = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)

    def ask(self, kind: Kind, body: bytes, seconds: float) -> dict[str, Any]:
        """Return the answer. Raises EOFError or OSError if the process ends, because of `end` or by itself."""
        timer = threading.Timer(seconds, self._cut)
        timer.start()
        try:
            self._in.write(HEAD.pack(kind[:1].encode(), len(body)) + body)
            self._in.flush()
            (size,) = SIZE.unpack(self._exactly(SIZE.size))
            answer: dict[str, Any] = json.loads(self._exactly(size))
        finally:
            timer.cancel()
        return answer

    def end(self) -> bool:
        """Kill the process; say whether that was because it took too long."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._in, self._out):
            with suppress(OSError):  # what could not be written any more
                pipe.close()
        return self._late

    def _cut(self) -> None:
        self._late = True
        self._process.kill()

    def _exactly(self, size: int) -> bytes:
        found = self._out.read(size)
        if len(found) < size:
            raise EOFError
        return found


_idle: list[_Worker] = []


def _end_all() -> None:
    while _idle:
        _idle.pop().end()


atexit.register(_end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # they belong to the parent
