"""Work in an event loop of its own."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

_Result = TypeVar("_Result")
_Place = tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]


async def apart(work: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
    """Await `work` in a thread and event loop of its own; cancelled, wait until it has cleaned up.

    An event loop that shuts down cancels every task in it, those that clean up as well. This one it does not see.
    """
    place: Future[_Place] = Future()

    async def main() -> _Result:
        task = asyncio.create_task(work())
        place.set_result((asyncio.get_running_loop(), task))
        return await task

    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="apart")
    result = asyncio.wrap_future(pool.submit(lambda: asyncio.run(main())))
    pool.shutdown(wait=False)
    try:
        return await asyncio.shield(result)
    except asyncio.CancelledError:
        place.add_done_callback(_cancel)
        while not result.done():
            with suppress(asyncio.CancelledError):  # once is enough
                await asyncio.wait([result])
        if not result.cancelled():
            result.exception()  # else asyncio says that nobody looked at it
        raise


def _cancel(place: Future[_Place]) -> None:
    loop, task = place.result()
    with suppress(RuntimeError):  # the loop is closed: the work is done
        loop.call_soon_threadsafe(task.cancel)
