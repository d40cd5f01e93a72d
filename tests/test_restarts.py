"""A run that a LangGraph server starts again after its worker died: the same input, on the same thread, under the run's own id.

LangGraph goes on with it from its last checkpoint; this proves that the graph lets it.
"""

import asyncio
from collections import Counter
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from fusion_graph import build_fusion_graph
from fusion_graph.models.scripted import ScriptedModels, ScriptedRequest
from tests.graphs import ROSTER, asked, look_up, researcher, scripted

ROLES = ["north", "south", "east", "judge", "writer"]
QUESTION: dict[str, Any] = {"messages": [{"role": "user", "content": "What is the answer?"}]}


class Worker:
    """A graph as a server has it: the checkpointer is given to a copy of it."""

    def __init__(self, models: ScriptedModels, saver: InMemorySaver) -> None:
        graph = build_fusion_graph(load_model=models, tools=[look_up()]).compile()
        self.graph: Any = graph.copy(update={"checkpointer": saver})

    async def run(self, run_id: str, given: Any = QUESTION, **configurable: Any) -> Any:
        config = {"configurable": {"thread_id": "thread", "run_id": run_id, **configurable}}
        return await self.graph.ainvoke(given, config, context=ROSTER, durability="sync")

    async def _at_work(self) -> int:
        state = await self.graph.aget_state({"configurable": {"thread_id": "thread"}})
        return sum(task.result is None for task in state.tasks)

    async def dies(self, run_id: str, at: "asyncio.Event") -> None:
        """Begin a run, and be gone when something has come about, and all else has ended."""
        task = asyncio.create_task(self.run(run_id))
        await asyncio.wait_for(at.wait(), 10)
        while await self._at_work() > 1:  # noqa: ASYNC110  (a checkpointer tells nobody)
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])


def held(model: str, **scripts: Any) -> tuple[ScriptedModels, asyncio.Event]:
    """Return models of which one hangs when it is asked first, and what tells of that."""
    plain, at = scripted(**scripts)(model).script, asyncio.Event()

    async def script(request: ScriptedRequest) -> Any:
        if not at.is_set():
            at.set()
            await asyncio.sleep(60)
        return plain(request)

    return scripted(**scripts | {model: script}), at


@pytest.mark.parametrize("model", ["south", "judge", "writer"])
async def test_only_the_calls_in_flight_are_paid_again(model: str) -> None:
    models, at = held(model)
    saver = InMemorySaver()
    await Worker(models, saver).dies("run-1", at)

    values = await Worker(models, saver).run("run-1")

    assert values["status"]["status"] == "ok"
    assert Counter(request.model for request in models.requests) == Counter([*ROLES, model])
    assert [message.type for message in values["messages"]] == ["human", "ai"]
    assert [entry["run_id"] for entry in values["calls"]] == ["run-1"] * 5


async def test_a_seat_in_the_middle_of_its_research_keeps_its_steps() -> None:
    stopped = asyncio.Event()

    async def script(request: ScriptedRequest) -> Any:
        done = sum(1 for message in request.messages if message.type == "tool")
        if done == 2 and not stopped.is_set():
            stopped.set()
            await asyncio.sleep(60)
        return researcher(rounds=3)(request)

    models, saver = scripted(north=script), InMemorySaver()
    await Worker(models, saver).dies("run-1", stopped)

    values = await Worker(models, saver).run("run-1")

    assert len(asked(models, "north")) == 5
    assert values["results"][0]["content"] == "north found it [1]."
    assert len(values["sources"]) == 3


async def test_a_run_that_had_ended_is_told_and_not_asked_again() -> None:
    models, saver = scripted(), InMemorySaver()
    before = await Worker(models, saver).run("run-1")

    values = await Worker(models, saver).run("run-1")

    assert values["messages"] == before["messages"]
    assert len(models.requests) == 5


async def test_a_run_that_waits_for_approval_goes_on_waiting() -> None:
    models, saver = scripted(), InMemorySaver()
    worker = Worker(models, saver)
    config = {"configurable": {"thread_id": "thread", "run_id": "run-1"}}
    for _ in range(2):
        values = await worker.graph.ainvoke(QUESTION, config, context=ROSTER | {"approve": True})
        assert len(values["__interrupt__"]) == 1

    assert models.requests == []
    assert [message.type for message in values["messages"]].count("human") == 1


async def test_streams_of_a_run_that_is_started_again_end_with_its_answer() -> None:
    models, at = held("judge")
    saver = InMemorySaver()
    await Worker(models, saver).dies("run-1", at)
    graph = Worker(models, saver).graph
    config = {"configurable": {"thread_id": "thread", "run_id": "run-1"}}

    parts = [part async for part in graph.astream(QUESTION, config, context=ROSTER, stream_mode=["updates", "values"])]
    events = [event async for event in graph.astream_events(QUESTION, config, context=ROSTER, version="v2")]

    assert [next(iter(data)) for mode, data in parts if mode == "updates"] == ["judge", "write"]
    assert parts[-1][1]["messages"][-1].text == events[-1]["data"]["output"]["messages"][-1].text != ""
    assert len(models.requests) == 6
