"""Reading in another process: real processes, killed, crashed and used again."""

import io
import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fusion_graph import reading
from fusion_graph.reading import UnreadableError, workers
from fusion_graph.reading.__main__ import serve
from fusion_graph.reading.workers import HEAD, SIZE
from tests.reading.documents import pdf

SLOW = ("<p " + " ".join(f"a{number}=1" for number in range(200_000)) + ">x</p>").encode()  # minutes in any parser


@pytest.fixture(autouse=True)
def _fresh() -> None:
    workers._end_all()


def worker_ids() -> list[int]:
    return [worker._process.pid for worker in workers._idle]


def test_documents_of_both_kinds_are_read_by_one_process() -> None:
    page = reading.read("html", b"<title>T</title><p>High water at noon.")
    first = worker_ids()
    paper = reading.read("pdf", pdf("Low water at six."))

    assert (page.title, page.text) == ("T", "High water at noon.")
    assert paper.text == "Low water at six."
    assert worker_ids() == first
    assert len(first) == 1


def test_a_page_that_takes_too_long_ends_its_process_and_no_other_reading() -> None:
    reading.read("html", b"<p>warm")
    (slow,) = worker_ids()

    with pytest.raises(UnreadableError, match=r"takes more than 0\.5 s to read"):
        reading.read("html", SLOW, 0.5)

    assert not os.path.exists(f"/proc/{slow}")  # noqa: PTH110 - a process, not a path
    assert reading.read("html", b"<p>after").text == "after"


def test_a_process_that_died_while_it_waited_is_replaced() -> None:
    reading.read("html", b"<p>one")
    (first,) = worker_ids()
    os.kill(first, 9)

    assert reading.read("html", b"<p>two").text == "two"
    assert first not in worker_ids()


def test_a_document_that_breaks_every_parser_is_refused_and_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []
    real: Any = subprocess.Popen

    def broken(_command: list[str], **arguments: Any) -> Any:
        started.append(1)
        return real([sys.executable, "-c", "import sys; sys.stdin.buffer.read(9)"], **arguments)

    monkeypatch.setattr(subprocess, "Popen", broken)

    with pytest.raises(UnreadableError, match="breaks the parser"):
        reading.read("html", b"<p>x")
    assert len(started) == 1


def test_what_a_document_lacks_is_told_and_the_process_goes_on() -> None:
    with pytest.raises(UnreadableError, match="no text"):
        reading.read("pdf", pdf(""))

    assert len(worker_ids()) == 1


def test_several_documents_are_read_at_once_each_with_its_own_text() -> None:
    texts: dict[int, str] = {}

    def run(number: int) -> None:
        texts[number] = reading.read("html", f"<p>page {number}".encode()).text

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert texts == {number: f"page {number}" for number in range(6)}


def test_the_process_knows_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "secret")
    reading.read("html", b"<p>x")
    (worker,) = worker_ids()

    with open(f"/proc/{worker}/environ", "rb") as environ:  # noqa: PTH123
        known = environ.read()

    assert b"PYTHONPATH" in known
    assert b"secret" not in known


@pytest.fixture
def _own_time() -> Iterator[None]:
    """Take back the limit that a process of readers sets itself: this one has tests to run."""
    before = resource.getrlimit(resource.RLIMIT_CPU)
    yield
    resource.setrlimit(resource.RLIMIT_CPU, before)


@pytest.mark.usefixtures("_own_time")
def test_the_other_side_answers_until_there_are_no_more_requests() -> None:
    body = b"<title>T</title><p>x"
    requests = io.BytesIO(HEAD.pack(b"h", len(body)) + body + HEAD.pack(b"p", 3) + b"abc")
    answers = io.BytesIO()

    serve(requests, answers)

    told = answers.getvalue()
    (size,) = SIZE.unpack(told[: SIZE.size])
    assert json.loads(told[SIZE.size :][:size]) == {"text": "x", "title": "T", "published": "", "canonical": []}
    assert b"damaged" in told[SIZE.size + size :]


def test_it_goes_when_its_parent_is_gone() -> None:
    code = (
        "from fusion_graph import reading; from fusion_graph.reading import workers; import os\n"
        "reading.read('html', b'<p>x'); print(workers._idle[0]._process.pid, flush=True); os._exit(1)"
    )
    parent = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)
    worker = int(parent.stdout)

    for _ in range(100):
        if not os.path.exists(f"/proc/{worker}"):  # noqa: PTH110
            return
        threading.Event().wait(0.1)
    pytest.fail("the process is still there")
