"""One line of `fusion check`."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Literal, TypeAlias, TypeVar

from typing_extensions import TypedDict

from fusion_graph.errors import FusionError, MissingKeyError, redact

T = TypeVar("T")
Level: TypeAlias = Literal["ok", "info", "warn", "fail"]


class Item(TypedDict):
    """What was found, and the remedy ('' where none is needed). `is_key`: a key is missing or refused."""

    level: Level
    name: str
    found: str
    remedy: str
    is_key: bool


def made(level: Level, name: str, found: str, remedy: str = "", *, is_key: bool = False) -> Item:
    """Return an item without anything that looks like a secret."""
    return {"level": level, "name": name, "found": redact(found), "remedy": redact(remedy), "is_key": is_key}


def fault(name: str, error: FusionError, *, level: Level = "fail") -> Item:
    """Return the item of an error of this package."""
    return made(level, name, str(error), error.hint or "", is_key=isinstance(error, MissingKeyError))


async def in_thread(work: Callable[[], T]) -> T:
    """Return what `work` returns, from a thread that nobody waits for at the end: a dead disk may hold it for ever."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # from here on it cannot be cancelled, only left alone

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001  (carried over to the caller)
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return await asyncio.wrap_future(future)
