"""What a run says as a chat completion, whole or in chunks. Every field that some client cannot do without is there."""

import json
import time
from collections.abc import Mapping
from typing import Any

from fusion_graph.saying import finish_reason
from fusion_graph.server.deliberations import detail_of
from fusion_graph.server.errors import error_body

_CODES = {"insufficient_credits": 402, "rate_limited": 429, "invalid_model": 404, "cancelled": 499}
_UPSTREAM = 502
_NO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


class Completion:
    """One run as a chat completion: whole, or its chunks. `model` writes, `question` is what the panel was asked."""

    def __init__(self, run_id: str, *, model: str, question: str) -> None:
        self._question = question
        self._head = {
            "id": f"chatcmpl-{run_id}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": None,
            "provider": "fusion_graph",
        }

    def whole(self, result: Mapping[str, Any], text: str) -> dict[str, Any]:
        """Return the completion of a run that has ended; of one without an answer, with its error."""
        message = {"role": "assistant", "content": text, "refusal": None, **self._beside(result)}
        if calls := tool_calls(result):
            message |= {"tool_calls": calls, "content": text or None}
        reason = finish_reason(result)
        error = {"error": error_of(result)} if reason == "error" else {}
        return self._completion(message, reason) | {"usage": usage(result), "x_fusion": own_word(result)} | error

    def broken(self, message: str, code: int = 502) -> dict[str, Any]:
        """Return the completion of a run that broke off: its status may have been sent, so it is told in here."""
        said = {"role": "assistant", "content": "", "refusal": None}
        return self._completion(said, "error") | {"usage": _NO_USAGE, **error_body(code, message)}

    def _completion(self, message: dict[str, Any], reason: str) -> dict[str, Any]:
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        return {**self._head, "object": "chat.completion", "choices": [choice]}

    def text(self, text: str = "") -> dict[str, Any]:
        """Return a chunk of text; without any, what opens the stream and keeps it from falling silent."""
        return self._chunk({"role": "assistant", "content": text})

    def ends(self, result: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return what comes after the text: calls of the client's tools, the end with what goes beside it, the usage."""
        reason = finish_reason(result)
        calls = [self._chunk({"tool_calls": [call | {"index": n}]}) for n, call in enumerate(tool_calls(result))]
        error = {"error": error_of(result)} if reason == "error" else {}
        said = [self.text(f"[fusion: {error['error']['message']}]")] if error else []
        end = self._chunk(self._beside(result), reason) | {"x_fusion": own_word(result)} | error
        return [*calls, *said, end, self._head | {"choices": [], "usage": usage(result)}]

    def fails(self, message: str, code: int = 502) -> list[dict[str, Any]]:
        """Return what ends a stream whose run broke off: clients that do not look for errors show the text."""
        body = error_body(code, message)
        said, end = self.text(f"[fusion: {body['error']['message']}]"), self._chunk({}, "error") | body
        return [said, end, self._head | {"choices": [], "usage": _NO_USAGE}]

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return {**self._head, "choices": [choice]}

    def _beside(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Return what goes beside the text: where it is from, and the comparison, for the client to send back."""
        notes = [_annotation(citation, result) for citation in result["citations"] if citation["source"]]
        details = [detail_of(result, self._question)] if result["fused"] else []
        return ({"reasoning_details": details} if details else {}) | ({"annotations": notes} if notes else {})


def tool_calls(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the calls of the client's own tools."""
    return [
        {
            "id": call["id"],
            "type": "function",
            "function": {"name": call["name"], "arguments": json.dumps(call["args"], ensure_ascii=False)},
        }
        for call in result["tool_calls"]
    ]


def usage(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tokens and the cost of all calls of a run; a cost that nobody knows is left out."""
    total, tools = result["usage"]["total"], result["usage"]["tools"]
    cost = total["cost_usd"]
    searches = sum(seat["by_tool"].get("web_search", 0) for seat in tools)
    return {
        "prompt_tokens": total["input_tokens"],
        "completion_tokens": total["output_tokens"],
        "total_tokens": total["input_tokens"] + total["output_tokens"],
        "prompt_tokens_details": {"cached_tokens": total["cached_tokens"], "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": total["reasoning_tokens"], "audio_tokens": 0},
        **({"cost": cost, "cost_details": {"upstream_inference_cost": cost}} if cost is not None else {}),
        "server_tool_use_details": {
            "tool_calls_requested": sum(seat["requested"] for seat in tools),
            "tool_calls_executed": sum(seat["executed"] for seat in tools),
            "web_search_requests": searches,
        },
    }


def own_word(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what only this server says: which run it was, how it went, what each call cost, where it is from."""
    names = ("run_id", "status", "reasons", "fused", "sources", "citations", "notes", "failure_reason", "judge_failure")
    costs = {"cost_is_lower_bound": result["usage"]["total"]["cost_is_lower_bound"], "calls": result["usage"]["calls"]}
    return {name: result[name] for name in names if name in result} | costs


def error_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return why there is no answer."""
    reason = result.get("failure_reason") or "unexpected_error"
    message = "; ".join(result["reasons"]) or f"no answer: {reason}"
    return {"code": _CODES.get(reason, _UPSTREAM), "message": message, "type": reason}


def _annotation(citation: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    source = result["sources"][citation["source"] - 1]
    place = {"start_index": citation["start"], "end_index": citation["end"]}
    return {"type": "url_citation", "url_citation": {"url": source["url"], "title": source["title"], **place}}
