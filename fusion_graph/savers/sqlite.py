"""Checkpoints in the SQLite file of the runs, over the same connection."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.sqlite import SqliteSaver

from fusion_graph.database.sqlite import SqliteDatabase, SqliteSession, at_once
from fusion_graph.savers.fence import FencedSaver, lease, sound

T = TypeVar("T")


class FencedSqliteSaver(FencedSaver, SqliteSaver):
    """LangGraph's checkpointer in the database's thread. Whether the lease still holds is looked up in the same transaction."""

    def __init__(self, database: SqliteDatabase, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self.setup()
        self._database = database

    @contextmanager
    def cursor(self, transaction: bool = True) -> Iterator[sqlite3.Cursor]:  # noqa: ARG002, FBT001, FBT002  (LangGraph's)
        """Give a cursor; the database commits, and has one thread."""
        with closing(self.conn.cursor()) as cursor:
            yield cursor

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint."""
        return await self._database.in_thread(lambda _: self.get_tuple(config))

    async def alist(self, config: RunnableConfig | None, **options: Any) -> AsyncIterator[CheckpointTuple]:
        """Yield checkpoints, newest first."""
        for found in await self._database.in_thread(lambda _: list(self.list(config, **options))):
            yield found

    async def aget_delta_channel_history(self, **options: Any) -> Any:
        """Return what a channel kept as differences consists of."""
        return await self._database.in_thread(lambda _: self.get_delta_channel_history(**options))

    async def aput(self, *arguments: Any) -> RunnableConfig:
        """Store a checkpoint. Raises LeaseLostError."""
        return await self._fenced(partial(self.put, *arguments))

    async def aput_writes(self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], *task: str) -> None:
        """Store what a task wrote. Raises LeaseLostError."""
        await self._fenced(partial(self.put_writes, config, sound(writes), *task))

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete a thread."""
        await self._database.commit(lambda _: self.delete_thread(thread_id))

    async def settle(self) -> None:
        """Wait for what a run that was cancelled has left to be written."""
        await self._database.commit(lambda _: None)

    async def _fenced(self, work: Callable[[], T]) -> T:
        held = lease()

        def fenced(connection: sqlite3.Connection) -> T:
            if held:
                at_once(held.check(SqliteSession(connection)))
            return work()

        return await self._database.commit(fenced)


async def make_sqlite_saver(database: SqliteDatabase) -> FencedSqliteSaver:
    """Return the checkpoints of a database, whose tables are made if they are not there."""
    return await database.in_thread(partial(FencedSqliteSaver, database))
