"""Faults of the store and of the machine: each function plays one, and returns what the run came to in the end."""

import asyncio
import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import langgraph.checkpoint.base.id
import psycopg
import pytest

from fusion_graph.database.sqlite import SqliteDatabase
from fusion_graph.errors import LeaseLostError, RunBusyError
from fusion_graph.events import LiveRun
from fusion_graph.runs import Runs
from tests.faults.stage import HANG_GUARD, ROSTER, USUAL, Stage, compares, told
from tests.model_server import Behaviour, Request, altered, by_model, fails, says, when
from tests.model_server.wire import Reply
from tests.postgres import PostgresServer

HOUR = 3600.0
_NO_NEW_PAGE = "PRAGMA max_page_count = 1"
JUDGES_REQUEST = 4  # after one of each seat


class Gate:
    """Hold a model's answers back until the gate is opened. While it holds one, the whole server waits."""

    def __init__(self) -> None:
        self._opened = threading.Event()

    def holds(self, behaviour: Behaviour) -> Behaviour:
        def behave(request: Request) -> Reply:
            assert self._opened.wait(3 * HANG_GUARD)
            return behaviour(request)

        return behave

    def open(self) -> None:
        self._opened.set()


def wordy_judge(request: Request) -> Reply:
    """Compare at such length that the report needs new pages in the database."""
    report = json.loads(compares()(request).text)
    return Reply(text=json.dumps(report | {"blind_spots": ["Who paid for it? " * 2000]}))


async def at_the_judge(stage: Stage, runs: Runs, gate: Gate) -> LiveRun:
    """Return a run whose seats have answered and whose judge's answer waits for the gate."""
    stage.server.settings.behaviour = by_model(USUAL | {"judge": gate.holds(wordy_judge)})
    live = await stage.start(runs)
    await stage.server.wait_for_async(JUDGES_REQUEST)
    return live


async def resumed(stage: Stage, run_id: str, **environ: str) -> dict[str, Any]:
    """Return what a run comes to when another process goes on with it."""
    async with stage.runs(**environ) as runs:
        return await stage.end(runs, await runs.resume(run_id))


async def change(db: Path, sql: str, *values: Any) -> Any:
    """Change the database from outside, and return the first row that comes of it.

    In a thread, because who holds the database's lock needs the event loop to let it go.
    """

    def work() -> Any:
        with contextlib.closing(sqlite3.connect(db)) as other, other:
            return other.execute(sql, values).fetchone()

    return await asyncio.to_thread(work)


async def stopped(stage: Stage, *, then: Callable[[], object] = bool, **environ: str) -> dict[str, Any]:
    """Stop a run as Ctrl-C does while its judge works; then go on in another environment."""
    gate = Gate()
    async with stage.runs() as runs:
        live = await at_the_judge(stage, runs, gate)
        hearing = asyncio.create_task(told(live))
        await live.cancel()
        gate.open()
        assert (await hearing)[-1]["reason"] == "cancelled"
        assert (await runs.get(live.run_id))["status"] == "cancelled"
    then()
    return await resumed(stage, live.run_id, **environ)


async def write_fails(stage: Stage, spoil: Callable[[Runs], Awaitable[None]]) -> dict[str, Any]:
    """Let every write to the database fail from the middle of a run on; mend it, and go on in another process."""
    gate = Gate()
    async with stage.runs() as runs:
        live = await at_the_judge(stage, runs, gate)
        hearing = asyncio.create_task(told(live))
        await spoil(runs)
        gate.open()
        with pytest.raises(sqlite3.OperationalError):
            await live.result()
        async with asyncio.timeout(1):  # it was told before the result was there
            assert (await hearing)[-1]["type"] == "failed"
    await die(stage.db)
    return await resumed(stage, live.run_id)


async def pragma(runs: Runs, words: str) -> None:
    """Set something of the connection that writes to the file."""
    assert isinstance(runs.store.db, SqliteDatabase)
    await runs.store.db.in_thread(lambda connection: connection.execute(words))


async def disk_full(stage: Stage) -> dict[str, Any]:
    return await write_fails(stage, partial(_fill, stage.db))


async def _fill(db: Path, runs: Runs) -> None:
    """Let the file grow no more, and use up the pages that are free in it."""

    def work() -> None:
        with contextlib.closing(sqlite3.connect(db, isolation_level=None)) as other:
            other.execute(_NO_NEW_PAGE)
            with contextlib.suppress(sqlite3.OperationalError):
                other.execute("CREATE TABLE filler (bytes)")
                while True:
                    other.execute("INSERT INTO filler VALUES (zeroblob(4000))")

    await asyncio.to_thread(work)
    await pragma(runs, _NO_NEW_PAGE)


async def read_only(stage: Stage) -> dict[str, Any]:
    return await write_fails(stage, _protect)


async def _protect(runs: Runs) -> None:
    await pragma(runs, "PRAGMA query_only = ON")


async def die(db: Path) -> None:
    """Make this process's lease that of one that is gone."""
    dead = await asyncio.create_subprocess_exec("true")
    await dead.wait()
    await change(db, "UPDATE fusion_leases SET holder = replace(holder, ?, ?)", f":{os.getpid()}", f":{dead.pid}")


async def away(stage: Stage) -> dict[str, Any]:
    """Let PostgreSQL be started again while a run's judge works."""
    gate = Gate()
    with PostgresServer() as server:
        async with stage.runs(server.url()) as runs:
            live = await at_the_judge(stage, runs, gate)
            await asyncio.to_thread(server.stop)
            gate.open()
            await asyncio.sleep(0.5)
            await asyncio.to_thread(server.start)
            result = await stage.end(runs, live)
        with psycopg.connect(server.url()) as connection:
            assert connection.execute("SELECT * FROM fusion_leases").fetchall() == []
    return result


async def no_database(stage: Stage) -> None:
    """Find something else in the database's place."""
    stage.db.write_bytes(b"This is no database. " * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        await stage.play()
    stage.db.unlink()


async def two_workers(stage: Stage) -> dict[str, Any]:
    """Let a second process take the run, and start another on its thread, while the first is at work."""
    gate = Gate()
    async with stage.runs() as here, stage.runs() as there:
        live = await at_the_judge(stage, here, gate)
        with pytest.raises(RunBusyError):
            await there.resume(live.run_id)
        with pytest.raises(RunBusyError):
            await there.start(["And?"], ROSTER, thread_id="t")
        gate.open()
        return await stage.end(here, live)


async def taken_over(stage: Stage) -> dict[str, Any]:
    """Let the lease of a process that stalls run out; it wakes when another has ended the run."""
    slow_once = when(lambda request: request.ordinal == 1, altered(compares(), delay=2.0), compares())
    stage.server.settings.behaviour = by_model(USUAL | {"judge": slow_once})
    async with stage.runs() as here, stage.runs() as there:
        live = await stage.start(here)
        await stage.server.wait_for_async(JUDGES_REQUEST)
        await change(stage.db, "UPDATE fusion_leases SET until = 0")
        result = await stage.end(there, await there.resume(live.run_id))
        with pytest.raises(LeaseLostError):
            await live.result()
        assert (await there.get(live.run_id))["status"] == result["status"]
        follow_up = await there.graph.aget_state({"configurable": {"thread_id": "t"}})
        assert follow_up.values["messages"][-1].text == result["answer"]
        return result


async def missed_beat(stage: Stage) -> dict[str, Any]:
    """Let the lease fail to be renewed for a moment; the run's process must not lose it for that."""

    async def until() -> float:
        return float((await change(stage.db, "SELECT until FROM fusion_leases"))[0])

    async def renewed() -> None:
        before = await until()
        async with asyncio.timeout(3):
            while await until() == before:  # noqa: ASYNC110 -- a database tells nobody that it has changed
                await asyncio.sleep(0.05)

    gate = Gate()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fusion_graph.records.LEASE_SECONDS", 0.3)  # between renewals; the lease itself stays long
        async with stage.runs() as runs:
            live = await at_the_judge(stage, runs, gate)
            await renewed()
            await pragma(runs, "PRAGMA query_only = ON")
            await asyncio.sleep(0.5)
            await pragma(runs, "PRAGMA query_only = OFF")
            try:
                await renewed()
            finally:
                gate.open()
            return await stage.end(runs, live)


async def stale_lease(stage: Stage) -> dict[str, Any]:
    """Find the lease of a process that died."""
    async with stage.runs() as runs:
        await runs.store.acquire("t", "its token")
        await die(stage.db)
        return await stage.end(runs, await stage.start(runs))


async def other_environment(stage: Stage) -> dict[str, Any]:
    """Go on with a run under other settings than it began with."""
    tools = stage.settings.pop("tools")
    stage.environ |= {f"FUSION_{name.upper()}": _listed(value) for name, value in stage.settings.items()}
    stage.settings = {"tools": tools}
    result = await stopped(stage, FUSION_PANEL="openai:other", FUSION_WRITER="openai:other", FUSION_MODE="never")
    assert result["settings"]["writer"] == ROSTER["writer"]
    return result


def _listed(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


async def clock_jumps(stage: Stage, seconds: float) -> dict[str, Any]:
    """Set the clock while the judge works."""
    gate = Gate()
    with pytest.MonkeyPatch.context() as patch:
        async with stage.runs() as runs:
            live = await at_the_judge(stage, runs, gate)
            _set_clock(patch, seconds)
            gate.open()
            result = await stage.end(runs, live)
    assert all(call["duration_seconds"] >= 0 for call in result["usage"]["calls"])
    return result


def _set_clock(patch: pytest.MonkeyPatch, seconds: float) -> None:
    clock, clock_ns = time.time, time.time_ns
    patch.setattr(time, "time", lambda: clock() + seconds)
    patch.setattr(time, "time_ns", lambda: clock_ns() + int(seconds * 1e9))


async def clock_forward(stage: Stage) -> dict[str, Any]:
    return await clock_jumps(stage, HOUR)


async def clock_back(stage: Stage) -> dict[str, Any]:
    return await clock_jumps(stage, -HOUR)


async def clock_back_between(stage: Stage) -> dict[str, Any]:
    """Set the clock back between a run's stop and its resume by a new process; then ask what the thread holds."""
    with pytest.MonkeyPatch.context() as patch:

        def new_process() -> None:
            _set_clock(patch, -HOUR)
            patch.setattr(langgraph.checkpoint.base.id, "_last_v6_timestamp", None)

        result = await stopped(stage, then=new_process)
        async with stage.runs() as runs:
            thread = await runs.graph.aget_state({"configurable": {"thread_id": "t"}})
    assert thread.values["messages"][-1].text == result["answer"]
    return result


async def long_answers(stage: Stage, chars: int) -> dict[str, Any]:
    """Let every seat answer with so many characters."""
    text = "The bridge opened in 1932. " * (chars // 27)
    long = says(text, finish_reason="stop", chunk_size=5_000)
    stage.server.settings.behaviour = by_model({"one": long, "two": long, "three": long}, by_model(USUAL))
    return await stage.play()


async def nobody_writes(stage: Stage) -> dict[str, Any]:
    """Let every model that is asked to write fail."""

    def writes(request: Request) -> bool:
        return "You write the final answer" in request.text

    stage.server.settings.behaviour = when(writes, fails(500), by_model(USUAL))
    return await stage.play()
