"""What a run came to, as a chat model says it."""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages.ai import UsageMetadata

from fusion_graph.errors import FusionError


def usable(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result that holds an answer or calls of the caller's tools. Raises FusionError if it holds neither."""
    if not result["answer"] and not result["tool_calls"]:
        raise FusionError("; ".join(result["reasons"]) or f"no answer: {result.get('failure_reason')}")
    return result


def told_by(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a message says beside its text: tokens of all calls, the model that wrote it, and the run."""
    tokens, writer = result["usage"]["total"], (result["settings"] or {}).get("writer") or "fusion"
    told = {name: value for name, value in result.items() if name not in {"answer", "tool_calls"}}
    return {
        "usage_metadata": UsageMetadata(
            input_tokens=tokens["input_tokens"],
            output_tokens=tokens["output_tokens"],
            total_tokens=tokens["input_tokens"] + tokens["output_tokens"],
            input_token_details={"cache_read": tokens["cached_tokens"]},
            output_token_details={"reasoning": tokens["reasoning_tokens"]},
        ),
        "response_metadata": {
            "model_name": writer,
            "model_provider": "fusion",
            "finish_reason": "tool_calls" if result["tool_calls"] else "stop",
            "fusion": told,
        },
    }


def stopped(text: str, stop: Sequence[str] | None) -> str:
    """Return the text up to the first of some words."""
    stopper = Stopper(stop)
    return stopper.take(text) + stopper.end()


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
