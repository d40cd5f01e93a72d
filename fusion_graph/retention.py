"""Which runs are not to be kept, and what those that are gone have cost."""

from fusion_graph.database.statements import Database

TABLES = """
CREATE TABLE IF NOT EXISTS fusion_unkept (run_id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS fusion_spent (
    owner TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, cost_usd DOUBLE PRECISION NOT NULL);
"""


class Retention:
    """Runs whose owners do not want them kept; and the costs of deleted ones, so that deleting does not restore a limit."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def unkeep(self, run_id: str) -> None:
        """Note that a run is to be deleted some time after its end."""
        await self._db.write("INSERT INTO fusion_unkept (run_id) VALUES (?) ON CONFLICT DO NOTHING", (run_id,))

    async def unkept(self, before: float) -> list[str]:
        """Return the runs to delete that have ended, and were last touched before a moment."""
        sql = (
            "SELECT run_id FROM fusion_runs WHERE run_id IN (SELECT run_id FROM fusion_unkept) "
            "AND status IN ('ok', 'degraded', 'error', 'cancelled', 'failed') AND updated_at < ?"
        )
        return [str(row["run_id"]) for row in await self._db.read(sql, (before,))]

    async def spent(self, owner: str, since: float) -> float:
        """Return what an owner's deleted runs have cost since a moment, in US dollars."""
        sql = "SELECT coalesce(sum(cost_usd), 0) AS cost_usd FROM fusion_spent WHERE owner = ? AND at >= ?"
        row = await self._db.one(sql, (owner, since))
        return float(row["cost_usd"]) if row else 0.0
