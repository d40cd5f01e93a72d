"""DeepSeek's API, without and with its thinking mode."""

from dataclasses import replace

from tests.model_server.families.base import Family, exchanges
from tests.model_server.families.common import COMMON, json_without_the_word
from tests.model_server.problems import Problem, deepseek_shape
from tests.model_server.wire import Request, calls_of


def no_json_schema(request: Request) -> Problem | None:
    if (request.response_format or {}).get("type") == "json_schema":
        return Problem("This response_format type is unavailable now")
    return None


def json_word(request: Request) -> Problem | None:
    if json_without_the_word(request) is None:
        return None
    words = "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'."
    return Problem(words)


def orphan_result(request: Request) -> Problem | None:
    if any(exchange.results and not exchange.ids for exchange in exchanges(request.messages)):
        return Problem("Messages with role 'tool' must be a response to a preceding message with 'tool_calls'")
    return None


def missing_result(request: Request) -> Problem | None:
    if not any(exchange.missing for exchange in exchanges(request.messages)):
        return None
    words = (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'."
    )
    return Problem(f"{words} (insufficient tool messages following tool_calls message)")


def forced_tool(request: Request) -> Problem | None:
    return Problem("Thinking mode does not support this tool_choice") if request.forces_a_tool else None


def reasoning_sent_back(request: Request) -> Problem | None:
    """Refuse a tool call replayed without the reasoning it came with."""
    for message in request.messages:
        if calls_of(message) and not message.get("reasoning_content"):
            return Problem("The `reasoning_content` in the thinking mode must be passed back to the API.")
    return None


def too_much(request: Request, limit: int) -> Problem:
    return Problem(f"Invalid max_tokens value, the valid range of max_tokens is [1, {limit}]")


_CHECKS = (no_json_schema, json_word, orphan_result, missing_result, *COMMON)

DEEPSEEK = Family("deepseek", _CHECKS, deepseek_shape, too_much=too_much, max_output_tokens=8192)
DEEPSEEK_THINKING = replace(
    DEEPSEEK,
    name="deepseek-thinking",
    checks=(forced_tool, reasoning_sent_back, *_CHECKS),
    max_output_tokens=65_536,
)
