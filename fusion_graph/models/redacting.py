"""Errors of the OpenAI client without the secrets that some servers repeat: LangChain shows them to tracers as they are."""

import json
from typing import Any

import openai

from fusion_graph.errors import redact

_OF_THE_BYTES = frozenset({"content-encoding", "content-length", "transfer-encoding"})


def redact_error(error: openai.APIError) -> None:
    """Take the secrets out of an error and those that led to it: out of words, body, and the response it carries."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, openai.APIError):
            _redact(seen)
        seen = seen.__cause__ or seen.__context__


def _redact(error: openai.APIError) -> None:
    error.args = tuple(redact(part) if isinstance(part, str) else part for part in error.args)
    error.message = redact(error.message)
    error.body = _redacted(error.body)
    if isinstance(error, openai.APIStatusError):
        error.response = _response(error.response)


def _redacted(body: Any) -> Any:
    try:
        return json.loads(redact(json.dumps(body, ensure_ascii=False)))
    except (TypeError, ValueError):
        return redact(str(body))


def _response(response: Any) -> Any:
    """Return a response of whichever httpx the client has, as if it had come without secrets."""
    headers = {name: redact(value) for name, value in response.headers.items() if name not in _OF_THE_BYTES}
    try:
        text = response.text
    except RuntimeError:  # it has not been read
        text = ""
    return type(response)(response.status_code, headers=headers, text=redact(text), request=response.request)
