"""What keeps a process that lost its run from writing."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from langgraph.checkpoint.base import WRITES_IDX_MAP, BaseCheckpointSaver
from langgraph.checkpoint.serde.types import ERROR

from fusion_graph.calls import run_scope
from fusion_graph.database.statements import Session
from fusion_graph.errors import DatabaseError, LeaseLostError

_ABOUT_A_TASK = frozenset({*WRITES_IDX_MAP, "__error_source_node__"})  # as opposed to what it brought


@runtime_checkable
class Leased(Protocol):
    """A run's record that knows whether it may still write."""

    async def check(self, session: Session | None = None) -> None:
        """Raise LeaseLostError if another process has taken the run over. `session`: look in this transaction."""
        ...


class FencedSaver(BaseCheckpointSaver[str]):
    """A checkpointer that a process which lost its lease cannot write with: another goes on from what is there."""

    async def settle(self) -> None:
        """Let go of what a run that was cancelled has left half done."""


def lease() -> Leased | None:
    """Return what knows whether the run that this code works for may still write, None where there is no such run."""
    record: object = run_scope.get().journal
    return record if isinstance(record, Leased) else None


def sound(writes: Sequence[tuple[str, Any]]) -> Sequence[tuple[str, Any]]:
    """Return what is to be stored of a task: of one that failed or was stopped, nothing that it brought.

    LangGraph takes a task that has brought anything for done. One that is stopped in the edge behind its node has written
    into state, but not where the run goes on: it would go on nowhere. So it takes one whose fault was handled, and a seat
    that could not store what it did is to be asked again: of that nothing is stored at all.
    """
    faults = [fault for channel, fault in writes if channel == ERROR]
    if any(isinstance(fault, (DatabaseError, LeaseLostError)) for fault in faults):
        return []
    return [write for write in writes if write[0] in _ABOUT_A_TASK] if faults else writes
