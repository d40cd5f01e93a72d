"""LangGraph's checkpoints in the database of the runs, fenced: who lost its run writes none."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from fusion_graph.database.sqlite import SqliteDatabase
from fusion_graph.database.statements import Database
from fusion_graph.savers.fence import FencedSaver
from fusion_graph.savers.sqlite import open_sqlite_saver

if TYPE_CHECKING:
    from fusion_graph.database.postgres import PostgresDatabase

__all__ = ["FencedSaver", "open_saver"]


@asynccontextmanager
async def open_saver(database: Database) -> AsyncIterator[FencedSaver]:
    """Open the checkpoints beside the tables of `database`."""
    if isinstance(database, SqliteDatabase):
        async with open_sqlite_saver(database.path) as saver:
            yield saver
        return
    from fusion_graph.savers.postgres import make_postgres_saver  # noqa: PLC0415  (an extra)

    yield await make_postgres_saver(cast("PostgresDatabase", database))
