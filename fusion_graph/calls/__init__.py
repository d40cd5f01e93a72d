"""`ask`: the one way to call a model. Every outcome is a value, every attempt a line of the ledger."""

from fusion_graph.calls.ask import Asker
from fusion_graph.calls.call import (
    Ask,
    Call,
    Closable,
    Cut,
    Emit,
    Journal,
    LoadModel,
    Price,
    Reply,
    RunScope,
    inside_fusion,
    refuse_other_loader,
    run_scope,
    time_limit,
)
from fusion_graph.calls.outcomes import error_of

__all__ = [
    "Ask",
    "Asker",
    "Call",
    "Closable",
    "Cut",
    "Emit",
    "Journal",
    "LoadModel",
    "Price",
    "Reply",
    "RunScope",
    "error_of",
    "inside_fusion",
    "refuse_other_loader",
    "run_scope",
    "time_limit",
]
