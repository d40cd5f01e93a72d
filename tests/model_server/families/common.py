"""The rules every OpenAI-compatible endpoint shares, in OpenAI's words.

Families with words of their own run these last, as a net under their own checks.
"""

from tests.model_server.families.base import exchanges
from tests.model_server.problems import Problem
from tests.model_server.wire import Request, calls_of, text_of

_ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_EMPTY = "empty array. Expected an array with minimum length 1, but got an empty array instead."


def no_messages(request: Request) -> Problem | None:
    if request.messages:
        return None
    return Problem(f"Invalid 'messages': {_EMPTY}", param="messages", code="empty_array")


def unknown_role(request: Request) -> Problem | None:
    for index, message in enumerate(request.messages):
        if (role := message.get("role")) not in _ROLES:
            names = ", ".join(f"'{name}'" for name in _ROLES[:-1]) + f", and '{_ROLES[-1]}'"
            words = f"Invalid value: '{role}'. Supported values are: {names}."
            return Problem(words, param=f"messages[{index}].role", code="invalid_value")
    return None


def null_content(request: Request) -> Problem | None:
    for index, message in enumerate(request.messages):
        if message.get("content") is None and not calls_of(message):
            words = "Invalid value for 'content': expected a string, got null."
            return Problem(words, param=f"messages.[{index}].content")
    return None


def orphan_result(request: Request) -> Problem | None:
    for exchange in exchanges(request.messages):
        if exchange.results and not exchange.ids:
            words = (
                "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                "'tool_calls'."
            )
            return Problem(words, param=f"messages.[{exchange.results[0][0]}].role")
    return None


def duplicate_result(request: Request) -> Problem | None:
    for exchange in exchanges(request.messages):
        first: dict[str, int] = {}
        for index, call_id in exchange.results:
            if call_id in first:
                where = f"in messages[{first[call_id]}] and messages[{index}]"
                words = f"Invalid parameter: Duplicate value for 'tool_call_id' of '{call_id}', {where}."
                return Problem(words, param=f"messages.[{index}].tool_call_id")
            first[call_id] = index
    return None


def unknown_result(request: Request) -> Problem | None:
    for exchange in exchanges(request.messages):
        for index, call_id in exchange.results:
            if call_id not in exchange.ids:
                words = (
                    f"Invalid parameter: 'tool_call_id' of '{call_id}' not found in 'tool_calls' of previous message."
                )
                return Problem(words, param=f"messages.[{index}].tool_call_id")
    return None


def missing_result(request: Request) -> Problem | None:
    for exchange in exchanges(request.messages):
        if exchange.missing:
            words = (
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                "'tool_call_id'. The following tool_call_ids did not have response messages: "
            )
            param = f"messages.[{exchange.index + len(exchange.results) + 1}].role"
            return Problem(words + ", ".join(exchange.missing), param=param)
    return None


def unknown_tool_type(request: Request) -> Problem | None:
    for index, tool in enumerate(request.body.get("tools") or []):
        if (kind := tool.get("type")) not in {"function", "custom"}:
            words = f"Invalid value: '{kind}'. Supported values are: 'function' and 'custom'."
            return Problem(words, param=f"tools[{index}].type", code="invalid_value")
    return None


def empty_tools(request: Request) -> Problem | None:
    if request.body.get("tools") == []:
        return Problem(f"Invalid 'tools': {_EMPTY}", param="tools", code="empty_array")
    return None


def choice_without_tools(request: Request) -> Problem | None:
    for name in ("tool_choice", "parallel_tool_calls"):
        if request.body.get(name) is not None and not request.tools:
            words = f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."
            return Problem(words, param=name)
    return None


def choice_of_unknown_tool(request: Request) -> Problem | None:
    if isinstance(request.tool_choice, dict) and request.forced_tool not in request.tool_names:
        return Problem("Tool choice 'function' not found in 'tools' parameter.", param="tool_choice")
    return None


def json_without_the_word(request: Request) -> Problem | None:
    wants_json = (request.response_format or {}).get("type") == "json_object"
    if not wants_json or "json" in "".join(text_of(m) for m in request.messages).lower():
        return None
    words = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
    return Problem(words, param="messages")


PAIRING = (orphan_result, duplicate_result, unknown_result, missing_result)
TOOLS = (unknown_tool_type, empty_tools, choice_without_tools, choice_of_unknown_tool)
COMMON = (no_messages, unknown_role, null_content, *PAIRING, *TOOLS)
