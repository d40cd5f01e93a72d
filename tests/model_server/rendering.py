"""A reply in OpenAI's shapes: a completion, or the chunks of a stream."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from tests.model_server.families import Family, estimate_tokens
from tests.model_server.wire import Reply, Request

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Completion:
    """One answer with all its parts named: `text` is cut at the request's output limit."""

    response_id: str
    request: Request
    reply: Reply
    calls: list[Json]
    usage: Json

    @property
    def head(self) -> Json:
        kind = "chat.completion.chunk" if self.request.stream else "chat.completion"
        head = {"id": self.response_id, "object": kind, "created": int(time.time()), "model": self.request.model}
        return head | {"service_tier": "default", "system_fingerprint": "fp_model_server"}


def complete(reply: Reply, request: Request, response_id: str, family: Family) -> Completion:
    """Give a reply its ids, its finish reason and its usage."""
    reply = _cut(reply, request)
    calls = [_call(family.new_call_id(), name, json.dumps(args)) for name, args in reply.tool_calls]
    finish = reply.finish_reason or ("tool_calls" if calls else "stop")
    return Completion(response_id, request, replace(reply, finish_reason=finish), calls, _usage(reply, request))


def _cut(reply: Reply, request: Request) -> Reply:
    limit = request.output_limit
    if limit is None or reply.finish_reason or estimate_tokens(reply.text) <= limit[1]:
        return reply
    return replace(reply, text=reply.text[: limit[1] * 4], finish_reason="length")


def _call(call_id: str, name: str, arguments: str) -> Json:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _usage(reply: Reply, request: Request) -> Json:
    given = dict(reply.usage)
    arguments = "".join(name + json.dumps(args) for name, args in reply.tool_calls)
    reasoning = given.pop("reasoning_tokens", estimate_tokens(reply.reasoning))
    written = estimate_tokens(reply.text + (reply.refusal or "") + arguments) + reasoning
    prompt = given.pop("prompt_tokens", estimate_tokens(request.text))
    completion = given.pop("completion_tokens", written)
    cached = {"cached_tokens": given.pop("cached_tokens", 0), "audio_tokens": 0}
    rejected = {"accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
    usage: Json = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    usage |= {"prompt_tokens_details": cached}
    usage |= {"completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0, **rejected}}
    return usage | ({} if reply.cost is None else {"cost": reply.cost}) | given


def as_body(done: Completion) -> Json:
    """Return the completion as the body of a plain answer."""
    reply = done.reply
    silent = reply.refusal is not None or (done.calls and not reply.text)
    message: Json = {"role": "assistant", "content": None if silent else reply.text, "refusal": reply.refusal}
    message |= {"annotations": list(reply.annotations)}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if done.calls:
        message["tool_calls"] = done.calls
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reply.finish_reason}
    return done.head | {"choices": [choice]} | ({} if reply.omit_usage else {"usage": done.usage})


def as_chunks(done: Completion) -> Iterator[Json]:
    """Yield the completion as the chunks of a stream: role, pieces, finish reason, usage if it was asked for."""
    with_usage = bool((done.request.body.get("stream_options") or {}).get("include_usage"))
    head = done.head | ({"usage": None} if with_usage else {})
    for delta in _deltas(done):
        yield head | {"choices": [_choice(delta, None)]}
    yield head | {"choices": [_choice({}, done.reply.finish_reason)]}
    if with_usage and not done.reply.omit_usage:
        yield head | {"choices": [], "usage": done.usage}


def _choice(delta: Json, finish: str | None) -> Json:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def _deltas(done: Completion) -> Iterator[Json]:
    reply, size = done.reply, done.reply.chunk_size
    yield {"role": "assistant", "content": None if done.calls and not reply.text else "", "refusal": None}
    yield from ({"reasoning_content": piece} for piece in pieces(reply.reasoning, size))
    yield from ({"content": piece} for piece in pieces(reply.text, size))
    yield from ({"annotations": [annotation]} for annotation in reply.annotations)
    yield from ({"refusal": piece} for piece in pieces(reply.refusal or "", size))
    for index, call in enumerate(done.calls):
        arguments = call["function"]["arguments"]
        yield {"tool_calls": [{"index": index, **call, "function": {**call["function"], "arguments": ""}}]}
        # In at least two pieces: a client that parses the first one alone must fail here, not in production.
        for piece in pieces(arguments, max(1, min(size, len(arguments) // 2))):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def pieces(text: str, size: int) -> list[str]:
    """Cut a text into pieces of `size` characters."""
    return [text[start : start + size] for start in range(0, len(text), size)]
