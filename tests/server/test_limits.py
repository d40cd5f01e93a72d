"""What one key may take: requests a minute, runs at a time, US dollars a day."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI

from fusion_graph.deployment import Parts
from fusion_graph.errors import SettingsError
from fusion_graph.server.access import limits
from fusion_graph.server.config import ServerConfig
from tests.commands import wait_until
from tests.server.conftest import PANEL, Serve, judge_and_writer
from tests.server.responses.asking import ask
from tests.server.talk import dear, held

KEYS = ["first-key-of-sixteen", "second-key-of-sixteen"]
ONE, OTHER = ({"authorization": f"Bearer {key}"} for key in KEYS)


def test_a_key_makes_only_so_many_requests_a_minute(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    served = serve(keys=KEYS, limits={"max_requests": 2}, judge=judge_and_writer)

    statuses = [served.chat(headers=ONE, max_tokens=20).status_code for _ in range(2)]
    refused, other = served.chat(headers=ONE), served.chat(headers=OTHER, max_tokens=20)
    monkeypatch.setattr(limits, "_MINUTE", 0.0)
    later = served.chat(headers=ONE, max_tokens=20)

    assert statuses == [200, 200]
    assert (refused.status_code, refused.json()["error"]["type"]) == (429, "rate_limit_error")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert "x-should-retry" not in refused.headers
    assert (other.status_code, later.status_code) == (200, 200)


def test_a_smaller_budget_of_the_server_stands_beside_what_is_left_of_a_day(serve: Serve) -> None:
    """Whoever set it: the share of a day's US dollars is a bound, no allowance."""
    budget = {"FUSION_MAX_COST_USD": "0.05", "FUSION_PRICE_CEILING": "1"}
    served = serve(limits={"max_usd": 100.0, "environ": budget}, judge=judge_and_writer)

    served.chat()

    (row,) = served.rows()
    assert json.loads(row["result"])["settings"]["max_cost_usd"] == 0.05


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("POST", "/v1/responses"),
        ("GET", "/v1/responses/a"),
        ("GET", "/v1/responses/a?stream=true"),
        ("POST", "/v1/responses/a/cancel"),
        ("DELETE", "/v1/responses/a"),
        ("GET", "/v1/responses/a/input_items"),
        ("GET", "/v1/responses"),
        ("GET", "/v1/responses/a/details"),
        ("GET", "/v1/responses/a/differences/b"),
        ("POST", "/v1/responses/a/resume"),
        ("POST", "/v1/responses/a/fork"),
        ("GET", "/v1/fusion"),
        ("GET", "/v1/fusion/models"),
        ("POST", "/v1/fusion/estimate"),
    ],
)
def test_a_request_of_any_kind_counts(serve: Serve, method: str, path: str) -> None:
    served = serve(keys=KEYS, limits={"max_requests": 1})

    first, refused, other = (
        httpx.request(method, served.url + path, headers=headers, timeout=30) for headers in (ONE, ONE, OTHER)
    )

    assert first.status_code == other.status_code != 429
    assert (refused.status_code, refused.json()["error"]["type"]) == (429, "rate_limit_error")


@pytest.mark.parametrize("body", [{}, {"stream": True}, {"background": True}])
def test_runs_in_the_background_are_under_way_as_well(serve: Serve, body: dict[str, Any]) -> None:
    asked, go, waits = held()
    served = serve(keys=KEYS, limits={"max_runs": 1}, east=waits, judge=judge_and_writer)
    begun = ask(served, headers=ONE, background=True).json()
    assert asked.wait(20)

    refused = ask(served, "Another?", headers=ONE, **body)
    fetched = httpx.get(f"{served.url}/v1/responses/{begun['id']}", headers=ONE)
    other = ask(served, "Another?", headers=OTHER, background=True)
    go.set()

    assert (refused.status_code, refused.json()["error"]["code"]) == (429, 429)
    assert refused.headers["retry-after"]
    assert (fetched.json()["status"], other.status_code) == ("in_progress", 200)


def test_openais_sdk_waits_for_a_place_and_asks_again(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, go, waits = held()
    served = serve(limits={"max_runs": 1}, east=waits, judge=judge_and_writer)
    ask(served, background=True)
    assert asked.wait(20)
    monkeypatch.setattr(limits, "PLACE_SECONDS", 1)
    another: Any = {"model": "fusion", "messages": [{"role": "user", "content": "Another?"}]}

    with (
        OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=9) as sdk,
        ThreadPoolExecutor() as threads,
    ):
        create: Any = sdk.chat.completions.with_raw_response.create
        coming = threads.submit(create, **another, extra_body={"plugins": [PANEL]})
        try:
            wait_until(lambda: 'status="429"' in httpx.get(f"{served.url}/metrics").text)
        finally:
            go.set()
        told = coming.result(30)

    assert told.retries_taken > 0
    assert told.parse().choices[0].message.content == "The answer is 1 [1]."


def test_what_a_key_has_spent_within_a_day_is_its_limit(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    served = serve(keys=KEYS, limits={"max_usd": 1.0}, north=dear(1.5), judge=judge_and_writer)

    first = served.chat(headers=ONE)
    refused, other = served.chat("Another?", headers=ONE), served.chat("Another?", headers=OTHER)
    monkeypatch.setattr(limits, "_DAY", -60.0)
    later = served.chat("Later?", headers=ONE)

    assert first.status_code == 200
    assert (refused.status_code, refused.json()["error"]["code"]) == (402, 402)
    assert "1 US dollars within 24 hours" in refused.json()["error"]["message"]
    assert (other.status_code, later.status_code) == (200, 200)


def test_a_run_may_cost_its_share_of_what_is_left(serve: Serve) -> None:
    served = serve(limits={"max_usd": 1.0, "max_runs": 2}, judge=judge_and_writer)

    run_id = served.chat().json()["x_fusion"]["run_id"]

    (row,) = served.rows()
    assert row["run_id"] == run_id
    assert json.loads(row["input"])["settings"]["max_cost_usd"] == 0.5


def test_a_limit_in_dollars_refuses_models_whose_price_nobody_knows(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    served = serve(limits={"max_usd": 1.0}, parts=Parts.real())

    refused = served.chat(plugins=[PANEL | {"analysis_models": ["openai:nobody-knows"], "model": "openai:nor-this"}])

    assert refused.status_code == 400
    assert "no price is known" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FUSION_SERVER_MAX_RUNS", "0"),
        ("FUSION_SERVER_MAX_RUNS_IN_ALL", "0"),
        ("FUSION_SERVER_MAX_RUNS", "many"),
        ("FUSION_SERVER_REQUESTS_PER_MINUTE", "-1"),
        ("FUSION_SERVER_USD_PER_DAY", "inf"),
        ("FUSION_SERVER_USD_PER_DAY", "nan"),
    ],
)
def test_a_limit_that_is_none_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        ServerConfig.from_environ({name: value})


def test_limits_come_from_the_environment(tmp_path: Path) -> None:
    environ = {
        "FUSION_SERVER_MAX_RUNS": "3",
        "FUSION_SERVER_REQUESTS_PER_MINUTE": "60",
        "FUSION_SERVER_USD_PER_DAY": "2.5",
        "FUSION_SERVER_MAX_RUNS_IN_ALL": "500",
    }

    config = ServerConfig.from_environ(environ, db=tmp_path / "runs.db")
    unlimited = ServerConfig.from_environ({}, db=tmp_path / "runs.db")

    assert (config.max_runs, config.max_requests, config.max_usd) == (3, 60, 2.5)
    assert replace(config, max_runs=8, max_requests=0, max_usd=None, environ={}) == replace(
        unlimited, keys=config.keys, metrics_key=config.metrics_key, environ={}
    )
