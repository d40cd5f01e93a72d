"""What lists say of a run, kept in a few columns beside it: whoever lists a thousand runs reads no answer of theirs."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from typing_extensions import TypedDict

from fusion_graph.database.statements import Database, Row
from fusion_graph.ledger import own_calls, spent
from fusion_graph.schemas import RunState

TABLE = """
CREATE TABLE IF NOT EXISTS fusion_summaries (
    run_id TEXT PRIMARY KEY, seats INTEGER NOT NULL, starts INTEGER NOT NULL, demo INTEGER NOT NULL, summary TEXT NOT NULL);
"""
_COLUMNS = (
    "run_id, thread_id, status, question, created_at, updated_at, "
    "(SELECT parent.run_id FROM fusion_runs AS parent "
    "WHERE parent.run_id = fusion_runs.parent_id AND parent.owner = fusion_runs.owner) AS parent_id, "
    "(SELECT summary FROM fusion_summaries WHERE fusion_summaries.run_id = fusion_runs.run_id) AS summary"
)
_KEPT = "run_id NOT IN (SELECT run_id FROM fusion_unkept)"
_PAST_RUNS = 100  # of one size; how long runs took long ago says little


class Summary(TypedDict):
    """A run in short. `panel` are its models, `seats` how many of them are asked: none if the writer is asked alone.

    `agree` and `disagree` count points of the comparison, None where there is none. `cost_usd` is of all calls its answer
    rests on, `paid_usd` of its own; None: nothing is known.
    """

    preset: str
    panel: list[str]
    judge: str
    writer: str
    seats: int
    answered: int
    agree: int | None
    disagree: int | None
    cost_usd: float | None
    cost_is_lower_bound: bool
    paid_usd: float | None
    paid_is_lower_bound: bool
    demo: bool


class ListedRun(TypedDict):
    """A run as lists have it. `parent_id` is that of a run that is still there; without `summary` it has none yet."""

    run_id: str
    thread_id: str
    parent_id: str | None
    status: RunState
    question: str
    created_at: float
    updated_at: float
    summary: Summary | None


def summary_of(result: Mapping[str, Any]) -> Summary:
    """Return a result object (`results.run_result`) in short."""
    settings, analysis = result["settings"] or {}, result["analysis"]
    panel = [seat if isinstance(seat, str) else seat["model"] for seat in settings.get("panel") or []]
    is_asked = settings.get("mode") == "always" or bool(result["responses"] or result["failed_models"])
    total, paid = (spent(calls) for calls in _calls(result))
    return {
        "preset": settings.get("preset") or "",
        "panel": panel,
        "judge": settings.get("judge") or "",
        "writer": settings.get("writer") or "",
        "seats": len(panel) if is_asked else 0,
        "answered": len(result["responses"]),
        "agree": len(analysis["consensus"]) if analysis else None,
        "disagree": len(analysis["contradictions"]) if analysis else None,
        "cost_usd": total["cost_usd"],
        "cost_is_lower_bound": total["cost_is_lower_bound"],
        "paid_usd": paid["cost_usd"],
        "paid_is_lower_bound": paid["cost_is_lower_bound"],
        "demo": result["demo"],
    }


def _calls(result: Mapping[str, Any]) -> tuple[Any, Any]:
    calls = result["usage"]["calls"]
    return calls, own_calls(calls, result["run_id"])


class Summaries:
    """The runs of a database in short. What their owners do not want kept is on no list."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def keep(self, run_id: str, summary: Summary, starts: int) -> None:
        """Store what a run comes to in short; `starts` processes have worked on it."""
        sql = (
            "INSERT INTO fusion_summaries (run_id, seats, starts, demo, summary) SELECT ?, ?, ?, ?, ? "
            "WHERE EXISTS (SELECT 1 FROM fusion_runs WHERE run_id = ?) "  # it may have been deleted meanwhile
            "ON CONFLICT (run_id) DO UPDATE SET seats = excluded.seats, starts = excluded.starts, "
            "demo = excluded.demo, summary = excluded.summary"
        )
        values = (run_id, summary["seats"], starts, int(summary["demo"]), json.dumps(summary), run_id)
        await self._db.write(sql, values)

    async def page(self, owner: str, limit: int, after: str | None = None) -> list[ListedRun]:
        """Return an owner's runs, newest first; `after`: those that stand behind this one."""
        place = "(SELECT created_at, rowid FROM fusion_runs WHERE run_id = ?)"
        behind = f"AND (created_at, rowid) < {place} " if after else ""
        which = f"owner = ? AND {_KEPT} {behind}ORDER BY created_at DESC, rowid DESC LIMIT ?"
        return await self._listed(which, (owner, *([after] if after else []), limit))

    async def of(self, owner: str, run_ids: Collection[str]) -> list[ListedRun]:
        """Return some of an owner's runs, oldest first."""
        return await self._among("run_id", owner, run_ids)

    async def taken_from(self, owner: str, run_ids: Collection[str]) -> list[ListedRun]:
        """Return the runs that go back to some of an owner's runs, oldest first."""
        return await self._among("parent_id", owner, run_ids)

    async def seconds(self, owner: str, seats: int, *, demo: bool) -> list[float]:
        """Return how long the owner's last runs with so many seats took, as far as they went through in one go."""
        sql = (
            "SELECT updated_at - created_at AS seconds FROM fusion_runs "
            "JOIN fusion_summaries ON fusion_summaries.run_id = fusion_runs.run_id "
            "WHERE owner = ? AND status IN ('ok', 'degraded') AND parent_id IS NULL AND starts = 1 "
            "AND seats = ? AND demo = ? ORDER BY created_at DESC LIMIT ?"
        )
        rows = await self._db.read(sql, (owner, seats, int(demo), _PAST_RUNS))
        return [float(row["seconds"]) for row in rows]

    async def _among(self, column: str, owner: str, run_ids: Collection[str]) -> list[ListedRun]:
        marks = ", ".join("?" for _ in run_ids)
        which = f"{column} IN ({marks}) AND owner = ? AND {_KEPT} ORDER BY created_at, rowid"
        return await self._listed(which, (*run_ids, owner)) if run_ids else []

    async def _listed(self, which: str, values: Sequence[Any]) -> list[ListedRun]:
        sql = f"SELECT {_COLUMNS} FROM fusion_runs WHERE {which}"  # noqa: S608  (own words)
        return [_listed(row) for row in await self._db.read(sql, values)]


def _listed(row: Row) -> ListedRun:
    return cast("ListedRun", {**row, "summary": json.loads(row["summary"]) if row["summary"] else None})
