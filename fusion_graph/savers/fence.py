"""What keeps a process that lost its run from writing."""

from typing import Protocol, runtime_checkable

from langgraph.checkpoint.base import BaseCheckpointSaver

from fusion_graph.calls import run_scope
from fusion_graph.database.statements import Session


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
