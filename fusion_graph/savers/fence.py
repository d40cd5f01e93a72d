"""What keeps a process that lost its run from writing."""

from typing import Any, Protocol, runtime_checkable

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

from fusion_graph.calls import run_scope


@runtime_checkable
class Leased(Protocol):
    """A run's record that knows whether it may still write."""

    async def check(self) -> None:
        """Raise LeaseLostError if another process has taken the run over."""
        ...


class FencedSaver(BaseCheckpointSaver[str]):
    """A checkpointer that a process which lost its lease cannot write with: another goes on from what is there.

    It stands before a checkpointer of LangGraph among the bases of a class.
    """

    async def aput(self, *args: Any, **kwargs: Any) -> RunnableConfig:
        """Store a checkpoint. Raises LeaseLostError."""
        await self._check()
        return await super().aput(*args, **kwargs)

    async def aput_writes(self, *args: Any, **kwargs: Any) -> None:
        """Store what a task wrote. Raises LeaseLostError."""
        await self._check()
        await super().aput_writes(*args, **kwargs)

    async def settle(self) -> None:
        """Let go of what a run that was cancelled has left half done."""

    async def _check(self) -> None:
        if isinstance(record := run_scope.get().journal, Leased):
            await record.check()
