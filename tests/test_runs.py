import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fusion_graph.deployment import Parts
from fusion_graph.errors import LeaseLostError, RunBusyError, RunNotFoundError, SettingsError
from fusion_graph.models.scripted import ScriptedModels, ScriptedReply, ScriptedRequest
from fusion_graph.runs import Runs, open_runs
from fusion_graph.store import open_store
from tests.graphs import ROSTER, asked, look_up, researcher, scripted
from tests.postgres import change


def parts(models: ScriptedModels) -> Parts:
    return Parts.real(load_model=models, tools=[look_up()])


@pytest.fixture
def db(database: str | Path) -> str | Path:
    return database


@pytest.fixture
def models() -> ScriptedModels:
    return scripted(north=researcher())


@pytest.fixture
async def runs(db: str | Path, models: ScriptedModels) -> AsyncIterator[Runs]:
    async with open_runs(db, parts(models)) as runs:
        yield runs


async def test_a_run_is_stored_with_its_result_and_shown_from_another_process(runs: Runs, db: str | Path) -> None:
    live = await runs.start(["What?"], ROSTER)
    result = await live.result()

    async with open_runs(db, parts(scripted())) as elsewhere:
        assert await elsewhere.show(live.run_id[:6]) == result
        (row,) = await elsewhere.list()
    assert (row["status"], row["question"], row["parent_id"]) == ("ok", "What?", None)


async def test_a_run_read_again_from_its_checkpoints_numbers_its_sources_as_its_answer_does(db: str | Path) -> None:
    models = scripted(north=researcher(), south=researcher(), east=researcher())
    async with open_runs(db, parts(models)) as runs:
        for _ in range(5):  # writes of one step are stored in any order
            live = await runs.start(["What?"], ROSTER)
            result = await live.result()

            again = await (await runs.resume(live.run_id)).result()

            assert again["sources"] == result["sources"]
            assert [source["seats"] for source in result["sources"]] == [[1], [2], [3]]


async def test_the_result_is_one_json_object(runs: Runs) -> None:
    live = await runs.start(["What?"], ROSTER)

    result = await live.result()

    assert json.loads(json.dumps(result)) == result


async def test_a_run_stopped_midway_goes_on_without_asking_again_who_has_answered(db: str | Path) -> None:
    hold = asyncio.Event()

    async def waits(_request: ScriptedRequest) -> str:
        await hold.wait()
        return "east: late but here"

    models = scripted(north=researcher(), east=waits)
    async with open_runs(db, parts(models)) as first:
        live = await first.start(["What?"], ROSTER)
        async for event in live.events():
            if event["type"] == "panelist_finished" and event["seat"] == 1:
                break
    hold.set()

    async with open_runs(db, parts(models)) as second:
        assert (await second.list())[0]["status"] == "stopped"
        result = await (await second.resume(live.run_id)).result()

    assert result["status"] == "ok"
    assert len(asked(models, "north")) == 2
    assert len(asked(models, "south")) == 1
    assert len(asked(models, "east")) == 2
    assert [(call["model"], call["repeated"]) for call in result["usage"]["calls"] if call["seat"] == 3] == [
        ("east", True),
        ("east", False),
    ]


async def test_a_replay_of_a_resumed_run_shows_finished_items_only_and_numbers_never_go_back(db: str | Path) -> None:
    hold = asyncio.Event()

    async def waits(_request: ScriptedRequest) -> ScriptedReply:
        await hold.wait()
        return ScriptedReply("a slow answer in several words")

    models = scripted(east=waits)
    seen: list[int] = []
    async with open_runs(db, parts(models)) as first:
        live = await first.start(["What?"], ROSTER)
        async for event in live.events():
            seen.append(event["seq"])
            if event["type"] == "panelist_finished":
                break
    hold.set()

    async with open_runs(db, parts(models)) as second:
        again = await second.resume(live.run_id)
        following = [event async for event in again.events()]
        replayed = [event async for event in second.events(live.run_id)]

    assert min(event["seq"] for event in following) > max(seen)
    assert [event["seq"] for event in replayed] == sorted({event["seq"] for event in replayed})
    kinds = [event["type"] for event in replayed]
    assert not [kind for kind in kinds if kind.endswith("_delta")]
    started = {event["item"] for event in replayed if event["type"] == "panelist_started"}
    finished = {event["item"] for event in replayed if event["type"] == "panelist_finished"}
    assert started == finished
    assert len(started) == 3
    assert kinds[-1] == "finished"


async def test_a_finished_run_resumes_to_its_result_without_a_call(runs: Runs, models: ScriptedModels) -> None:
    live = await runs.start(["What?"], ROSTER)
    result = await live.result()
    paid = len(models.requests)

    again = await (await runs.resume(live.run_id)).result()

    assert again == result
    assert len(models.requests) == paid


async def test_a_run_under_way_here_is_joined_not_started_again(runs: Runs) -> None:
    live = await runs.start(["What?"], ROSTER)

    assert await runs.resume(live.run_id) is live
    await live.result()


async def test_a_thread_with_a_run_under_way_takes_no_second_one(db: str | Path) -> None:
    hold = asyncio.Event()

    async def waits(_request: ScriptedRequest) -> str:
        await hold.wait()
        return "late"

    models = scripted(east=waits)
    async with open_runs(db, parts(models)) as here, open_runs(db, parts(models)) as there:
        live = await here.start(["What?"], ROSTER, thread_id="t")

        with pytest.raises(RunBusyError, match="another process"):
            await there.start(["And?"], ROSTER, thread_id="t")
        with pytest.raises(RunBusyError):
            await there.resume(live.run_id)
        with pytest.raises(RunBusyError):
            await there.delete(live.run_id)
        hold.set()
        await live.result()
        assert [row["run_id"] for row in await there.list()] == [live.run_id]


async def test_a_run_that_was_taken_over_stops_without_paying(db: str | Path) -> None:
    hold = asyncio.Event()

    async def waits(_request: ScriptedRequest) -> str:
        await hold.wait()
        return "late"

    models = scripted(north=waits, south=waits, east=waits)
    async with open_runs(db, parts(models)) as runs:
        live = await runs.start(["What?"], ROSTER)
        while len(models.requests) < 3:  # noqa: ASYNC110 -- scripted models tell by a list
            await asyncio.sleep(0.01)
        await change(db, "UPDATE fusion_leases SET token = 'somebody else'")
        hold.set()

        with pytest.raises(LeaseLostError, match="took run"):
            await live.result()

    assert len(models.requests) == 3


async def test_a_worker_that_wakes_late_writes_nothing_over_what_its_successor_does(db: str | Path) -> None:
    answering, taken = asyncio.Event(), asyncio.Event()

    async def slow(_request: ScriptedRequest) -> str:
        answering.set()
        await taken.wait()
        return "An answer that comes too late."

    models = scripted(writer=slow)
    async with open_runs(db, parts(models)) as runs:
        live = await runs.start(["What?"], ROSTER)
        await answering.wait()
        before = [event["seq"] for event in await runs.store.events(live.run_id)]
        await change(db, "UPDATE fusion_leases SET token = 'somebody else'")
        taken.set()

        with pytest.raises(LeaseLostError, match="took run"):
            await live.result()

        snapshot = await runs.graph.aget_state({"configurable": {"thread_id": live.thread_id}})
        after = [event["seq"] for event in await runs.store.events(live.run_id)]
        row = await runs.store.get(live.run_id)
    assert snapshot.next == ("write",)
    assert after == before
    assert (row["status"], row["result"]) == ("running", None)


async def test_a_lease_of_a_dead_process_is_taken_over_at_once(db: str | Path) -> None:
    async with open_store(db) as store:
        await store.acquire("t", "first")
        with pytest.raises(RunBusyError):
            await store.acquire("t", "second")
        gone = await asyncio.create_subprocess_exec("true")
        await gone.wait()
        await change(db, "UPDATE fusion_leases SET holder = replace(holder, ?, ?)", f":{os.getpid()}", f":{gone.pid}")

        await store.acquire("t", "second")

        assert not await store.renew("t", "first")
        assert await store.renew("t", "second")


async def test_a_process_of_a_container_with_the_same_name_is_not_looked_for_here(db: str | Path) -> None:
    async with open_store(db) as store:
        await store.acquire("t", "first")
        await change(db, "UPDATE fusion_leases SET holder = ?", f"{socket.gethostname()}/another:4194304")

        assert await store.is_held("t")
        with pytest.raises(RunBusyError):
            await store.acquire("t", "second")


async def test_a_lease_that_ran_out_is_free_even_if_its_machine_cannot_be_asked(db: str | Path) -> None:
    async with open_store(db) as store:
        await store.acquire("t", "first")
        await change(db, "UPDATE fusion_leases SET holder = 'elsewhere:1'")
        assert await store.is_held("t")
        await change(db, "UPDATE fusion_leases SET until = ?", time.time() - 1)

        await store.acquire("t", "second")

        assert await store.is_held("t")


async def test_a_fork_inherits_the_cost_of_the_answer_but_not_of_the_run(db: str | Path) -> None:
    def priced(text: str, cost: float) -> Any:
        return lambda _request: ScriptedReply(text, cost=cost)

    seats = {name: priced(name, 0.1) for name in ("north", "south", "east")}
    models = scripted(**seats, judge=priced('{"blind_spots": []}', 0.2), writer=priced("w", 0.3))
    async with open_runs(db, parts(models)) as runs:
        run = await (await runs.start(["What?"], ROSTER)).result()
        fork = await (await runs.fork(run["run_id"], writer="north")).result()

    assert run["usage"]["total"]["cost_usd"] == pytest.approx(0.8)
    assert fork["usage"]["total"]["cost_usd"] == pytest.approx(0.6)
    assert fork["usage"]["total"]["paid_by_this_run_usd"] == pytest.approx(0.1)
    assert fork["settings"]["writer"] == "north"


async def test_a_fork_leaves_the_thread_it_came_from_as_it_was(runs: Runs) -> None:
    run = await (await runs.start(["What?"], ROSTER)).result()

    fork = await (await runs.fork(run["run_id"], judge="north")).result()
    follow_up = await (await runs.start(["And?"], thread_id=run["thread_id"])).result()

    assert fork["thread_id"] != run["thread_id"]
    assert fork["settings"]["judge"] == "north"
    assert follow_up["settings"]["judge"] == "judge"
    assert await runs.show(run["run_id"]) == run


async def test_an_earlier_turn_can_still_be_forked_after_a_later_one(runs: Runs, models: ScriptedModels) -> None:
    first = await (await runs.start(["First?"], ROSTER)).result()
    await (await runs.start(["Second?"], thread_id=first["thread_id"])).result()

    fork = await (await runs.fork(first["run_id"], writer="east")).result()

    assert fork["responses"] == first["responses"]
    assert "Second?" not in str(asked(models, "east")[-1].messages)


@pytest.mark.parametrize(
    ("change", "words"),
    [({}, "a fork changes something"), ({"judge": "nobody"}, "nobody"), ({"add_seats": ["north"] * 8}, "panel")],
)
async def test_a_fork_that_cannot_work_is_refused_and_stores_nothing(
    runs: Runs, change: dict[str, Any], words: str
) -> None:
    run = await (await runs.start(["What?"], ROSTER)).result()

    with pytest.raises(Exception, match=words):
        await runs.fork(run["run_id"], **change)

    assert len(await runs.list()) == 1


async def test_a_fork_of_a_turn_in_mode_auto_keeps_what_led_to_the_panel(db: str | Path) -> None:
    def writer(request: ScriptedRequest) -> Any:
        names = [tool["function"]["name"] for tool in request.tools]
        if "fusion" in names:
            return ScriptedReply(tool_calls=[{"name": "fusion", "args": {"prompt": "Deep?"}, "id": "call_f"}])
        return f"{request.model} wrote it."

    models = scripted(writer=writer, north=lambda request: writer(request) if not request.tools else "n")
    async with open_runs(db, parts(models)) as runs:
        run = await (await runs.start(["What?"], ROSTER | {"mode": "auto"})).result()
        fork = await (await runs.fork(run["run_id"], writer="north")).result()
        snapshot = await runs.graph.aget_state({"configurable": {"thread_id": fork["thread_id"]}})

    assert fork["answer"] == "north wrote it."
    assert fork["responses"] == run["responses"]
    assert [message.type for message in snapshot.values["messages"]] == ["human", "ai", "tool", "ai"]


async def test_a_run_without_a_panel_has_nothing_to_fork(runs: Runs) -> None:
    run = await (await runs.start(["What?"], ROSTER | {"mode": "never"})).result()

    with pytest.raises(SettingsError, match="asked no panel"):
        await runs.fork(run["run_id"], judge="north")


async def test_ids_may_be_shortened_while_they_are_unique(runs: Runs) -> None:
    live = await runs.start(["What?"], ROSTER)
    await live.result()

    assert (await runs.get(live.run_id[:4]))["run_id"] == live.run_id
    for wrong in ("", "nothing", "%", "_"):
        with pytest.raises(RunNotFoundError):
            await runs.get(wrong)


async def test_deleting_a_run_of_a_longer_thread_keeps_the_thread(runs: Runs) -> None:
    first = await (await runs.start(["First?"], ROSTER)).result()
    second = await (await runs.start(["Second?"], thread_id=first["thread_id"])).result()

    await runs.delete(first["run_id"])
    third = await (await runs.start(["Third?"], thread_id=first["thread_id"])).result()
    await runs.delete(second["run_id"])
    await runs.delete(third["run_id"])

    assert third["settings"]["writer"] == "writer"
    assert await runs.list() == []


async def test_pruning_deletes_what_is_old_and_not_under_way(runs: Runs) -> None:
    old = await (await runs.start(["Old?"], ROSTER)).result()
    await runs.store.db.write("UPDATE fusion_runs SET updated_at = 0 WHERE run_id = ?", (old["run_id"],))
    new = await (await runs.start(["New?"], ROSTER)).result()

    gone = await runs.prune(older_than_seconds=3600)

    assert gone == 1
    assert [row["run_id"] for row in await runs.list()] == [new["run_id"]]


async def test_what_was_refused_before_its_start_leaves_no_run(runs: Runs) -> None:
    with pytest.raises(SettingsError):
        await runs.start(["What?"], ROSTER | {"preset": "nonsense"})

    assert await runs.list() == []


async def test_an_approval_pauses_the_run_and_its_decision_goes_on_with_it(runs: Runs, models: ScriptedModels) -> None:
    live = await runs.start(["What?"], ROSTER | {"approve": True})
    paused = await live.result()
    paid = len(models.requests)

    approved = await runs.resume(live.run_id, {"decisions": [{"type": "approve"}]})
    result = await approved.result()

    assert (paused["status"], paid) == ("interrupted", 0)
    assert result["status"] == "ok"


async def test_an_approval_may_change_the_panel_or_refuse_it(runs: Runs, models: ScriptedModels) -> None:
    edited = await runs.start(["What?"], ROSTER | {"approve": True})
    await edited.result()
    change = {"type": "edit", "edited_action": {"name": "fusion", "args": {"panel": "south, east"}}}
    result = await (await runs.resume(edited.run_id, {"decisions": [change]})).result()
    refused = await runs.start(["What?"], ROSTER | {"approve": True})
    await refused.result()
    paid = len(models.requests)

    told = await (
        await runs.resume(refused.run_id, {"decisions": [{"type": "reject", "message": "too dear"}]})
    ).result()

    assert [response["model"] for response in result["responses"]] == ["south", "east"]
    assert (told["status"], told["failure_reason"]) == ("error", "cancelled")
    assert "too dear" in told["reasons"][0]
    assert len(models.requests) == paid


async def test_stored_bytes_grow_with_the_payload_and_not_with_its_square(tmp_path: Path) -> None:
    from langchain_core.tools import StructuredTool  # noqa: PLC0415 -- only this test makes a tool

    async def page(query: str) -> tuple[str, dict[str, Any]]:
        text = f"{query}: " + "x" * 30_000
        return text, {"sources": [{"url": f"https://pages.example/{query}", "read": True}]}

    tool = StructuredTool.from_function(
        coroutine=page, name="look_up", description="A long page.", response_format="content_and_artifact"
    )
    sizes: dict[int, int] = {}
    for rounds in (4, 8):
        path = tmp_path / f"{rounds}.db"
        models = scripted(north=researcher(rounds=rounds))
        async with open_runs(path, Parts.real(load_model=models, tools=[tool])) as runs:
            await (await runs.start(["What?"], ROSTER | {"panel": ["north"], "max_tool_calls": 16})).result()
        sizes[rounds] = path.stat().st_size

    payload = 4 * 30_000
    # Each result once in the seat's messages, and once more as the text of its source in the seat's end and the run's.
    assert sizes[8] - sizes[4] < 4 * payload
    assert sizes[8] < 5 * 8 * 30_000


async def test_a_decision_that_nobody_waits_for_is_refused_in_words(runs: Runs, models: ScriptedModels) -> None:
    done = await (await runs.start(["Done?"], ROSTER)).result()
    first = await (await runs.start(["First?"], ROSTER | {"approve": True})).result()
    second = await (await runs.start(["Second?"], {"approve": True}, thread_id=first["thread_id"])).result()
    paid = len(models.requests)
    yes = {"decisions": [{"type": "approve"}]}

    with pytest.raises(SettingsError, match="does not wait for approval: it is ok"):
        await runs.resume(done["run_id"], yes)
    for decision in (yes, None):
        with pytest.raises(SettingsError, match="a later message of its thread took its place"):
            await runs.resume(first["run_id"], decision)
    approved = await (await runs.resume(second["run_id"], yes)).result()

    assert first["approval"]["action_requests"][0]["args"]["estimate"] == "cost unknown"
    assert (approved["status"], len(models.requests) - paid) == ("ok", 6)


async def test_an_approval_that_cannot_be_followed_pauses_the_run_again(runs: Runs) -> None:
    run = await (await runs.start(["What?"], ROSTER | {"approve": True})).result()
    wrong = {"type": "edit", "edited_action": {"name": "fusion", "args": {"panel": "nobody"}}}

    again = await (await runs.resume(run["run_id"], {"decisions": [wrong]})).result()
    result = await (await runs.resume(run["run_id"], {"decisions": [{"type": "approve"}]})).result()

    assert again["status"] == "interrupted"
    assert "no scripted model 'nobody'" in again["approval"]["action_requests"][0]["description"]
    assert result["status"] == "ok"


async def test_a_run_cancelled_before_it_begins_says_so_and_gives_its_lease_back(runs: Runs) -> None:
    live = await runs.start(["What?"], ROSTER)

    await live.cancel()

    assert (await runs.get(live.run_id))["status"] == "cancelled"
    assert (await (await runs.resume(live.run_id)).result())["status"] == "ok"


async def test_a_run_that_is_gone_on_with_is_running_again(database: str | Path) -> None:
    hold = asyncio.Event()

    async def waits(_request: ScriptedRequest) -> str:
        await hold.wait()
        return "late"

    async with open_runs(database, parts(scripted(east=waits))) as runs:
        live = await runs.start(["What?"], ROSTER)
        async for event in live.events():
            if event["type"] == "panelist_finished":
                break
        await runs.cancel(live.run_id)
        before = (await runs.get(live.run_id))["status"]

        again = await runs.resume(live.run_id)

        assert (before, (await runs.get(live.run_id))["status"]) == ("cancelled", "running")
        hold.set()
        assert (await again.result())["status"] == (await runs.get(live.run_id))["status"] == "ok"


async def test_a_fork_is_nobodys_request_again(runs: Runs) -> None:
    live = await runs.start(["What?"], ROSTER, client={"kind": "response"})
    await live.result()

    fork = await runs.fork(live.run_id, writer="judge")

    assert "client" not in (await runs.get(fork.run_id))["input"]
    await fork.result()


async def test_a_run_that_two_stop_at_once_still_stores_how_it_stands(runs: Runs) -> None:
    live = await runs.start(["What?"], ROSTER)
    await anext(live.events())

    await asyncio.gather(live.cancel("stopped"), live.cancel("stopped"), runs.stop())

    assert (await runs.get(live.run_id))["status"] == "stopped"
    assert not await runs.store.is_held(live.thread_id)
