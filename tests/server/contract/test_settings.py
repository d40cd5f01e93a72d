"""What a request says of its panel, and what holds if it says nothing."""

from typing import Any

import pytest

from tests.corpus import write_corpus
from tests.graphs import asked, researcher
from tests.server.conftest import Serve, Served, judge_and_writer
from tests.server.contract.asking import (
    FORCED,
    SEATS,
    message,
    of_presets,
    offered,
    plugin,
    result,
    roster,
    running,
    tool,
)

FORCED_TOOL = {**FORCED, **tool(model="judge", tools=[])}


def forced(**parameters: Any) -> dict[str, Any]:
    """Return what forces a run with the server tool."""
    return {**FORCED, **tool(**{"model": "judge", "tools": [], **parameters})}


@pytest.mark.contract("1.16")
def test_the_panel_is_the_one_named_in_its_order(served: Served) -> None:
    response = served.chat(**forced(analysis_models=["east", "north", "east"]))

    assert [each["model"] for each in result(response)["responses"]] == ["east", "north", "east"]
    assert sorted(served.asked()) == ["east", "east", "judge", "north", "writer"]


@pytest.mark.contract("1.17")
def test_the_tools_model_compares_and_the_requests_writes(served: Served) -> None:
    told = served.chat(**forced(model="judge")).json()

    assert told["model"] == "writer"
    assert [(call["role"], call["model"]) for call in told["x_fusion"]["calls"][-2:]] == [
        ("judge", "judge"),
        ("writer", "writer"),
    ]


@pytest.mark.contract("1.36")
def test_under_a_slug_the_plugins_model_does_both(served: Served) -> None:
    told = served.chat().json()

    assert told["model"] == "judge"
    assert [(call["role"], call["model"]) for call in told["x_fusion"]["calls"][-2:]] == [
        ("judge", "judge"),
        ("writer", "judge"),
    ]


@pytest.mark.contract("1.37")
@pytest.mark.parametrize("asks", [plugin(model=None), tool(tools=[])], ids=["plugin", "tool"])
def test_without_a_judge_the_requests_model_compares(serve: Serve, asks: dict[str, Any]) -> None:
    served = serve(writer=judge_and_writer)

    told = served.chat(**FORCED, **asks).json()

    assert {call["model"] for call in told["x_fusion"]["calls"] if call["role"] in {"judge", "writer"}} == {"writer"}
    assert "judge" not in served.asked()


@pytest.mark.contract("1.18")
@pytest.mark.parametrize("steps", [1, 2, 16])
@pytest.mark.parametrize("by_tool", [True, False])
def test_tool_steps_are_bounded(serve: Serve, steps: int, by_tool: bool) -> None:  # noqa: FBT001
    served = serve(north=researcher(rounds=20), judge=judge_and_writer)

    told = served.chat(**(forced(max_tool_calls=steps) if by_tool else plugin(max_tool_calls=steps))).json()

    assert told["usage"]["server_tool_use_details"]["tool_calls_executed"] == steps
    assert len(asked(served.models, "north")) == steps + 1


@pytest.mark.contract("1.50")
def test_there_are_4_tool_steps_if_nothing_is_said(serve: Serve) -> None:
    served = serve(north=researcher(rounds=20), judge=judge_and_writer)

    told = served.chat().json()

    assert told["usage"]["server_tool_use_details"]["tool_calls_executed"] == 4


@pytest.mark.contract("1.51", "1.46")
def test_a_preset_may_have_its_own_tool_steps(serve: Serve) -> None:
    panel, _judge = roster("fast")
    served = serve(**of_presets() | {panel[1]: researcher(rounds=20)})

    told = served.chat(model="fusion/fast", plugins=None).json()

    assert told["usage"]["server_tool_use_details"]["tool_calls_executed"] == 2


@pytest.mark.contract("1.19")
def test_the_tools_output_limit_is_that_of_panel_and_judge(served: Served) -> None:
    response = served.chat(**forced(max_completion_tokens=700))

    assert result(response)["status"] == "ok"
    assert {(r.model, r.max_tokens) for r in served.models.requests if r.model != "writer"} == {
        (name, 700) for name in [*SEATS, "judge"]
    }


@pytest.mark.contract("1.47")
@pytest.mark.parametrize("asks", [{}, forced()])
def test_inner_calls_may_write_16000_tokens(served: Served, asks: dict[str, Any]) -> None:
    response = served.chat(**asks)

    assert result(response)["status"] == "ok"
    assert {request.max_tokens for request in served.models.requests if request.model != "writer"} == {16_000}


@pytest.mark.contract("1.20", "7.4")
@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high", "xhigh", "max"])
def test_the_effort_is_that_of_panel_and_judge(served: Served, effort: str) -> None:
    response = served.chat(**forced(reasoning={"effort": effort}))

    assert result(response)["status"] == "ok"
    assert {r.reasoning for r in served.models.requests if r.model in {*SEATS, "judge"}} == {effort}


@pytest.mark.contract("1.21")
@pytest.mark.parametrize(
    "parameters",
    [
        {"reasoning": {"max_tokens": 2000}},
        {"reasoning": {"effort": "low", "max_tokens": 2000}},
        {"reasoning": {}},
        {"cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ],
)
def test_reasoning_tokens_and_cache_control_are_taken(served: Served, parameters: dict[str, Any]) -> None:
    response = served.chat(**forced(**parameters))

    assert result(response)["status"] == "ok"


@pytest.mark.contract("1.22", "1.48", "7.3")
@pytest.mark.parametrize("temperature", [0, 0.7, 2])
def test_the_tools_temperature_is_the_panels_and_the_judges_is_0(served: Served, temperature: float) -> None:
    response = served.chat(**forced(temperature=temperature))

    assert result(response)["status"] == "ok"
    assert {asked(served.models, seat)[0].temperature for seat in SEATS} == {temperature}
    assert asked(served.models, "judge")[0].temperature == 0


@pytest.mark.contract("1.48", "1.49")
@pytest.mark.parametrize("asks", [{}, {"temperature": 0.9}, FORCED, forced(), {**forced(), "temperature": 0.9}])
def test_without_a_temperature_of_the_tool_the_panel_has_none_and_the_judge_0(
    served: Served, asks: dict[str, Any]
) -> None:
    response = served.chat(**asks)

    assert result(response)["status"] == "ok"
    assert {asked(served.models, seat)[0].temperature for seat in SEATS} == {None}
    assert asked(served.models, "judge")[0].temperature == 0


@pytest.mark.contract("1.59")
@pytest.mark.parametrize(
    "asks", [FORCED, forced(temperature=0.2), {"model": "writer"}, {"model": "writer", "plugins": None}]
)
def test_a_requests_temperature_is_its_models(served: Served, asks: dict[str, Any]) -> None:
    response = served.chat(**asks, temperature=0.9)

    assert message(response)["content"] == "The answer is 1, though one source says 2."
    assert {request.temperature for request in asked(served.models, "writer")} == {0.9}
    assert 0.9 not in {request.temperature for request in served.models.requests if request.model != "writer"}


@pytest.mark.contract("1.52", "1.54")
@pytest.mark.parametrize("asks", [plugin(tools=None), {**FORCED, **tool(model="judge")}], ids=["plugin", "tool"])
def test_the_panel_searches_and_fetches_if_nothing_is_said(
    serve: Serve, asks: dict[str, Any], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUSION_SEARCH", f"local:{write_corpus(tmp_path / 'pages')}")
    served = serve(judge=judge_and_writer)

    response = served.chat(**asks)

    assert result(response)["status"] == "ok"
    assert {*offered(asked(served.models, "north")[0])} == {"look_up", "web_fetch", "web_search"}


@pytest.mark.contract("1.53")
@pytest.mark.parametrize("asks", [plugin(tools=[]), forced(tools=[])], ids=["plugin", "tool"])
def test_an_empty_list_leaves_no_tools(serve: Serve, asks: dict[str, Any], tmp_path: Any) -> None:
    models = serve(judge=judge_and_writer).models
    with running(models, tmp_path / "own.db") as served:
        response = served.chat(**asks)

    assert result(response)["status"] == "ok"
    assert [asked(models, seat)[0].tools for seat in SEATS] == [[], [], []]


@pytest.mark.contract("1.23", "1.54")
@pytest.mark.parametrize("by_tool", [True, False])
@pytest.mark.parametrize(
    ("tools", "names"),
    [
        (["web_fetch"], ["web_fetch"]),
        (["bash"], ["bash"]),
        (["web_fetch", "bash"], ["bash", "web_fetch"]),
    ],
)
def test_the_panel_has_the_tools_that_are_named(
    serve: Serve,
    tools: list[str],
    names: list[str],
    by_tool: bool,  # noqa: FBT001
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FUSION_BASH", "bashkit")
    named = [{"type": f"openrouter:{name}"} for name in tools]
    with running(serve(judge=judge_and_writer).models, tmp_path / "own.db") as served:
        response = served.chat(**(forced(tools=named) if by_tool else plugin(tools=named)))

    assert result(response)["status"] == "ok"
    assert offered(asked(served.models, "north")[0]) == names
    assert asked(served.models, "writer" if by_tool else "judge")[-1].tools == []
