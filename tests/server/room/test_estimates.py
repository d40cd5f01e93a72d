"""POST /v1/fusion/estimate: what a request would cost, how long it would take, who would answer; nobody is asked."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from fusion_graph.deployment import Parts
from tests.server.conftest import PANEL, Serve, Served, judge_and_writer
from tests.server.contract.asking import refused
from tests.server.responses.asking import asked
from tests.server.room.asking import price
from tests.server.talk import dear

KEYS = ["first-key-of-sixteen", "second-key-of-sixteen"]
ONE, OTHER = ({"authorization": f"Bearer {key}"} for key in KEYS)
DEMO: dict[str, Any] = {"model": "fusion/demo"}


def told(served: Served, **body: Any) -> dict[str, Any]:
    response = price(served, **body)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def took(served: Served, *seconds: float) -> None:
    """Let the runs there are have taken so long."""
    with closing(sqlite3.connect(served.db)) as connection:
        ids = [row[0] for row in connection.execute("SELECT run_id FROM fusion_runs ORDER BY created_at")]
        for run_id, each in zip(ids, seconds, strict=True):
            connection.execute("UPDATE fusion_runs SET updated_at = created_at + ? WHERE run_id = ?", (each, run_id))
        connection.commit()


def test_the_demo_costs_nothing_and_is_told_with_its_roster(serve: Serve) -> None:
    served = serve(parts=Parts.real())

    found = told(served, **DEMO)

    assert (found["text"], found["cost_usd"]) == ("no cost", {"low": 0.0, "high": 0.0})
    assert (found["is_lower_bound"], found["unknown_prices"], found["problem"]) == (False, [], "")
    roster = found["roster"]
    assert (roster["preset"], roster["is_demo"], roster["mode"]) == ("demo", True, "always")
    assert [seat["model"] for seat in roster["seats"]] == ["demo:careful", "demo:brisk", "demo:sceptic"]
    assert (roster["judge"], roster["writer"]) == ("demo:judge", "demo:writer")
    assert found["seconds"] is None
    assert served.rows() == []


def test_prices_that_nobody_knows_are_named(served: Served) -> None:
    found = told(served, model="fusion", plugins=[PANEL])

    assert (found["text"], found["cost_usd"], found["is_lower_bound"]) == ("cost unknown", None, True)
    assert found["unknown_prices"] == ["north", "south", "east", "judge"]


def test_a_roster_of_ones_own_is_told_seat_by_seat(served: Served) -> None:
    seats = [{"model": "north", "name": "N", "max_tool_calls": 3}, {"model": "north", "tools": [{"type": "bash"}]}]
    own = {"seats": seats, "writer": "writer", "max_cost_usd": 0.25, "excluded_domains": ["example.com"]}

    found = told(served, model="fusion/demo", x_fusion=own, input="  ")

    roster = found["roster"]
    assert roster["preset"] == ""
    assert [(seat["name"], seat["max_tool_calls"]) for seat in roster["seats"]] == [("N", 3), ("north", 4)]
    assert [seat["tools"] for seat in roster["seats"]] == [["web_search", "web_fetch"], ["bash"]]
    assert (roster["writer"], roster["excluded_domains"]) == ("writer", ["example.com"])
    assert found["max_cost_usd"] == roster["max_cost_usd"] == 0.25


def test_a_longer_question_costs_more(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "k")
    served = serve(parts=Parts.real())

    short, long = (told(served, model="fusion/fast", input=text) for text in ("Why?", "Why? " * 20_000))

    assert short["cost_usd"]["low"] < long["cost_usd"]["low"]
    assert short["text"].startswith("about $")


def test_a_key_that_is_missing_is_a_problem_of_the_roster_and_no_error(serve: Serve) -> None:
    found = told(serve(parts=Parts.real()), model="fusion/quality")

    assert "OPENROUTER_API_KEY is not set" in found["problem"]
    assert found["roster"]["preset"] == "quality"
    assert found["cost_usd"]["high"] > 0


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "model"),
        ({"model": "fusion/nothing"}, "preset"),
        (DEMO | {"x_fusion": {"max_cost_usd": -1}}, "x_fusion.max_cost_usd"),
        (DEMO | {"input": [{"type": "nothing"}]}, "input.0.type"),
        (DEMO | {"plugins": [PANEL | {"max_tool_calls": 17}]}, "plugins.0.max_tool_calls"),
        (DEMO | {"metadata": "x"}, "metadata"),
    ],
)
def test_what_would_be_refused_is_refused_naming_the_field(served: Served, body: dict[str, Any], param: str) -> None:
    assert refused(price(served, **body))["param"] == param


def test_models_that_may_not_be_named_are_not_priced(serve: Serve) -> None:
    served = serve(models=["north"])

    error = refused(price(served, model="fusion", plugins=[PANEL]), 404)

    assert "'judge' is not offered here" in error["message"]


def test_a_response_that_is_gone_is_not_found(served: Served) -> None:
    assert refused(price(served, **DEMO, previous_response_id="resp_gone"), 404)["param"] == "response_id"


def test_the_days_limit_is_where_it_stops_spending(serve: Serve) -> None:
    served = serve(keys=KEYS, limits={"max_usd": 1.0, "max_runs": 2}, north=dear(1.5), judge=judge_and_writer)

    before = price(served, headers=ONE, model="judge").json()
    asked(served, headers=ONE)
    after, other = (price(served, headers=headers, model="judge").json() for headers in (ONE, OTHER))

    assert (before["max_cost_usd"], before["problem"]) == (0.5, "")
    assert "1 US dollars within 24 hours" in after["problem"]
    assert (other["max_cost_usd"], other["problem"]) == (0.5, "")


def test_seconds_are_those_of_the_middle_half_of_past_runs_of_this_size(served: Served) -> None:
    for _ in range(4):
        asked(served)
    asked(served, plugins=[PANEL | {"analysis_models": ["north"]}])
    took(served, 10.0, 20.0, 30.0, 40.0, 500.0)

    three, one, demo = (
        told(served, **body)["seconds"]
        for body in (
            {"model": "fusion", "plugins": [PANEL]},
            {"model": "fusion", "plugins": [PANEL | {"analysis_models": ["north"]}]},
            DEMO,
        )
    )

    assert three == {"low": 17.5, "high": 32.5}
    assert one is None  # one run says little
    assert demo is None  # models and the demo say nothing of each other


def test_the_seconds_of_others_are_nobodys_business(serve: Serve) -> None:
    served = serve(keys=KEYS, judge=judge_and_writer)
    for _ in range(3):
        asked(served, headers=ONE)

    mine, theirs = (
        price(served, headers=headers, model="fusion", plugins=[PANEL]).json()["seconds"] for headers in (ONE, OTHER)
    )

    assert mine is not None
    assert theirs is None
