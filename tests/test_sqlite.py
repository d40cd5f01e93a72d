"""One thread that writes to a file: what is committed together stands or falls job by job."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fusion_graph.database.sqlite import SqliteDatabase, open_sqlite
from fusion_graph.database.statements import Session

INSERT = "INSERT INTO told VALUES (?)"


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with open_sqlite(tmp_path / "some.db") as db:
        await db.make("CREATE TABLE told (word TEXT UNIQUE)")
        yield db


async def words(db: SqliteDatabase) -> list[str]:
    return [row["word"] for row in await db.read("SELECT word FROM told ORDER BY word")]


async def traced(db: SqliteDatabase) -> list[str]:
    said: list[str] = []
    await db.in_thread(lambda connection: connection.set_trace_callback(said.append))
    return said


async def test_what_comes_while_the_thread_is_at_work_is_committed_together(db: SqliteDatabase) -> None:
    said = await traced(db)

    assert await asyncio.gather(*(db.write(INSERT, (f"word {number:02}",)) for number in range(20))) == [1] * 20

    assert await words(db) == [f"word {number:02}" for number in range(20)]
    assert said.count("COMMIT") < 20


async def test_of_what_is_committed_together_only_what_failed_is_missing(db: SqliteDatabase) -> None:
    async def twice(session: Session) -> None:
        await session.write(INSERT, ("half done",))
        await session.write(INSERT, ("one",))

    async def refused(session: Session) -> None:
        await session.write(INSERT, ("refused",))
        raise LookupError("no")

    outcomes = await asyncio.gather(
        db.write(INSERT, ("one",)),
        db.transact(twice),
        db.transact(refused),
        db.write(INSERT, ("two",)),
        return_exceptions=True,
    )

    assert [type(outcome) for outcome in outcomes] == [int, sqlite3.IntegrityError, LookupError, int]
    assert await words(db) == ["one", "two"]


async def test_who_stops_waiting_does_not_stop_what_is_written(db: SqliteDatabase) -> None:
    writing = asyncio.create_task(db.write(INSERT, ("kept",)))
    await asyncio.sleep(0)
    writing.cancel()
    await db.settle()

    assert await words(db) == ["kept"]


async def test_if_nothing_can_be_committed_everybody_is_told(db: SqliteDatabase) -> None:
    await db.in_thread(lambda connection: connection.execute("PRAGMA query_only = ON"))

    outcomes = await asyncio.gather(*(db.write(INSERT, (word,)) for word in "abc"), return_exceptions=True)

    assert all(isinstance(outcome, sqlite3.OperationalError) for outcome in outcomes)
    await db.in_thread(lambda connection: connection.execute("PRAGMA query_only = OFF"))
    assert await db.write(INSERT, ("d",)) == 1
    assert await words(db) == ["d"]


async def test_a_transaction_may_wait_for_nothing_else(db: SqliteDatabase) -> None:
    async def waits(session: Session) -> None:
        await session.write(INSERT, ("before",))
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="waits for something other"):
        await db.transact(waits)

    assert await words(db) == []
