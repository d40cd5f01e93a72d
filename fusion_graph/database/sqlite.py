"""A SQLite file over one connection."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from time import monotonic

import aiosqlite

from fusion_graph.database.statements import Database, Dialect, Row, Session, Values

BUSY_SECONDS = 10.0  # how long a writer waits for another process's transaction


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
    """See `statements.Session`.

    Reads are whole at once: a statement left open would hold an old snapshot, and SQLite refuses to write from one.
    """

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def write(self, sql: str, values: Values = ()) -> int:
        """Run a statement; return how many rows it changed."""
        cursor = await self._connection.execute(sql, values)
        await cursor.close()
        return cursor.rowcount

    async def write_all(self, sql: str, rows: Sequence[Values]) -> None:
        """Run a statement once for each row of values."""
        await self._connection.executemany(sql, rows)

    async def read(self, sql: str, values: Values = ()) -> list[Row]:
        """Return all rows of a query."""
        return [dict(row) for row in await self._connection.execute_fetchall(sql, values)]


class SqliteDatabase(Database):
    """A connection that commits each statement by itself, with one writer at a time."""

    dialect = DIALECT

    def __init__(self, path: Path, connection: aiosqlite.Connection) -> None:
        super().__init__()
        self.path = path
        self.connection = connection
        self._session = SqliteSession(connection)
        self._writing = asyncio.Lock()

    def reading(self) -> AbstractAsyncContextManager[Session]:
        """Give a session for a query."""
        return nullcontext(self._session)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Session]:
        """Give a session for a statement."""
        async with self._writing:
            yield self._session

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """Give a session between BEGIN IMMEDIATE and COMMIT."""
        async with self._writing:
            await self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._session
            except BaseException:
                await self.connection.execute("ROLLBACK")
                raise
            await self.connection.execute("COMMIT")

    def alone(self) -> AbstractAsyncContextManager[None]:
        """Do nothing: SQLite has one writer at a time."""
        return nullcontext()

    async def make(self, tables: str) -> None:
        """Make the tables and indexes that are not there yet."""
        await self.connection.executescript(tables)


@asynccontextmanager
async def open_sqlite(path: Path) -> AsyncIterator[SqliteDatabase]:
    """Open (or create, readable by its owner only) the database file at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    async with aiosqlite.connect(path, timeout=BUSY_SECONDS, isolation_level=None) as connection:
        connection.row_factory = aiosqlite.Row
        await _log_ahead(connection)
        await connection.execute("PRAGMA secure_delete = ON")  # a deleted run leaves no text in free pages
        yield SqliteDatabase(path, connection)


async def _log_ahead(connection: aiosqlite.Connection) -> None:
    """Set write-ahead logging; SQLite does not wait by itself while another process does the same to a new file."""
    end = monotonic() + BUSY_SECONDS
    while True:
        try:
            await connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > end:
                raise
            await asyncio.sleep(0.01)
        else:
            return
