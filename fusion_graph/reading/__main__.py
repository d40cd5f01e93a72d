"""A process that reads documents for another one: requests on stdin, answers on stdout, until stdin ends.

A request is kind and size of a body (`HEAD`) and the body; an answer is a size (`SIZE`) and JSON: the fields of a
`Document`, or `error`. Whatever else goes wrong ends the process, which the other side understands.
"""

import json
import os
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from typing import Any, BinaryIO

from fusion_graph.reading.document import Document, UnreadableError
from fusion_graph.reading.workers import HEAD, IDLE_SECONDS, READ_SECONDS, SIZE

_MEMORY = 2**30  # bytes


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    while head := requests.read(HEAD.size):
        kind, size = HEAD.unpack(head)
        _limit_time()
        try:
            answer: dict[str, Any] = asdict(_read(kind, requests.read(size)))
        except UnreadableError as error:
            answer = {"error": str(error)}
        told = json.dumps(answer).encode()
        answers.write(SIZE.pack(len(told)) + told)
        answers.flush()


def _read(kind: bytes, body: bytes) -> Document:
    if kind == b"p":
        from fusion_graph.reading.pdf import read_pdf  # noqa: PLC0415 - most runs see none

        return read_pdf(body)
    from fusion_graph.reading.html import read_html  # noqa: PLC0415

    return read_html(body.decode())


def _limit_time() -> None:
    """End this process if it works for longer than it is waited for: whoever asked may be gone."""
    with suppress(ImportError, ValueError, OSError):  # not on Windows; or a lower limit is set already
        import resource  # noqa: PLC0415

        used = resource.getrusage(resource.RUSAGE_SELF)
        most = int(used.ru_utime + used.ru_stime + READ_SECONDS) + 2
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _limit_memory() -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


class _Idle:
    """Ends the process when nothing was asked for a while."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        timer = threading.Timer(IDLE_SECONDS, os._exit, (0,))
        timer.daemon = True
        timer.start()
        try:
            return self._stream.read(size)
        finally:
            timer.cancel()


if __name__ == "__main__":
    _limit_memory()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints does not break the answers
    serve(_Idle(sys.stdin.buffer), answers)  # type: ignore[arg-type]  # all that is used is read
