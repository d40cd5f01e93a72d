"""What balancers, Prometheus and readers of logs are told of a server."""

import json
import logging
import logging.config
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fusion_graph.deployment import Parts
from fusion_graph.errors import SettingsError
from fusion_graph.models.scripted import ScriptedReply
from fusion_graph.server.app import make_app
from fusion_graph.server.config import ServerConfig
from fusion_graph.server.logs import log_config
from tests.commands import Cli, own_environ, wait_until
from tests.forked import Forked
from tests.graphs import scripted
from tests.ports import answers, free_port
from tests.postgres import PostgresServer
from tests.server.conftest import Serve, Served, judge_and_writer, serving
from tests.server.responses.asking import ask, asked
from tests.server.talk import held

KEY, SCRAPER = "first-key-of-sixteen", "the-key-of-prometheus"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def figures(served: Served, **headers: str) -> dict[tuple[str, ...], float]:
    """Return the figures of a server by name and values of labels, which come in the order of the labels' names."""
    response = httpx.get(f"{served.url}/metrics", headers=headers)
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(response.text))
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_what_runs_did_and_cost_is_counted(serve: Serve) -> None:
    served = serve(
        judge=judge_and_writer,
        north=lambda _request: ScriptedReply("It is 1.", cost=0.25),
        east=lambda _request: RuntimeError("gone"),
    )
    before = figures(served)
    served.chat()
    served.chat(messages=[{"role": "user", "content": "And why?"}])
    after = figures(served)

    assert before[("fusion_runs_started_total",)] == 0
    assert after[("fusion_runs_started_total",)] == 2
    assert after[("fusion_runs_ended_total", "degraded")] == 2
    assert after[("fusion_runs_under_way",)] == 0
    assert after[("fusion_run_seconds_count",)] == after[("fusion_first_text_seconds_count",)] == 2
    calls = {tuple(labels): value for (name, *labels), value in after.items() if name == "fusion_calls_total"}
    assert calls == {
        ("answer", "north", "panelist"): 2,
        ("answer", "south", "panelist"): 2,
        ("error", "east", "panelist"): 2,
        ("answer", "judge", "judge"): 2,
        ("answer", "judge", "writer"): 2,
    }
    assert after[("fusion_cost_usd_total", "panelist")] == 0.5
    assert after[("fusion_tokens_total", "output", "panelist")] > 0
    assert after[("process_open_fds",)] > 3
    assert after[("process_resident_memory_bytes",)] > 1e6


def test_what_is_under_way_is_told_while_it_is(serve: Serve) -> None:
    begun, gate, waits = held()
    served = serve(judge=judge_and_writer, east=waits)
    told = asked(served, background=True)
    begun.wait(10)

    now = figures(served)
    ready = httpx.get(f"{served.url}/readyz").json()
    gate.set()

    assert told["status"] == "in_progress"
    assert now[("fusion_runs_under_way",)] == 1
    assert ready == {"status": "ready", "runs": 1, "most_runs": 500}


def test_metrics_have_a_key_that_opens_nothing_else(serve: Serve) -> None:
    config = ServerConfig.from_environ({"FUSION_METRICS_KEY": SCRAPER, "FUSION_API_KEYS": KEY})
    served = serve(keys=[KEY], limits={"metrics_key": config.metrics_key}, judge=judge_and_writer)

    statuses = [
        httpx.get(f"{served.url}{path}", headers=headers).status_code
        for path in ("/metrics", "/v1/models")
        for headers in ({}, bearer(SCRAPER), bearer(KEY), bearer("the-key-of-nobody"))
    ]

    assert statuses == [401, 200, 200, 401, 401, 401, 200, 401]
    assert figures(served, **bearer(SCRAPER))[("fusion_refused_total", "401")] == 5
    with pytest.raises(SettingsError, match="an API key of 5 characters is too short") as refused:
        ServerConfig.from_environ({"FUSION_METRICS_KEY": "short"})
    assert refused.value.field == "FUSION_METRICS_KEY"


def test_what_is_refused_before_it_is_read_is_counted(serve: Serve) -> None:
    served = serve()
    page, long = {"origin": "https://elsewhere.example"}, b"x" * (8 * 1024 * 1024 + 1)

    statuses = [
        httpx.get(f"{served.url}/v1/models", headers=page).status_code,
        httpx.post(f"{served.url}/v1/chat/completions", content=long).status_code,
    ]

    assert statuses == [403, 413]
    assert [figures(served)[("fusion_refused_total", status)] for status in ("403", "413")] == [1, 1]


def test_all_keys_together_have_so_many_runs_at_a_time(serve: Serve) -> None:
    _begun, gate, waits = held()
    keys = [f"key-number-{number}-of-three" for number in range(3)]
    served = serve(keys=keys, limits={"max_runs_in_all": 2}, judge=judge_and_writer, east=waits)
    told = [ask(served, f"Why {n}?", background=True, headers=bearer(key)) for n, key in enumerate(keys[:2])]

    response = served.chat(headers=bearer(keys[2]))
    ready = httpx.get(f"{served.url}/readyz")
    gate.set()

    assert [each.json()["status"] for each in told] == ["in_progress"] * 2
    assert (response.status_code, response.headers["retry-after"]) == (429, "10")
    assert response.json()["error"]["message"] == "2 runs are under way on this server"
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "runs": 2, "most_runs": 2})


@pytest.fixture
def database() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


def test_a_server_whose_database_is_away_is_alive_and_not_ready(database: PostgresServer) -> None:
    parts = Parts.real(load_model=scripted(), environ={})
    with serving(make_app(ServerConfig(database.url()), parts)) as url:
        before = httpx.get(f"{url}/readyz")
        database.stop()
        away, alive = httpx.get(f"{url}/readyz", timeout=10), httpx.get(f"{url}/healthz")
        database.start()
        while (after := httpx.get(f"{url}/readyz", timeout=10)).status_code == 503:
            pass

    assert (before.status_code, alive.status_code, after.status_code) == (200, 200, 200)
    assert away.status_code == 503
    assert (away.json()["status"], away.json()["reason"]) == ("unready", "the database does not answer within 2 s")


def test_a_stopped_server_says_so_and_takes_requests_until_balancers_have_noticed(
    forked: Forked, tmp_path: Path
) -> None:
    port = free_port()
    cli = Cli(forked, tmp_path, own_environ(tmp_path, "http://127.0.0.1:9/v1"))
    cli.home.mkdir()
    url, body = f"http://127.0.0.1:{port}", {"model": "fusion/demo", "messages": [{"role": "user", "content": "What?"}]}
    server = cli.start("serve", "--port", str(port), "--drain", "0", "--linger", "60")
    wait_until(lambda: answers(port))
    before = httpx.get(f"{url}/readyz").json()

    server.send_signal(signal.SIGTERM)
    wait_until(lambda: httpx.get(f"{url}/readyz").status_code == 503)
    told = httpx.get(f"{url}/readyz").json()
    answered = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60)
    server.send_signal(signal.SIGINT)  # once more: at once
    server.wait()

    assert (before["status"], told["status"], told["reason"]) == ("ready", "unready", "it is about to stop")
    assert answered.status_code == 200
    assert not answers(port)


def test_logs_tell_of_runs_by_id_as_json(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    config = log_config({"FUSION_LOG": "json", "FUSION_LOG_LEVEL": "info"})
    before = logging.getLogger().handlers[:]
    served = serve(judge=judge_and_writer, north=lambda _request: ScriptedReply("It is 1.", cost=0.25))
    logging.config.dictConfig(config)
    try:
        run_id = served.chat().headers["x-fusion-run-id"]
        logging.getLogger("fusion_graph.test").warning("of sk-abcdefghijklmnopqrstuvwxyz012345")
    finally:
        logging.getLogger().handlers[:] = before
        logging.getLogger("fusion_graph").setLevel(logging.NOTSET)

    lines: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    told = [line for line in lines if line["logger"] == "fusion_graph.runs"]
    assert [(line["message"], line["run_id"]) for line in told] == [
        (f"run {run_id} begins", run_id),
        (f"run {run_id}: ok", run_id),
    ]
    assert (told[1]["status"], told[1]["cost_usd"], told[1]["level"]) == ("ok", 0.25, "info")
    assert "sk-abc" not in lines[-1]["message"]


@pytest.mark.parametrize(("name", "value"), [("FUSION_LOG", "xml"), ("FUSION_LOG_LEVEL", "loud")])
def test_another_way_to_log_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} = '{value}' is unknown") as refused:
        log_config({name: value})

    assert str(refused.value.hint).startswith("one of ")


def test_how_many_calls_a_provider_may_have_is_the_environments_to_say() -> None:
    with pytest.raises(SettingsError, match="FUSION_CALLS_PER_PROVIDER = '0' is no limit"):
        Parts.real(environ={"FUSION_CALLS_PER_PROVIDER": "0"})
