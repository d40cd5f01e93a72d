"""What OpenAI-compatible servers send, made uniform: an answer that is none raises, metadata says everything once.

Keys of a message's `response_metadata`, of which absent ones were not sent: `finish_reason`, `model_name`, `id`, `cost`
(USD, float), `cost_details`, `native_finish_reason`, `token_usage` (the server's own usage object).
"""

import re
from typing import Any

PREVIEW_CHARS = 200
# Fields of a message that LangChain drops and that OpenRouter, vLLM, DeepSeek and others send.
KEPT_FIELDS = ("reasoning", "reasoning_content", "reasoning_details", "annotations", "refusal")
_STATUS_OF_WORD = {
    "context_length_exceeded": 400,
    "insufficient_quota": 402,
    "invalid_request_error": 400,
    "overloaded_error": 529,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "server_error": 500,
}
_OVERFLOW = re.compile(r"context.?(length|window|size)", re.IGNORECASE)
_FINISH_OF_STATUS = {"completed": "stop", "max_output_tokens": "length", "content_filter": "content_filter"}


class BadReplyError(Exception):
    """A server said 200 and then sent an error, half an answer, or something else altogether.

    `status_code` is the error's own code if it has one, else 502: what a gateway says of a server that talks nonsense.
    """

    def __init__(self, message: str, *, status_code: int = 502) -> None:
        super().__init__(message)
        self.status_code = status_code


def error_in(body: object) -> BadReplyError:
    """Build the error an `error` object describes: `{"code": 429 or "word", "type": "word", "message": "..."}`."""
    error = body if isinstance(body, dict) else {"message": str(body)}
    message = error.get("message") or error.get("detail") or str(error)
    codes = (_status(error.get(key)) for key in ("code", "type"))
    otherwise = 400 if _OVERFLOW.search(str(message)) else 502
    return BadReplyError(
        f"the server sent an error after 200: {message}", status_code=next((code for code in codes if code), otherwise)
    )


def check_completion(body: object) -> None:
    """Raise BadReplyError unless `body` (parsed JSON, or text) is a chat completion with a message."""
    if not isinstance(body, dict):
        raise BadReplyError(f"the server sent no completion but {str(body)[:PREVIEW_CHARS]!r}")
    check_error(body)
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices or not (choices[0] or {}).get("message"):
        raise BadReplyError(f"the server sent a completion without a message: {str(body)[:PREVIEW_CHARS]}")


def check_error(body: dict[str, Any]) -> None:
    """Raise BadReplyError if a completion, or a chunk of one, carries an error: at its top or in its first choice."""
    choice = (body.get("choices") or [None])[0] or {}
    error = body.get("error") or choice.get("error")
    if error or choice.get("finish_reason") == "error" or body.get("object") == "error":
        raise error_in(error or body)


def kept_fields(message: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a message, or of a delta, that LangChain has no place for."""
    return {key: message[key] for key in KEPT_FIELDS if message.get(key)}


def metadata_of(said: dict[str, Any]) -> dict[str, Any]:
    """Return metadata without what was not sent, with the cost and a finish reason where one can be told."""
    metadata = {key: value for key, value in said.items() if value is not None}
    usage = metadata.get("token_usage") or {}
    if (cost := cost_of(usage)) is not None:
        metadata["cost"] = cost
    if usage.get("cost_details"):
        metadata["cost_details"] = usage["cost_details"]
    if "finish_reason" not in metadata and (reason := _finish_of_response(metadata)):
        metadata["finish_reason"] = reason
    return metadata


def cost_of(usage: dict[str, Any]) -> float | None:
    """Return what a call cost by the server's own account, in USD.

    With the caller's own provider key (`is_byok`) OpenRouter's `cost` is its fee alone; the provider bills the rest.
    """
    cost = _number(usage.get("cost"))
    if cost is None or not usage.get("is_byok"):
        return cost
    upstream = _number((usage.get("cost_details") or {}).get("upstream_inference_cost"))
    return None if upstream is None else cost + upstream


def _finish_of_response(metadata: dict[str, Any]) -> str | None:
    """Return a Responses API answer's finish reason in the words of chat completions."""
    reason = (metadata.get("incomplete_details") or {}).get("reason") or metadata.get("status")
    return _FINISH_OF_STATUS.get(str(reason))


def _status(code: object) -> int | None:
    text = str(code)
    return int(text) if text.isdecimal() and len(text) == 3 else _STATUS_OF_WORD.get(text)  # noqa: PLR2004  (HTTP)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
