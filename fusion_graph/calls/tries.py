"""How often one call is tried again, after how long, and with what left out."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage

from fusion_graph.calls.messages import text_of
from fusion_graph.calls.remedies import Remedy, remedy
from fusion_graph.schemas import CallEntry, CallError, Outcome

MAX_RETRIES = 2
MAX_EMPTY_RETRIES = 1  # an empty completion is paid for
MAX_REMEDIES = 4  # parameters a model may refuse, one after the other, before the call is given up
BACKOFF_SECONDS = 0.5  # before the first retry, where the server names no time; doubled for the second
RETRIED: frozenset[Outcome] = frozenset({"rate_limited", "server_error", "connection", "timeout", "empty"})
TAKEN: frozenset[Outcome] = frozenset({"answer", "tool_calls", "cut", "empty"})  # the request was taken as it was


@dataclass(frozen=True, slots=True)
class Result:
    """What came back from one attempt.

    `said` is all that an error said, `is_whole` means that the message came to its end.
    """

    outcome: Outcome
    message: AIMessage | None = None
    error: CallError | None = None
    said: str = ""
    retry_after: float | None = None
    is_whole: bool = False


@dataclass(slots=True)
class Tries:
    """The attempts at one call: their entries, what they told about the model, and whether there is another.

    `refused` maps a parameter to what is sent instead (None: nothing); `lasting` is the part of it that holds for the
    model's other calls as well.
    """

    refused: dict[str, Any]
    lasting: dict[str, Any] = field(default_factory=dict)
    entries: list[CallEntry] = field(default_factory=list)
    _text_so_far: AIMessage | None = None
    _remedies: list[Remedy] = field(default_factory=list)
    _retries: int = 0
    _empties: int = 0

    def note(self, result: Result, entry: CallEntry) -> None:
        """Keep an attempt's entry, and the longest text there was."""
        self.entries.append(entry)
        if len(text_of(result.message)) > len(text_of(self._text_so_far)):
            self._text_so_far = result.message

    def message(self, result: Result) -> AIMessage | None:
        """Return the message of the last attempt; if that failed without any text, of the one that came furthest."""
        if result.outcome in RETRIED and not text_of(result.message):
            return self._text_so_far or result.message
        return result.message

    def pause_after(self, result: Result, sent: Mapping[str, Any], model: str) -> float | None:
        """Return the seconds to wait before the next attempt: 0 if it asks for less, None if there is to be none."""
        if self._is_remedied(result, sent, model):
            return 0.0
        if result.outcome not in RETRIED or self._retries >= MAX_RETRIES:
            return None
        if result.outcome == "empty" and self._empties >= MAX_EMPTY_RETRIES:
            return None
        jitter = random.random()  # noqa: S311  (seats that were refused together must not come back together)
        backoff: float = BACKOFF_SECONDS * 2**self._retries * (0.5 + jitter / 2)
        self._retries += 1
        self._empties += result.outcome == "empty"
        return backoff if result.retry_after is None else result.retry_after + jitter / 2

    def _is_remedied(self, result: Result, sent: Mapping[str, Any], model: str) -> bool:
        words = result.said.replace(
            model.partition(":")[2] or model, ""
        )  # `grok-4-reasoning` says nothing of reasoning
        found = remedy(result.outcome, words, sent)
        if found is None or found in self._remedies or len(self._remedies) >= MAX_REMEDIES:
            return False
        self._remedies.append(found)
        self.refused[found.name] = found.value
        if found.lasts:
            self.lasting[found.name] = found.value
        return True
