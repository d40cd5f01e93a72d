"""Checkpoints in the PostgreSQL database of the runs, over the same pool of connections."""

from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from fusion_graph.database.postgres import PostgresDatabase
from fusion_graph.savers.fence import FencedSaver, lease, sound


class PatientPostgresSaver(AsyncPostgresSaver):
    """LangGraph's checkpointer, which waits for a database that is away. What it writes may be written twice."""

    def __init__(self, database: PostgresDatabase) -> None:
        super().__init__(database.pool)
        self._patiently = database.patiently

    async def aget_tuple(self, *arguments: Any) -> CheckpointTuple | None:
        """Return a checkpoint."""
        find = super().aget_tuple
        return await self._patiently(lambda: find(*arguments))

    async def aput(self, *arguments: Any) -> RunnableConfig:
        """Store a checkpoint."""
        put = super().aput
        return await self._patiently(lambda: put(*arguments))

    async def aput_writes(self, *arguments: Any) -> None:
        """Store what a task wrote."""
        put = super().aput_writes
        await self._patiently(lambda: put(*arguments))

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete a thread."""
        delete = super().adelete_thread
        await self._patiently(lambda: delete(thread_id))

    async def aget_delta_channel_history(self, **options: Any) -> Any:
        """Return what a channel kept as differences consists of."""
        find = super().aget_delta_channel_history
        return await self._patiently(lambda: find(**options))


class FencedPostgresSaver(FencedSaver, PatientPostgresSaver):
    """See `FencedSaver`."""

    async def aput(self, *arguments: Any) -> RunnableConfig:
        """Store a checkpoint. Raises LeaseLostError."""
        await _check()
        return await super().aput(*arguments)

    async def aput_writes(self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], *task: str) -> None:
        """Store what a task wrote. Raises LeaseLostError."""
        await _check()
        await super().aput_writes(config, sound(writes), *task)


async def _check() -> None:
    if held := lease():
        await held.check()


async def make_postgres_saver(database: PostgresDatabase) -> FencedPostgresSaver:
    """Return the checkpoints of a database, whose tables are made if they are not there."""
    saver = FencedPostgresSaver(database)
    async with database.alone():
        await saver.setup()
    return saver
