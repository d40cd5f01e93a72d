"""What clients see of a turn: exact wire shapes, failure reasons, money, and states that were cut in half."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage

from fusion_graph.results import (
    answered,
    panel_failure,
    run_result,
    tool_result,
    usage,
    wire_analysis,
    wire_failures,
    wire_responses,
)
from fusion_graph.schemas import CallError, RunStatus
from tests.samples import analysis, claim, entry, failed, seat_result, source

RESULTS = [
    seat_result(1, "First [1].", sources=["https://pages.example/b"]),
    seat_result(2, "Half [2]", error=failed("timeout", "too slow"), sources=["https://pages.example/a"]),
    seat_result(3, "", error=failed("not_found", "no such model", 404)),
]
SOURCES = [source("a", seats=(2,)), source("b", read=False, published="2024-05-06")]
ANALYSIS = analysis(
    consensus=[claim("agreed", 1, 2)],
    contradictions=[
        {
            "id": "c2",
            "topic": "length",
            "stances": [{"seat": 1, "text": "long", "sources": []}, {"seat": 2, "text": "short", "sources": [1]}],
            "better": 2,
        }
    ],
    partial_coverage=[claim("cost", 1)],
    unique_insights=[claim("paint", 2)],
    blind_spots=["date"],
    strongest={"seat": 1, "why": "w", "missing_or_wrong": []},
)
WIRE_ANALYSIS = {
    "consensus": ["agreed"],
    "contradictions": [
        {
            "topic": "length",
            "stances": [
                {"model": "vendor/model-1", "stance": "long"},
                {"model": "vendor/model-2", "stance": "short"},
            ],
        }
    ],
    "partial_coverage": [{"models": ["vendor/model-1"], "point": "cost"}],
    "unique_insights": [{"model": "vendor/model-2", "insight": "paint"}],
    "blind_spots": ["date"],
}
OK: RunStatus = {
    "status": "ok",
    "reasons": [],
    "failure_reason": None,
    "judge_failure": None,
    "fused": True,
    "citations": [],
}


def test_the_analysis_on_the_wire_has_models_and_nothing_else_of_ours() -> None:
    assert wire_analysis(ANALYSIS, RESULTS) == WIRE_ANALYSIS


def test_responses_are_the_seats_with_text_in_the_run_s_numbers() -> None:
    assert wire_responses(RESULTS, SOURCES) == [
        {"seat": 1, "model": "vendor/model-1", "content": "First [2].", "partial": False},
        {"seat": 2, "model": "vendor/model-2", "content": "Half [?]", "partial": True},
    ]


def test_two_seats_of_one_model_are_two_responses() -> None:
    twins = [seat_result(1, "a", model="m"), seat_result(2, "a", model="m")]

    assert [(r["seat"], r["model"]) for r in wire_responses(twins, [])] == [(1, "m"), (2, "m")]


def test_a_cut_seat_is_among_the_responses_and_the_failures() -> None:
    assert [result["seat"] for result in answered(RESULTS)] == [1, 2]
    assert wire_failures(RESULTS) == [
        {"seat": 2, "model": "vendor/model-2", "error": "too slow"},
        {"seat": 3, "model": "vendor/model-3", "error": "no such model", "status_code": 404},
    ]


@pytest.mark.parametrize(
    ("errors", "reason"),
    [
        ([failed("payment_required"), failed("rate_limited"), failed("timeout")], "insufficient_credits"),
        ([failed("rate_limited"), failed("payment_required")], "insufficient_credits"),
        ([failed("timeout"), failed("rate_limited")], "rate_limited"),
        ([failed("timeout"), failed("not_found")], "all_panels_failed"),
        ([None], "all_panels_failed"),
        ([], "all_panels_failed"),
    ],
)
def test_a_panel_without_answers_failed_for_credit_then_for_rate_then_for_anything(
    errors: list[CallError | None], reason: str
) -> None:
    assert panel_failure([seat_result(n, "", error=error) for n, error in enumerate(errors, 1)]) == reason


def test_the_tool_s_result_is_analysis_responses_and_failures() -> None:
    told = json.loads(tool_result(RESULTS, SOURCES, ANALYSIS, None))

    assert list(told) == ["status", "analysis", "responses", "failed_models"]
    assert told["status"] == "ok"
    assert told["analysis"] == WIRE_ANALYSIS
    assert [response["content"] for response in told["responses"]] == ["First [2].", "Half [?]"]


def test_the_tool_s_result_without_a_judge_has_no_analysis_and_without_failures_no_failed_models() -> None:
    told = json.loads(tool_result(RESULTS[:1], SOURCES, None, None))

    assert list(told) == ["status", "responses"]


def test_the_tool_s_result_of_a_failed_panel_is_an_error_with_its_reason() -> None:
    told = json.loads(tool_result(RESULTS[2:], [], None, "all_panels_failed"))

    assert told == {
        "status": "error",
        "error": "the panel gave no usable answer",
        "failure_reason": "all_panels_failed",
        "failed_models": [{"seat": 3, "model": "vendor/model-3", "error": "no such model", "status_code": 404}],
    }


def test_the_tool_s_result_keeps_letters_as_they_are() -> None:
    assert "Brücke" in tool_result([seat_result(1, "Brücke")], [], None, None)


# Money


def test_costs_and_tokens_add_up() -> None:
    total = usage([entry(0.1), entry(0.2)])["total"]

    assert total == {
        "calls": 2,
        "input_tokens": 200,
        "cached_tokens": 20,
        "output_tokens": 40,
        "reasoning_tokens": 10,
        "cost_usd": 0.3,
        "cost_is_lower_bound": False,
        "paid_by_this_run_usd": 0.3,
    }


def test_one_unknown_cost_makes_the_sum_a_lower_bound() -> None:
    total = usage([entry(0.1), entry(None, tokens=None)])["total"]

    assert (total["cost_usd"], total["cost_is_lower_bound"]) == (0.1, True)
    assert total["input_tokens"] == 100


def test_costs_that_are_all_unknown_are_unknown_and_not_nothing() -> None:
    total = usage([entry(None)])["total"]

    assert (total["cost_usd"], total["paid_by_this_run_usd"], total["cost_is_lower_bound"]) == (None, None, True)


def test_no_calls_cost_nothing_for_sure() -> None:
    total = usage([])["total"]

    assert (total["cost_usd"], total["cost_is_lower_bound"]) == (0.0, False)


def test_a_fork_s_answer_costs_what_it_inherited_too_but_the_fork_paid_only_its_own() -> None:
    calls = [entry(0.5, run_id="parent"), entry(0.25, run_id="fork")]

    total = usage(calls, "fork")["total"]

    assert (total["cost_usd"], total["paid_by_this_run_usd"]) == (0.75, 0.25)


def test_a_fork_that_made_no_call_paid_nothing() -> None:
    assert usage([entry(0.5, run_id="parent")], "fork")["total"]["paid_by_this_run_usd"] == 0.0


def test_calls_outside_a_stored_run_are_the_run_s_own() -> None:
    assert usage([entry(0.5, run_id="")], "r")["total"]["paid_by_this_run_usd"] == 0.5


def test_the_ledger_is_told_call_by_call() -> None:
    assert usage([entry(0.1, key="judge:1")])["calls"][0]["key"] == "judge:1"


# The whole turn


def state(**values: Any) -> dict[str, Any]:
    return {
        "messages": [HumanMessage("q"), AIMessage("The answer [1].")],
        "results": RESULTS,
        "sources": SOURCES,
        "analysis": ANALYSIS,
        "calls": [entry(0.5)],
        "status": OK,
        "settings": {"panel": []},
        **values,
    }


def test_a_turn_is_told_whole() -> None:
    told = run_result("r1", "t1", state())

    assert (told["run_id"], told["thread_id"], told["status"], told["fused"]) == ("r1", "t1", "ok", True)
    assert told["answer"] == "The answer [1]."
    assert told["analysis"] == WIRE_ANALYSIS
    assert [response["seat"] for response in told["responses"]] == [1, 2]
    assert told["sources"] == [
        {
            "number": 1,
            "url": "https://pages.example/a",
            "canonical_url": "https://pages.example/a",
            "title": "About a",
            "snippet": "a in short",
            "published": "",
            "seats": [2],
            "status": "read",
            "retrieved_at": "",
            "sha256": "",
        },
        {
            "number": 2,
            "url": "https://pages.example/b",
            "canonical_url": "https://pages.example/b",
            "title": "About b",
            "snippet": "b in short",
            "published": "2024-05-06",
            "seats": [1],
            "status": "seen",
            "retrieved_at": "",
            "sha256": "",
        },
    ]
    assert told["usage"]["total"]["cost_usd"] == 0.5
    assert told["settings"] == {"panel": []}
    assert not {"judge_failure", "failure_reason"} & told.keys()


def test_what_failed_is_told_by_its_codes() -> None:
    status = {**OK, "status": "error", "failure_reason": "rate_limited", "judge_failure": "judge_not_valid_json"}

    told = run_result("r", "t", state(status=status, analysis=None))

    assert (told["failure_reason"], told["judge_failure"], told["analysis"]) == (
        "rate_limited",
        "judge_not_valid_json",
        None,
    )


def test_calls_of_the_caller_s_tools_are_told_and_count_as_an_ending() -> None:
    call = {"name": "get_weather", "args": {}, "id": "c", "type": "tool_call"}

    told = run_result("r", "t", state(messages=[AIMessage("", tool_calls=[call])]))

    assert (told["status"], told["answer"], told["tool_calls"]) == ("ok", "", [call])


def test_a_streamed_answer_is_an_answer() -> None:
    assert run_result("r", "t", state(messages=[AIMessageChunk(content="Yes.")]))["answer"] == "Yes."


def test_the_call_of_the_panel_is_no_answer_and_no_tool_call_of_the_caller() -> None:
    call = {"name": "fusion", "args": {}, "id": "c"}

    told = run_result("r", "t", state(messages=[AIMessage("I will ask.", tool_calls=[call])], status=None))

    assert (told["answer"], told["tool_calls"]) == ("", [])
    assert (told["status"], told["reasons"]) == ("error", ["the run has not finished"])


def test_a_run_cut_between_judge_and_writer_has_not_finished() -> None:
    status = {**OK, "judge_failure": "judge_upstream_error"}

    told = run_result("r", "t", state(messages=[HumanMessage("q")], status=status))

    assert (told["status"], told["failure_reason"]) == ("error", "unexpected_error")
    assert told["judge_failure"] == "judge_upstream_error"
    assert told["fused"]


def test_a_tool_turn_cut_before_its_answer_does_not_show_the_turn_before_as_its_end() -> None:
    told = run_result("r", "t", state(messages=[AIMessage("Old."), ToolMessage("x", tool_call_id="c")]))

    assert (told["status"], told["answer"]) == ("error", "")


def test_a_run_killed_before_its_first_checkpoint_has_a_result() -> None:
    told = run_result("r", "t", {})

    assert (told["status"], told["answer"], told["responses"], told["settings"]) == ("error", "", [], None)
    assert told["usage"]["total"]["cost_usd"] == 0.0


def test_an_analysis_of_a_seat_whose_result_is_gone_names_the_seat() -> None:
    told = run_result("r", "t", state(results=RESULTS[:1]))

    assert told["analysis"]["unique_insights"] == [{"model": "seat 2", "insight": "paint"}]


def test_an_insight_of_nobody_is_not_told() -> None:
    assert wire_analysis(analysis(unique_insights=[claim("x")]), [])["unique_insights"] == []


@settings(deadline=None)  # a busy machine is no failure
@given(st.sets(st.sampled_from(sorted(state()))), st.sets(st.sampled_from(sorted(state()))))
def test_no_half_state_makes_the_result_fail(kept: set[str], none: set[str]) -> None:
    values = {name: None if name in none else value for name, value in state().items() if name in kept}

    told = run_result("r", "t", values)

    assert json.dumps(told)
    assert told["status"] == ("ok" if {"messages", "status"} <= kept - none else "error")
