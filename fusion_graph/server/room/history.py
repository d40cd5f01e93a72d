"""GET /v1/responses: what an owner has asked, newest first. Of a run that has ended only its summary is read."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query, Request

from fusion_graph.presets import Preset, preset_of
from fusion_graph.runs import Runs
from fusion_graph.schemas import ENDED, RunState
from fusion_graph.server.access.owners import Owner
from fusion_graph.server.answers.responses import ID
from fusion_graph.server.errors import RefusedError
from fusion_graph.server.kept import find, is_stored
from fusion_graph.server.room.rosters import known_presets
from fusion_graph.summaries import ListedRun, Summary, summary_of

_MOST = 100
_LOOKED_AT = 200  # runs at a time, of which few may be what is looked for
_OVER = frozenset({*ENDED, "cancelled", "failed"})


async def history(
    request: Request, owner: Owner, after: str = "", q: str = "", limit: Annotated[int, Query(ge=1, le=_MOST)] = 50
) -> dict[str, Any]:
    """Answer GET /v1/responses."""
    runs, config = request.app.state.runs, request.app.state.config
    found = await _asked(runs, owner, q.casefold().split(), limit + 1, await _place(runs, owner, after))
    presets = await asyncio.to_thread(known_presets, config.environ)
    data = [_entry(run, await summary_so_far(runs, run), presets) for run in found[:limit]]
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return {"object": "list", "data": data, **ends, "has_more": len(found) > limit}


def response_id(run_id: str | None) -> str | None:
    """Return the id of the response that a run is."""
    return None if run_id is None else f"{ID}{run_id}"


def ended_at(status: RunState, updated_at: float) -> float | None:
    """Return when a run ended, None if it may go on by itself or waits."""
    return updated_at if status in _OVER else None


async def summary_so_far(runs: Runs, run: ListedRun) -> Summary:
    """Return a run in short, however far it is."""
    if run["summary"] and run["status"] not in {"running", "stopped"}:
        return run["summary"]
    result = await runs.show(run["run_id"])
    summary = await asyncio.to_thread(summary_of, result)
    if run["status"] in _OVER:  # of a time when none were kept
        await runs.summaries.keep(run["run_id"], summary, await runs.store.starts(run["run_id"]))
    return summary


async def _place(runs: Runs, owner: str, after: str) -> str | None:
    """Return the run behind which a page begins. Raises RefusedError (400)."""
    if not after:
        return None
    try:
        return (await find(runs, owner, after))["run_id"]
    except RefusedError as error:
        raise RefusedError(400, f"after: {error}", param="after") from None


async def _asked(runs: Runs, owner: str, words: list[str], number: int, after: str | None) -> list[ListedRun]:
    """Return the newest runs behind `after` whose questions hold all words, and whose owner wants them kept."""
    found: list[ListedRun] = []
    while len(found) < number:
        size = _LOOKED_AT if words else number
        page = await runs.summaries.page(owner, size, after)
        fitting = [run for run in page if all(word in run["question"].casefold() for word in words)]
        found += [run for run in fitting if await _is_kept(runs, run)]
        if len(page) < size:
            break
        after = page[-1]["run_id"]
    return [{**run, "status": await runs.store.status_of(run)} for run in found]


async def _is_kept(runs: Runs, run: ListedRun) -> bool:
    """Say whether a run's client may ask for it again; of one that has just begun that may not be noted yet."""
    return run["summary"] is not None or is_stored(await runs.store.get(run["run_id"]))


def _entry(run: ListedRun, summary: Summary, presets: Mapping[str, Preset]) -> dict[str, Any]:
    return {
        "id": response_id(run["run_id"]),
        "status": run["status"],
        "question": run["question"],
        "preset": preset_of(summary["preset"], summary["panel"], presets),
        "seats": summary["seats"],
        "answered": summary["answered"],
        "cost_usd": summary["cost_usd"],
        "cost_is_lower_bound": summary["cost_is_lower_bound"],
        "created_at": run["created_at"],
        "ended_at": ended_at(run["status"], run["updated_at"]),
        "parent_id": response_id(run["parent_id"]),
        "is_demo": summary["demo"],
    }
