"""Statements, and what belongs together as a transaction, which a cancellation does not tear.

SQL is written once for both databases, with `?` for a value; what they say differently is a `Dialect`.
"""

import asyncio
import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from fusion_graph.characters import encodable

T = TypeVar("T")
Row: TypeAlias = dict[str, Any]
Values: TypeAlias = Sequence[Any]
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


@dataclass(frozen=True)
class Dialect:
    """What databases say differently.

    `now` is the time by the database's clock in seconds since the epoch; `floor` the whole part of a number; `lock` keeps the
    rows of a condition as they are until the statement is through; `member`, by type, is a place in a JSON column. `words` stand
    in definitions of tables: `rowid` numbers rows as they come, where they have no such number by themselves.
    """

    now: str
    floor: str
    lock: str
    member: Mapping[Literal["text", "integer", "number"], Callable[[str, str], str]]
    words: Mapping[str, str]


class Session(Protocol):
    """What runs statements: those of one transaction, or a single one."""

    async def write(self, sql: str, values: Values = ()) -> int:
        """Run a statement; return how many rows it changed."""
        ...

    async def write_all(self, sql: str, rows: Sequence[Values]) -> None:
        """Run a statement once for each row of values."""
        ...

    async def read(self, sql: str, values: Values = ()) -> list[Row]:
        """Return all rows of a query."""
        ...


class Database(ABC):
    """A database for many tasks, in which each statement is committed by itself; what belongs together is a transaction."""

    dialect: Dialect

    def __init__(self) -> None:
        self.is_away = False
        self.back_at = -math.inf  # by the monotonic clock: when it was there again after it had been away
        self._under_way: set[asyncio.Future[Any]] = set()

    async def write(self, sql: str, values: Values = ()) -> int:
        """Run a statement; return how many rows it changed. It may be run twice: see `patiently`."""
        return await self._finished(self.patiently(lambda: self._write(sql, values)))

    async def read(self, sql: str, values: Values = ()) -> list[Row]:
        """Return all rows of a query."""
        return await self.patiently(lambda: self._read(sql, values))

    async def one(self, sql: str, values: Values = ()) -> Row | None:
        """Return the first row of a query, None if there is none."""
        rows = await self.read(sql, values)
        return rows[0] if rows else None

    async def transact(self, work: Callable[[Session], Coroutine[Any, Any, object]]) -> None:
        """Run `work`, which may wait for its session only, as one transaction; what it raises rolls all of it back."""
        await self._finished(self.patiently(lambda: self._transact(work)))

    async def patiently(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what `work` comes to; where a database can be away for a while, wait for it, and do all of the work again.

        So work must come to the same if it is done twice: it may have been done when the connection was lost.

        Raises:
            DatabaseError: it stays away.
        """
        return await work()

    async def settle(self) -> None:
        """Wait until nothing is being written."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _finished(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` comes to; it is carried through also if who waits for it is cancelled, midway in a transaction."""
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    @abstractmethod
    async def _read(self, sql: str, values: Values) -> list[Row]:
        """Return all rows of a query."""

    @abstractmethod
    async def _write(self, sql: str, values: Values) -> int:
        """Run a statement; return how many rows it changed."""

    @abstractmethod
    async def _transact(self, work: Callable[[Session], Coroutine[Any, Any, object]]) -> None:
        """Run `work` as one transaction."""

    @abstractmethod
    def alone(self) -> AbstractAsyncContextManager[None]:
        """Keep other processes from making tables at the same time."""

    @abstractmethod
    async def make(self, tables: str) -> None:
        """Make the tables and indexes that are not there yet."""


def plain_json(value: Any) -> str:
    """Return JSON that every database can look into: without NUL characters and halves of surrogate pairs."""
    return _NUL.sub(r"\1", encodable(json.dumps(value, ensure_ascii=False, default=str)))
