import asyncio
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command
from typing_extensions import TypedDict

from fusion_graph import FusionSettings, bridge, build_fusion_graph
from fusion_graph.bridge import wait_for
from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest
from tests.graphs import ROSTER, look_up, researcher, scripted

ANSWER = "The answer is 1, though one source says 2."
ASKED: Any = {"messages": [("user", "What is the answer?")]}


class Outer(TypedDict):
    messages: list[Any]
    said: str


def built(**scripts: Any) -> Any:
    return build_fusion_graph(load_model=scripted(**({"north": researcher()} | scripts)), tools=[look_up()])


@pytest.fixture(params=["memory", "sqlite"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Checkpointers that a sync application has; SQLite's has no async methods."""
    if request.param == "memory":
        yield InMemorySaver()
        return
    with closing(sqlite3.connect(tmp_path / "checkpoints.db", check_same_thread=False)) as connection:
        yield SqliteSaver(connection)


def thread(name: str = "t") -> Any:
    return {"configurable": {"thread_id": name}}


def test_a_sync_caller_gets_the_answer() -> None:
    values = built().compile().invoke(ASKED, context=ROSTER)

    assert values["messages"][-1].text == ANSWER


async def test_a_sync_call_inside_a_running_loop_works_as_in_a_notebook() -> None:
    assert built().compile().invoke(ASKED, context=ROSTER)["messages"][-1].text == ANSWER


async def test_a_sync_call_on_the_background_loop_itself_does_not_wait_for_itself() -> None:
    graph = built().compile()

    async def on_the_loop() -> str:
        return str(graph.invoke(ASKED, context=ROSTER)["messages"][-1].text)

    assert await asyncio.to_thread(bridge.wait_for, on_the_loop) == ANSWER


def test_a_sync_stream_gives_what_the_async_one_gives() -> None:
    graph = built().compile()

    async def streamed() -> list[str]:
        return [node for part in [p async for p in graph.astream(ASKED, context=ROSTER)] for node in part]

    found = [node for part in graph.stream(ASKED, context=ROSTER) for node in part]

    assert sorted(found) == sorted(asyncio.run(streamed()))
    assert found[-1] == "write"


def test_who_stops_reading_a_stream_stops_the_run() -> None:
    started, stopped = threading.Event(), threading.Event()

    async def waits(_request: ScriptedRequest) -> str:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return "never"

    stream = built(south=waits).compile().stream(ASKED, context=ROSTER)
    next(stream)
    assert started.wait(20)

    stream.close()

    assert stopped.wait(20)


def test_an_error_is_raised_to_the_sync_caller() -> None:
    with pytest.raises(Exception, match="holds no user message"):
        built().compile().invoke({"messages": []}, context=ROSTER)
    with pytest.raises(Exception, match="holds no user message"):
        list(built().compile().stream({"messages": []}, context=ROSTER))


def test_threads_state_history_and_approval_work_with_sync_checkpointers(saver: Any) -> None:
    graph = built().compile(checkpointer=saver)

    paused = graph.invoke(ASKED, thread(), context=ROSTER | {"approve": True})
    done = graph.invoke(Command(resume={"decisions": [{"type": "approve"}]}), thread(), context=ROSTER)

    assert paused["__interrupt__"]
    assert done["messages"][-1].text == ANSWER
    assert graph.get_state(thread()).values["status"]["status"] == "ok"
    assert len(list(graph.get_state_history(thread()))) > 3


def test_state_can_be_written_by_a_sync_caller(saver: Any) -> None:
    graph = built().compile(checkpointer=saver)
    graph.invoke(ASKED, thread(), context=ROSTER)

    graph.update_state(thread(), {"messages": [("user", "And now?")]}, as_node="prepare")

    assert graph.get_state(thread()).values["messages"][-1].text == "And now?"


def test_it_is_a_node_of_a_sync_graph_with_a_sync_checkpointer(saver: Any) -> None:
    parent = StateGraph(Outer)
    parent.add_node("ask", built().compile())
    parent.add_node("say", lambda state: {"said": state["messages"][-1].text})
    parent.add_edge(START, "ask")
    parent.add_edge("ask", "say")
    parent.add_edge("say", END)

    values: Any = parent.compile(checkpointer=saver).invoke(ASKED, thread(), context=ROSTER)  # type: ignore[call-overload]

    assert values["said"] == ANSWER


class Counted(SqliteSaver):
    """A checkpointer that an application has made of SQLite's."""


def test_a_subclass_of_a_sync_checkpointer_is_called_in_threads_too() -> None:
    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as connection:
        graph = built().compile(checkpointer=Counted(connection))

        assert graph.invoke(ASKED, thread(), context=ROSTER)["messages"][-1].text == ANSWER


@pytest.mark.parametrize("streams", [False, True])
def test_it_is_called_inside_a_node_of_a_sync_graph_with_a_sync_checkpointer(saver: Any, *, streams: bool) -> None:
    graph = built().compile()

    def ask(state: Outer) -> Any:
        if streams:
            return list(graph.stream({"messages": state["messages"]}, context=ROSTER, stream_mode="values"))[-1]
        return graph.invoke({"messages": state["messages"]}, context=ROSTER)

    parent = StateGraph(Outer)
    parent.add_node("ask", lambda state: {"said": ask(state)["messages"][-1].text})
    parent.add_edge(START, "ask")

    assert parent.compile(checkpointer=saver).invoke(ASKED, thread())["said"] == ANSWER


@pytest.mark.parametrize("is_node", [False, True])
async def test_threads_share_an_async_checkpointer_of_the_application(tmp_path: Path, *, is_node: bool) -> None:
    parent = StateGraph(Outer, context_schema=FusionSettings)
    parent.add_node("ask", built().compile())
    parent.add_edge(START, "ask")
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as saver:
        graph: Any = (parent if is_node else built()).compile(checkpointer=saver)
        await graph.ainvoke(ASKED, thread("first"), context=ROSTER)

        calls = (asyncio.to_thread(graph.invoke, ASKED, thread(f"{n}"), context=ROSTER) for n in range(6))
        answered = await asyncio.gather(*calls)

    assert [values["messages"][-1].text for values in answered] == [ANSWER] * 6


def test_a_tool_that_exits_fails_and_the_next_sync_call_is_answered() -> None:
    @tool
    def look_up(query: str) -> str:
        """Look something up."""
        raise SystemExit(3)

    graph: Any = build_fusion_graph(load_model=scripted(north=researcher()), tools=[look_up]).compile()

    for _ in range(2):
        values = graph.invoke(ASKED, context=ROSTER)
        assert values["messages"][-1].text == ANSWER
        assert "exited with 3" in values["results"][0]["failed_tools"]["look_up"]["last"]


def test_what_exits_on_the_background_loop_leaves_it_to_others() -> None:
    async def exits() -> None:
        raise SystemExit(3)

    async def answers() -> str:
        return "still here"

    with pytest.raises(SystemExit, match="3"):
        wait_for(exits)

    assert wait_for(answers) == "still here"


def test_a_batch_or_a_chain_limits_no_seat_to_the_steps_that_langchain_says() -> None:
    def north(request: ScriptedRequest) -> ScriptedReply | str:
        call = {"name": "look_up", "args": {"query": f"{len(request.messages)}"}, "id": f"call_{len(request.messages)}"}
        return ScriptedReply(tool_calls=[call]) if request.tools else "Looked up."

    graph = built(north=north).compile()
    settings = ROSTER | {"max_tool_calls": 16}

    assert graph.batch([ASKED], context=settings)[0]["status"]["reasons"] == []
    assert graph.with_retry().invoke(ASKED, context=settings)["status"]["reasons"] == []
    chain = RunnableLambda(lambda given: graph.invoke(given, context=settings))
    assert chain.invoke(ASKED)["status"]["reasons"] == []


def test_a_forked_child_has_a_loop_of_its_own() -> None:
    graph = built().compile()
    graph.invoke(ASKED, context=ROSTER)
    reading, writing = os.pipe()

    child = os.fork()
    if child == 0:
        said = "failed"
        try:
            said = str(graph.invoke(ASKED, context=ROSTER)["messages"][-1].text)
        finally:
            os.write(writing, said.encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)

    assert said == ANSWER
