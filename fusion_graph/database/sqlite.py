"""A SQLite file: one connection, and one thread that works with it.

What is to be written while the thread is at work waits, and is committed together: a commit waits for the disk, and a
process with many runs has time for few. Each job of such a batch is done whole or not at all, whatever the others do.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fusion_graph.database.statements import Database, Dialect, Row, Session, Values

T = TypeVar("T")
BUSY_SECONDS = 30.0  # how long a writer waits for another process's transaction


def _member(column: str, path: str) -> str:
    return f"json_extract({column}, '$.{path}')"


DIALECT = Dialect(
    now="((julianday('now') - 2440587.5) * 86400.0)",
    floor="CAST({} AS INTEGER)",
    lock="",
    member={"text": _member, "integer": _member, "number": _member},
    words={"rowid": "", "without_rowid": "WITHOUT ROWID"},
)


class SqliteSession:
    """See `statements.Session`. For use in the database's thread, where nothing has to be waited for: see `at_once`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def write(self, sql: str, values: Values = ()) -> int:
        """Run a statement; return how many rows it changed."""
        return self._connection.execute(sql, values).rowcount

    async def write_all(self, sql: str, rows: Sequence[Values]) -> None:
        """Run a statement once for each row of values."""
        self._connection.executemany(sql, rows)

    async def read(self, sql: str, values: Values = ()) -> list[Row]:
        """Return all rows of a query."""
        cursor = self._connection.execute(sql, values)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine comes to that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise RuntimeError("a transaction waits for something other than its session")


@dataclass(frozen=True, slots=True)
class _Failed:
    error: BaseException


class SqliteDatabase(Database):
    """A connection in a thread of its own, which commits together what has come together."""

    dialect = DIALECT

    def __init__(self, path: Path, connection: sqlite3.Connection, thread: ThreadPoolExecutor) -> None:
        super().__init__()
        self.path = path
        self._connection = connection
        self._thread = thread
        self._waiting: list[tuple[Callable[[sqlite3.Connection], Any], asyncio.Future[Any]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def in_thread(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` comes to in the thread; what it changes is committed at once."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._connection)

    async def commit(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` comes to when it is committed. If it raises, what it did is rolled back.

        It is done also if who waits for it is cancelled.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._work_off(), name="writer of the database")
        return await future

    async def _work_off(self) -> None:
        while self._waiting:
            jobs, self._waiting = self._waiting, []
            works = [work for work, _ in jobs]
            try:
                outcomes = await self.in_thread(partial(_together, works))
            except BaseException as error:
                outcomes = [_Failed(error)] * len(jobs)
                if not isinstance(error, Exception):
                    raise
            finally:
                _settle(jobs, outcomes)

    async def settle(self) -> None:
        """Wait until nothing is being written."""
        await super().settle()
        if self._writer is not None:
            await asyncio.wait([self._writer])

    async def _read(self, sql: str, values: Values) -> list[Row]:
        return await self.in_thread(lambda connection: at_once(SqliteSession(connection).read(sql, values)))

    async def _write(self, sql: str, values: Values) -> int:
        return await self.commit(lambda connection: connection.execute(sql, values).rowcount)

    async def _transact(self, work: Callable[[Session], Coroutine[Any, Any, object]]) -> None:
        await self.commit(lambda connection: at_once(work(SqliteSession(connection))))

    def alone(self) -> AbstractAsyncContextManager[None]:
        """Do nothing: SQLite has one writer at a time."""
        return nullcontext()

    async def make(self, tables: str) -> None:
        """Make the tables and indexes that are not there yet."""
        await self.in_thread(lambda connection: connection.executescript(tables))


def _together(works: Sequence[Callable[[sqlite3.Connection], Any]], connection: sqlite3.Connection) -> list[Any]:
    """Do jobs in one transaction; return what each came to. If it cannot be committed, all have failed."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        outcomes = [_one(work, connection) for work in works]
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        return [_Failed(error)] * len(works)
    return outcomes


def _one(work: Callable[[sqlite3.Connection], Any], connection: sqlite3.Connection) -> Any:
    connection.execute("SAVEPOINT job")
    try:
        outcome = work(connection)
    except Exception as error:
        if not connection.in_transaction:  # SQLite has given up all of it
            raise
        connection.execute("ROLLBACK TO job")
        outcome = _Failed(error)
    connection.execute("RELEASE job")
    return outcome


def _settle(jobs: Sequence[tuple[object, asyncio.Future[Any]]], outcomes: Sequence[Any]) -> None:
    """Tell who waits what has come of it; who was cancelled does not any more."""
    for (_, future), outcome in zip(jobs, outcomes, strict=True):
        if future.done():
            continue
        if isinstance(outcome, _Failed):
            future.set_exception(outcome.error)
        else:
            future.set_result(outcome)


@asynccontextmanager
async def open_sqlite(path: Path) -> AsyncIterator[SqliteDatabase]:
    """Open (or create, readable by its owner only) the database file at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, thread_name_prefix="fusion database") as thread:
        connection = await loop.run_in_executor(thread, _connected, path)
        try:
            yield SqliteDatabase(path, connection, thread)
        finally:
            await loop.run_in_executor(thread, connection.close)


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        _log_ahead(connection)
        connection.execute("PRAGMA secure_delete = ON")  # a deleted run leaves no text in free pages
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Set write-ahead logging; SQLite does not wait by itself while another process does the same to a new file."""
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return
