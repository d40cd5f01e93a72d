"""What names a database: the path of a SQLite file, or a PostgreSQL URL, of which no password is ever shown."""

import sqlite3
import sys
from pathlib import Path

from fusion_graph.errors import DatabaseError

_SCHEMES = ("postgresql", "postgres")


def faults() -> tuple[type[Exception], ...]:
    """Return what databases raise when they fail."""
    psycopg = sys.modules.get("psycopg")
    return (OSError, sqlite3.Error, *((psycopg.Error,) if psycopg else ()))


def is_url(db: str | Path) -> bool:
    """Return whether this is a URL, and not a path."""
    return "://" in str(db)


def parse_address(db: str | Path) -> str | Path:
    """Return the path of a file, or the URL of a server.

    Raises:
        DatabaseError: it is a URL of something else.
    """
    if not is_url(db):
        return Path(db)
    url = str(db)
    if url.partition("://")[0].lower() not in _SCHEMES:
        hint = "name a file by its path, or a server as postgresql://USER@HOST/NAME"
        raise DatabaseError(f"runs cannot be kept in {shown(url)!r}", hint=hint)
    return url


def shown(db: str | Path) -> str:
    """Return an address as it may be shown: of a URL the scheme, the host and the name."""
    if not is_url(db):
        return str(db)
    scheme, _, rest = str(db).partition("://")
    place, _, options = rest.partition("?")
    # A sign too many belongs to a password that was not written as URLs demand.
    return f"{scheme}://..." if "@" in options else f"{scheme}://{place.rpartition('@')[2]}"
