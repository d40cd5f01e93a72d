"""The graph: edges and policies only.

START -> prepare -> route -+-> approve -> panelist x N (Send) -> judge -> write -> END
                           |     `approve` pauses if the settings ask for it, and sends the panel out; -> END: rejected
                           +-> judge             every seat has answered (fork, resume)
                           +-> write             mode never, or a tool turn
                           +-> decide -> route   mode auto, fusion not yet run in this user turn
                           +-> END               the outer model answered, or called the caller's tools
"""

from functools import partial
from typing import Any, Literal

from langchain_core.runnables import Runnable, RunnableLambda
from langgraph.errors import NodeError
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

from fusion_graph.bridge import BridgedStateGraph
from fusion_graph.calls import Ask, error_of
from fusion_graph.errors import DatabaseError, LeaseLostError
from fusion_graph.nodes.approve import approve
from fusion_graph.nodes.decide import decide
from fusion_graph.nodes.judge import judge
from fusion_graph.nodes.panelist import failed_seat
from fusion_graph.nodes.plans import EstimateRun
from fusion_graph.nodes.prepare import Settle, prepare
from fusion_graph.nodes.route import route
from fusion_graph.nodes.structured import Ladder
from fusion_graph.nodes.write import write
from fusion_graph.panelist_graph import build_panelist_graph
from fusion_graph.settings import FusionSettings
from fusion_graph.state import FusionInput, FusionOutput, FusionState, OfferTools, PanelistOutput, PanelistState


def build_graph(
    *, ask: Ask, offer_tools: OfferTools, settle: Settle, estimate: EstimateRun
) -> StateGraph[FusionState, FusionSettings, FusionInput, FusionOutput]:
    """Return the uncompiled graph over its collaborators; `deployment.build_fusion_graph` passes the real ones."""
    builder = BridgedStateGraph(
        FusionState, context_schema=FusionSettings, input_schema=FusionInput, output_schema=FusionOutput
    )
    seat = build_panelist_graph(ask=ask, offer_tools=offer_tools).compile(name="panelist")
    panelist: Runnable[PanelistState, Any] = seat | RunnableLambda(brought)

    builder.add_node("prepare", partial(prepare, settle=settle, estimate=estimate))
    builder.add_node("decide", partial(decide, ask=ask))
    builder.add_node(
        "approve",
        partial(approve, settle=settle, estimate=estimate, offer_tools=offer_tools),
        destinations=("panelist", "judge", END),
    )
    builder.add_node("panelist", panelist, error_handler=seat_fault)
    builder.add_node("judge", partial(judge, ask=ask, ladder=Ladder()))
    builder.add_node("write", partial(write, ask=ask))

    builder.add_edge(START, "prepare")
    builder.add_conditional_edges("prepare", route, ["decide", "approve", "judge", "write"])
    builder.add_conditional_edges("decide", route, ["approve", "judge", "write", END])
    builder.add_edge("panelist", "judge")
    builder.add_edge("judge", "write")
    builder.add_edge("write", END)
    return builder


async def brought(seat: PanelistOutput) -> dict[str, Any]:
    """Return what a seat hands over. Chat clients take a subgraph's values for the thread's, so it has messages as well."""
    return {key: value for key, value in seat.items() if key != "messages"}


async def seat_fault(state: PanelistState, error: NodeError) -> Command[Literal["judge"]]:
    """Turn a fault of this program inside one seat into that seat's failure; its siblings go on.

    A handler that returns a plain dict would not fire the edge to `judge`, and a panel of faults would end in silence.

    Raises:
        LeaseLostError: another process owns the run; nothing may go on here.
        DatabaseError: nothing can be stored any more; the run goes on when that is possible.
    """
    if isinstance(fault := error.error, (LeaseLostError, DatabaseError)):
        # Another object: LangGraph takes the fault itself, raised again, for handled, and goes on without the seat.
        raise type(fault)(str(fault), hint=fault.hint) from fault
    result = failed_seat(state["seat"], state["plan"], error_of(error.error) | {"kind": "error"})
    update: dict[str, Any] = {"results": [result]}
    return Command(update=update, goto="judge")
