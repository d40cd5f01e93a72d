"""What another process is at work on is stopped, hurried and followed from here. Two `Runs` on one database are two processes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fusion_graph import elsewhere, signals
from fusion_graph.deployment import Parts
from fusion_graph.errors import RunBusyError, RunNotFoundError
from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest
from fusion_graph.runs import Runs, open_runs
from tests.graphs import ROSTER, scripted
from tests.postgres import change


class Gate:
    """A seat that waits until it is opened."""

    def __init__(self) -> None:
        self.asked, self.opened = asyncio.Event(), asyncio.Event()

    async def __call__(self, _request: ScriptedRequest) -> str:
        self.asked.set()
        await self.opened.wait()
        return "late"


@asynccontextmanager
async def two(db: str | Path, **models: Any) -> AsyncIterator[tuple[Runs, Runs]]:
    """Give two processes that share a database and models."""
    parts = [Parts.real(load_model=scripted(**models)) for _ in range(2)]
    async with open_runs(db, parts[0]) as here, open_runs(db, parts[1]) as there:
        yield here, there


async def test_a_run_is_cancelled_where_it_is_under_way_and_can_be_gone_on_with(database: str | Path) -> None:
    gate = Gate()
    async with two(database, east=gate) as (here, there):
        live = await here.start(["What?"], ROSTER)
        await gate.asked.wait()

        await there.cancel(live.run_id)

        assert live.is_over
        assert here.under_way == 0
        assert (await there.get(live.run_id))["status"] == "cancelled"
        assert not await there.store.is_held(live.thread_id)
        gate.opened.set()
        again = await (await there.resume(live.run_id)).result()
    assert (again["status"], len(again["responses"])) == ("ok", 3)


async def test_a_panel_is_told_to_answer_now_where_it_is_at_work(database: str | Path) -> None:
    gate = Gate()
    async with two(database, east=gate) as (here, there):
        live = await here.start(["What?"], ROSTER)
        await gate.asked.wait()

        helped = [await there.answer_now(live.run_id) for _ in range(2)]  # the second time it is cut
        result = await live.result()
        helped.append(await there.answer_now(live.run_id))

    assert helped == [True, True, False]
    assert [failed["model"] for failed in result["failed_models"]] == ["east"]
    assert result["answer"]


async def test_where_no_panel_is_at_work_there_is_nothing_to_hurry(database: str | Path) -> None:
    gate = Gate()
    async with two(database, writer=gate) as (here, there):
        live = await here.start(["What?"], ROSTER)
        await gate.asked.wait()

        assert not await there.answer_now(live.run_id)
        gate.opened.set()
        assert (await live.result())["status"] == "ok"


async def test_a_run_is_followed_from_elsewhere_to_its_end(database: str | Path) -> None:
    gate = Gate()
    async with two(database, writer=gate) as (here, there):
        live = await here.start(["What?"], ROSTER, client={"told": True})
        await gate.asked.wait()
        told = there.events(live.run_id)
        first = [await anext(told) for _ in range(4)]
        assert first[0]["type"] == "run_started"

        gate.opened.set()
        found = first + [event async for event in told]

        assert [event["seq"] for event in found] == sorted({event["seq"] for event in found})
        assert (found[-1]["type"], found[-1]["result"]) == ("finished", await live.result())
        assert await there.elsewhere.left(live.run_id) == "ok"


async def test_who_follows_a_run_whose_process_is_gone_hears_no_more(database: str | Path) -> None:
    gate = Gate()
    async with two(database, east=gate) as (here, there):
        live = await here.start(["What?"], ROSTER)
        await gate.asked.wait()
        following = asyncio.create_task(there.elsewhere.left(live.run_id))

        await change(database, "UPDATE fusion_leases SET until = 0")

        assert await following == "stopped"
        assert (await _told(there, live.run_id))[0] == "run_started"


async def test_a_run_that_is_deleted_while_it_is_followed_leaves_nothing(database: str | Path) -> None:
    gate = Gate()
    async with two(database, east=gate) as (here, there):
        live = await here.start(["What?"], ROSTER)
        await gate.asked.wait()
        following = asyncio.create_task(_told(there, live.run_id))
        await asyncio.sleep(0)

        await there.cancel(live.run_id)
        await there.delete(live.run_id)
        await following

        with pytest.raises(RunNotFoundError):
            await here.get(live.run_id)
        for table in ("runs", "events", "attempts", "summaries", "leases"):
            assert await here.store.db.read(f"SELECT * FROM fusion_{table}") == []  # noqa: S608 -- names of tables


async def _told(runs: Runs, run_id: str) -> list[str]:
    return [event["type"] async for event in runs.events(run_id)]


async def test_a_process_that_does_not_heed_is_not_waited_for_for_ever(
    database: str | Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "LOOK_SECONDS", 1000.0)
    monkeypatch.setattr(elsewhere, "PATIENCE_SECONDS", 0.3)
    gate = Gate()
    async with two(database, east=gate) as (here, there):
        live = await here.start(["What?"], ROSTER)
        await gate.asked.wait()

        with pytest.raises(RunBusyError, match=rf"at work on run {live.run_id[:8]}, and did not stop it in 0.3 s"):
            await there.cancel(live.run_id)
        with pytest.raises(RunBusyError, match=r"did not answer now in 0.3 s"):
            await there.answer_now(live.run_id)

        assert not live.is_over
        gate.opened.set()
        assert (await live.result())["status"] == "ok"


async def test_a_run_whose_process_dies_when_it_is_asked_is_cancelled_from_here(
    database: str | Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "LOOK_SECONDS", 1000.0)
    gate = Gate()
    async with two(database, east=gate) as (here, there):
        live = await here.start(["What?"], ROSTER)
        await gate.asked.wait()
        cancelling = asyncio.create_task(there.cancel(live.run_id))
        while not await there.store.db.read("SELECT * FROM fusion_signals"):  # noqa: ASYNC110 -- a table tells nobody
            await asyncio.sleep(0.01)

        await change(database, "UPDATE fusion_leases SET until = 0")
        await cancelling

        assert (await there.get(live.run_id))["status"] == "cancelled"


async def test_a_run_that_ends_while_it_is_to_be_stopped_keeps_its_answer(
    database: str | Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "LOOK_SECONDS", 1000.0)
    gate = Gate()
    async with two(database, writer=gate) as (here, there):
        live = await here.start(["What?"], ROSTER)
        await gate.asked.wait()
        cancelling = asyncio.create_task(there.cancel(live.run_id))
        while not await there.store.db.read("SELECT * FROM fusion_signals"):  # noqa: ASYNC110 -- a table tells nobody
            await asyncio.sleep(0.01)

        gate.opened.set()
        await cancelling

        row = await there.get(live.run_id)
        assert (row["status"], (row["result"] or {})["answer"]) == ("ok", (await live.result())["answer"])


async def test_a_signal_is_taken_once_and_gone_after_a_minute(database: str | Path) -> None:
    async with open_runs(database) as runs:
        sender = signals.Signals(runs.store.db)
        old, new = [await sender.send("a run", "a lease", "cancel") for _ in range(2)]
        assert [signal["id"] for signal in await sender.untaken()] == [old, new]

        await sender.take(old, helped=True)
        assert [signal["id"] for signal in await sender.untaken()] == [new]
        assert (await sender.outcome(old), await sender.outcome(new)) == (True, None)

        await change(database, "UPDATE fusion_signals SET at = at - 61 WHERE id = ?", old)
        newest = await sender.send("a run", "a lease", "cancel")
        assert {row["id"] for row in await runs.store.db.read("SELECT id FROM fusion_signals")} == {new, newest}


async def test_a_run_that_is_gone_on_with_is_not_stopped_by_what_stopped_it_before(database: str | Path) -> None:
    gate = Gate()
    async with two(database, east=gate) as (here, there):
        live = await here.start(["What?"], ROSTER)
        await gate.asked.wait()
        sender = signals.Signals(there.store.db)
        lease = await there.store.lease_of(live.thread_id)
        await there.cancel(live.run_id)
        left = await sender.send(live.run_id, str(lease), "cancel")  # by one that came too late

        gate.asked.clear()
        again = await here.resume(live.run_id)
        await gate.asked.wait()
        assert await there.answer_now(live.run_id)  # heeded after the other had been looked at

        assert await sender.outcome(left) is None
        gate.opened.set()
        assert (await again.result())["answer"]


@pytest.mark.parametrize("at_work", [True, False])
async def test_of_many_that_stop_and_delete_a_run_at_once_none_is_refused_and_no_lease_is_left(
    database: str | Path,
    at_work: bool,  # noqa: FBT001
) -> None:
    gate = Gate()
    async with two(database, east=gate) as (here, there), open_runs(database) as third:
        live = await here.start(["What?"], ROSTER)
        await gate.asked.wait()
        if not at_work:
            await live.cancel("stopped")

        cancels = await asyncio.gather(*(runs.cancel(live.run_id) for runs in (there, third, there, third, here)))
        assert cancels == [None] * 5
        deletes = [runs.delete(live.run_id) for runs in (there, third)]
        late = [runs.cancel(live.run_id) for runs in (there, third)]
        ends = await asyncio.gather(*deletes, *late, return_exceptions=True)

        assert not [end for end in ends if not isinstance(end, RunNotFoundError | None)]
        for table in ("runs", "leases"):
            assert await here.store.db.read(f"SELECT * FROM fusion_{table}") == []  # noqa: S608 -- names of tables


async def test_a_run_under_way_is_not_deleted(database: str | Path) -> None:
    gate = Gate()
    async with two(database, east=gate) as (here, there):
        live = await here.start(["What?"], ROSTER)
        await gate.asked.wait()

        for runs in (here, there):
            with pytest.raises(RunBusyError, match=rf"at work on run {live.run_id[:8]}") as refused:
                await runs.delete(live.run_id)
            assert refused.value.hint == "wait for its end, or cancel it"
        gate.opened.set()
        assert (await live.result())["status"] == "ok"


async def test_text_that_comes_elsewhere_is_the_text_that_is_told_there(database: str | Path) -> None:
    long = " ".join(f"word {number}" for number in range(400))

    def writes(_request: ScriptedRequest) -> ScriptedReply:
        return ScriptedReply(long, pause=0.004)

    async with two(database, writer=writes) as (here, there):
        live = await here.start(["What?"], ROSTER, client={"told": True})
        found = [event async for event in there.events(live.run_id)]
        result = await live.result()

    said = "".join(event["delta"] for event in found if event["type"] == "answer_delta")
    assert said
    assert result["answer"].startswith(said)
