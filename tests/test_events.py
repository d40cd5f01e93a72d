import asyncio
from typing import Any

import pytest

from fusion_graph.deployment import build_fusion_graph
from fusion_graph.events import LiveRun, Narrator
from fusion_graph.models.scripted import ScriptedError, ScriptedModels, ScriptedReply, ScriptedRequest
from fusion_graph.schemas import Event
from fusion_graph.settings import FusionSettings
from tests.graphs import ROSTER, asked, look_up, report, researcher, says, scripted


def live_run(models: ScriptedModels, **settings: Any) -> LiveRun:
    live = LiveRun("run", "thread")
    graph = build_fusion_graph(load_model=models, tools=[look_up()]).compile()
    context = FusionSettings.model_validate(ROSTER | settings)
    live.start(graph, {"messages": [("user", "What?")]}, {}, context, durable=False)
    return live


async def told(live: LiveRun) -> list[Event]:
    return [event async for event in live.events()]


def of(events: list[Event], kind: str) -> list[Event]:
    return [event for event in events if event["type"] == kind]


async def test_events_tell_a_run_in_order_with_numbers_that_only_grow() -> None:
    live = live_run(scripted(north=researcher()))

    events = await told(live)

    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    kinds = [event["type"] for event in events]
    assert kinds[0] == "run_started"
    assert kinds[-1] == "finished"
    assert kinds.index("analysis_started") > max(i for i, kind in enumerate(kinds) if kind == "panelist_finished")
    assert kinds.index("answer_started") > kinds.index("analysis_finished")
    assert all(event["run_id"] == "run" for event in events)


async def test_every_item_that_starts_ends_and_its_deltas_carry_its_id() -> None:
    events = await told(live_run(scripted(north=researcher())))

    for seat in (1, 2, 3):
        own = [event for event in events if event.get("seat") == seat and "item" in event]
        assert own[0]["type"] == "panelist_started"
        assert own[-1]["type"] == "panelist_finished"
        assert len({event["item"] for event in own}) == 1
    answer = [event for event in events if event.get("item", "").startswith("answer")]
    assert "".join(e["delta"] for e in of(answer, "answer_delta")) == of(answer, "answer_finished")[0]["result"]


async def test_the_result_is_what_the_last_event_holds() -> None:
    live = live_run(scripted())

    result = await live.result()

    assert (await told(live))[-1]["result"] == result
    assert result["answer"] == "The answer is 1, though one source says 2."


async def test_tool_calls_are_told_with_what_they_are_about_and_what_they_found() -> None:
    events = await told(live_run(scripted(north=researcher())))

    (called,) = of(events, "tool_called")
    (finished,) = of(events, "tool_finished")
    assert (called["seat"], called["tool"], called["target"]) == (1, "look_up", "north 0")
    assert called["tool_call_id"] == finished["tool_call_id"]
    assert [source["url"] for source in finished["sources"]] == ["https://pages.example/north-0"]


async def test_what_an_excluded_domain_holds_is_not_told_either() -> None:
    events = await told(live_run(scripted(north=researcher()), excluded_domains=["pages.example"]))

    (finished,) = of(events, "tool_finished")
    assert finished["sources"] == []


async def test_deltas_are_made_only_while_somebody_listens() -> None:
    models = scripted()
    live = live_run(models)

    await live.result()

    assert not [event for event in await told(live) if event["type"].endswith("_delta")]


async def test_a_reader_that_comes_late_or_again_gets_what_follows_its_number() -> None:
    live = live_run(scripted())
    first = await told(live)

    late = [event async for event in live.events(after=first[3]["seq"])]

    assert late == first[4:]


async def test_leaving_the_stream_does_not_stop_the_run() -> None:
    live = live_run(scripted())
    async for _event in live.events():
        break

    result = await live.result()

    assert result["status"] == "ok"


async def test_a_cancelled_waiter_does_not_stop_the_run() -> None:
    release = asyncio.Event()

    async def waits(_request: ScriptedRequest) -> str:
        await release.wait()
        return "late"

    live = live_run(scripted(north=waits))
    waiter = asyncio.create_task(live.result())
    await asyncio.sleep(0)
    waiter.cancel()
    release.set()

    assert (await live.result())["status"] == "ok"


async def test_cancelling_stops_every_seat_and_says_so() -> None:
    stopped: list[str] = []
    at_work = asyncio.Semaphore(0)

    async def waits(request: ScriptedRequest) -> str:
        at_work.release()
        try:
            await asyncio.sleep(3600)
        finally:
            stopped.append(request.model)
        return "never"

    live = live_run(scripted(north=waits, south=waits, east=waits))
    for _ in range(3):
        await at_work.acquire()

    await live.cancel()

    assert sorted(stopped) == ["east", "north", "south"]
    assert (await told(live))[-1]["type"] == "failed"
    with pytest.raises(asyncio.CancelledError):
        await live.result()


async def test_text_of_a_failed_attempt_is_closed_and_never_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[int] = []

    def breaks(_request: ScriptedRequest) -> ScriptedReply:
        attempts.append(1)
        error = ConnectionError("reset") if len(attempts) == 1 else None
        return ScriptedReply("one two three four", error=error, error_after=2)

    async def at_once(_seconds: float) -> None: ...

    monkeypatch.setattr("asyncio.sleep", at_once)
    events = await told(live_run(scripted(writer=breaks, north=says("fine"))))

    started = [event["item"] for event in of(events, "answer_started")]
    (torn,) = [event for event in of(events, "item_incomplete") if event["item"].startswith("answer")]
    assert len(started) == 2
    assert torn["item"] == started[0]
    deltas = {item: "".join(e["delta"] for e in of(events, "answer_delta") if e["item"] == item) for item in started}
    assert deltas[started[1]] == "one two three four"
    assert deltas[started[0]] != deltas[started[1]]
    assert of(events, "answer_finished")[0]["item"] == started[1]


async def test_a_failed_seat_and_an_absent_analysis_are_events_with_reasons() -> None:
    gone = lambda _request: ScriptedError("gone", status_code=404)  # noqa: E731 -- used twice
    events = await told(live_run(scripted(east=gone, judge=gone)))

    (failed,) = of(events, "panelist_failed")
    assert (failed["seat"], failed["error"]["message"]) == (3, "gone")
    assert of(events, "analysis_absent")[0]["reason"] == "judge_upstream_error"


async def test_what_prevents_a_run_from_starting_is_raised_and_told() -> None:
    live = live_run(scripted(), panel=["nobody"])

    with pytest.raises(Exception, match="nobody"):
        await live.result()

    assert (await told(live))[-1]["type"] == "failed"


async def test_in_mode_auto_a_direct_answer_is_told_as_the_answer() -> None:
    events = await told(live_run(scripted(writer=says("Four.")), mode="auto"))

    assert [event["delta"] for event in of(events, "answer_delta")] == ["Four."]
    assert of(events, "answer_finished")[0]["result"] == "Four."
    assert not of(events, "panelist_started")


async def test_every_ledger_entry_is_told_once() -> None:
    models = scripted(judge=report())
    live = live_run(models)

    events = await told(live)

    ids = [event["call"]["id"] for event in of(events, "call_finished")]
    assert sorted(ids) == sorted(call["id"] for call in events[-1]["result"]["usage"]["calls"])
    assert len(ids) == len(asked(models, "judge")) + 4


def test_a_narrator_that_resumes_closes_what_was_open_and_goes_on_counting() -> None:
    before = Narrator("run")
    past = [
        *before.custom({"type": "panelist_started", "seat": 1, "model": "north"}),
        *before.custom({"type": "panelist_started", "seat": 2, "model": "south"}),
        *before.update("panelist", {"results": [_result(2)]}, {}),
        *before.custom({"type": "answer_delta", "item": "attempt", "delta": "half"}),
    ]

    after = Narrator("run", after=1000, past=past)
    closed = after.resumed()
    again = after.update("panelist", {"results": [_result(1), _result(2)]}, {})

    assert [(event["type"], event["item"]) for event in closed] == [
        ("item_incomplete", past[0]["item"]),
        ("item_incomplete", past[-1]["item"]),
    ]
    assert min(event["seq"] for event in closed) == 1001
    assert [(event["type"], event["seat"]) for event in again] == [("panelist_started", 1), ("panelist_finished", 1)]
    assert again[0]["item"] != past[0]["item"]


def _result(seat: int) -> dict[str, Any]:
    return {
        "seat": seat,
        "model": "m",
        "name": "m",
        "content": "text",
        "partial": False,
        "error": None,
        "sources": [],
        "notes": [],
        "tool_calls_requested": 0,
        "tool_calls_executed": 0,
    }
