"""What is out of bounds is refused, by the name the client gave it, before any model is asked."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.server.conftest import Serve, Served
from tests.server.contract.asking import FORCED, SEATS, of_presets, plugin, refused, result, tool
from tests.server.contract.out_of_bounds import CHAT_ROWS, FUSION_ROWS, REASONING_ROWS, as_parameters

LONG = "~" * 5000


@pytest.mark.contract("7.8", "7.9", "3.16", "3.18")
@pytest.mark.parametrize(("body", "field"), as_parameters(FUSION_ROWS + CHAT_ROWS))
def test_what_is_out_of_bounds_is_refused_by_its_name(served: Served, body: dict[str, Any], field: str) -> None:
    response = served.chat(**body)

    error = refused(response)
    assert (error["param"] or "").startswith(field)
    assert error["type"] == "invalid_request_error"
    assert any(part in error["message"] for part in field.split("."))
    assert len(error["message"]) < 1000
    assert served.models.requests == []


@pytest.mark.contract("7.8")
@pytest.mark.parametrize(("body", "field"), as_parameters(REASONING_ROWS))
def test_reasoning_that_cannot_be_is_refused_by_its_name(served: Served, body: dict[str, Any], field: str) -> None:
    assert refused(served.chat(**body))["param"] == field


def runs_of(served: Served) -> int:
    """Return how many runs were begun: their models are asked later."""
    with closing(sqlite3.connect(served.db)) as connection:
        return int(connection.execute("SELECT count(*) FROM fusion_runs").fetchone()[0])


@pytest.mark.contract("7.4", "7.6", "7.9", "7.14")
def test_what_is_refused_begins_no_run(serve: Serve) -> None:
    served = serve()

    errors = [refused(served.chat(**body)) for _, body, _ in FUSION_ROWS + REASONING_ROWS + CHAT_ROWS]

    assert {error["type"] for error in errors} == {"invalid_request_error"}
    assert runs_of(served) == 0


@pytest.mark.contract("7.9", "7.14")
@pytest.mark.parametrize("stop", [5, [5], {"a": 1}])
def test_a_stop_that_cannot_be_begins_no_run(serve: Serve, stop: Any) -> None:
    served = serve()

    error = refused(served.chat(stop=stop))

    assert error["param"] == "stop"
    assert runs_of(served) == 0


@pytest.mark.contract("7.8")
@pytest.mark.parametrize(
    ("body", "value"),
    [
        (plugin(max_tool_calls=17), "17"),
        (tool(temperature=2.1), "2.1"),
        (tool(reasoning={"effort": "huge"}), "huge"),
        (plugin(analysis_models=["north"] * 9), "9"),
        (plugin(preset="general-best"), "general-best"),
    ],
)
def test_the_message_says_what_was_given(served: Served, body: dict[str, Any], value: str) -> None:
    assert value in refused(served.chat(**body))["message"]


@pytest.mark.contract("7.8")
@pytest.mark.parametrize("body", [{"model": LONG}, plugin(preset=LONG), plugin(**{LONG: 1}), {"tool_choice": LONG}])
def test_a_message_does_not_say_all_of_what_was_given(served: Served, body: dict[str, Any]) -> None:
    response = served.chat(**body)

    assert 400 <= response.status_code < 500
    assert len(response.json()["error"]["message"]) <= 2000


@pytest.mark.parametrize(
    ("body", "seats"),
    [
        pytest.param(plugin(analysis_models=["north"]), 1, marks=pytest.mark.contract("7.1")),
        pytest.param(plugin(analysis_models=["north"] * 8), 8, marks=pytest.mark.contract("7.1")),
        pytest.param(tool(analysis_models=["north"], model="judge"), 1, marks=pytest.mark.contract("7.1")),
        pytest.param(tool(analysis_models=["north"] * 8, model="judge"), 8, marks=pytest.mark.contract("7.1")),
        pytest.param(plugin(max_tool_calls=1), 3, marks=pytest.mark.contract("7.2")),
        pytest.param(tool(max_tool_calls=16, model="judge"), 3, marks=pytest.mark.contract("7.2")),
        pytest.param(tool(max_completion_tokens=64, model="judge"), 3, marks=pytest.mark.contract("7.13")),
        pytest.param(tool(max_completion_tokens=200_000, model="judge"), 3, marks=pytest.mark.contract("7.13")),
    ],
)
def test_what_is_just_within_bounds_is_taken(served: Served, body: dict[str, Any], seats: int) -> None:
    response = served.chat(**FORCED, **body)

    assert len(result(response)["responses"]) == seats


@pytest.mark.contract("7.10", "7.9")
@pytest.mark.parametrize(
    "body",
    [
        {"model": "stranger", "plugins": None},
        {"model": "stranger"},
        plugin(model="stranger"),
        plugin(analysis_models=["north", "stranger"]),
        {"model": "writer", **tool(model="stranger")},
        {"model": "writer", **tool(analysis_models=["stranger"])},
    ],
)
@pytest.mark.parametrize("allowed", [["*"], [*SEATS, "judge", "writer"]])
def test_an_unknown_model_is_not_found_wherever_it_is_named(
    serve: Serve, body: dict[str, Any], allowed: list[str]
) -> None:
    served = serve(models=allowed, **of_presets())

    error = refused(served.chat(**body), 404)

    assert "stranger" in error["message"]
    assert error["type"] == "not_found_error"
    assert served.models.requests == []
