"""Sync callers: what is async runs on one background event loop, so `invoke` works anywhere, in Jupyter too.

Every node is async. A compiled graph of `BridgedStateGraph` has sync methods that wait for its async ones; nothing else
in this package is written twice.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context, copy_context
from functools import cache
from queue import SimpleQueue
from typing import Any, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import DEFAULT_RECURSION_LIMIT, var_child_runnable_config
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

T = TypeVar("T")
C = TypeVar("C", RunnableConfig, RunnableConfig | None)
_MOST_STEPS = 10_000  # as good as none
_CHECKPOINTER = "__pregel_checkpointer"  # where a parent graph passes its own to a graph that is one of its nodes


def wait_for(make: Callable[[], Coroutine[Any, Any, T]], context: Context | None = None) -> T:
    """Return what a coroutine returns, run on the background loop; Ctrl-C ends it there, too."""
    context = context or copy_context()
    if threading.current_thread() is _loop(os.getpid())[1]:
        return _in_new_thread(make, context)
    future = _begun(make(), context)
    try:
        return future.result()
    finally:
        future.cancel()


def iterate(make: Callable[[], AsyncIterator[T]], context: Context | None = None) -> Iterator[T]:
    """Yield what an async iterator yields, run on the background loop; who stops reading stops it there."""
    queue: SimpleQueue[tuple[T] | None] = SimpleQueue()

    async def pump() -> None:
        try:
            async for item in make():
                queue.put((item,))
        finally:
            queue.put(None)

    future = _begun(pump(), context or copy_context())
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
    thread = threading.Thread(target=_run, args=[loop], name="fusion-loop", daemon=True)
    thread.start()
    return loop, thread


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop for ever: what exits in a task (a tool may) ends that task, and asyncio would end the loop with it."""
    while not loop.is_closed():
        with suppress(SystemExit, KeyboardInterrupt):
            loop.run_forever()


def _in_new_thread(make: Callable[[], Coroutine[Any, Any, T]], context: Context) -> T:
    """Run a coroutine for a caller on the background loop itself, which cannot wait for itself."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(context.run, lambda: asyncio.run(make())).result()


def _begun(work: Coroutine[Any, Any, T], context: Context) -> Future[T]:
    return context.run(asyncio.run_coroutine_threadsafe, work, _loop(os.getpid())[0])


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
        graph, config = self._bridged(), _for_bridge(config)
        return wait_for(lambda: graph.ainvoke(input, config, **options), _bridged_context())

    def stream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> Iterator[Any]:  # noqa: A002
        """Yield what the graph streams. See `Pregel.stream`."""
        graph, config = self._bridged(), _for_bridge(config)
        yield from iterate(lambda: graph.astream(input, config, **options), _bridged_context())

    def update_state(self, config: RunnableConfig, *arguments: Any, **options: Any) -> RunnableConfig:
        """Write into a thread's state as a node would. See `Pregel.update_state`."""
        graph, config = self._bridged(), _for_bridge(config)
        return wait_for(lambda: graph.aupdate_state(config, *arguments, **options), _bridged_context())

    def bulk_update_state(self, config: RunnableConfig, *arguments: Any, **options: Any) -> RunnableConfig:
        """Write into a thread's state, several times. See `Pregel.bulk_update_state`."""
        graph, config = self._bridged(), _for_bridge(config)
        return wait_for(lambda: graph.abulk_update_state(config, *arguments, **options), _bridged_context())

    def astream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> AsyncIterator[Any]:  # noqa: A002
        """Yield what the graph streams. See `Pregel.astream`, which `ainvoke` reads.

        LangChain's chains, batches and retries say a limit of steps that nobody has set; a seat's settings limit it.
        """
        limits = [(given or {}).get("recursion_limit") for given in (config, var_child_runnable_config.get())]
        if next(filter(None, limits), None) == DEFAULT_RECURSION_LIMIT:
            config = {**(config or {}), "recursion_limit": _MOST_STEPS}
        return super().astream(input, config, **options)

    def _bridged(self) -> "BridgedGraph":
        """Return this graph with its checkpointer as the background loop can use it."""
        usable = _usable(self.checkpointer)
        return self if usable is self.checkpointer else self.copy({"checkpointer": usable})


def in_threads(saver: Any) -> Any:
    """Return a checkpointer that async code can use: one with sync methods only is called in threads."""
    if not isinstance(saver, BaseCheckpointSaver):
        return saver
    made_by = next(kind for kind in type(saver).__mro__ if "aget_tuple" in vars(kind))  # SqliteSaver's only raises
    is_sync_only = made_by is BaseCheckpointSaver or made_by.__module__ == "langgraph.checkpoint.sqlite"
    return _InThreads(saver) if is_sync_only else saver


def _usable(saver: Any) -> Any:
    """Return a checkpointer as the background loop can use it: one that belongs to a loop elsewhere works there."""
    loop = getattr(saver, "loop", None)
    if not isinstance(loop, asyncio.AbstractEventLoop) or not loop.is_running():
        return in_threads(saver)
    return saver if loop in (_running(), _loop(os.getpid())[0]) else _OnItsLoop(saver)


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class _Elsewhere(BaseCheckpointSaver[Any]):
    """A checkpointer whose work is not done on the loop that waits for it."""

    def __init__(self, saver: Any) -> None:
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

    async def _do(self, name: str, *arguments: Any, **options: Any) -> Any:
        raise NotImplementedError

    async def aget_tuple(self, *arguments: Any, **options: Any) -> Any:
        return await self._do("get_tuple", *arguments, **options)

    async def alist(self, *arguments: Any, **options: Any) -> AsyncIterator[Any]:
        for found in await self._do("list", *arguments, **options):
            yield found

    async def aput(self, *arguments: Any, **options: Any) -> Any:
        return await self._do("put", *arguments, **options)

    async def aput_writes(self, *arguments: Any, **options: Any) -> None:
        await self._do("put_writes", *arguments, **options)

    async def adelete_thread(self, *arguments: Any, **options: Any) -> None:
        await self._do("delete_thread", *arguments, **options)

    async def aget_delta_channel_history(self, *arguments: Any, **options: Any) -> Any:
        return await self._do("get_delta_channel_history", *arguments, **options)


class _InThreads(_Elsewhere):
    """A sync checkpointer with async methods."""

    async def _do(self, name: str, *arguments: Any, **options: Any) -> Any:
        def work() -> Any:
            made = getattr(self.saver, name)(*arguments, **options)
            return list(made) if name == "list" else made

        return await asyncio.to_thread(work)


class _OnItsLoop(_Elsewhere):
    """An async checkpointer of another loop."""

    async def _do(self, name: str, *arguments: Any, **options: Any) -> Any:
        async def work() -> Any:
            made = getattr(self.saver, f"a{name}")(*arguments, **options)
            return [found async for found in made] if name == "list" else await made

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(), self.saver.loop))


def _bridged_context() -> Context:
    """Return the caller's context, with the checkpointer that a graph round the call has passed on as the loop can use it."""
    context = copy_context()
    context.run(var_child_runnable_config.set, _for_bridge(var_child_runnable_config.get()))
    return context


def _for_bridge(config: C) -> C:
    """Return the config of a call inside another graph, with that graph's checkpointer as the background loop can use it."""
    given = (config or {}).get("configurable") or {}
    if _CHECKPOINTER not in given:
        return config
    usable = {**given, _CHECKPOINTER: _usable(given[_CHECKPOINTER])}
    return cast("C", {**(config or {}), "configurable": usable})
