"""What one process asks of another that is at work on a run: to stop it, or to let it answer now.

A signal names the lease under which the run is under way: one that is gone on with under another has nothing to do with it.
"""

import uuid
from typing import Literal, TypeAlias, cast

from typing_extensions import TypedDict

from fusion_graph.database.statements import Database

TABLE = """
CREATE TABLE IF NOT EXISTS fusion_signals (
    id TEXT PRIMARY KEY, run_id TEXT NOT NULL, lease TEXT NOT NULL, kind TEXT NOT NULL, at DOUBLE PRECISION NOT NULL,
    taken INTEGER);
"""
_KEPT_SECONDS = 60
SignalKind: TypeAlias = Literal["cancel", "answer_now"]


class Signal(TypedDict):
    """One thing that is asked of a run. `lease` is the token of the lease that it is under way under."""

    id: str
    run_id: str
    lease: str
    kind: SignalKind


class Signals:
    """The signals of one database. Nothing has to be tidied: whoever sends one removes those of a minute ago."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._now = db.dialect.now

    async def send(self, run_id: str, lease: str, kind: SignalKind) -> str:
        """Ask something of the process that is at work on a run under a lease; return the signal's id."""
        await self._db.write(f"DELETE FROM fusion_signals WHERE at < {self._now} - {_KEPT_SECONDS}")  # noqa: S608  (own words)
        signal_id, columns = uuid.uuid4().hex, "id, run_id, lease, kind, at"
        sql = f"INSERT INTO fusion_signals ({columns}) VALUES (?, ?, ?, ?, {self._now}) ON CONFLICT DO NOTHING"  # noqa: S608  (own words)
        await self._db.write(sql, (signal_id, run_id, lease, kind))
        return signal_id

    async def untaken(self) -> list[Signal]:
        """Return what nobody has taken yet, oldest first."""
        sql = "SELECT id, run_id, lease, kind FROM fusion_signals WHERE taken IS NULL ORDER BY at"
        return [cast("Signal", row) for row in await self._db.read(sql)]

    async def take(self, signal_id: str, *, helped: bool) -> None:
        """Note that a signal has been heeded, and whether that changed anything."""
        await self._db.write("UPDATE fusion_signals SET taken = ? WHERE id = ?", (int(helped), signal_id))

    async def outcome(self, signal_id: str) -> bool | None:
        """Return whether a signal changed anything, None before it has been taken."""
        found = await self._db.one("SELECT taken FROM fusion_signals WHERE id = ?", (signal_id,))
        return None if found is None or found["taken"] is None else bool(found["taken"])
