"""A run as the object of the Responses API, at any moment of it. Every field that some client cannot do without is there."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from fusion_graph.saying import finish_reason
from fusion_graph.server.answers.completions import error_of, own_word, usage
from fusion_graph.server.errors import error_body

ID = "resp_"  # before a run's id
Status: TypeAlias = Literal["in_progress", "completed", "incomplete", "failed", "cancelled"]
_CODES = {429: "rate_limit_exceeded"}  # OpenAI's words for what else is a `server_error`


class ResponseObject:
    """One run as a response. `told` are the fields of its request that it repeats."""

    def __init__(self, run_id: str, model: str, told: Mapping[str, Any], created_at: float) -> None:
        self.run_id = run_id
        self._head = {
            **told,
            "id": f"{ID}{run_id}",
            "object": "response",
            "created_at": int(created_at),
            "model": model,
            "provider": "fusion_graph",
        }

    def under_way(self, output: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
        """Return the response of a run that has not ended, with what it has brought so far."""
        return self._object("in_progress", output)

    def ended(self, result: Mapping[str, Any], output: Sequence[Mapping[str, Any]], at: float) -> dict[str, Any]:
        """Return the response of a run that came to a result at a time."""
        reason = finish_reason(result)
        said = {"usage": response_usage(result), "x_fusion": own_word(result), "completed_at": int(at)}
        if reason == "error":
            error = error_of(result)
            return self._object("failed", output, **said, error=_error(error["code"], error["message"]))
        if reason == "length":
            return self._object("incomplete", output, **said, incomplete_details={"reason": "max_output_tokens"})
        return self._object("completed", output, **said)

    def waiting(self, approval: Any, output: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
        """Return the response of a run that waits for somebody to approve of what it would do."""
        own = {"run_id": self.run_id, "status": "interrupted", "approval": approval}
        return self._object("incomplete", output, incomplete_details={"reason": "approval"}, x_fusion=own)

    def broken(self, status: Status, message: str, output: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
        """Return the response of a run that has no result."""
        return self._object(status, output, error=_error(500, message) if status == "failed" else None)

    def _object(self, status: Status, output: Sequence[Mapping[str, Any]], **said: Any) -> dict[str, Any]:
        bare = {"error": None, "incomplete_details": None, "completed_at": None, "usage": None}
        return {**self._head, "status": status, **bare, "output": list(output), **said}


def _error(code: int, message: str) -> dict[str, Any]:
    shown = error_body(code, message)["error"]["message"]  # without secrets
    return {"code": _CODES.get(code, "server_error"), "message": shown}


def response_usage(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tokens and the cost of all calls of a run; a cost that nobody knows is left out."""
    told = usage(result)
    same = ("total_tokens", "cost", "cost_details", "server_tool_use_details")
    return {
        "input_tokens": told["prompt_tokens"],
        "input_tokens_details": {
            "cached_tokens": told["prompt_tokens_details"]["cached_tokens"],
            "cache_write_tokens": 0,
        },
        "output_tokens": told["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": told["completion_tokens_details"]["reasoning_tokens"]},
        **{name: told[name] for name in same if name in told},
    }
