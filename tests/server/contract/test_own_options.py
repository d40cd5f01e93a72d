"""What a request says in `x_fusion` of its panel, its writer and its limits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fusion_graph.models.scripted import ScriptedError, ScriptedReply, ScriptedRequest
from tests import graphs
from tests.graphs import look_up, researcher, scripted
from tests.server.conftest import Serve, Served, judge_and_writer
from tests.server.contract.asking import FORCED, SEATS, offered, plugin, refused, result, running, tool
from tests.server.responses.asking import asked

FETCH = {"type": "openrouter:web_fetch"}
SEARCH = {"type": "web_search"}
Row = tuple[str, dict[str, Any], str]


def own(**fields: Any) -> dict[str, Any]:
    return {"x_fusion": fields}


@pytest.mark.contract("1.62")
@pytest.mark.parametrize(
    "asks", [{}, plugin(analysis_models=["east"] * 3), {**FORCED, **tool(model="judge", tools=[])}]
)
def test_the_seats_are_the_panel_nearer_than_any_other_word_for_it(served: Served, asks: dict[str, Any]) -> None:
    response = served.chat(**asks, **own(seats=[{"model": "north"}, {"model": "south"}, {"model": "north"}]))

    assert [each["model"] for each in result(response)["responses"]] == ["north", "south", "north"]
    assert "east" not in served.asked()


@pytest.mark.contract("1.62")
def test_a_seat_has_its_own_temperature_effort_steps_and_prompt(serve: Serve) -> None:
    served = serve(north=researcher(rounds=9), judge=judge_and_writer)
    seat = {"model": "north", "temperature": 0.3, "reasoning": "low", "max_tool_calls": 2, "system_prompt": "Doubt it."}

    told = served.chat(**own(seats=[{**seat, "name": "Sceptic"}, {"model": "south"}])).json()

    north, south = (graphs.asked(served.models, name) for name in ("north", "south"))
    assert told["usage"]["server_tool_use_details"]["tool_calls_executed"] == 2
    assert (len(north), north[0].temperature, north[0].reasoning) == (3, 0.3, "low")
    assert "Doubt it." in graphs.texts(north[0].messages)
    assert (south[0].temperature, south[0].reasoning) == (None, None)
    assert "Doubt it." not in graphs.texts(south[0].messages)


@pytest.mark.contract("1.62")
def test_a_seats_fallback_answers_in_its_place(serve: Serve) -> None:
    def broken(_request: ScriptedRequest) -> ScriptedError:
        return ScriptedError("it is gone", status_code=404)

    served = serve(north=broken, judge=judge_and_writer)

    (answer,) = result(served.chat(**own(seats=[{"model": "north", "fallback": "south"}])))["responses"]

    assert (answer["model"], answer["answered_by"], answer["content"]) == ("north", "south", "south: the answer is 1.")


@pytest.mark.contract("1.62")
@pytest.mark.usefixtures("web")
def test_a_seat_has_the_tools_that_it_names_and_no_others(serve: Serve, tmp_path: Path) -> None:
    models = serve(judge=judge_and_writer).models
    seats = [{"model": "north", "tools": [FETCH]}, {"model": "south", "tools": []}, {"model": "east"}]
    with running(models, tmp_path / "own.db") as served:
        response = served.chat(**plugin(tools=[SEARCH]), **own(seats=seats))

    assert result(response)["status"] == "ok"
    assert [offered(graphs.asked(models, seat)[0]) for seat in SEATS] == [["web_fetch"], [], ["web_search"]]


@pytest.mark.contract("1.63")
@pytest.mark.parametrize(
    ("asks", "judge"), [({}, "judge"), ({"model": "south", "plugins": plugin(model=None)["plugins"]}, "south")]
)
def test_the_writer_writes_nearer_than_any_other_word_for_it(serve: Serve, asks: dict[str, Any], judge: str) -> None:
    served = serve(judge=judge_and_writer, south=judge_and_writer)
    forced = {"tool_choice": "required"} if asks else {}

    told = served.chat(**asks, **forced, **own(writer="writer")).json()

    assert told["model"] == "writer"
    assert [(call["role"], call["model"]) for call in told["x_fusion"]["calls"][-2:]] == [
        ("judge", judge),
        ("writer", "writer"),
    ]


def hungry(request: ScriptedRequest) -> Any:
    """A seat whose steps cost 0.4 US dollars each, as long as it may make more."""
    call = {"name": "look_up", "args": {"query": "x"}, "id": "c"}
    return ScriptedReply(tool_calls=[call], cost=0.4) if request.tools else ScriptedReply("Enough.", cost=0.1)


@pytest.mark.contract("1.64")
@pytest.mark.parametrize(
    ("body", "calls"),
    [
        ({}, 5),
        (own(max_cost_usd=0), 5),
        (own(max_cost_usd=0.6), 2),
        ({**own(max_cost_usd=0.6), "stop_server_tools_when": [{"type": "max_cost", "max_cost_in_dollars": 100}]}, 2),
        ({**own(max_cost_usd=100), "stop_server_tools_when": [{"type": "max_cost", "max_cost_in_dollars": 0.6}]}, 2),
        ({**own(max_cost_usd=0), "stop_server_tools_when": [{"type": "max_cost", "max_cost_in_dollars": 0.6}]}, 2),
    ],
)
def test_the_budget_is_the_lowest_that_is_named(serve: Serve, body: dict[str, Any], calls: int) -> None:
    served = serve(north=hungry, judge=judge_and_writer)

    told = asked(served, **body)

    assert told["status"] == "completed"
    assert len(graphs.asked(served.models, "north")) == calls


@pytest.mark.contract("1.65")
@pytest.mark.parametrize(
    ("domains", "sources"),
    [
        ([], ["https://pages.example/south-0"]),
        (["other.example"], ["https://pages.example/south-0"]),
        (["pages.example/south-0"], []),
    ],
)
def test_excluded_domains_stand_beside_those_of_the_server(
    domains: list[str], sources: list[str], tmp_path: Path
) -> None:
    models = scripted(north=researcher(), south=researcher(), judge=judge_and_writer)
    environ = {"FUSION_HOME": str(tmp_path), "FUSION_EXCLUDED_DOMAINS": "pages.example/north-0"}
    with running(models, tmp_path / "own.db", tools=[look_up()], environ=environ) as served:
        told = served.chat(**own(excluded_domains=domains)).json()

    assert [source["url"] for source in told["x_fusion"]["sources"]] == sources


def of(number: str, field: str, *values: Any) -> Iterator[Row]:
    yield from ((number, own(**{field: value}), f"x_fusion.{field}") for value in values)


def of_seat(field: str, *values: Any) -> Iterator[Row]:
    seats = ([{"model": "north"}, {"model": "south", field: value}] for value in values)
    yield from (("7.26", own(seats=each), f"x_fusion.seats.1.{field}") for each in seats)


SMUGGLED = [{"type": "openrouter:web_search", "parameters": {"name": "mcp:files"}}]
ROWS: list[Row] = [
    *of("7.26", "seats", [], [{"model": "north"}] * 9, "north", 5, {}),
    *(("7.26", own(seats=[each]), "x_fusion.seats.0") for each in ("north", 5, None)),
    ("7.26", own(seats=[{}]), "x_fusion.seats.0.model"),
    *of_seat("model", "", " ", 5, None),
    *of_seat("colour", "red"),
    *of_seat("temperature", 2.1, -0.1, "hot"),
    *of_seat("reasoning", "huge", 5, None),
    *of_seat("max_tool_calls", 0, 17, "4", 2.5),
    *of_seat("name", 5, None),
    *of_seat("system_prompt", 5),
    *of_seat("fallback", 5, ["north"]),
    *of_seat("tools", "web_search", [FETCH] * 9, ["web_search"], [{"type": "mcp:files"}], [{"type": "community:X"}]),
    *of_seat("tools", SMUGGLED, [{**FETCH, "parameters": {"max_results": 3}}]),
    *of("7.27", "writer", "", " ", 5),
    *of("7.27", "approve", "yes", 1),
    *of("7.27", "max_cost_usd", -1, "1", [1]),
    *of("7.27", "excluded_domains", "example.com", [5], ["not a domain"], ["example.com", "*"]),
    *of("7.27", "colour", "red"),
]


@pytest.mark.contract("7.8", "7.9")
@pytest.mark.parametrize(
    ("body", "field"), [pytest.param(body, field, marks=pytest.mark.contract(number)) for number, body, field in ROWS]
)
def test_what_cannot_be_is_refused_by_its_name(served: Served, body: dict[str, Any], field: str) -> None:
    error = refused(served.chat(**body))

    assert (error["param"] or "").startswith(field)
    assert (error["type"], len(error["message"]) < 1000) == ("invalid_request_error", True)
    assert served.models.requests == []


@pytest.mark.contract("7.26")
@pytest.mark.parametrize("asks", [{"model": "judge", "plugins": None}, {"model": "judge", "plugins": []}])
def test_seats_are_refused_where_no_panel_is_asked(served: Served, asks: dict[str, Any]) -> None:
    assert refused(served.chat(**asks, **own(seats=[{"model": "north"}])))["param"] == "x_fusion.seats"
    assert served.models.requests == []


@pytest.mark.contract("7.26")
@pytest.mark.parametrize("seats", [1, 8])
def test_a_panel_has_one_seat_to_eight(served: Served, seats: int) -> None:
    response = served.chat(**own(seats=[{"model": "north", "temperature": 2, "max_tool_calls": 16}] * seats))

    assert len(result(response)["responses"]) == seats


@pytest.mark.contract("7.10", "7.9")
@pytest.mark.parametrize(
    "said",
    [
        {"seats": [{"model": "north"}, {"model": "stranger"}]},
        {"seats": [{"model": "north", "fallback": "stranger"}]},
        {"writer": "stranger"},
    ],
)
@pytest.mark.parametrize("allowed", [["*"], [*SEATS, "judge", "writer"]])
def test_a_model_that_is_not_offered_is_not_found(serve: Serve, said: dict[str, Any], allowed: list[str]) -> None:
    served = serve(models=allowed, judge=judge_and_writer)

    error = refused(served.chat(**own(**said)), 404)

    assert "stranger" in error["message"]
    assert served.models.requests == []
