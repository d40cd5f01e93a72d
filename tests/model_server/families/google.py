"""Gemini behind its OpenAI-compatible endpoint: the rules are those of generateContent underneath."""

from collections.abc import Iterator
from typing import Any

from tests.model_server.families.base import Family
from tests.model_server.families.common import COMMON
from tests.model_server.families.turns import contents
from tests.model_server.problems import Problem, google_shape
from tests.model_server.wire import Request

# Reported for this endpoint; it takes the rest of OpenAI's fields.
_UNKNOWN_FIELDS = ("frequency_penalty", "top_k", "reasoning", "extra_body", "store")
# generateContent's Schema object has none of these. Gateways pass them on; Google's own layer has begun to drop some.
_UNKNOWN_KEYWORDS = (
    "$schema",
    "$defs",
    "$ref",
    "additionalProperties",
    "const",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "patternProperties",
    "propertyNames",
)


def unknown_field(request: Request) -> Problem | None:
    names = [name for name in _UNKNOWN_FIELDS if name in request.body]
    lines = [f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.' for name in names]
    return Problem("\n".join(lines)) if lines else None


def unknown_keyword(request: Request) -> Problem | None:
    lines: list[str] = []
    for index, tool in enumerate(request.tools):
        path = f"tools[0].function_declarations[{index}].parameters"
        lines += _unknown_in(tool["function"].get("parameters", {}), path)
    lines += _unknown_in(request.json_schema or {}, "generation_config.response_schema")
    return Problem("\n".join(lines)) if lines else None


def _unknown_in(schema: dict[str, Any], path: str) -> Iterator[str]:
    for word in _UNKNOWN_KEYWORDS:
        if word in schema:
            yield f"Invalid JSON payload received. Unknown name \"{word}\" at '{path}': Cannot find field."
    for index, child in enumerate(schema.get("properties", {}).values()):
        yield from _unknown_in(child, f"{path}.properties[{index}].value")
    for index, child in enumerate(schema.get("anyOf", [])):
        yield from _unknown_in(child, f"{path}.any_of[{index}]")
    if isinstance(schema.get("items"), dict):
        yield from _unknown_in(schema["items"], f"{path}.items")


def json_with_tools(request: Request) -> Problem | None:
    wants_json = (request.response_format or {}).get("type") in {"json_object", "json_schema"}
    if wants_json and request.tools:
        return Problem("Function calling with a response mime type: 'application/json' is unsupported")
    return None


def no_contents(request: Request) -> Problem | None:
    return None if contents(request) else Problem("* GenerateContentRequest.contents: contents is not specified\n")


def empty_parts(request: Request) -> Problem | None:
    for index, content in enumerate(contents(request)):
        if not (content.texts or content.calls or content.responses):
            return Problem(f"* GenerateContentRequest.contents[{index}].parts: contents.parts must not be empty.\n")
    return None


def call_after_user(request: Request) -> Problem | None:
    found = contents(request)
    for index, content in enumerate(found):
        if content.calls and (index == 0 or found[index - 1].role == "model"):
            after = "immediately after a user turn or after a function response turn"
            return Problem(f"Please ensure that function call turn comes {after}.")
    return None


def response_after_call(request: Request) -> Problem | None:
    found = contents(request)
    for index, content in enumerate(found):
        if content.responses and (index == 0 or not found[index - 1].calls):
            words = "Please ensure that function response turn comes immediately after a function call turn."
            return Problem(words)
    return None


def as_many_responses_as_calls(request: Request) -> Problem | None:
    found = contents(request)
    for index, content in enumerate(found):
        responses = found[index + 1].responses if index + 1 < len(found) else 0
        if content.calls != responses and content.calls:
            words = "is equal to the number of function call parts of the function call turn."
            return Problem(f"Please ensure that the number of function response parts {words}")
    return None


def user_first_and_last(request: Request) -> Problem | None:
    found = contents(request)
    if found[0].role != "user":
        return Problem("Please ensure that multiturn requests alternate between user and model.")
    if found[-1].role != "user":
        return Problem("Please ensure that multiturn requests ends with a user role or a function response.")
    return None


def too_long(tokens: int, limit: int) -> Problem:
    return Problem(f"The input token count ({tokens}) exceeds the maximum number of tokens allowed ({limit}).")


def too_much(request: Request, limit: int) -> Problem:
    asked = request.output_limit[1] if request.output_limit else 0
    words = (
        f"Unable to submit request because it has a maxOutputTokens value of {asked} but the supported range is from"
    )
    return Problem(f"{words} 1 (inclusive) to {limit + 1} (exclusive). Update the value and try again.")


_BODY = (unknown_field, unknown_keyword, json_with_tools)
_ORDER = (call_after_user, response_after_call, as_many_responses_as_calls, user_first_and_last)

GOOGLE = Family(
    "google",
    (*_BODY, no_contents, empty_parts, *_ORDER, *COMMON),
    google_shape,
    too_long=too_long,
    too_much=too_much,
    max_output_tokens=65_536,
)
