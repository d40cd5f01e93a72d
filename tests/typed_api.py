"""The public names as a type checker sees them: `mypy` fails where this file no longer says the truth."""

from typing import Any, assert_type

from langchain_core.messages import AIMessage
from langchain_core.tools import BaseTool
from langgraph.graph import StateGraph

import fusion_graph
from fusion_graph import (
    ChatFusion,
    FusionSettings,
    Runs,
    Seat,
    build_fusion_graph,
    make_fusion_tool,
    open_runs,
    run_result,
)
from fusion_graph.events import LiveRun
from fusion_graph.state import FusionInput, FusionOutput, FusionState


async def composes() -> None:
    """Use each way in as an application would."""
    settings = FusionSettings(panel=["openai:one", Seat(model="openai:two")], judge="openai:one")
    builder = build_fusion_graph()
    assert_type(builder, StateGraph[FusionState, FusionSettings, FusionInput, FusionOutput])
    values = await builder.compile().ainvoke({"messages": []}, context=settings)
    assert_type(run_result("run", "thread", values), dict[str, Any])
    assert_type(await ChatFusion(settings=settings).ainvoke("Why?"), AIMessage)
    assert_type(make_fusion_tool(settings), BaseTool)
    async with open_runs("runs.db") as runs:
        assert_type(runs, Runs)
        assert_type(await runs.start([("user", "Why?")], settings), LiveRun)
    assert_type(fusion_graph.__version__, str)
