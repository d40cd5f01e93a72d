"""Tokens, costs and tool calls of a completion."""

from typing import Any

import pytest

from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest
from tests.corpus import write_corpus
from tests.graphs import asked, researcher
from tests.server.conftest import Serve, Served, judge_and_writer
from tests.server.contract.asking import FORCED, plugin
from tests.server.talk import chunks

PLAIN = plugin(fusion_mode="never")


def counts(request: ScriptedRequest) -> ScriptedReply:
    """A model of known usage and price."""
    details: Any = {"input_token_details": {"cache_read": 3}, "output_token_details": {"reasoning": 2}}
    usage: Any = {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110, **details}
    return ScriptedReply(judge_and_writer(request), usage=usage, cost=0.25)


COUNTED: dict[str, Any] = dict.fromkeys(["north", "south", "east", "judge", "writer"], counts)


@pytest.mark.contract("5.1", "5.2", "5.3")
@pytest.mark.parametrize(("asks", "calls"), [(PLAIN, 1), ({}, 5), (FORCED, 5), (plugin(analysis_models=["north"]), 3)])
def test_tokens_are_those_of_all_calls(serve: Serve, asks: dict[str, Any], calls: int) -> None:
    usage = serve(**COUNTED).chat(**asks).json()["usage"]

    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (100 * calls, 10 * calls)
    assert usage["total_tokens"] == 110 * calls
    assert usage["prompt_tokens_details"]["cached_tokens"] == 3 * calls
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 2 * calls


@pytest.mark.contract("5.4")
@pytest.mark.parametrize(("asks", "cost"), [(PLAIN, 0.25), ({}, 1.25)])
def test_the_cost_is_that_of_all_calls(serve: Serve, asks: dict[str, Any], cost: float) -> None:
    usage = serve(**COUNTED).chat(**asks).json()["usage"]

    assert usage["cost"] == pytest.approx(cost)


@pytest.mark.contract("5.6")
def test_cost_details_are_numbers(serve: Serve) -> None:
    details = serve(**COUNTED).chat().json()["usage"]["cost_details"]

    assert details == {"upstream_inference_cost": pytest.approx(1.25)}


@pytest.mark.contract("5.5")
def test_an_unknown_cost_is_left_out(served: Served) -> None:
    whole, streamed = served.chat().json()["usage"], chunks(served.chat(stream=True))[-1]["usage"]

    for usage in (whole, streamed):
        assert "cost" not in usage
        assert None not in usage.values()


@pytest.mark.contract("5.10", "5.4")
@pytest.mark.parametrize("asks", [PLAIN, {}])
def test_a_stream_counts_as_the_whole_does(serve: Serve, asks: dict[str, Any]) -> None:
    served = serve(**COUNTED)

    whole, streamed = served.chat(**asks).json()["usage"], chunks(served.chat(stream=True, **asks))[-1]["usage"]

    assert streamed == whole
    assert streamed["cost"] > 0


@pytest.mark.contract("5.7", "5.8")
def test_calls_of_the_panels_tools_are_counted(serve: Serve, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_SEARCH", f"local:{write_corpus(tmp_path / 'pages')}")
    served = serve(north=researcher("web_search", rounds=2), south=researcher("look_up"), judge=judge_and_writer)

    details = served.chat(**plugin(tools=None)).json()["usage"]["server_tool_use_details"]

    assert details == {"tool_calls_requested": 3, "tool_calls_executed": 3, "web_search_requests": 2}


@pytest.mark.contract("5.7")
def test_a_tool_that_is_asked_for_and_not_there_is_requested_not_executed(serve: Serve) -> None:
    served = serve(north=researcher("no_such_tool"), judge=judge_and_writer)

    details = served.chat().json()["usage"]["server_tool_use_details"]

    assert details == {"tool_calls_requested": 1, "tool_calls_executed": 0, "web_search_requests": 0}


@pytest.mark.contract("5.7")
@pytest.mark.parametrize("asks", [PLAIN, {}])
def test_without_tools_the_counts_are_0(served: Served, asks: dict[str, Any]) -> None:
    details = served.chat(**asks).json()["usage"]["server_tool_use_details"]

    assert details == {"tool_calls_requested": 0, "tool_calls_executed": 0, "web_search_requests": 0}


@pytest.mark.contract("5.9", "5.3")
def test_each_call_is_told_with_what_it_took(serve: Serve) -> None:
    served = serve(**COUNTED | {"south": researcher()})

    told = served.chat(**FORCED).json()

    calls = told["x_fusion"]["calls"]
    of_seats = [call for call in calls if call["role"] == "panelist"]
    assert len(calls) == len(served.models.requests)
    assert len([call for call in of_seats if call["model"] == "south"]) == len(asked(served.models, "south")) == 2
    assert [call["role"] for call in calls[-2:]] == ["judge", "writer"]
    assert sum(call["tokens"]["input"] for call in calls) == told["usage"]["prompt_tokens"]
    assert {call["cost_usd"] for call in calls if call["model"] != "south"} == {0.25}


@pytest.mark.contract("5.35")
@pytest.mark.parametrize(("unknown", "is_bound"), [({}, False), ({"north": judge_and_writer}, True)])
def test_a_cost_that_is_known_in_part_is_said_to_be_a_lower_bound(
    serve: Serve,
    unknown: dict[str, Any],
    is_bound: bool,  # noqa: FBT001
) -> None:
    served = serve(**COUNTED | unknown)

    whole, streamed = served.chat().json(), chunks(served.chat(stream=True))

    assert whole["x_fusion"]["cost_is_lower_bound"] is is_bound
    assert streamed[-2]["x_fusion"]["cost_is_lower_bound"] is is_bound
    assert whole["usage"]["cost"] == pytest.approx(1.0 if is_bound else 1.25)
