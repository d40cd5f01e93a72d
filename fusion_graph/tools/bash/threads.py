"""Commands run in threads of their own: each is watched closely, and none may hold up the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_AT_ONCE = 8  # commands of this process; more of them wait
_executor = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fusion-bash")


async def in_thread(work: Callable[[], T], stop: Callable[[], None]) -> T:
    """Return what `work` returns in a thread. If this is cancelled, `stop` is called, and the end of it waited for."""
    future = asyncio.get_running_loop().run_in_executor(_executor, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        stop()
        await asyncio.wait([future])
        raise
