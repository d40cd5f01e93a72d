"""The pages that a run has read: one fetch of one page serves all its seats."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

MAX_CHARS = 20_000_000  # of text, of all runs of this process together


@dataclass(frozen=True, slots=True)
class Page:
    """A page as text; `canonical` are the addresses it gives as its own, `retrieved_at` is an ISO 8601 time."""

    url: str
    title: str
    text: str
    published: str = ""
    canonical: tuple[str, ...] = ()
    retrieved_at: str = ""


class Pages:
    """Pages by key, the least recently used dropped first. Whoever stops waiting for a fetch stops nobody else's."""

    def __init__(self, max_chars: int = MAX_CHARS) -> None:
        self._max_chars = max_chars
        self._chars = 0
        self._read: OrderedDict[Hashable, Page] = OrderedDict()
        self._under_way: dict[Hashable, asyncio.Task[Page]] = {}

    async def get(self, key: Hashable, load: Callable[[], Awaitable[Page]]) -> Page:
        """Return the page of `key`, loaded unless it is there or on its way. A failure is told to all who wait."""
        if key in self._read:
            self._read.move_to_end(key)
            return self._read[key]
        here = (asyncio.get_running_loop(), key)  # a task belongs to its loop, a page to all
        task = self._under_way.get(here)
        if task is None:
            task = self._under_way[here] = asyncio.create_task(self._load(key, load))
            task.add_done_callback(lambda done: self._ended(here, done))
        return await asyncio.shield(task)

    async def _load(self, key: Hashable, load: Callable[[], Awaitable[Page]]) -> Page:
        page = await load()
        self._chars += len(page.text) - len(self._read[key].text if key in self._read else "")
        self._read[key] = page
        while self._chars > self._max_chars:
            _, dropped = self._read.popitem(last=False)
            self._chars -= len(dropped.text)
        return page

    def _ended(self, here: Hashable, task: asyncio.Task[Page]) -> None:
        del self._under_way[here]
        if not task.cancelled():
            task.exception()  # seen: those who waited may all be gone
