"""Quorum and grace: when enough seats have answered, or the user wants it, the others are told to finish, and then cut."""

import asyncio
from collections.abc import Callable
from functools import lru_cache

from langgraph.runtime import RunControl

from fusion_graph.calls import run_scope
from fusion_graph.state import Plan

ENOUGH = "enough others have answered"
WANTED = "you asked for the answer"  # the user, who reads it


class Panel:
    """The seats of one fan-out, as far as this process knows them. It may be lost: after a resume it counts anew.

    `quorum` answers start `grace_seconds`; 0 never does.
    """

    def __init__(self, quorum: int, grace_seconds: float) -> None:
        self.reason = ""  # why it closes, in words; "" as long as it does not
        self.is_over = False
        self._missing = quorum
        self._grace_seconds = grace_seconds
        self._cuts: dict[object, Callable[[], None]] = {}

    def answered(self) -> None:
        """Count an answer; the one that completes the quorum starts the grace."""
        self._missing -= 1
        if self._missing == 0 and not self.reason:
            self._start_grace(ENOUGH)

    def close(self) -> None:
        """Start the grace without a quorum; if it has begun, end it."""
        if not self.reason:
            self._start_grace(WANTED)
        elif not self.is_over:
            self.reason = WANTED
            self._end()

    def watch(self, cut: Callable[[], None]) -> Callable[[], None]:
        """Call `cut`, which must not raise, when the grace is over, at once if it is already; return how to undo this."""
        key = object()
        self._cuts[key] = cut
        if self.is_over:
            cut()
        return lambda: self._cuts.pop(key, None) and None

    def _start_grace(self, reason: str) -> None:
        self.reason = reason
        asyncio.get_running_loop().call_later(self._grace_seconds, self._end)

    def _end(self) -> None:
        self.is_over = True
        for cut in list(self._cuts.values()):
            cut()


@lru_cache(maxsize=1024)
def _panel(_execution: RunControl | None, _panel_id: str, quorum: int, grace_seconds: float) -> Panel:
    panel = Panel(quorum, grace_seconds)
    run_scope.get().on_panel(panel)
    return panel


def panel_of(plan: Plan, execution: RunControl | None) -> Panel:
    """Return the panel that a seat belongs to: one object for all seats of a fan-out in this execution of the graph.

    LangGraph makes one `runtime.control` for each execution, so a resume never finds a panel that was over before it.
    """
    return _panel(execution, plan["panel_id"], plan["quorum"], plan["grace_seconds"])
