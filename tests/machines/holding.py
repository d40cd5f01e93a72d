"""Models that hold a call of most runs until all that can be done without it is done: what a kill then costs is known."""

import re
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.stage import compares
from tests.model_server import Entry, ModelServer, Reply, Request

ROLES = ("north", "south", "judge", "writer")
PANEL: dict[str, Any] = {
    "panel": ["openai:north", "openai:south"],
    "judge": "openai:judge",
    "writer": "openai:writer",
    "tools": [],
}
HELD = ("south", "judge", "writer", "")  # by the number of a question, in turn: what its run waits for first


def question(number: int) -> str:
    """Return one of many questions that are told apart."""
    return f"Question {number}: when did the bridge open?"


def number_of(text: str) -> int:
    """Return the number of the question that a call is about."""
    found = re.search(r"Question (\d+):", text)
    assert found, text
    return int(found.group(1))


@dataclass
class Holding:
    """Play every model; hold the first call of each run's `HELD` model for `seconds`."""

    seconds: float
    _seen: Counter[tuple[int, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: Request) -> Reply:
        """Answer, at once or late."""
        number = number_of(request.text)
        with self._lock:
            self._seen[number, request.model] += 1
            is_first = self._seen[number, request.model] == 1
        is_held = is_first and HELD[number % len(HELD)] == request.model
        said = compares()(request) if request.model == "judge" else Reply(text=f"{request.model}: in 1932.")
        return Reply(text=said.text, tool_calls=said.tool_calls, delay=self.seconds if is_held else 0.0)


def in_flight(entries: Sequence[Entry]) -> set[tuple[int, str]]:
    """Return the calls that no answer has come to yet, by question and model."""
    return {(number_of(entry.text), entry.model) for entry in entries if entry.state == "received"}


def paid(entries: Sequence[Entry]) -> Counter[tuple[int, str]]:
    """Return how often each call was made."""
    return Counter((number_of(entry.text), entry.model) for entry in entries)


def wait_until_still(models: ModelServer, runs: int, within: float = 60.0, still: float = 1.5) -> set[tuple[int, str]]:
    """Wait until every run is either at its end or held, and nothing else moves; return the calls in flight."""
    end, before, since = time.monotonic() + within, -1, time.monotonic()
    held = sum(bool(HELD[number % len(HELD)]) for number in range(runs))
    while time.monotonic() < end:
        log = models.log
        if len(log) != before:
            before, since = len(log), time.monotonic()
        if len(found := in_flight(log)) == held and time.monotonic() - since > still:
            return found
        time.sleep(0.1)
    raise TimeoutError(f"after {within:g} s {len(in_flight(models.log))} of {held} calls are held")
