"""Checkpoints in the PostgreSQL database of the runs, over the same pool of connections."""

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from fusion_graph.database.postgres import PostgresDatabase
from fusion_graph.savers.fence import FencedSaver


class FencedPostgresSaver(FencedSaver, AsyncPostgresSaver):
    """See `FencedSaver`."""


async def make_postgres_saver(database: PostgresDatabase) -> FencedPostgresSaver:
    """Return the checkpoints of a database, whose tables are made if they are not there."""
    saver = FencedPostgresSaver(database.pool)
    async with database.alone():
        await saver.setup()
    return saver
