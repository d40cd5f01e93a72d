"""`fusion serve` twice on one PostgreSQL database: a process that is killed, and a database that is started again."""

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from fusion_graph.runs import open_runs
from tests.commands import Cli, own_environ
from tests.forked import Forked
from tests.machines.conftest import Tell
from tests.machines.holding import HELD, PANEL, ROLES, Holding, paid, question, wait_until_still
from tests.model_server import ModelServer
from tests.postgres import PostgresServer
from tests.server.restarting import Server, started

pytestmark = [pytest.mark.machines, pytest.mark.timeout(300)]
RUNS = 40
HELD_SECONDS = 15.0
PLUGIN = {"id": "fusion", "analysis_models": PANEL["panel"], "model": PANEL["judge"], "tools": []}


@pytest.fixture
def database() -> Iterator[PostgresServer]:
    """A database server of the test's own, to be stopped."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def models() -> Iterator[ModelServer]:
    with ModelServer(Holding(HELD_SECONDS)) as models:
        yield models


@pytest.fixture
def pair(forked: Forked, database: PostgresServer, models: ModelServer, tmp_path: Path) -> Iterator[list[Server]]:
    """Two servers on one database."""
    told = {
        "FUSION_DB": database.url(),
        "FUSION_SERVER_MODELS": "*",
        "FUSION_SERVER_MAX_RUNS": str(RUNS),
        "OPENAI_API_KEY": "of-the-operator",
    }
    with ExitStack() as stack:
        servers = []
        for number in (1, 2):
            folder = tmp_path / str(number)
            folder.mkdir()
            cli = Cli(forked, folder, own_environ(folder, models.url, **told))
            cli.home.mkdir()
            servers.append(stack.enter_context(started(cli)))
        yield servers


def begun(server: Server, number: int) -> str:
    """Start a run in the background; return its response's id."""
    body = {
        "model": "fusion",
        "background": True,
        "input": question(number),
        "plugins": [PLUGIN],
        "x_fusion": {"writer": PANEL["writer"]},
    }
    told = httpx.post(server.responses, json=body, timeout=60).json()
    assert "id" in told, told
    return str(told["id"])


def ended(server: Server, response_id: str) -> Any:
    """Wait for the end of a response; return it."""
    while (told := server.fetched(response_id))["status"] in {"in_progress", "queued"}:
        time.sleep(0.5)
    return told


async def ledgers(database: PostgresServer, ids: list[str]) -> list[list[dict[str, Any]]]:
    async with open_runs(database.url()) as runs:
        return [(await runs.show(each.removeprefix("resp_")))["usage"]["calls"] for each in ids]


def test_what_a_killed_process_left_another_goes_on_with(
    pair: list[Server], database: PostgresServer, models: ModelServer, tell: Tell
) -> None:
    lost, left = pair
    began = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(lambda number: begun(pair[number % 2], number), range(RUNS)))
    held = wait_until_still(models, RUNS)

    with ThreadPoolExecutor(8) as threads:
        followed = threads.submit(streamed, left, ids[0])  # which the other is at work on
        lost.end(signal.SIGKILL)
        killed = time.monotonic()
        ends = list(threads.map(lambda each: ended(left, each), ids))
        assert followed.result() == ends[0]

    calls = paid(models.log)
    again = {call for call, times in calls.items() if times > 1}
    assert again == {call for call in held if call[0] % 2 == 0}
    assert calls == Counter({(number, role): 1 for number in range(RUNS) for role in ROLES}) + Counter(again)
    assert [end["status"] for end in ends] == ["completed"] * RUNS
    told = asyncio.run(ledgers(database, ids))
    for number, entries in enumerate(told):
        lost_calls = [entry["model"] for entry in entries if entry["repeated"]]
        assert sorted(lost_calls) == sorted(f"openai:{role}" for other, role in again if other == number)
        answered = [entry["model"] for entry in entries if not entry["repeated"]]
        assert sorted(answered) == sorted(f"openai:{role}" for role in ROLES)
    tell(
        f"fusion serve, 2 processes on PostgreSQL: {RUNS} runs, {len(held)} calls in flight at the kill, {len(again)} of them "
        f"paid again; all answered {time.monotonic() - killed:.0f} s after it, {time.monotonic() - began:.0f} s after the first"
    )


def test_a_database_that_is_started_again_costs_no_call(
    pair: list[Server], database: PostgresServer, models: ModelServer, tell: Tell
) -> None:
    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(lambda number: begun(pair[number % 2], number), range(RUNS)))
    held = wait_until_still(models, RUNS)

    gone = time.monotonic()
    database.stop()
    time.sleep(HELD_SECONDS)  # every call that is held gets its answer meanwhile
    database.start()
    back = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        ends = list(threads.map(lambda each: ended(pair[int(each == ids[0])], each), ids))

    assert paid(models.log) == Counter({(number, role): 1 for number in range(RUNS) for role in ROLES})
    assert [end["status"] for end in ends] == ["completed"] * RUNS
    told = asyncio.run(ledgers(database, ids))
    assert [len(entries) for entries in told] == [len(ROLES)] * RUNS
    assert not any(entry["repeated"] for entries in told for entry in entries)
    tell(
        f"PostgreSQL away for {back - gone:.0f} s under 2 processes: {RUNS} runs, {len(held)} calls answered meanwhile, none "
        f"paid again; all answered {time.monotonic() - back:.0f} s after it was back"
    )


def timed(ask: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    return ask(), time.monotonic() - began


def test_whichever_process_is_asked_does_what_it_is_asked(pair: list[Server], models: ModelServer, tell: Tell) -> None:
    """All requests go to the process that is not at work on their run."""
    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(lambda number: begun(pair[number % 2], number), range(RUNS)))
    wait_until_still(models, RUNS)
    others = [pair[1 - number % 2] for number in range(RUNS)]

    def asked(number: int) -> tuple[httpx.Response, float]:
        place, kind = f"{others[number].responses}/{ids[number]}", HELD[number % len(HELD)]
        if kind == "south":  # twice: the second time it is cut
            httpx.post(f"{place}/answer_now", timeout=60).raise_for_status()
            return timed(lambda: httpx.post(f"{place}/answer_now", timeout=60))
        if kind == "judge":
            return timed(lambda: httpx.post(f"{place}/cancel", timeout=60))
        if kind == "writer":
            return timed(lambda: httpx.delete(place, timeout=60))
        return timed(lambda: httpx.get(place, params={"stream": "true"}, timeout=60))

    with ThreadPoolExecutor(RUNS) as threads:
        streams = [threads.submit(streamed, others[number], ids[number]) for number in range(0, RUNS, len(HELD))]
        told = list(threads.map(asked, range(RUNS)))
        followed = [stream.result() for stream in streams]

    assert {response.status_code for response, _ in told} == {200}
    ends = [httpx.get(f"{pair[0].responses}/{each}", timeout=60) for each in ids]
    assert [end.status_code for end in ends] == [404 if HELD[n % len(HELD)] == "writer" else 200 for n in range(RUNS)]
    assert [end.json()["status"] for end in ends[1 :: len(HELD)]] == ["cancelled"] * (RUNS // len(HELD))
    cut = [end.json() for end in ends[0 :: len(HELD)]]
    assert [end["output"][0]["failed_models"][0]["model"] for end in cut] == ["openai:south"] * len(cut)
    assert followed == cut
    assert max(paid(models.log).values()) == 1
    seconds = sorted(taken for response, taken in told if response.request.method != "GET")
    tell(
        f"fusion serve, 2 processes on PostgreSQL, each asked about the other's runs at once: {len(told)} of {RUNS} done; stop, "
        f"delete or answer now took {seconds[len(seconds) // 2]:.1f} s at the median, {seconds[-1]:.1f} s at most"
    )


def streamed(server: Server, response_id: str) -> Any:
    """Follow a response to its end; return it."""
    text = httpx.get(f"{server.responses}/{response_id}", params={"stream": "true"}, timeout=120).text
    *_, last, done, _ = text.split("\n\n")
    assert done == "data: [DONE]"
    return json.loads(last.partition("data: ")[2])["response"]
