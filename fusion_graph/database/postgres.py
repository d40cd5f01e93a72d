"""A PostgreSQL database over a pool of connections, in which one that the server closed is replaced."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row
from psycopg.types.string import StrDumperUnknown
from psycopg_pool import AsyncConnectionPool, PoolClosed

from fusion_graph.database.address import shown
from fusion_graph.database.statements import Database, Dialect, Row, Session, Values
from fusion_graph.errors import DatabaseError, redact

T = TypeVar("T")
Connection: TypeAlias = psycopg.AsyncConnection[DictRow]

MAX_CONNECTIONS = 10  # of one process
CONNECT_SECONDS = 10
AWAY_SECONDS = 60.0  # for which a database that is gone is waited for: it restarts, or another takes its place
_KNOCK_EVERY = 0.25
_RECONNECT_SECONDS = (
    3.0  # the pool's own tries come ever later; after that each who needs a connection makes it try again
)
_LOST = ("08", "57P", "53300")  # SQLSTATE: connection exceptions, shutdown and start-up, too many connections
_SETTING_UP = 7_102_938_475_601  # the advisory lock of who makes tables
_TRY_LOCK = "SELECT pg_try_advisory_lock(?) AS got"
_LOCK_EVERY = 0.05
_log = logging.getLogger(__name__)


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

    async def patiently(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """See `Database.patiently`."""
        since = time.monotonic()
        while True:
            try:
                done = await work()
            except psycopg.Error as error:
                if not _is_away(error):
                    raise
                self._gone(error)
                if time.monotonic() - since > AWAY_SECONDS:
                    raise _stays_away(error) from None
                await asyncio.sleep(_KNOCK_EVERY)
            else:
                self._there()
                return done

    def _gone(self, error: psycopg.Error) -> None:
        if not self.is_away:
            self.is_away = True
            _log.warning("the database is away: %s", _said(error))

    def _there(self) -> None:
        if self.is_away:
            self.is_away, self.back_at = False, time.monotonic()
            _log.warning("the database is back")

    async def _read(self, sql: str, values: Values) -> list[Row]:
        async with self.pool.connection() as connection:
            return await PostgresSession(connection).read(sql, values)

    async def _write(self, sql: str, values: Values) -> int:
        async with self.pool.connection() as connection:
            return await PostgresSession(connection).write(sql, values)

    async def _transact(self, work: Callable[[Session], Coroutine[Any, Any, object]]) -> None:
        async with self.pool.connection() as connection, connection.transaction():
            await work(PostgresSession(connection))

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Keep other processes from making tables at the same time.

        Who waits asks again and again, and in no transaction: LangGraph makes its indexes concurrently, which waits for every
        statement under way, also for one that itself waits for a lock.
        """
        async with self.pool.connection() as connection:
            session = PostgresSession(connection)
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
        reconnect_timeout=_RECONNECT_SECONDS,
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
        hint = "start the server, or correct the URL given with --db"
        raise DatabaseError(f"the database {shown(url)!r} cannot be reached: {_said(error)}", hint=hint) from None
    await connection.close()


def _is_away(error: psycopg.Error) -> bool:
    """Say whether a database was not there, other than unwilling."""
    kinds = (psycopg.OperationalError, psycopg.InterfaceError)
    return isinstance(error, kinds) and not isinstance(error, PoolClosed) and (error.sqlstate or "08").startswith(_LOST)


def _said(error: psycopg.Error) -> str:
    return redact(" ".join(str(error).split()))


def _stays_away(error: psycopg.Error) -> DatabaseError:
    hint = "runs that were under way can be gone on with when it is back"
    return DatabaseError(f"the database has been away for {AWAY_SECONDS:g} s: {_said(error)}", hint=hint)


class _WithoutNul(StrDumperUnknown):
    """Text without the character that PostgreSQL has no place for."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", ""))


async def _drop_nul(connection: Connection) -> None:
    connection.adapters.register_dumper(str, _WithoutNul)
