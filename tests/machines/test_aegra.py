"""Aegra with two workers on one PostgreSQL and one Redis: a worker that is killed costs the calls that were in flight."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import get_sync_client

from tests.langgraph_server.asking import asked
from tests.machines.aegra import KEY, Worker, workers
from tests.machines.conftest import Tell
from tests.machines.holding import PANEL, ROLES, Holding, paid, question, wait_until_still
from tests.model_server import ModelServer
from tests.postgres import PostgresServer

pytest.importorskip("aegra_api", reason="Aegra needs Python 3.12")
pytestmark = [pytest.mark.machines, pytest.mark.timeout(400)]
RUNS = 40
HELD_SECONDS = 40.0


@pytest.fixture
def models() -> Iterator[ModelServer]:
    with ModelServer(Holding(HELD_SECONDS)) as models:
        yield models


@pytest.fixture
def pair(postgres: PostgresServer, models: ModelServer, tmp_path: Path) -> Iterator[list[Worker]]:
    with (
        postgres.empty_database() as database,
        postgres.empty_database() as own,
        workers(tmp_path, database=database, own_database=own, models=models.url) as pair,
    ):
        yield pair


def begun(url: str, number: int) -> tuple[str, str]:
    """Start a run on a thread of its own; return both ids."""
    with get_sync_client(url=url, api_key=KEY) as client:
        thread = client.threads.create()["thread_id"]
        run: Any = client.runs.create(thread, "fusion", input=asked(question(number)), context=PANEL)
        return thread, run["run_id"]


def ended(url: str, thread: str, run: str) -> Any:
    """Wait for the end of a run; return its status and the thread's values."""
    with get_sync_client(url=url, api_key=KEY) as client:
        while (status := client.runs.get(thread, run)["status"]) in {"pending", "running"}:
            time.sleep(0.5)
        return status, client.threads.get_state(thread)["values"]


def test_a_worker_that_is_killed_costs_no_more_than_its_calls_in_flight(
    pair: list[Worker], models: ModelServer, tell: Tell
) -> None:
    lost, left = pair
    started = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        runs = list(threads.map(lambda number: begun(pair[number % 2].url, number), range(RUNS)))
    held = wait_until_still(models, RUNS)

    lost.kill()
    killed = time.monotonic()
    with ThreadPoolExecutor(RUNS) as threads:
        ends = list(threads.map(lambda ids: ended(left.url, *ids), runs))

    calls = paid(models.log)
    again = {call for call, times in calls.items() if times > 1}
    assert again
    assert again <= held
    assert calls == Counter({(number, role): 1 for number in range(RUNS) for role in ROLES}) + Counter(again)
    for (_, run), (status, values) in zip(runs, ends, strict=True):
        assert status == "success"
        assert values["status"]["status"] == "ok"
        assert [message["type"] for message in values["messages"]] == ["human", "ai"]
        assert sorted(entry["model"] for entry in values["calls"]) == sorted(f"openai:{role}" for role in ROLES)
        assert {(entry["outcome"], entry["run_id"]) for entry in values["calls"]} == {("answer", run)}
    tell(
        f"Aegra, 2 workers: {RUNS} runs, {len(held)} calls in flight at the kill, {len(again)} of them paid again; "
        f"all answered {time.monotonic() - killed:.0f} s after it, {time.monotonic() - started:.0f} s after the first"
    )
