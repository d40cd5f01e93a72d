"""What a run would cost: who is called how often, tokens from the past or from what is usual, prices known or not."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from fusion_graph.estimate import CallSize, Estimate, PartEstimate, estimate_run, render_estimate
from fusion_graph.presets import resolve
from fusion_graph.schemas import Role
from fusion_graph.settings import FusionSettings

ROSTER = {"panel": ["a/one", "a/two"], "judge": "a/judge", "writer": "a/writer"}


def settings(**fields: Any) -> FusionSettings:
    return resolve(ROSTER | fields, environ={})


def dollar_a_token(_name: str, input_tokens: int, output_tokens: int) -> tuple[float | None, str | None]:
    return float(input_tokens + output_tokens), "test"


def free(_name: str, _input_tokens: int, _output_tokens: int) -> tuple[float | None, str | None]:
    return 0.0, "test"


def unknown(_name: str, _input_tokens: int, _output_tokens: int) -> tuple[float | None, str | None]:
    return None, None


def past(
    role: Role, model: str, sizes: list[tuple[int, int]], *, runs: int | None = None, seat: int | None = 1
) -> list[CallSize]:
    """Return calls, `runs` of them in turn in each run; by default each in a run of its own."""
    return [
        {"run_id": f"{model} {number % (runs or len(sizes))}", "role": role, "seat": seat, "model": model}
        | {"input": asked, "output": written}  # type: ignore[misc]
        for number, (asked, written) in enumerate(sizes)
    ]


def parts_of(estimate: Estimate) -> dict[str, PartEstimate]:
    return {f"{part['role']}{part['seat'] or ''}": part for part in estimate["parts"]}


def test_every_seat_judge_and_writer_is_a_part_and_the_sum_is_theirs() -> None:
    found = estimate_run(settings(), [], dollar_a_token)

    parts = parts_of(found)
    assert list(parts) == ["panelist1", "panelist2", "judge", "writer"]
    assert [part["model"] for part in found["parts"]] == ["a/one", "a/two", "a/judge", "a/writer"]
    assert found["cost_usd"] is not None
    for end in ("low", "high"):
        costs = [part["cost_usd"] for part in found["parts"]]
        assert found["cost_usd"][end] == sum(cost[end] for cost in costs if cost)
    assert found["cost_usd"]["low"] < found["cost_usd"]["high"]
    assert (found["is_lower_bound"], found["unknown_prices"]) == (False, [])
    assert json.loads(json.dumps(found)) == found


def test_the_cost_of_a_part_is_its_calls_times_the_price_of_one() -> None:
    judge = parts_of(estimate_run(settings(), [], dollar_a_token))["judge"]

    for end in ("low", "high"):
        one = judge["input_tokens"][end] + judge["output_tokens"][end]
        assert judge["cost_usd"] is not None
        assert judge["cost_usd"][end] == judge["calls"][end] * one


@pytest.mark.parametrize(
    ("fields", "calls"),
    [
        ({}, (2, 5)),
        ({"max_tool_calls": 16}, (2, 17)),
        ({"max_tool_calls": 1}, (2, 2)),
        ({"tools": []}, (1, 1)),
        ({"panel": [{"model": "a/one", "tools": []}]}, (1, 1)),
        ({"panel": [{"model": "a/one", "max_tool_calls": 8}]}, (2, 9)),
        ({"tools": [], "panel": [{"model": "a/one", "tools": ["web_search"]}]}, (2, 5)),
    ],
)
def test_a_seat_makes_a_call_for_each_step_of_tools_and_one_to_answer(
    fields: Mapping[str, Any], calls: tuple[int, int]
) -> None:
    seat = parts_of(estimate_run(settings(**fields), [], free))["panelist1"]

    assert (seat["calls"]["low"], seat["calls"]["high"]) == calls


def test_in_mode_never_the_writer_is_alone_and_in_auto_it_may_answer_without_the_panel() -> None:
    never = estimate_run(settings(mode="never"), [], dollar_a_token)
    auto = parts_of(estimate_run(settings(mode="auto"), [], dollar_a_token))

    assert [(part["role"], part["model"]) for part in never["parts"]] == [("writer", "a/writer")]
    assert list(auto) == ["decide", "panelist1", "panelist2", "judge", "writer"]
    assert {name: part["calls"]["low"] for name, part in auto.items()} == {
        "decide": 1,
        "panelist1": 0,
        "panelist2": 0,
        "judge": 0,
        "writer": 0,
    }
    assert auto["panelist1"]["cost_usd"] is not None
    assert auto["panelist1"]["cost_usd"]["low"] == 0


def test_only_the_seats_still_to_be_asked_are_counted() -> None:
    added = parts_of(estimate_run(settings(), [], free, seats=[2]))
    judged_again = parts_of(estimate_run(settings(), [], free, seats=[]))

    assert list(added) == ["panelist2", "judge", "writer"]
    assert list(judged_again) == ["judge", "writer"]


def test_past_calls_of_the_same_model_come_first_then_those_of_the_role_then_what_is_usual() -> None:
    history = [
        *past("writer", "a/writer", [(100, 10), (200, 20), (300, 30), (400, 40), (1000, 100)]),
        *past("judge", "a/other", [(50, 5)] * 5),
        *past("panelist", "a/one", [(7, 7)] * 4),
    ]

    parts = parts_of(estimate_run(settings(), history, free))

    assert parts["writer"]["input_tokens"] == {"low": 300, "high": 760}
    assert parts["writer"]["output_tokens"] == {"low": 30, "high": 76}
    assert parts["writer"]["tokens_from"] == "5 past calls of this model"
    assert parts["judge"]["input_tokens"] == {"low": 50, "high": 50}
    assert parts["judge"]["tokens_from"] == "5 past calls in this role"
    assert parts["panelist1"]["tokens_from"] == "usual sizes"


def test_a_seats_usual_number_of_calls_is_that_of_the_past_within_its_limit() -> None:
    four_each = past("panelist", "a/one", [(1000, 100)] * 20, runs=5)

    def calls(**fields: Any) -> tuple[int, int]:
        found = parts_of(estimate_run(settings(**fields), four_each, free))["panelist1"]["calls"]
        return found["low"], found["high"]

    assert calls() == (4, 5)
    assert calls(max_tool_calls=2) == (3, 3)
    assert calls(tools=[]) == (1, 1)


def test_the_demo_and_language_models_say_nothing_of_each_other() -> None:
    played = past("writer", "demo:writer", [(10, 1)] * 9)

    real = parts_of(estimate_run(settings(), played, free))["writer"]
    demo = parts_of(estimate_run(settings(writer="demo:other"), played, free))["writer"]

    assert real["tokens_from"] == "usual sizes"
    assert demo["tokens_from"] == "9 past calls in this role"


def test_a_long_question_is_read_by_everybody() -> None:
    short, long = (estimate_run(settings(), [], free, question=text) for text in ("", "word " * 8000))

    for before, after in zip(short["parts"], long["parts"], strict=True):
        assert after["input_tokens"]["low"] - before["input_tokens"]["low"] == 10_000
        assert after["input_tokens"]["high"] - before["input_tokens"]["high"] == 10_000


def test_more_seats_give_judge_and_writer_more_to_read() -> None:
    two, three = (estimate_run(settings(panel=["a/one"] * seats), [], free) for seats in (2, 3))

    for role in ("judge", "writer"):
        assert parts_of(three)[role]["input_tokens"]["low"] > parts_of(two)[role]["input_tokens"]["low"]


def test_no_call_writes_more_than_its_output_limit() -> None:
    history = past("writer", "a/writer", [(100, 9000)] * 5)

    found = estimate_run(settings(max_completion_tokens=500), history, free)

    assert max(part["output_tokens"]["high"] for part in found["parts"]) == 500


def test_an_unknown_price_is_unknown_and_makes_the_sum_a_lower_bound() -> None:
    def some(name: str, input_tokens: int, output_tokens: int) -> tuple[float | None, str | None]:
        return (None, None) if name == "a/two" else (1.0, "test")

    found = estimate_run(settings(), [], some)

    assert parts_of(found)["panelist2"]["cost_usd"] is None
    assert parts_of(found)["panelist2"]["price_source"] is None
    assert found["is_lower_bound"]
    assert found["unknown_prices"] == ["a/two"]
    assert render_estimate(found) == "at least $4.00-8.00"


def test_the_sum_in_words_is_a_range_a_lower_bound_nothing_or_unknown() -> None:
    def cent(_name: str, _input: int, _output: int) -> tuple[float | None, str | None]:
        return 0.01, "test"

    def free_but_one(name: str, _input: int, _output: int) -> tuple[float | None, str | None]:
        return (None, None) if name == "a/one" else (0.0, "test")

    alone = settings(mode="never")
    assert render_estimate(estimate_run(settings(), [], free)) == "no cost"
    assert render_estimate(estimate_run(settings(), [], unknown)) == "cost unknown"
    assert render_estimate(estimate_run(settings(), [], free_but_one)) == "cost unknown"
    assert render_estimate(estimate_run(settings(), [], cent)) == "about $0.06-0.13"
    assert render_estimate(estimate_run(alone, [], cent)) == "about $0.0100"


def test_the_budget_goes_along() -> None:
    assert estimate_run(settings(max_cost_usd=1.5), [], free)["max_cost_usd"] == 1.5
    assert estimate_run(settings(), [], free)["max_cost_usd"] == 0
