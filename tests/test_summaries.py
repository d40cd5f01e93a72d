"""Runs in short, in both databases: pages, families, and how long runs took."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fusion_graph.deployment import Parts
from fusion_graph.models.scripted import ScriptedModels, ScriptedRequest
from fusion_graph.runs import Runs, open_runs
from tests.graphs import ROSTER, scripted
from tests.postgres import change


@pytest.fixture
async def runs(database: str | Path) -> AsyncIterator[Runs]:
    async with open_runs(database, Parts.real(load_model=scripted())) as runs:
        yield runs


async def ran(runs: Runs, question: str, owner: str = "") -> str:
    live = await runs.start([question], ROSTER, owner=owner)
    await live.result()
    return live.run_id


async def test_pages_are_of_one_owner_and_follow_one_another_also_within_a_moment(
    runs: Runs, database: str | Path
) -> None:
    newest = [await ran(runs, f"Question {number}") for number in range(3)][::-1]
    await ran(runs, "Of another", "another")
    await change(database, "UPDATE fusion_runs SET created_at = 1000")

    first = await runs.summaries.page("", 2)
    second = await runs.summaries.page("", 2, first[-1]["run_id"])

    assert [run["run_id"] for run in [*first, *second]] == newest
    assert [run["summary"] and run["summary"]["answered"] for run in first] == [3, 3]


async def test_families_are_found_in_both_directions(runs: Runs) -> None:
    parent = await ran(runs, "What?")
    child = await runs.fork(parent, writer="north")
    await child.result()

    (above,) = await runs.summaries.of("", [parent])
    (below,) = await runs.summaries.taken_from("", [parent])

    assert (above["parent_id"], below["run_id"], below["parent_id"]) == (None, child.run_id, parent)
    assert below["summary"]
    assert (below["summary"]["seats"], below["summary"]["agree"], below["summary"]["disagree"]) == (3, 1, 0)
    assert await runs.summaries.of("another", [parent]) == []
    assert await runs.summaries.of("", []) == []


async def test_only_runs_that_went_through_in_one_go_tell_how_long_they_take(runs: Runs, database: str | Path) -> None:
    first, again = await ran(runs, "First?"), await ran(runs, "Again?")
    await (await runs.resume(again)).result()
    await (await runs.fork(first, writer="north")).result()
    await change(database, "UPDATE fusion_runs SET updated_at = created_at + 7")

    assert await runs.summaries.seconds("", 3, demo=False) == [7.0]
    assert await runs.summaries.seconds("", 2, demo=False) == await runs.summaries.seconds("", 3, demo=True) == []


async def test_what_is_not_kept_is_on_no_list_and_a_deleted_run_leaves_no_summary(
    runs: Runs, database: str | Path
) -> None:
    unkept, gone = await ran(runs, "Unkept?"), await ran(runs, "Gone?")
    await runs.retention.unkeep(unkept)
    (listed,) = await runs.summaries.page("", 9)
    summary = listed["summary"]
    assert summary

    await runs.delete(gone)
    await runs.summaries.keep(gone, summary, 1)  # of a process that comes too late

    assert await runs.summaries.page("", 9) == []
    assert await runs.store.db.read("SELECT run_id FROM fusion_summaries") == [{"run_id": unkept}]


async def test_a_run_that_was_stopped_keeps_what_it_has_in_short(database: str | Path) -> None:
    at_work = asyncio.Event()

    async def waits(_request: ScriptedRequest) -> str:
        at_work.set()
        await asyncio.Event().wait()
        return ""

    models: ScriptedModels = scripted(east=waits)
    async with open_runs(database, Parts.real(load_model=models)) as runs:
        live = await runs.start(["What?"], ROSTER)
        await at_work.wait()
        await live.cancel()

        (run,) = await runs.summaries.page("", 1)

    assert run["status"] == "cancelled"
    assert run["summary"]
    assert (run["summary"]["seats"], run["summary"]["judge"]) == (3, "judge")
