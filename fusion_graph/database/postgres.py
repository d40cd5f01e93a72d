"""A PostgreSQL database over a pool of connections, in which one that the server closed is replaced."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row
from psycopg.types.string import StrDumperUnknown
from psycopg_pool import AsyncConnectionPool

from fusion_graph.database.address import shown
from fusion_graph.database.statements import Database, Dialect, Row, Session, Values
from fusion_graph.errors import DatabaseError, redact

Connection: TypeAlias = psycopg.AsyncConnection[DictRow]

MAX_CONNECTIONS = 10  # of one process
CONNECT_SECONDS = 10
_SETTING_UP = 7_102_938_475_601  # the advisory lock of who makes tables
_TRY_LOCK = "SELECT pg_try_advisory_lock(?) AS got"
_LOCK_EVERY = 0.05


def _member(column: str, path: str) -> str:
    return f"({column}::jsonb #>> '{{{path.replace('.', ',')}}}')"


DIALECT = Dialect(
    now="extract(epoch FROM clock_timestamp())::double precision",
    floor="floor({})",
    lock="FOR SHARE",
    member={
        "text": _member,
        "integer": lambda column, path: f"{_member(column, path)}::integer",
        "number": lambda column, path: f"{_member(column, path)}::double precision",
    },
    words={"rowid": "rowid BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,", "without_rowid": ""},
)


class Pool(AsyncConnectionPool[Connection]):
    """Connections that work when they are given out; one that the server has closed is replaced, and others with it."""

    async def getconn(self, timeout: float | None = None) -> Connection:  # noqa: ASYNC109  (the pool's own)
        """Return a connection that works."""
        connection = await super().getconn(timeout)
        try:
            await self.check_connection(connection)
        except psycopg.Error:
            await self.putconn(connection)
            await self.check()
            return await super().getconn(timeout)
        except BaseException:
            await self.putconn(connection)
            raise
        return connection


class PostgresSession:
    """See `statements.Session`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def write(self, sql: str, values: Values = ()) -> int:
        """Run a statement; return how many rows it changed."""
        return (await self._connection.execute(_marked(sql), values)).rowcount

    async def write_all(self, sql: str, rows: Sequence[Values]) -> None:
        """Run a statement once for each row of values."""
        async with self._connection.cursor() as cursor:
            await cursor.executemany(_marked(sql), rows)

    async def read(self, sql: str, values: Values = ()) -> list[Row]:
        """Return all rows of a query."""
        return await (await self._connection.execute(_marked(sql), values)).fetchall()


def _marked(sql: str) -> Any:
    """Return a statement with the marks for values that psycopg knows."""
    return sql.replace("%", "%%").replace("?", "%s")


class PostgresDatabase(Database):
    """A pool of connections that commit each statement by itself."""

    dialect = DIALECT

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self.pool = pool

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Session]:
        """Give a session for a statement."""
        async with self.pool.connection() as connection:
            yield PostgresSession(connection)

    def reading(self) -> AbstractAsyncContextManager[Session]:
        """Give a session for a query."""
        return self.writing()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """Give a session whose statements are committed together, or not at all."""
        async with self.pool.connection() as connection, connection.transaction():
            yield PostgresSession(connection)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Keep other processes from making tables at the same time.

        Who waits asks again and again, and in no transaction: LangGraph makes its indexes concurrently, which waits for every
        statement under way, also for one that itself waits for a lock.
        """
        async with self.writing() as session:
            while not (await session.read(_TRY_LOCK, (_SETTING_UP,)))[0]["got"]:  # noqa: ASYNC110  (a database tells nobody)
                await asyncio.sleep(_LOCK_EVERY)
            try:
                yield
            finally:
                await session.read("SELECT pg_advisory_unlock(?)", (_SETTING_UP,))

    async def make(self, tables: str) -> None:
        """Make the tables and indexes that are not there yet."""
        async with self.alone(), self.pool.connection() as connection:
            await connection.execute(tables.encode())


@asynccontextmanager
async def open_postgres(url: str) -> AsyncIterator[PostgresDatabase]:
    """Open the database at `url`.

    Raises:
        DatabaseError: it cannot be reached.
    """
    options = _options(url)
    await _knock(url, options)
    async with Pool(
        kwargs=options,
        min_size=1,
        max_size=MAX_CONNECTIONS,
        timeout=CONNECT_SECONDS,
        open=False,
        configure=_drop_nul,
    ) as pool:
        yield PostgresDatabase(pool)


def _options(url: str) -> dict[str, Any]:
    usual = {"connect_timeout": CONNECT_SECONDS, "fallback_application_name": "fusion_graph"}
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # it quotes what it cannot read, maybe a part of the password
        given = {"host": "@"}
    # A password with signs that URLs do not take would be read, and told, as a part of something else.
    places, ports = f"{given.get('host')} {given.get('dbname')}", str(given.get("port", "0"))
    if "@" in places or not ports.replace(",", "").isdigit():
        hint = "write it as postgresql://USER:PASSWORD@HOST:PORT/NAME, with %2F for / in the password, %40 for @"
        raise DatabaseError(f"{shown(url)!r} is no URL of a PostgreSQL database", hint=hint)
    return {**usual, **given, "autocommit": True, "row_factory": dict_row}


async def _knock(url: str, options: dict[str, Any]) -> None:
    """Connect once: the pool would try for minutes, and not say why."""
    try:
        connection = await psycopg.AsyncConnection.connect(**options)
    except psycopg.Error as error:
        reason = redact(" ".join(str(error).split()))
        hint = "start the server, or correct the URL given with --db"
        raise DatabaseError(f"the database {shown(url)!r} cannot be reached: {reason}", hint=hint) from None
    await connection.close()


class _WithoutNul(StrDumperUnknown):
    """Text without the character that PostgreSQL has no place for."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", ""))


async def _drop_nul(connection: Connection) -> None:
    connection.adapters.register_dumper(str, _WithoutNul)
