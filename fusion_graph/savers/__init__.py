"""LangGraph's checkpoints in the database of the runs, fenced: who lost its run writes none."""

from typing import TYPE_CHECKING, cast

from fusion_graph.database.sqlite import SqliteDatabase
from fusion_graph.database.statements import Database
from fusion_graph.savers.fence import FencedSaver
from fusion_graph.savers.sqlite import make_sqlite_saver

if TYPE_CHECKING:
    from fusion_graph.database.postgres import PostgresDatabase

__all__ = ["FencedSaver", "make_saver"]


async def make_saver(database: Database) -> FencedSaver:
    """Return the checkpoints beside the tables of `database`."""
    if isinstance(database, SqliteDatabase):
        return await make_sqlite_saver(database)
    from fusion_graph.savers.postgres import make_postgres_saver  # noqa: PLC0415  (an extra)

    return await make_postgres_saver(cast("PostgresDatabase", database))
