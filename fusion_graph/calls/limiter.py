"""At most so many calls at once per provider, in the whole process: asyncio's semaphores belong to one event loop each."""

import asyncio
import threading
from collections import Counter, defaultdict, deque
from contextlib import suppress


class Limiter:
    """Give out `limit` places per key, first come, first served, to tasks of any event loop and thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # Reentrant: the garbage collector may end a forgotten task, and so free its place, while this thread holds it.
        self._lock = threading.RLock()
        self._taken: Counter[str] = Counter()
        self._waiting: defaultdict[str, deque[_Waiter]] = defaultdict(deque)

    async def acquire(self, key: str) -> None:
        """Take a place, waiting for one if need be; who is cancelled while waiting holds none."""
        with self._lock:
            if self._taken[key] < self._limit:
                self._taken[key] += 1
                return
            waiter = _Waiter()
            self._waiting[key].append(waiter)
        try:
            await waiter.turn
        except BaseException:
            with self._lock:
                if waiter.has_place:
                    self.release(key)
                with suppress(ValueError):
                    self._waiting[key].remove(waiter)
            raise

    def load(self) -> dict[str, tuple[int, int]]:
        """Return how many places are taken, and how many tasks wait for one, by key."""
        with self._lock:
            keys = {*self._taken, *self._waiting}
            return {key: (self._taken[key], len(self._waiting[key])) for key in keys}

    def release(self, key: str) -> None:
        """Give a place back: the task that has waited longest gets it."""
        with self._lock:
            while self._waiting[key]:
                if self._waiting[key].popleft().wake():
                    return
            self._taken[key] -= 1


class _Waiter:
    """One task in the queue. `has_place` is set under the limiter's lock, before the task itself comes to know."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.turn: asyncio.Future[None] = self._loop.create_future()
        self.has_place = False

    def wake(self) -> bool:
        """Hand the place over; return whether there is still an event loop to hand it to."""
        try:
            self._loop.call_soon_threadsafe(self._go)
        except RuntimeError:  # closed
            return False
        self.has_place = True
        return True

    def _go(self) -> None:
        if not self.turn.done():
            self.turn.set_result(None)
