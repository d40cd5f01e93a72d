"""The answer of a run as it is said, piece by piece: what chat models and chat servers stream."""

from collections.abc import Mapping, Sequence
from typing import Any

from fusion_graph.results import HALF
from fusion_graph.schemas import Event

BROKEN_OFF = "\n\n[the writer broke off here; what follows was written anew]\n\n"


class Saying:
    """Text out of a run's events, up to the first of some words. What has been said cannot be taken back."""

    def __init__(self, stop: Sequence[str] | None = None) -> None:
        self._stop = Stopper(stop)
        self._has_text = False
        self._said: str | None = ""  # of the answer that is told now; None: it was torn, what follows is another

    def take(self, event: Event) -> str:
        """Return what an event lets be said, "" if nothing.

        Who follows a run of another process may have missed deltas before its end: that has the whole text.
        """
        if event["type"] == "item_incomplete" and event["item"].startswith("answer") and self._has_text:
            self._said = None
        if event["type"] == "answer_delta":
            return self._say(event["delta"])
        if event["type"] == "answer_finished" and self._has_text and event["result"].startswith(self._said or ""):
            return self._say(event["result"][len(self._said or "") :])
        return ""

    def _say(self, text: str) -> str:
        again = BROKEN_OFF if self._said is None and text else ""
        self._has_text, self._said = True, (self._said or "") + text
        return again + self._stop.take(text)

    def end(self, result: Mapping[str, Any]) -> str:
        """Return what is still to be said: all of it, if nobody streamed, and what was held back."""
        return self._stop.take("" if self._has_text else result["answer"]) + self._stop.end()


class Stopper:
    """Text up to the first of some words, also where one comes in two pieces."""

    def __init__(self, words: Sequence[str] | None) -> None:
        self._words = [word for word in words or () if word]
        self._held = ""
        self._is_over = False

    def take(self, text: str) -> str:
        """Return what can be said now."""
        if self._is_over or not self._words:
            return "" if self._is_over else text
        self._held += text
        places = [place for word in self._words if (place := self._held.find(word)) >= 0]
        if places:
            said, self._held, self._is_over = self._held[: min(places)], "", True
            return said
        keep = max(len(word) for word in self._words) - 1
        cut = max(len(self._held) - keep, 0)
        said, self._held = self._held[:cut], self._held[cut:]
        return said

    def end(self) -> str:
        """Return what was held back."""
        held, self._held = self._held, ""
        return held


def stopped(text: str, stop: Sequence[str] | None) -> str:
    """Return the text up to the first of some words."""
    stopper = Stopper(stop)
    return stopper.take(text) + stopper.end()


def finish_reason(result: Mapping[str, Any]) -> str:
    """Return why the answer ends where it does, in OpenAI's words: tool_calls, length, error or stop."""
    if result["tool_calls"]:
        return "tool_calls"
    written = [call for call in result["usage"]["calls"] if call["role"] in {"writer", "decide"} and call["outcome"]]
    if not result["answer"] or HALF in result["reasons"]:
        return "error"
    return "length" if written and written[-1]["outcome"] == "cut" else "stop"
