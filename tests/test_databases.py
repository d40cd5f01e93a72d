"""Runs in PostgreSQL: shared by processes, over connections that break, with what its text cannot hold."""

import asyncio
import json
import signal
import sys
import time
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from fusion_graph.checks import run_checks
from fusion_graph.database.address import shown
from fusion_graph.deployment import Parts
from fusion_graph.errors import DatabaseError, MissingPackageError
from fusion_graph.models.scripted import ScriptedModels, ScriptedRequest
from fusion_graph.runs import Runs, open_runs
from fusion_graph.server.access.guard import Guard
from fusion_graph.server.access.keys import Keys
from fusion_graph.server.app import make_app
from fusion_graph.server.config import ServerConfig
from fusion_graph.spending import spending
from tests.commands import Cli, own_environ, wait_until
from tests.forked import Forked
from tests.graphs import ROSTER, asked, scripted
from tests.model_server import ModelServer, altered, by_model, everyone
from tests.postgres import PASSWORD, PostgresServer, change, everything
from tests.server.conftest import PANEL, judge_and_writer, serving

QUESTION = "When did the bridge open?"
OPTIONS = ["--panel", "openai:one,openai:two", "--judge", "openai:three", "--writer", "openai:four", "--tools", "none"]
CUT_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"


@pytest.fixture
def cli(forked: Forked, server: ModelServer, tmp_path: Path) -> Cli:
    return Cli(forked, tmp_path, own_environ(tmp_path, server.url))


@pytest.fixture
def models() -> ScriptedModels:
    return scripted()


@pytest.fixture
async def runs(database: str | Path, models: ScriptedModels) -> AsyncIterator[Runs]:
    async with open_runs(database, Parts.real(load_model=models)) as runs:
        yield runs


def test_the_command_line_keeps_runs_in_postgresql_and_says_no_password(cli: Cli, postgres_url: str) -> None:
    empty = cli("usage", "--db", postgres_url)
    asked = cli("ask", QUESTION, *OPTIONS, "--db", postgres_url)
    (row,) = cli.json("runs", "list", "--db", postgres_url)
    forked = cli.json("runs", "fork", row["run_id"], "--writer", "openai:five", "--db", postgres_url)
    usage = cli.json("usage", "--db", postgres_url)
    check = cli("check", "--offline", "--preset", "demo", "--db", postgres_url)
    deleted = cli.json("runs", "delete", row["run_id"], "--db", postgres_url)

    assert "no calls yet" in empty.stderr
    assert (asked.returncode, row["status"], row["question"]) == (0, "ok", QUESTION)
    assert forked["status"] == "ok"
    assert usage["total"]["calls"] == 5
    assert {row["day"] for row in usage["rows"]} != set()
    assert "not asked (--offline)" in check.stdout
    assert deleted == {"deleted": row["run_id"]}
    for done in (empty, asked, check):
        assert PASSWORD not in done.stdout + done.stderr
    assert not (cli.home / "runs.db").exists()


async def test_no_password_is_stored_and_a_deleted_run_leaves_no_row(postgres_url: str, models: ScriptedModels) -> None:
    async with open_runs(postgres_url, Parts.real(load_model=models)) as runs:
        run = await (await runs.start(["What about Ozymandias?"], ROSTER)).result()
        stored = await everything(postgres_url)
        await runs.delete(run["run_id"])
        left = await everything(postgres_url)

    assert "Ozymandias" in stored
    assert PASSWORD not in stored
    assert "Ozymandias" not in left
    assert run["thread_id"] not in left


def test_a_second_process_takes_a_run_over_only_when_the_first_is_gone(
    cli: Cli, server: ModelServer, postgres_url: str
) -> None:
    server.settings.behaviour = by_model({"two": altered(everyone, delay=60), "*": everyone})
    first = cli.start("ask", QUESTION, *OPTIONS, "--db", postgres_url)
    wait_until(lambda: "seat 1 openai:one answered" in first.stderr)
    (row,) = cli.json("runs", "list", "--db", postgres_url)

    busy = cli("runs", "resume", row["run_id"], "--db", postgres_url)
    first.send_signal(signal.SIGKILL)
    first.wait()
    server.settings.behaviour = everyone
    (stopped,) = cli.json("runs", "list", "--db", postgres_url)
    result = cli.json("runs", "resume", row["run_id"], "--db", postgres_url)

    assert (row["status"], stopped["status"], result["status"]) == ("running", "stopped", "ok")
    assert busy.returncode == 1
    assert "another process is at work on run " in busy.stderr
    assert [entry.model for entry in server.log].count("one") == 1
    assert [(call["seat"], call["repeated"]) for call in result["usage"]["calls"] if call["role"] == "panelist"] == [
        (1, False),
        (2, True),
        (2, False),
    ]


async def test_of_two_that_take_a_free_thread_at_once_one_gets_it(database: str | Path) -> None:
    async def started(runs: Runs) -> Any:
        try:
            return await (await runs.start(["What?"], ROSTER, thread_id="t")).result()
        except Exception as error:  # noqa: BLE001 -- told by its type below
            return type(error).__name__

    def parts() -> Parts:
        return Parts.real(load_model=scripted())

    async with open_runs(database, parts()) as here, open_runs(database, parts()) as there:
        for _ in range(5):
            ends = await asyncio.gather(started(here), started(there))
            statuses = sorted(end if isinstance(end, str) else str(end["status"]) for end in ends)
            # One after the other is as good as one alone.
            assert statuses in (["RunBusyError", "ok"], ["ok", "ok"])


async def _set_up_by_several(db: str | Path) -> list[int]:
    async def opened() -> int:
        async with open_runs(db, Parts.real(load_model=scripted())) as runs:
            return len(await runs.list())

    async with asyncio.timeout(30):
        return await asyncio.gather(*(opened() for _ in range(4)))


async def test_a_database_may_be_set_up_by_several_at_the_same_time(postgres_url: str) -> None:
    assert await _set_up_by_several(postgres_url) == [0] * 4


async def test_a_file_may_be_set_up_by_several_at_the_same_time(tmp_path: Path) -> None:
    for attempt in range(20):
        assert await _set_up_by_several(tmp_path / f"{attempt}.db") == [0] * 4


async def test_a_connection_that_is_cut_between_two_runs_is_replaced(postgres_url: str, models: ScriptedModels) -> None:
    async with open_runs(postgres_url, Parts.real(load_model=models)) as runs:
        first = await (await runs.start(["What?"], ROSTER, thread_id="t")).result()
        await change(postgres_url, CUT_ALL)
        async with asyncio.timeout(10):
            second = await (await runs.start(["And?"], ROSTER, thread_id="t")).result()

    assert (first["status"], second["status"]) == ("ok", "ok")


async def test_a_connection_that_is_cut_in_the_middle_of_a_run_costs_it_nothing(postgres_url: str) -> None:
    async def cuts(_request: ScriptedRequest) -> str:
        await change(postgres_url, CUT_ALL)
        return "An answer, and all connections are gone."

    models = scripted(writer=cuts)
    async with open_runs(postgres_url, Parts.real(load_model=models)) as runs:
        live = await runs.start(["What?"], ROSTER)
        result = await live.result()
        shown_again = await runs.show(live.run_id)

    assert result["answer"] == "An answer, and all connections are gone."
    assert shown_again == result
    assert len(asked(models, "writer")) == 1


async def test_servers_that_share_a_database_answer_a_request_and_its_retry_once(postgres_url: str) -> None:
    models = scripted(judge=judge_and_writer)
    limits: dict[str, Any] = {"max_usd": 10.0, "max_requests": 10}
    config = ServerConfig(postgres_url, Keys(()), frozenset("*"), **limits)
    body = {"model": "fusion", "plugins": [PANEL], "messages": [{"role": "user", "content": "What\0?"}]}

    def ask(url: str) -> httpx.Response:
        headers = {"Idempotency-Key": "a key"}
        return httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=30)

    def app() -> Guard:
        return make_app(config, Parts.real(load_model=models))

    with serving(app()) as one, serving(app()) as other:
        first = await asyncio.to_thread(ask, one)
        paid = len(models.requests)
        second = await asyncio.to_thread(ask, other)

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json()["choices"] == first.json()["choices"]
    assert len(models.requests) == paid


async def test_a_statement_that_is_cut_is_made_again_and_the_run_goes_on(postgres_url: str) -> None:
    waits = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    async def locks(_request: ScriptedRequest) -> str:
        await other.execute("BEGIN; LOCK TABLE fusion_attempts")
        return '{"blind_spots": []}'

    async def waiting() -> bool:
        return bool(await (await other.execute("SELECT 1 " + waits)).fetchall())

    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as other:
        models = scripted(judge=locks)
        async with open_runs(postgres_url, Parts.real(load_model=models)) as runs:
            live = await runs.start(["What?"], ROSTER)
            while not await waiting():  # noqa: ASYNC110 -- a database tells nobody
                await asyncio.sleep(0.01)
            await other.execute("SELECT pg_terminate_backend(pid) " + waits)
            await other.execute("COMMIT")
            result = await live.result()

    assert result["status"] == "ok"
    assert [request.model for request in models.requests][3:] == ["judge", "writer"]
    assert [call["repeated"] for call in result["usage"]["calls"]] == [False] * 5


async def test_runs_that_are_stopped_anywhere_leave_every_connection_in_order(postgres_url: str) -> None:
    models = scripted()
    async with open_runs(postgres_url, Parts.real(load_model=models)) as runs:
        for turns in range(1, 120, 4):
            live = await runs.start(["What?"], ROSTER, thread_id="t")
            for _ in range(turns):
                await asyncio.sleep(0)
            await live.cancel()
        result = await (await runs.start(["And now?"], ROSTER, thread_id="t")).result()
        states = await runs.store.db.read(
            "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND state LIKE ?", ("idle in%",)
        )

    assert result["status"] == "ok"
    assert states == []


async def test_of_characters_that_a_database_cannot_hold_a_run_loses_nothing_else(database: str | Path) -> None:
    text = "before\0after \\u0000 and \\\0."

    def broken(_request: ScriptedRequest) -> str:
        raise ValueError("a NUL \0 and half a pair \ud800")

    models = scripted(north=lambda _request: text, south=broken, writer=lambda _request: text)
    async with open_runs(database, Parts.real(load_model=models)) as runs:
        live = await runs.start([f"What is {text}?"], ROSTER, thread_id="a\0thread", owner="an\0owner")
        result = await live.result()
        (row,) = await runs.list(owner="an\0owner")
        kept = await runs.show(live.run_id)
        again = await (await runs.start(["And?"], thread_id="a\0thread")).result()
        fork = await (await runs.fork(live.run_id, writer="north")).result()
        (total,) = await spending(runs.store.db, since=0)
        taken = await runs.claims.take("", "key", "a\0name", digest="", run_id=live.run_id)
        claim = await runs.claims.find("", "key", "a\0name")

    assert (result["status"], again["status"], fork["status"]) == ("degraded", "degraded", "degraded")
    assert kept["answer"] == result["answer"]
    assert kept["answer"].replace("\0", "") == text.replace("\0", "")
    assert [response["content"] for response in fork["responses"]] == [r["content"] for r in result["responses"]]
    assert row["question"].replace("\0", "") == f"What is {text}?".replace("\0", "")
    assert total["calls"] == len(result["usage"]["calls"]) + len(again["usage"]["calls"]) + 1
    assert taken
    assert claim is not None


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/Los_Angeles"])
async def test_spending_is_told_by_the_days_of_who_asks(
    runs: Runs, database: str | Path, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    await (await runs.start(["What?"], ROSTER)).result()
    # 19:00 in London in winter: the next day in Kathmandu, the same in Los Angeles.
    moments = [1767207600.25 + index for index in range(5)]
    entries = await runs.store.db.read("SELECT id, entry FROM fusion_attempts ORDER BY rowid")
    for row, moment in zip(entries, moments, strict=True):
        entry = json.dumps({**json.loads(row["entry"]), "started_at": moment, "cost_usd": 0.5})
        await runs.store.db.write("UPDATE fusion_attempts SET entry = ? WHERE id = ?", (entry, row["id"]))
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        by_day = await spending(runs.store.db, ["day"])
        by_model = await spending(runs.store.db, ["day", "model"], since=moments[1])
    finally:
        monkeypatch.undo()
        time.tzset()

    assert [(row["day"], row["calls"], row["cost_usd"]) for row in by_day] == [
        ("2026-01-01" if zone == "Asia/Kathmandu" else "2025-12-31", 5, 2.5)
    ]
    assert [row["model"] for row in by_model] == sorted(row["model"] for row in by_model)
    assert sum(row["calls"] for row in by_model) == 4


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://me:canary-1@db.example/runs", "runs cannot be kept in 'mysql://db.example/runs'"),
        ("postgresql://me:canary/1@db.example/runs", "'postgresql://db.example/runs' is no URL of a PostgreSQL"),
        ("postgresql://me:4711/canary@db.example/runs", "'postgresql://db.example/runs' is no URL of a PostgreSQL"),
        ("postgresql://me:can@ary@db.example/runs", "'postgresql://db.example/runs' is no URL of a PostgreSQL"),
        ("postgresql://me:canary%1@db.example/runs", "'postgresql://db.example/runs' is no URL of a PostgreSQL"),
        ("postgresql://me:canary?1@127.0.0.1:1/runs", "'postgresql://...' cannot be reached: "),
        ("postgresql://127.0.0.1:1/runs?password=canary-1", "'postgresql://127.0.0.1:1/runs' cannot be reached: "),
    ],
)
async def test_a_url_that_leads_to_no_database_is_an_error_in_words_without_its_password(url: str, words: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        async with open_runs(url):
            pass

    told = "".join(traceback.format_exception(caught.value))
    assert words in told
    assert caught.value.hint
    assert "canary" not in told + caught.value.hint


def test_a_server_that_is_down_is_an_error_of_every_command(cli: Cli, server: ModelServer) -> None:
    url = "postgresql://me:canary-1@127.0.0.1:1/runs"

    for command in (["ask", QUESTION, *OPTIONS], ["usage"], ["serve", "--port", "0"]):
        done = cli(*command, "--db", url)
        assert done.returncode == 1
        assert "'postgresql://127.0.0.1:1/runs' cannot be reached: " in " ".join(done.stderr.split())
        assert "hint: start the server" in done.stderr
        assert "canary" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    estimated = cli("estimate", "--preset", "demo", "--db", url)
    assert "warning: past runs cannot be read: " in estimated.stderr
    assert estimated.returncode == 0
    assert not server.log


def test_a_wrong_password_is_told_and_not_shown(cli: Cli, postgres: PostgresServer) -> None:
    done = cli("runs", "list", "--db", postgres.url().replace(PASSWORD, "canary-2-wrong"))

    assert done.returncode == 1
    assert "password authentication failed" in " ".join(done.stderr.split())
    assert "canary" not in done.stderr


async def test_without_the_extra_a_url_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg_pool", None)
    monkeypatch.delitem(sys.modules, "fusion_graph.database.postgres", raising=False)

    with pytest.raises(MissingPackageError, match="psycopg_pool is not installed") as caught:
        async with open_runs("postgresql://me:canary@localhost/runs"):
            pass

    assert caught.value.hint == "pip install 'fusion-graph[postgres]'"
    assert "canary" not in str(caught.value)


async def test_the_check_counts_the_runs_of_a_server_and_makes_nothing(
    postgres_url: str, models: ScriptedModels
) -> None:
    async def found(url: str) -> tuple[str, str]:
        (item,) = [item for item in await run_checks(preset="demo", db=url) if item["name"] == "database"]
        return item["level"], item["found"]

    empty = await found(postgres_url)
    tables = await everything(postgres_url)
    async with open_runs(postgres_url, Parts.real(load_model=models)) as runs:
        await (await runs.start(["What?"], ROSTER)).result()
    one = await found(postgres_url)
    none = await found("postgresql://127.0.0.1:1/nothing")

    assert empty == ("ok", f"{shown(postgres_url)}: 0 runs")
    assert tables == "[]"
    assert one == ("ok", f"{shown(postgres_url)}: 1 run")
    assert none[0] == "fail"


def test_what_a_server_is_set_up_with_shows_no_password() -> None:
    assert PASSWORD not in repr(ServerConfig(f"postgresql://me:{PASSWORD}@localhost/runs"))


async def test_a_path_as_text_is_a_file(tmp_path: Path, models: ScriptedModels) -> None:
    async with open_runs(str(tmp_path / "own" / "runs.db"), Parts.real(load_model=models)):
        pass

    assert [path.name for path in (tmp_path / "own").iterdir()] == ["runs.db"]


async def test_another_scheme_is_refused_before_anything_is_made() -> None:
    with pytest.raises(DatabaseError, match="cannot be kept in"):
        async with open_runs("sqlite:///runs.db"):
            pass
