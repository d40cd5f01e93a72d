"""What an evaluation has paid for, by the hash of all that it depends on: asked again, it is not paid again."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fusion_graph.database.opening import open_database
from fusion_graph.database.statements import Database

_TABLE = """
CREATE TABLE IF NOT EXISTS fusion_kept (
    kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key)) {without_rowid};
"""


def content_key(*parts: Any) -> str:
    """Return the hash of JSON-plain values, the same in every process."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Archive:
    """Values by kind and key, in one SQLite file."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """Return a value, if it is there."""
        row = await self._db.one("SELECT value FROM fusion_kept WHERE kind = ? AND key = ?", (kind, key))
        return json.loads(row["value"]) if row else None

    async def put(self, kind: str, key: str, value: Mapping[str, Any]) -> None:
        """Keep a value, in the place of an older one."""
        sql = (
            "INSERT INTO fusion_kept (kind, key, value) VALUES (?, ?, ?) "
            "ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value"
        )
        await self._db.write(sql, (kind, key, json.dumps(value)))

    async def all(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return all values of a kind by their keys."""
        rows = await self._db.read("SELECT key, value FROM fusion_kept WHERE kind = ? ORDER BY key", (kind,))
        return {row["key"]: json.loads(row["value"]) for row in rows}


@asynccontextmanager
async def open_archive(path: Path) -> AsyncIterator[Archive]:
    """Open (or create) the file.

    Raises:
        OSError, sqlite3.Error: it cannot be opened.
    """
    async with open_database(path) as db:
        await db.make(_TABLE.format(**db.dialect.words))
        yield Archive(db)
