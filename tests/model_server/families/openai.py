"""OpenAI's chat models and its reasoning models."""

from dataclasses import replace

from tests.model_server.families.base import Family
from tests.model_server.families.common import COMMON, json_without_the_word
from tests.model_server.families.strict_schema import schema_always, schema_where_strict
from tests.model_server.problems import Problem
from tests.model_server.wire import Request


def only_default_sampling(request: Request) -> Problem | None:
    for name in ("temperature", "top_p"):
        value = request.body.get(name)
        if value is not None and value != 1:
            words = (
                f"Unsupported value: '{name}' does not support {value:g} with this model. "
                "Only the default (1) value is supported."
            )
            return Problem(words, param=name, code="unsupported_value")
    return None


def no_max_tokens(request: Request) -> Problem | None:
    if request.body.get("max_tokens") is None:
        return None
    words = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    return Problem(words, param="max_tokens", code="unsupported_parameter")


def no_stop(request: Request) -> Problem | None:
    if request.body.get("stop") is None:
        return None
    words = "Unsupported parameter: 'stop' is not supported with this model."
    return Problem(words, param="stop", code="unsupported_parameter")


def no_effort_with_tools(request: Request) -> Problem | None:
    """Refuse tools beside an explicit effort, as gpt-5.4 and 5.5 do on this endpoint."""
    effort = request.body.get("reasoning_effort")
    return _tools_refused(request) if effort not in {None, "none"} else None


def tools_need_effort_none(request: Request) -> Problem | None:
    """Refuse tools unless the effort is "none", as gpt-5.6 does: it reasons when nothing is said."""
    return _tools_refused(request) if request.body.get("reasoning_effort") != "none" else None


def _tools_refused(request: Request) -> Problem | None:
    if not request.tools:
        return None
    words = (
        f"Function tools with reasoning_effort are not supported for {request.model} in /v1/chat/completions. "
        "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
    )
    return Problem(words, param="reasoning_effort")


_CHAT = (*COMMON, json_without_the_word, schema_where_strict)

OPENAI = Family("openai", _CHAT, max_output_tokens=16_384)
STRICT_SCHEMA = replace(OPENAI, name="strict-schema", checks=(*COMMON, json_without_the_word, schema_always))
_REASONING = (only_default_sampling, no_max_tokens, no_stop, no_effort_with_tools, *_CHAT)
OPENAI_REASONING = Family("openai-reasoning", _REASONING, max_output_tokens=128_000)
OPENAI_5_6 = replace(OPENAI_REASONING, name="openai-5.6", checks=(tools_need_effort_none, *_REASONING))
