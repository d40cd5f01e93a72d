"""What a run says as a chat completion, whole or in chunks. Every field that some client cannot do without is there."""

import json
from collections.abc import Mapping
from typing import Any

from fusion_graph.saying import finish_reason
from fusion_graph.server.fusion_words import SERVER_TOOL

_CODES = {"insufficient_credits": 402, "rate_limited": 429, "invalid_model": 404, "cancelled": 499}
_UPSTREAM = 502


def complete(result: Mapping[str, Any], text: str, *, created: int) -> dict[str, Any]:
    """Return the chat completion of a run that has ended; of one without an answer, with its error."""
    message = {"role": "assistant", "content": text, "refusal": None, **_beside(result)}
    if calls := tool_calls(result):
        message |= {"tool_calls": calls, "content": text or None}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason(result), "logprobs": None}
    return {
        **_head(result["run_id"], _writer(result), created, "chat.completion"),
        "choices": [choice],
        "usage": usage(result),
        "x_fusion": own_word(result),
        **({"error": error_of(result)} if choice["finish_reason"] == "error" else {}),
    }


class Chunks:
    """The chunks of one streamed completion."""

    def __init__(self, run_id: str, model: str, created: int) -> None:
        self._head = _head(run_id, model, created, "chat.completion.chunk")

    def text(self, text: str = "") -> dict[str, Any]:
        """Return a chunk of text; without any, what opens the stream and keeps it from falling silent."""
        return self._chunk({"role": "assistant", "content": text})

    def ends(self, result: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return what comes after the text: calls of the client's tools, the end with what goes beside it, the usage."""
        reason = finish_reason(result)
        calls = [self._chunk({"tool_calls": [call | {"index": n}]}) for n, call in enumerate(tool_calls(result))]
        error = {"error": error_of(result)} if reason == "error" else {}
        said = [self.text(f"[fusion: {error['error']['message']}]")] if error else []
        end = self._chunk(_beside(result), reason) | {"x_fusion": own_word(result)} | error
        return [*calls, *said, end, self._head | {"choices": [], "usage": usage(result)}]

    def fails(self, message: str, code: int = 500) -> list[dict[str, Any]]:
        """Return what ends a stream whose run broke off: clients that do not look for errors show the text."""
        error = {"code": code, "message": message}
        return [self.text(f"[fusion: {message}]"), self._chunk({}, "error") | {"error": error}]

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return {**self._head, "choices": [choice]}


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
    return {name: result[name] for name in names if name in result} | {"calls": result["usage"]["calls"]}


def error_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return why there is no answer."""
    reason = result.get("failure_reason") or "unexpected_error"
    message = "; ".join(result["reasons"]) or f"no answer: {reason}"
    return {"code": _CODES.get(reason, _UPSTREAM), "message": message, "type": reason}


def deliberation(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's comparison as the result of the server tool."""
    if not result["responses"]:
        told: dict[str, Any] = {"status": "error", "error": error_of(result)["message"]}
        told["failure_reason"] = result.get("failure_reason") or "unexpected_error"
    else:
        told = {"status": "ok", "responses": result["responses"]}
        told |= {"analysis": result["analysis"]} if result["analysis"] else {}
    return told | ({"failed_models": result["failed_models"]} if result["failed_models"] else {})


def _beside(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what goes beside the text: where it is from, and the comparison, for the client to send back."""
    notes = [_annotation(citation, result) for citation in result["citations"] if citation["source"]]
    if not result["fused"]:
        return {"annotations": notes} if notes else {}
    detail = {
        "type": "reasoning.server_tool_call",
        "tool_name": SERVER_TOOL,
        "tool_call_id": f"fusion_{result['run_id']}",
        "arguments": "{}",
        "result": json.dumps(deliberation(result), ensure_ascii=False),
        "id": None,
        "index": 0,
    }
    return {"reasoning_details": [detail]} | ({"annotations": notes} if notes else {})


def _annotation(citation: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    source = result["sources"][citation["source"] - 1]
    place = {"start_index": citation["start"], "end_index": citation["end"]}
    return {"type": "url_citation", "url_citation": {"url": source["url"], "title": source["title"], **place}}


def _writer(result: Mapping[str, Any]) -> str:
    return str((result["settings"] or {}).get("writer") or "fusion")


def _head(run_id: str, model: str, created: int, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{run_id}",
        "object": kind,
        "created": created,
        "model": model,
        "system_fingerprint": None,
        "provider": "fusion_graph",
    }
