"""LangGraph's checkpoints as runs keep them: what a task brought counts when it brought all of it."""

import asyncio
from pathlib import Path
from typing import Any, Literal

import pytest
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from fusion_graph.database.opening import open_database
from fusion_graph.savers import make_saver

CONFIG = {"configurable": {"thread_id": "t"}}


class Asked(TypedDict, total=False):
    question: str
    answer: str


class Edge:
    """The way from a node to the next: it is not found until it is told to be."""

    def __init__(self, way: str) -> None:
        self.reached, self.is_clear = asyncio.Event(), False
        self._way = way

    async def __call__(self, _state: Asked) -> Literal["answer"]:
        if not self.is_clear:
            self.reached.set()
            if self._way == "stopped":
                await asyncio.Event().wait()
            raise OSError("no way")
        return "answer"


async def streamed(graph: Any) -> None:
    """Run a graph as runs do: stopped otherwise, LangGraph stores nothing of the task that it stops."""
    async for _ in graph.astream({}, CONFIG, stream_mode=["custom", "values"], durability="sync"):
        pass


@pytest.mark.parametrize("way", ["stopped", "failed"])
async def test_a_task_that_ends_in_the_edge_behind_its_node_is_done_again(database: str | Path, way: str) -> None:
    async with open_database(database) as opened:
        edge, saver = Edge(way), await make_saver(opened)
        builder = StateGraph(Asked)
        builder.add_node("ask", lambda _: {"question": "Why?"})
        builder.add_node("answer", lambda state: {"answer": f"{state['question']} Because."})
        builder.add_edge(START, "ask")
        builder.add_conditional_edges("ask", edge)
        builder.add_edge("answer", END)
        graph: Any = builder.compile(checkpointer=saver)
        going = asyncio.create_task(streamed(graph))
        await edge.reached.wait()
        if way == "stopped":
            going.cancel()
        with pytest.raises((OSError, asyncio.CancelledError)):
            await going
        await saver.settle()
        edge.is_clear = True

        values = await graph.ainvoke(None, CONFIG)

    assert values == {"question": "Why?", "answer": "Why? Because."}
