"""A panel that its user ends: who has researched answers from that, the others are cut, and both say why."""

import asyncio
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver

from fusion_graph.deployment import build_fusion_graph
from fusion_graph.events import LiveRun
from fusion_graph.models.scripted import ScriptedModels, ScriptedReply, ScriptedRequest
from fusion_graph.nodes.quorum import ENOUGH, WANTED, Panel
from fusion_graph.settings import FusionSettings
from tests.graphs import ROSTER, asked, look_up, report, scripted, texts

WHY_CUT = f"cut, because {WANTED}"
HOUR = 3600.0


def started(models: ScriptedModels, live: LiveRun | None = None, graph: Any = None, **settings: Any) -> LiveRun:
    live = live or LiveRun("run", "thread")
    graph = graph or build_fusion_graph(load_model=models, tools=[look_up()]).compile()
    context = FusionSettings.model_validate(ROSTER | {"grace_seconds": HOUR} | settings)
    live.start(graph, {"messages": [("user", "What?")]}, {}, context, durable=False)
    return live


async def finished(live: LiveRun, *seats: int) -> None:
    """Wait until these seats have answered."""
    left = set(seats)
    async for event in live.events():
        if event["type"] == "panelist_finished":
            left -= {event["seat"]}
        if not left:
            return


async def result(live: LiveRun) -> dict[str, Any]:
    return await asyncio.wait_for(live.result(), 20)


def hanging() -> tuple[asyncio.Event, Any]:
    """Return when a model is asked, and the model, which never answers."""
    at_work = asyncio.Event()

    async def script(_request: ScriptedRequest) -> str:
        at_work.set()
        await asyncio.Event().wait()
        return "never"

    return at_work, script


async def test_who_has_researched_answers_from_that_and_who_has_not_is_cut_when_asked_again() -> None:
    at_work, hangs = hanging()
    researching, go = asyncio.Event(), asyncio.Event()

    async def researches(request: ScriptedRequest) -> Any:
        if not request.tools:
            return "From what I have [1]."
        researching.set()
        await go.wait()
        return ScriptedReply(tool_calls=[{"name": "look_up", "args": {"query": "tides"}, "id": "c"}])

    models = scripted(north=researches, east=hangs)
    live = started(models)
    await asyncio.gather(at_work.wait(), researching.wait(), finished(live, 2))

    told = [live.answer_now()]
    go.set()
    await finished(live, 1, 2)
    told.append(live.answer_now())
    found = await result(live)

    assert told == [True, True]
    assert [(seat["model"], seat["content"]) for seat in found["responses"]] == [
        ("north", "From what I have [1]."),
        ("south", "south: the answer is 1."),
    ]
    assert found["failed_models"] == [{"seat": 3, "model": "east", "error": WHY_CUT}]
    assert "the user wants the answer now" in texts(asked(models, "north")[-1].messages)
    assert (found["status"], len(asked(models, "north"))) == ("degraded", 2)


async def test_a_seat_that_answered_early_says_that_the_answer_was_asked_for() -> None:
    researching, go = asyncio.Event(), asyncio.Event()

    async def researches(request: ScriptedRequest) -> Any:
        if not request.tools:
            return "From what I have."
        researching.set()
        await go.wait()
        return ScriptedReply(tool_calls=[{"name": "look_up", "args": {"query": "tides"}, "id": "c"}])

    live = started(scripted(north=researches), panel=["north"])
    await researching.wait()

    live.answer_now()
    go.set()
    await result(live)

    (seat,) = [event["result"] async for event in live.events() if event["type"] == "panelist_finished"]
    assert (seat["notes"], seat["partial"]) == ([f"it answered early: {WANTED}"], False)


async def test_text_that_somebody_listened_to_is_a_partial_answer() -> None:
    slow = ScriptedReply("one two three " * 4000, pause=0.01)
    live = started(scripted(east=lambda _request: slow))
    async for event in live.events():
        if event["type"] == "panelist_delta" and event["seat"] == 3:
            live.answer_now()
            live.answer_now()
            break
    found = await result(live)

    last = found["responses"][-1]
    assert (last["model"], last["partial"]) == ("east", True)
    assert last["content"].startswith("one")
    assert found["failed_models"][-1]["error"] == WHY_CUT


async def test_when_the_grace_is_over_the_others_are_cut_without_another_word() -> None:
    at_work, hangs = hanging()
    live = started(scripted(east=hangs), grace_seconds=0.05)
    await asyncio.gather(at_work.wait(), finished(live, 1, 2))

    live.answer_now()
    found = await result(live)

    assert found["failed_models"] == [{"seat": 3, "model": "east", "error": WHY_CUT}]


async def test_if_nobody_has_said_anything_the_answer_is_written_without_the_panel() -> None:
    at_work, hangs = hanging()
    live = started(scripted(north=hangs), panel=["north"])
    await at_work.wait()

    live.answer_now()
    live.answer_now()
    found = await result(live)

    assert (found["status"], found["failure_reason"]) == ("error", "all_panels_failed")
    assert "Written without the panel" in found["answer"]


async def test_before_a_panel_and_after_it_there_is_none_to_end() -> None:
    comparing, go = asyncio.Event(), asyncio.Event()

    async def compares(request: ScriptedRequest) -> Any:
        comparing.set()
        await go.wait()
        return report()(request)

    live = LiveRun("run", "thread")
    before = live.answer_now()
    started(scripted(judge=compares), live)
    async for event in live.events():
        if event["type"] == "analysis_started":
            break
    await comparing.wait()
    meanwhile = live.answer_now()
    go.set()
    found = await result(live)

    assert (before, meanwhile, live.answer_now()) == (False, False, False)
    assert (found["status"], len(found["responses"])) == ("ok", 3)


async def test_a_plain_call_has_no_panel_to_end() -> None:
    at_work, hangs = hanging()
    live = started(scripted(writer=hangs), mode="never")
    await at_work.wait()

    assert live.answer_now() is False
    await live.cancel()


async def test_a_run_that_is_gone_on_with_counts_anew() -> None:
    first, again, go = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def late(_request: ScriptedRequest) -> str:
        (again if first.is_set() else first).set()
        await go.wait()
        return "Now I have it."

    models = scripted(east=late)
    graph: Any = build_fusion_graph(load_model=models, tools=[]).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    settings = FusionSettings.model_validate(ROSTER | {"grace_seconds": HOUR})
    before, after = LiveRun("run", "t"), LiveRun("run", "t")
    before.start(graph, {"messages": [("user", "What?")]}, config, settings, durable=True)
    await asyncio.gather(first.wait(), finished(before, 1, 2))
    before.answer_now()
    await before.cancel()

    after.start(graph, None, config, settings, durable=True)
    await again.wait()
    after.answer_now()  # the first time: a second one would cut the seat
    go.set()
    found = await result(after)

    assert [seat["content"] for seat in found["responses"]][-1] == "Now I have it."
    assert (found["status"], len(found["responses"])) == ("ok", 3)


class Cuts:
    """Counts how often it is cut."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self) -> None:
        self.number += 1


async def test_a_grace_that_the_quorum_began_is_ended_by_the_user_who_is_then_the_reason() -> None:
    panel, cuts = Panel(1, HOUR), Cuts()
    panel.watch(cuts)

    panel.answered()
    by_quorum = panel.reason, panel.is_over, cuts.number
    panel.close()
    panel.close()

    assert by_quorum == (ENOUGH, False, 0)
    assert (panel.reason, panel.is_over, cuts.number) == (WANTED, True, 1)


async def test_a_quorum_that_is_reached_after_the_user_has_asked_changes_nothing() -> None:
    panel, cuts = Panel(1, HOUR), Cuts()
    panel.watch(cuts)

    panel.close()
    panel.answered()

    assert (panel.reason, panel.is_over, cuts.number) == (WANTED, False, 0)
