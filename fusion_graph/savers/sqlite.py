"""Checkpoints in the SQLite file of the runs, over a connection of their own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from fusion_graph.savers.fence import FencedSaver

BUSY_SECONDS = 30  # how long a checkpoint waits for another process's transaction


class FencedSqliteSaver(FencedSaver, AsyncSqliteSaver):
    """See `FencedSaver`."""

    async def settle(self) -> None:
        """Commit: a run that was cancelled may have left its statement before that, holding the write lock."""
        async with self.lock:
            await self.conn.commit()


@asynccontextmanager
async def open_sqlite_saver(path: Path) -> AsyncIterator[FencedSqliteSaver]:
    """Open the checkpoints of a file."""
    async with aiosqlite.connect(path, timeout=BUSY_SECONDS) as connection:
        await connection.execute("PRAGMA secure_delete = ON")
        yield FencedSqliteSaver(connection)
