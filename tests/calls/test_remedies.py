"""Remedies: what a refusal names is left out or lowered; the words are those of real providers."""

from typing import Any

import pytest

from fusion_graph.calls.remedies import Remedy, remedy
from fusion_graph.schemas import Outcome

ALL: dict[str, Any] = {
    "temperature": 0.2,
    "tool_choice": "required",
    "reasoning": "high",
    "max_tokens": 100_000,
    "response_format": {"type": "json_object"},
}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in ALL.items() if name not in names}


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Unsupported value: 'temperature' does not support 0.2 with this model.", "temperature"),
        ("`temperature` is deprecated for this model.", "temperature"),
        ("`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.", "temperature"),
        ("[{'type': 'extra_forbidden', 'loc': ['body', 'reasoning_effort'], 'input': 'low'}]", "reasoning"),
        ("thinking_budget is not supported for this model", "reasoning"),
        ("Thinking mode does not support this tool_choice", "reasoning"),
        ("tool_choice 'specified' is incompatible with thinking enabled", "tool_choice"),
        ("No endpoints found that support the provided 'tool_choice' value.", "tool_choice"),
        ("The tool_choice parameter does not support being set to required in thinking mode", "tool_choice"),
        ("Unsupported parameter: 'max_tokens' is not supported with this model.", "max_tokens"),
        ("AsyncCompletions.create() got an unexpected keyword argument 'temperature'", "temperature"),
    ],
)
def test_the_parameter_a_refusal_speaks_of_first_is_left_out(said: str, name: str) -> None:
    assert remedy("bad_request", said, ALL) == Remedy(name, None, lasts=True)


def test_a_parameter_that_was_not_sent_is_not_the_reason() -> None:
    said = "Thinking may not be enabled when tool_choice forces tool use."

    assert remedy("bad_request", said, without("reasoning")) == Remedy("tool_choice", None, lasts=True)
    assert remedy("bad_request", said, without("reasoning", "tool_choice")) is None


@pytest.mark.parametrize("said", ["response_format json_schema: 'temperature' is no type", "Invalid request", ""])
def test_the_callers_ladder_keeps_the_response_format_and_the_unnamed_is_left_alone(said: str) -> None:
    assert remedy("bad_request", said, ALL) is None


def test_an_effort_of_none_is_sent_where_a_model_asks_for_it_even_if_no_effort_was() -> None:
    said = "Function tools with reasoning_effort are not supported for gpt-x. Set reasoning_effort to 'none'."

    assert remedy("bad_request", said, without("reasoning")) == Remedy("reasoning", "none", lasts=True)
    assert remedy("bad_request", said, ALL | {"reasoning": "none"}) == Remedy("reasoning", None, lasts=True)


@pytest.mark.parametrize(
    ("said", "limit"),
    [
        ("max_tokens is too large: 100000. This model supports at most 16384 completion tokens", 16384),
        ("max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for claude-x", 64000),
        ("`max_tokens` must be less than or equal to `16384`, the maximum value for `max_tokens` is less", 16384),
        ("max_tokens for `llama-x` must be less than or equal to 8000", 8000),
        ("it has a maxOutputTokens value of 100000 but the supported range is from 1 (inclusive) to 65537 (exc", 65536),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", 8192),
        ("The maximum tokens you requested exceeds the model limit of 4096. Try a value lower than 4096.", 4096),
        ("max_tokens (100000) exceeds model's maximum output tokens (65536) for model x:0731", 65536),
        ("too many tokens: max tokens must be less than or equal to 4,096", 4096),
        ("max_tokens must be between 1 and 32000", 32000),
        ("max_tokens is too large", None),
        ("max_tokens must be at most 200000, got 100000", None),
        ("max_tokens must be at most 100000, got 100000", None),
    ],
)
def test_the_output_limit_is_lowered_to_what_the_refusal_states(said: str, limit: int | None) -> None:
    assert remedy("bad_request", said, without("response_format")) == Remedy("max_tokens", limit, lasts=True)


IN_PARTS = (
    "context length is 131072 tokens. However, you requested 221072 tokens (121072 in the messages, 100000 in the"
)
ABOUT = "context length is 65536 tokens. However, you requested about 107884 tokens (7884 of text input, 100000 in the"
TOO_LARGE = "max_tokens is too large: 100000. The maximum context length is 8192 tokens and your request has 1200 input"
BOTH = [
    (f"This model's maximum {IN_PARTS} completion).", 10_000),
    (f"This endpoint's maximum {ABOUT} output).", 57_652),
    (
        "This model's maximum context length is 20480 tokens. However, your request has 8 input tokens plus 100000",
        20_472,
    ),
    (f"{TOO_LARGE} tokens (100000 > 8192 - 1200).", 6992),
    ("input length and `max_tokens` exceed context limit: 178959 + 100000 > 200000, decrease input length", 21_041),
    ("Request too large for gpt-x on tokens per min (TPM): Limit 30000, Requested 105000.", 25_000),
    ("This model's maximum context length is 131,072 tokens. However, you requested 221,072 tokens", 10_000),
]


@pytest.mark.parametrize(("said", "room"), BOTH)
def test_a_prompt_that_fits_with_less_output_gets_less_output_for_this_once(said: str, room: int) -> None:
    assert remedy("context_overflow", said, ALL) == Remedy("max_tokens", room, lasts=False)


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ("prompt is too long: 202128 tokens > 200000 maximum", ALL),
        ("maximum context length is 8192 tokens. However, you requested 254457 tokens", ALL),
        ("input length and `max_tokens` exceed context limit: 199500 + 16000 > 200000", ALL),
        (BOTH[0][0], without("max_tokens")),
    ],
)
def test_a_prompt_that_does_not_fit_has_to_be_made_shorter_by_the_caller(said: str, sent: dict[str, Any]) -> None:
    assert remedy("context_overflow", said, sent) is None


@pytest.mark.parametrize("kind", ["rate_limited", "payment_required", "server_error", "answer", "refusal"])
def test_only_a_refused_request_has_a_remedy(kind: Outcome) -> None:
    assert remedy(kind, "temperature max_tokens reasoning", ALL) is None
