"""Sync callers: what is async runs on one background event loop, so `invoke` works anywhere, in Jupyter too.

Every node is async. A compiled graph of `BridgedStateGraph` has sync methods that wait for its async ones; nothing else
in this package is written twice.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from functools import cache
from queue import SimpleQueue
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

T = TypeVar("T")
_CHECKPOINTER = "__pregel_checkpointer"  # where a parent graph passes its own to a graph that is one of its nodes


def wait_for(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Return what a coroutine returns, run on the background loop; Ctrl-C ends it there, too."""
    if threading.current_thread() is _loop(os.getpid())[1]:
        return _in_new_thread(make)
    future = asyncio.run_coroutine_threadsafe(make(), _loop(os.getpid())[0])
    try:
        return future.result()
    finally:
        future.cancel()


def iterate(make: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
    """Yield what an async iterator yields, run on the background loop; who stops reading stops it there."""
    queue: SimpleQueue[tuple[T] | None] = SimpleQueue()

    async def pump() -> None:
        try:
            async for item in make():
                queue.put((item,))
        finally:
            queue.put(None)

    future = asyncio.run_coroutine_threadsafe(pump(), _loop(os.getpid())[0])
    try:
        while got := queue.get():
            yield got[0]
        future.result()
    finally:
        future.cancel()


async def standalone(make: Callable[[RunnableConfig], Coroutine[Any, Any, T]]) -> T:
    """Return what `make(config)` returns, run so that LangGraph takes it for no part of the graph it is called in.

    `config` has the callbacks of that place, so that traces show it there.
    """
    ambient = var_child_runnable_config.get() or {}
    work = make(RunnableConfig(callbacks=ambient.get("callbacks")))
    return await asyncio.create_task(work, context=outside())


def outside() -> Context:
    """Return a copy of the context in which LangGraph takes nothing for a part of the graph it is called in."""
    context = copy_context()
    context.run(var_child_runnable_config.set, None)
    return context


@cache
def _loop(_process: int) -> tuple[asyncio.AbstractEventLoop, threading.Thread]:
    """Return the background loop of this process and its thread: a forked child has none of its parent's threads."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fusion-loop", daemon=True)
    thread.start()
    return loop, thread


def _in_new_thread(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine for a caller on the background loop itself, which cannot wait for itself."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, lambda: asyncio.run(make())).result()


class BridgedStateGraph(StateGraph[Any, Any, Any, Any]):
    """A StateGraph whose compiled form has sync methods, and takes a checkpointer that has no async ones."""

    def compile(self, checkpointer: Any = None, **options: Any) -> "BridgedGraph":
        """Return the compiled graph. See `StateGraph.compile`."""
        compiled = super().compile(in_threads(checkpointer), **options)
        return BridgedGraph(**{name: value for name, value in vars(compiled).items() if name != "__orig_class__"})


class BridgedGraph(CompiledStateGraph[Any, Any, Any, Any]):
    """A compiled graph with async nodes that sync callers can use, alone or as a node of a sync graph."""

    def invoke(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> Any:  # noqa: A002 - LangGraph's
        """Run the graph to its end. See `Pregel.invoke`."""
        return wait_for(lambda: self.ainvoke(input, _for_bridge(config), **options))

    def stream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> Iterator[Any]:  # noqa: A002
        """Yield what the graph streams. See `Pregel.stream`."""
        yield from iterate(lambda: self.astream(input, _for_bridge(config), **options))

    def update_state(self, config: RunnableConfig, *arguments: Any, **options: Any) -> RunnableConfig:
        """Write into a thread's state as a node would. See `Pregel.update_state`."""
        return wait_for(lambda: self.aupdate_state(config, *arguments, **options))

    def bulk_update_state(self, config: RunnableConfig, *arguments: Any, **options: Any) -> RunnableConfig:
        """Write into a thread's state, several times. See `Pregel.bulk_update_state`."""
        return wait_for(lambda: self.abulk_update_state(config, *arguments, **options))


def in_threads(saver: Any) -> Any:
    """Return a checkpointer that async code can use: one with sync methods only is called in threads."""
    if not isinstance(saver, BaseCheckpointSaver):
        return saver
    kind = type(saver)
    is_sync_only = kind.aget_tuple is BaseCheckpointSaver.aget_tuple or kind.__module__ == "langgraph.checkpoint.sqlite"
    return _InThreads(saver) if is_sync_only else saver


class _InThreads(BaseCheckpointSaver[Any]):
    """A sync checkpointer with async methods."""

    def __init__(self, saver: BaseCheckpointSaver[Any]) -> None:
        super().__init__(serde=saver.serde)
        self.saver = saver
        # What is sync is the checkpointer's own.
        for name in (
            "get_next_version",
            "get_tuple",
            "list",
            "put",
            "put_writes",
            "delete_thread",
            "get_delta_channel_history",
        ):
            setattr(self, name, getattr(saver, name))

    async def aget_tuple(self, *arguments: Any, **options: Any) -> Any:
        return await asyncio.to_thread(self.saver.get_tuple, *arguments, **options)

    async def alist(self, *arguments: Any, **options: Any) -> AsyncIterator[Any]:
        for found in await asyncio.to_thread(lambda: list(self.saver.list(*arguments, **options))):
            yield found

    async def aput(self, *arguments: Any, **options: Any) -> Any:
        return await asyncio.to_thread(self.saver.put, *arguments, **options)

    async def aput_writes(self, *arguments: Any, **options: Any) -> None:
        await asyncio.to_thread(self.saver.put_writes, *arguments, **options)

    async def adelete_thread(self, *arguments: Any, **options: Any) -> None:
        await asyncio.to_thread(self.saver.delete_thread, *arguments, **options)

    async def aget_delta_channel_history(self, *arguments: Any, **options: Any) -> Any:
        return await asyncio.to_thread(self.saver.get_delta_channel_history, *arguments, **options)


def _for_bridge(config: RunnableConfig | None) -> RunnableConfig | None:
    """Return the config of a call whose parent graph is sync, with that parent's checkpointer as async code can use it."""
    given = (config or {}).get("configurable") or {}
    if not config or _CHECKPOINTER not in given:
        return config
    return {**config, "configurable": {**given, _CHECKPOINTER: in_threads(given[_CHECKPOINTER])}}
