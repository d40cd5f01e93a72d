"""What attempts took: the sizes of past calls, for estimates, and sums, for people and limits."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeAlias, cast

from typing_extensions import TypedDict

from fusion_graph.database.statements import Database, Row
from fusion_graph.estimate import CallSize

Dimension: TypeAlias = Literal["day", "model", "role"]
_QUARTER = 900  # seconds; days begin at a quarter of an hour in every time zone


class Spending(TypedDict, total=False):
    """What the attempts of one group took. `cost_usd` is the sum of the known prices, None if none is known.

    It is a lower bound where `unpriced` counts attempts. `day`, `model` and `role` are there as far as it is grouped by them.
    """

    day: str
    model: str
    role: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    unpriced: int


async def call_sizes(db: Database, limit: int = 5000) -> list[CallSize]:
    """Return the tokens of the newest attempts that have any."""
    role, model = (_member(db, "text", path) for path in ("role", "model"))
    seat, tokens_in, tokens_out = (_member(db, "integer", path) for path in ("seat", "tokens.input", "tokens.output"))
    sql = (
        f"SELECT run_id, {role} AS role, {seat} AS seat, {model} AS model, {tokens_in} AS input, {tokens_out} AS output "  # noqa: S608  (own words)
        f"FROM fusion_attempts WHERE {tokens_in} > 0 ORDER BY rowid DESC LIMIT ?"
    )
    return [cast("CallSize", row) for row in await db.read(sql, (limit,))]


async def spending(
    db: Database, by: Sequence[Dimension] = (), *, since: float = 0.0, owner: str | None = None
) -> list[Spending]:
    """Return what all attempts since a moment took, one row a group; without groups, one row for all.

    An attempt belongs to the run that paid for it, so that forks count nothing twice. Deleted runs are gone. `owner`
    leaves out what others paid for.
    """
    started = _member(db, "number", "started_at")
    groups = {
        "day": db.dialect.floor.format(f"{started} / {_QUARTER}"),
        "model": _member(db, "text", "model"),
        "role": _member(db, "text", "role"),
    }
    named = "".join(f"{groups[name]} AS {name}, " for name in by)
    mine = " AND run_id IN (SELECT run_id FROM fusion_runs WHERE owner = ?)" if owner is not None else ""
    grouped = f" GROUP BY {', '.join(str(place) for place in range(1, len(by) + 1))}" if by else ""
    sql = f"SELECT {named}{_sums(db)} FROM fusion_attempts WHERE {started} >= ?{mine}{grouped}"  # noqa: S608  (own words)
    rows = await db.read(sql, (since,) if owner is None else (since, owner))
    return _added_up(rows, by)


def _sums(db: Database) -> str:
    tokens_in, tokens_out = (_member(db, "integer", path) for path in ("tokens.input", "tokens.output"))
    cost = _member(db, "number", "cost_usd")
    return (
        f"count(*) AS calls, coalesce(sum({tokens_in}), 0) AS input_tokens, coalesce(sum({tokens_out}), 0) AS output_tokens, "
        f"sum({cost}) AS cost_usd, count(*) - count({cost}) AS unpriced"
    )


def _member(db: Database, kind: Literal["text", "integer", "number"], path: str) -> str:
    return db.dialect.member[kind]("entry", path)


def _added_up(rows: Sequence[Row], by: Sequence[Dimension]) -> list[Spending]:
    """Return rows of quarters of an hour as rows of this process's days, in the order of their groups."""
    groups: dict[tuple[str, ...], Row] = {}
    for row in rows:
        if "day" in by:
            row["day"] = datetime.fromtimestamp(row["day"] * _QUARTER).astimezone().date().isoformat()
        key = tuple(row[name] for name in by)
        groups[key] = _sum(groups[key], row) if key in groups else row
    return [cast("Spending", groups[key]) for key in sorted(groups)]


def _sum(one: Row, other: Row) -> Row:
    costs = [row["cost_usd"] for row in (one, other) if row["cost_usd"] is not None]
    counts = {name: one[name] + other[name] for name in ("calls", "input_tokens", "output_tokens", "unpriced")}
    return {**one, **counts, "cost_usd": sum(costs) if costs else None}
