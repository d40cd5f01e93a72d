"""One seat's tool loop: START -> call_model -> (run_tools -> call_model)* -> END."""

from functools import partial
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph

from fusion_graph.calls import Ask
from fusion_graph.nodes.panelist import call_model
from fusion_graph.nodes.seat_tools import run_tools
from fusion_graph.settings import FusionSettings
from fusion_graph.state import OfferTools, PanelistOutput, PanelistState


def build_panelist_graph(*, ask: Ask, offer_tools: OfferTools) -> StateGraph[PanelistState, FusionSettings, Any, Any]:
    """Return the uncompiled graph of one seat. It brings its result, its sources and its ledger to the parent."""
    builder = StateGraph(PanelistState, context_schema=FusionSettings, output_schema=PanelistOutput)
    builder.add_node("call_model", partial(call_model, ask=ask, offer_tools=offer_tools))
    builder.add_node("run_tools", partial(run_tools, offer_tools=offer_tools))
    builder.add_edge(START, "call_model")
    builder.add_conditional_edges("call_model", _next, ["run_tools", END])
    builder.add_edge("run_tools", "call_model")
    return builder


async def _next(state: PanelistState) -> Literal["run_tools", "__end__"]:
    return "__end__" if state.get("results") else "run_tools"
