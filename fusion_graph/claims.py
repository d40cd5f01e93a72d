"""What clients may name a run by: an Idempotency-Key, a request's body, a tool call that it handed out. Each per owner."""

import time
from typing import Literal, TypeAlias, cast

from typing_extensions import TypedDict

from fusion_graph.database.statements import Database

TABLE = """
CREATE TABLE IF NOT EXISTS fusion_claims (
    owner TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, run_id TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL, delivered INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (owner, kind, name)) {without_rowid};
CREATE INDEX IF NOT EXISTS fusion_claims_by_run ON fusion_claims (run_id);
"""
Kind: TypeAlias = Literal["key", "body", "call"]


class Claim(TypedDict):
    """One name of a run. `digest` is of what came with it; `delivered`: a client has had the whole answer."""

    owner: str
    kind: Kind
    name: str
    digest: str
    run_id: str
    created_at: float
    delivered: bool


class Claims:
    """The names of runs, in the database of the runs; a run that is deleted takes its names along."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, owner: str, kind: Kind, name: str) -> Claim | None:
        """Return what a name stands for, None if for nothing."""
        sql = "SELECT * FROM fusion_claims WHERE owner = ? AND kind = ? AND name = ?"
        found = await self._database.one(sql, (owner, kind, name))
        return cast("Claim", {**found, "delivered": bool(found["delivered"])}) if found else None

    async def take(
        self, owner: str, kind: Kind, name: str, *, digest: str, run_id: str, before: str | None = None
    ) -> bool:
        """Let a name stand for a run; return whether it does. `before`: only if it stood for that run till now, "" for none."""
        sql = (
            "INSERT INTO fusion_claims (owner, kind, name, digest, run_id, created_at) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (owner, kind, name) DO UPDATE SET digest = excluded.digest, run_id = excluded.run_id, "
            "created_at = excluded.created_at, delivered = 0 "
            "WHERE CAST(? AS TEXT) IS NULL OR fusion_claims.run_id IN (?, excluded.run_id)"
        )
        return await self._database.write(sql, (owner, kind, name, digest, run_id, time.time(), before, before)) == 1

    async def drop(self, run_id: str) -> None:
        """Let a run have no names: it did not come about."""
        await self._database.write("DELETE FROM fusion_claims WHERE run_id = ?", (run_id,))

    async def deliver(self, run_id: str) -> None:
        """Note that a client has had the whole answer of a run."""
        await self._database.write("UPDATE fusion_claims SET delivered = 1 WHERE run_id = ?", (run_id,))
