"""Open a database by its address."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fusion_graph.database.address import parse_address, shown
from fusion_graph.database.sqlite import open_sqlite
from fusion_graph.database.statements import Database
from fusion_graph.errors import MissingPackageError


@asynccontextmanager
async def open_database(db: str | Path) -> AsyncIterator[Database]:
    """Open (or create, if it is a file) a database; on leaving, what is being written is finished.

    Raises:
        DatabaseError: it is none, or cannot be reached.
        MissingPackageError: it is a PostgreSQL URL, and the extra `postgres` is not installed.
        OSError, sqlite3.Error: the file cannot be opened.
    """
    address = parse_address(db)
    async with open_sqlite(address) if isinstance(address, Path) else _open_postgres(address) as database:
        try:
            yield database
        finally:
            await database.settle()


@asynccontextmanager
async def _open_postgres(url: str) -> AsyncIterator[Database]:
    try:
        import langgraph.checkpoint.postgres  # noqa: F401, PLC0415  (of the same extra)

        from fusion_graph.database.postgres import open_postgres  # noqa: PLC0415  (an extra)
    except ImportError as error:
        hint = "pip install 'fusion-graph[postgres]'"
        raise MissingPackageError(
            f"{error.name or 'libpq'} is not installed", needed_by=shown(url), hint=hint
        ) from error
    async with open_postgres(url) as database:
        yield database


async def exists(db: str | Path, table: str) -> bool:
    """Return whether a file is there, or in a PostgreSQL database this table; nothing is made. Raises what opening raises."""
    address = parse_address(db)
    if isinstance(address, Path):
        return address.exists()
    async with _open_postgres(address) as database:
        return bool((await database.read("SELECT to_regclass(?) IS NOT NULL AS found", (table,)))[0]["found"])
