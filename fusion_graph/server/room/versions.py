"""What a run belongs to: earlier turns of its conversation, and the runs that answer the same with other models."""

from typing import Any

from fusion_graph.errors import RunNotFoundError
from fusion_graph.runs import Runs
from fusion_graph.server.errors import RefusedError
from fusion_graph.server.kept import find, is_stored
from fusion_graph.server.room.history import response_id, summary_so_far
from fusion_graph.store import RunRow
from fusion_graph.summaries import ListedRun

MOST_TURNS = 20
_MOST_STEPS = 100  # from a fork of a fork back to the first
_SAID = ("judge", "writer", "seats", "answered", "cost_usd", "cost_is_lower_bound", "paid_usd", "agree", "disagree")


async def earlier_turns(runs: Runs, owner: str, row: RunRow) -> list[dict[str, Any]]:
    """Return the turns before, as far as they are still there, oldest first."""
    found: list[dict[str, Any]] = []
    while len(found) < MOST_TURNS and (before := _before(row)):
        try:
            row = await find(runs, owner, before)
        except RefusedError:  # deleted
            break
        found.append({"id": response_id(row["run_id"]), "question": row["question"]})
    return found[::-1]


def _before(row: RunRow) -> str:
    client = row["input"].get("client") or {}
    return str((client.get("request") or {}).get("previous_response_id") or "")


async def versions_of(runs: Runs, owner: str, row: RunRow) -> list[dict[str, Any]]:
    """Return a run, what it was forked from, and all forks of these, oldest first; none if it stands alone."""
    first = row
    for _ in range(_MOST_STEPS):
        if (parent := await _parent(runs, owner, first)) is None:
            break
        first = parent
    family = await runs.summaries.of(owner, [first["run_id"]])
    latest = family
    while latest := await _forks(runs, owner, latest):
        family += latest
    ordered = sorted(family, key=lambda run: run["created_at"])
    return [await _version(runs, run) for run in ordered] if len(family) > 1 else []


async def _parent(runs: Runs, owner: str, row: RunRow) -> RunRow | None:
    if not row["parent_id"] or not _is_fork(row):
        return None
    try:
        parent = await runs.store.get(row["parent_id"])
    except RunNotFoundError:  # deleted
        return None
    return parent if parent["owner"] == owner and is_stored(parent) else None


async def _forks(runs: Runs, owner: str, family: list[ListedRun]) -> list[ListedRun]:
    children = await runs.summaries.taken_from(owner, [run["run_id"] for run in family])
    return [run for run in children if _is_fork(await runs.store.get(run["run_id"]))]


def _is_fork(row: RunRow) -> bool:
    """Say whether a run answers what its parent does; one that goes on after a client's tools takes up its panel only."""
    said = row["input"]["messages"]
    return not said or said[-1]["type"] != "tool"


async def _version(runs: Runs, run: ListedRun) -> dict[str, Any]:
    now: ListedRun = {**run, "status": await runs.store.status_of(run)}
    summary = await summary_so_far(runs, now)
    return {
        "id": response_id(run["run_id"]),
        "status": now["status"],
        **{name: summary[name] for name in _SAID},  # type: ignore[literal-required]
        "created_at": run["created_at"],
    }
