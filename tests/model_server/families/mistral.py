"""Mistral's own API, and its chat template as vLLM and llama.cpp run it."""

import re
import uuid
from dataclasses import replace
from itertools import pairwise
from typing import Any

from tests.model_server.families.base import Family, exchanges
from tests.model_server.families.common import COMMON
from tests.model_server.problems import Problem, mistral_shape
from tests.model_server.wire import Request, calls_of, text_of

# From the request validator that Mistral publishes (mistral-common): two user messages in a row are fine there.
_MAY_FOLLOW = {
    "system": {"user", "assistant", "system"},
    "user": {"assistant", "system", "user"},
    "assistant": {"assistant", "user", "tool"},
    "tool": {"assistant", "tool"},
}


def _order(message: str) -> Problem:
    return Problem(message, type="invalid_request_message_order", code="3230")


def _extra(loc: list[Any], value: Any) -> Problem:
    detail = {"type": "extra_forbidden", "loc": ["body", *loc], "msg": "Extra inputs are not permitted", "input": value}
    body = {"object": "error", "message": {"detail": [detail]}, "type": "invalid_request_error"}
    return Problem("", status=422, body=body | {"param": None, "code": None})


def message_order(request: Request) -> Problem | None:
    roles = [str(message.get("role")) for message in request.messages]
    for before, after in pairwise(roles):
        if after not in _MAY_FOLLOW.get(before, _MAY_FOLLOW.keys()):
            return _order(f"Unexpected role '{after}' after role '{before}'")
    return None


def assistant_last(request: Request) -> Problem | None:
    last = request.messages[-1] if request.messages else {}
    if last.get("role") != "assistant" or last.get("prefix"):
        return None
    return _order("Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant")


def as_many_results_as_calls(request: Request) -> Problem | None:
    if all(len(exchange.ids) == len(exchange.results) for exchange in exchanges(request.messages)):
        return None
    return _order("Not the same number of function calls and responses")


def content_or_calls(request: Request) -> Problem | None:
    for message in request.messages:
        if message.get("role") == "assistant" and not text_of(message) and not calls_of(message):
            words = "Assistant message must have either content or tool_calls, but not none."
            return Problem(words, type="invalid_request_assistant_message", code="3240")
    return None


def call_ids(request: Request) -> Problem | None:
    ids = [call["id"] for message in request.messages for call in calls_of(message)]
    ids += [str(message.get("tool_call_id")) for message in request.messages if message.get("role") == "tool"]
    for call_id in ids:
        if not re.fullmatch(r"[a-zA-Z0-9]{9}", call_id):
            words = f"Tool call id was {call_id} but must be a-z, A-Z, 0-9, with a length of 9."
            return Problem(words, type="invalid_function_call", code="3280")
    return None


def no_extra_fields(request: Request) -> Problem | None:
    """Refuse the fields api.mistral.ai is reported to refuse; clients made for OpenAI send them."""
    for name in ("max_completion_tokens", "store"):
        if name in request.body:
            return _extra([name], request.body[name])
    for index, message in enumerate(request.messages):
        if "reasoning_content" in message:
            return _extra(["messages", index, message["role"], "reasoning_content"], message["reasoning_content"])
    return None


def alternation(request: Request) -> Problem | None:
    """Refuse what the chat template refuses: roles that do not alternate, tool calls and results aside."""
    roles = [str(m.get("role")) for m in request.messages if m.get("role") != "tool" and not calls_of(m)]
    if roles[:1] == ["system"]:
        roles = roles[1:]
    if all(role == ("user", "assistant")[index % 2] for index, role in enumerate(roles)):
        return None
    words = "conversation roles must alternate user and assistant roles except for tool calls and results."
    body = {"object": "error", "message": f"After the optional system message, {words}", "type": "BadRequestError"}
    return Problem("", body=body | {"param": None, "code": 400})


def too_long(tokens: int, limit: int) -> Problem:
    words = (
        f"Prompt contains {tokens} tokens and 0 draft tokens, too large for model with {limit} maximum context length"
    )
    return Problem(words, type="invalid_request_prompt", code="3051")


_CHECKS = (message_order, assistant_last, content_or_calls, as_many_results_as_calls, call_ids, *COMMON)

MISTRAL = Family("mistral", _CHECKS, mistral_shape, too_long=too_long, new_call_id=lambda: uuid.uuid4().hex[:9])
MISTRAL_HOSTED = replace(MISTRAL, name="mistral-hosted", checks=(no_extra_fields, *_CHECKS))
MISTRAL_TEMPLATE = replace(MISTRAL, name="mistral-template", checks=(alternation, *_CHECKS))
