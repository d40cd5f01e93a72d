"""A run's events, and the pauses between them: who is silent for too long is taken for dead."""

import asyncio
from collections.abc import AsyncGenerator

from fusion_graph.schemas import Event


async def with_pauses(events: AsyncGenerator[Event, None], seconds: float) -> AsyncGenerator[Event | None, None]:
    """Yield what comes, and None whenever nothing has come for so many seconds."""
    coming: asyncio.Task[Event | None] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(_next(events))
            done, _ = await asyncio.wait([coming], timeout=seconds)
            if not done:
                yield None
                continue
            found, coming = coming.result(), None
            if found is None:
                return
            yield found
    finally:
        if coming:
            coming.cancel()
            await asyncio.wait([coming])
        await events.aclose()


async def _next(events: AsyncGenerator[Event, None]) -> Event | None:
    return await anext(events, None)
