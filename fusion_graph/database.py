"""One SQLite connection for many tasks: single statements, whole reads, transactions that a cancellation does not tear."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import aiosqlite

T = TypeVar("T")


class Database:
    """A connection that commits each statement by itself; what belongs together is a transaction.

    Reads are whole at once: a statement left open would hold an old snapshot, and SQLite refuses to write from one.
    """

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self.db = connection
        self._writing = asyncio.Lock()

    async def write(self, sql: str, values: Any) -> int:
        """Run a statement; return how many rows it changed."""

        async def work() -> int:
            async with self._writing:
                cursor = await self.db.execute(sql, values)
                changed = cursor.rowcount
                await cursor.close()
            return changed

        return await _finished(work())

    async def read(self, sql: str, values: Any) -> list[aiosqlite.Row]:
        """Return all rows of a query."""
        return list(await self.db.execute_fetchall(sql, values))

    async def one(self, sql: str, values: Any) -> aiosqlite.Row | None:
        """Return the first row of a query, None if there is none."""
        rows = await self.read(sql, values)
        return rows[0] if rows else None

    async def transact(self, work: Callable[[], Awaitable[object]]) -> None:
        """Run `work` between BEGIN IMMEDIATE and COMMIT; what it raises rolls all of it back."""

        async def transaction() -> None:
            async with self._writing:
                await self.db.execute("BEGIN IMMEDIATE")
                try:
                    await work()
                except BaseException:
                    await self.db.execute("ROLLBACK")
                    raise
                await self.db.execute("COMMIT")

        await _finished(transaction())

    async def settle(self) -> None:
        """Wait until nothing is being written."""
        async with self._writing:
            pass


async def _finished(work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` comes to; it is carried through also if who waits for it is cancelled, midway in a transaction."""
    return await asyncio.shield(asyncio.ensure_future(work))
