"""A provider family: the rules it checks, its limits, and the words and shape of its refusals."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tests.model_server.problems import Problem, openai_shape
from tests.model_server.wire import Message, Request, calls_of

Check: TypeAlias = Callable[[Request], Problem | None]


def estimate_tokens(text: str) -> int:
    """Count tokens the one way this server does: a quarter of the characters, at least one for any text."""
    return max(1, len(text) // 4) if text else 0


@dataclass
class Exchange:
    """A message that is no tool message, the ids it calls, and the tool messages right after it."""

    index: int
    ids: list[str]
    results: list[tuple[int, str]] = field(default_factory=list)

    @property
    def answered(self) -> list[str]:
        return [result_id for _, result_id in self.results]

    @property
    def missing(self) -> list[str]:
        return [call_id for call_id in self.ids if call_id not in self.answered]


def exchanges(messages: list[Message]) -> Iterator[Exchange]:
    """Yield the conversation as exchanges; tool messages before any other belong to index -1."""
    current = Exchange(-1, [])
    for index, message in enumerate(messages):
        if message.get("role") == "tool":
            current.results.append((index, str(message.get("tool_call_id"))))
            continue
        if current.index >= 0 or current.results:
            yield current
        current = Exchange(index, [call["id"] for call in calls_of(message)])
    if current.index >= 0 or current.results:
        yield current


def thinking(request: Request) -> bool:
    """Return whether the request turns the model's thinking on, in any of the spellings in use."""
    asked = request.body.get("thinking")
    if isinstance(asked, dict):
        return asked.get("type") in {"enabled", "adaptive"}
    reasoning = request.body.get("reasoning")
    effort = reasoning.get("effort", "medium") if isinstance(reasoning, dict) else None
    return (request.body.get("reasoning_effort") or effort or "none") != "none"


def openai_too_long(tokens: int, limit: int) -> Problem:
    message = (
        f"This model's maximum context length is {limit} tokens. However, your messages resulted in {tokens} tokens. "
        "Please reduce the length of the messages."
    )
    return Problem(message, param="messages", code="context_length_exceeded")


def openai_too_much(request: Request, limit: int) -> Problem:
    name, asked = request.output_limit or ("max_tokens", 0)
    message = (
        f"{name} is too large: {asked}. This model supports at most {limit} completion tokens, "
        f"whereas you provided {asked}."
    )
    return Problem(message, param=name, code="invalid_value")


def openai_call_id() -> str:
    return f"call_{uuid.uuid4().hex[:24]}"


@dataclass(frozen=True)
class Family:
    """One provider family. `checks` run in order and the first problem is the answer."""

    name: str
    checks: tuple[Check, ...] = ()
    shape: Callable[[Problem], Any] = openai_shape
    too_long: Callable[[int, int], Problem] = openai_too_long
    too_much: Callable[[Request, int], Problem] = openai_too_much
    max_output_tokens: int | None = None
    new_call_id: Callable[[], str] = openai_call_id
    honours_forced_tools: bool = True

    def body(self, problem: Problem) -> Any:
        """Return the body of a refusal as this family sends it."""
        return problem.body if problem.body is not None else self.shape(problem)

    def problem(self, request: Request, context_tokens: int | None, output_tokens: int | None) -> Problem | None:
        """Return why this family refuses the request, None when it takes it."""
        for check in self.checks:
            if found := check(request):
                return found
        asked = request.output_limit
        if output_tokens is not None and asked and asked[1] > output_tokens:
            return self.too_much(request, output_tokens)
        tokens = estimate_tokens(request.text)
        if context_tokens is not None and tokens > context_tokens:
            return self.too_long(tokens, context_tokens)
        return None
