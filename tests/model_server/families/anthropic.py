"""Claude behind an OpenAI-compatible endpoint: its rules are those of the Messages API underneath."""

import uuid
from dataclasses import replace

from tests.model_server.families.base import Family, thinking
from tests.model_server.families.common import COMMON
from tests.model_server.families.turns import turns
from tests.model_server.problems import Problem, anthropic_shape
from tests.model_server.wire import Request, text_of


def no_turns(request: Request) -> Problem | None:
    return None if turns(request) else Problem("messages: at least one message is required")


def tool_history_without_tools(request: Request) -> Problem | None:
    used = any(turn.ids("tool_use") or turn.ids("tool_result") for turn in turns(request))
    if not used or request.tools:
        return None
    return Problem("Requests which include `tool_use` or `tool_result` blocks must define tools.")


def forced_tool_while_thinking(request: Request) -> Problem | None:
    if request.forces_a_tool and thinking(request):
        return Problem("Thinking may not be enabled when tool_choice forces tool use.")
    return None


def temperature_while_thinking(request: Request) -> Problem | None:
    if request.body.get("temperature") in {None, 1} or not thinking(request):
        return None
    return Problem("`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.")


def empty_text(request: Request) -> Problem | None:
    if any(m.get("role") == "system" and not text_of(m).strip() for m in request.messages):
        return Problem("system: text content blocks must be non-empty")
    found = turns(request)
    for index, turn in enumerate(found):
        if turn.role == "assistant" and turn.blocks == [("text", "")]:
            if index == len(found) - 1:
                return None
            words = "all messages must have non-empty content except for the optional final assistant message"
            return Problem(f"messages.{index}: {words}")
        if "" in turn.ids("text"):
            return Problem("messages: text content blocks must be non-empty")
        if any(not text.strip() for text in turn.ids("text")):
            return Problem("messages: text content blocks must contain non-whitespace text")
    return None


def unanswered_use(request: Request) -> Problem | None:
    found = turns(request)
    for index, turn in enumerate(found):
        answers = found[index + 1].leading_results if index + 1 < len(found) else []
        if missing := [use for use in turn.ids("tool_use") if use not in answers]:
            words = f"`tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(missing)}."
            rule = "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
            return Problem(f"messages.{index}: {words} {rule}")
    return None


def wrong_result(request: Request) -> Problem | None:
    found = turns(request)
    for index, turn in enumerate(found):
        uses = found[index - 1].ids("tool_use") if index else []
        results = turn.ids("tool_result")
        for place, result in enumerate(results):
            where = f"messages.{index}.content.{place}"
            if result not in uses:
                rule = "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                return Problem(f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {result}. {rule}")
            if result in results[:place]:
                words = "each tool_use must have a single result. Found multiple `tool_result` blocks with id"
                return Problem(f"{where}: {words}: {result}")
    return None


def prefill(request: Request) -> Problem | None:
    """Refuse an assistant message at the end, as the models from 4.6 on do."""
    if turns(request)[-1].role != "assistant":
        return None
    words = "This model does not support assistant message prefill. The conversation must end with a user message."
    return Problem(words)


def prefill_with_trailing_space(request: Request) -> Problem | None:
    """Refuse white space at the end of a prefill, as the models do that take one."""
    last = turns(request)[-1]
    texts = last.ids("text")
    if last.role == "assistant" and texts and texts[-1] != texts[-1].rstrip():
        return Problem("messages: final assistant content cannot end with trailing whitespace")
    return None


def too_long(tokens: int, limit: int) -> Problem:
    return Problem(f"prompt is too long: {tokens} tokens > {limit} maximum")


def too_much(request: Request, limit: int) -> Problem:
    asked = request.output_limit[1] if request.output_limit else 0
    rule = f"which is the maximum allowed number of output tokens for {request.model}"
    return Problem(f"max_tokens: {asked} > {limit}, {rule}")


_THINKING = (forced_tool_while_thinking, temperature_while_thinking)
_BEFORE = (no_turns, tool_history_without_tools, *_THINKING, unanswered_use, wrong_result)
_AFTER = (empty_text, *COMMON)

ANTHROPIC = Family(
    "anthropic",
    (*_BEFORE, prefill, *_AFTER),
    anthropic_shape,
    too_long=too_long,
    too_much=too_much,
    max_output_tokens=64_000,
    new_call_id=lambda: f"toolu_{uuid.uuid4().hex[:24]}",
)
ANTHROPIC_PREFILL = replace(
    ANTHROPIC, name="anthropic-prefill", checks=(*_BEFORE, prefill_with_trailing_space, *_AFTER)
)
