"""What the server received and sent: one entry per request, in memory and as JSON lines."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from tests.model_server.wire import Message, Request

State: TypeAlias = Literal["received", "sent", "aborted"]


@dataclass
class Entry:
    """One request. `aborted`: either side cut the connection before the answer was complete.

    `ordinal` counts all requests, `model_ordinal` those of this model, both from 1. `usage` is what was put on the
    wire, `billed` what the answer cost whether or not it arrived; both are None for a refusal. `detail` is the body of
    a 4xx or 5xx.
    """

    response_id: str
    ordinal: int
    model: str
    model_ordinal: int
    family: str
    body: dict[str, Any]
    headers: dict[str, str]
    received_at: float
    state: State = "received"
    status: int | None = None
    usage: dict[str, Any] | None = None
    billed: dict[str, Any] | None = None
    detail: Any = None
    chunks_sent: int = 0
    finished_at: float | None = None

    @property
    def request(self) -> Request:
        """The request as a behaviour saw it, for its `text`, `tool_names`, `question`, ..."""
        return request_of(self)

    @property
    def messages(self) -> list[Message]:
        return list(self.body.get("messages", []))

    @property
    def text(self) -> str:
        return self.request.text


def request_of(entry: Entry) -> Request:
    """Read a body; `tools` are its function tools, the only ones this endpoint knows."""
    body = entry.body
    given: dict[str, Any] = {
        name: body[name] for name in ("messages", "tool_choice", "response_format") if body.get(name)
    }
    given["tools"] = [tool for tool in body.get("tools") or [] if tool.get("type") == "function"]
    given["stream"] = bool(body.get("stream"))
    return Request(entry.model, **given, body=body, headers=entry.headers, ordinal=entry.model_ordinal)


@dataclass
class Log:
    """The entries in order of arrival, safe to read from any thread. With a path, every change is a line at once."""

    path: Path | None = None
    entries: list[Entry] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def open(self, response_id: str, body: dict[str, Any], headers: dict[str, str], family: str) -> Entry:
        """Add the entry of a request that has just arrived."""
        with self._changed:
            model = str(body.get("model", ""))
            of_model = sum(entry.model == model for entry in self.entries) + 1
            ordinal = len(self.entries) + 1
            entry = Entry(response_id, ordinal, model, of_model, family, body, headers, received_at=time.time())
            self.entries.append(entry)
            self._changed_to(entry)
        return entry

    def close(self, entry: Entry, state: State) -> None:
        """Record how the answer ended."""
        with self._changed:
            entry.state = state
            entry.finished_at = time.time()
            self._changed_to(entry)

    def wait_until(self, condition: Callable[[list[Entry]], bool], timeout: float) -> list[Entry]:
        """Block until `condition` holds of the entries; raises TimeoutError that shows them."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self.entries), timeout):
                seen = [f"{entry.ordinal} {entry.model} {entry.state}" for entry in self.entries]
                raise TimeoutError(f"after {timeout} s the model server has seen {seen}")
            return list(self.entries)

    def _changed_to(self, entry: Entry) -> None:
        self._changed.notify_all()
        if self.path:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(entry)) + "\n")


def read_log(path: Path) -> list[Entry]:
    """Read the entries of a JSON-lines log, each in its last state; a torn last line is left out."""
    entries: dict[str, Entry] = {}
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    for line in lines:
        if line.endswith("\n"):
            entry = Entry(**json.loads(line))
            entries[entry.response_id] = entry
    return list(entries.values())
