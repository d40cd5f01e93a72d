"""The live view: all seats at once, drawn over itself on stderr four times a second; its last frame stays.

Only for a terminal (`streams.is_live`). Everything in it is `Text`: what models say is never markup.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Self

from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fusion_graph.schemas import Event
from fusion_graph.terminal.following import note
from fusion_graph.terminal.run_view import Key, Row, RunView
from fusion_graph.terminal.words import clock, cut, short_cost, tokens

REFRESHES_PER_SECOND = 4
NAME = 22
# Each column's width (None: what is left), its alignment, and from how many columns of the terminal it is shown.
_COLUMNS: dict[str, tuple[int | None, JustifyMethod, int]] = {
    "seat": (1, "left", 0),
    "name": (NAME, "left", 0),
    "state": (13, "left", 0),
    "detail": (None, "left", 66),
    "tokens": (10, "right", 110),
    "time": (5, "right", 0),
    "cost": (7, "right", 0),
}
_STYLES = {"answered": "green", "answered early": "green", "stopped": "yellow", "failed": "red", "no comparison": "red"}


class LiveView:
    """Show a run while it goes on. Use it as a context manager within an event loop; `close` may come twice."""

    def __init__(
        self, view: RunView, console: Console | None = None, clock_now: Callable[[], float] = time.time
    ) -> None:
        self.view = view
        self._now = clock_now
        self._console = console or Console(
            stderr=True, force_terminal=True, force_interactive=True, markup=False, highlight=False, emoji=False
        )
        # Drawn by this loop, never by a thread: the rows change under it. Only stderr is ours to redirect.
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, get_renderable=self.frame)
        self._ticks: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        self._ticks = asyncio.create_task(self._tick(), name="live view")
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def show(self, event: Event) -> None:
        """Take an event over; the next frame shows it."""
        note(self.view, event)

    def close(self) -> None:
        """Draw the last frame, leave it there, and give the cursor back."""
        if self._ticks:
            self._ticks.cancel()
        self._live.stop()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1 / REFRESHES_PER_SECOND)
            self._live.refresh()

    def frame(self) -> RenderableType:
        """Return the picture of this moment."""
        now = self._now()
        heading = Text(_heading(self.view), style="dim")
        status = Text(f"   {_status(self.view, now)}", style="dim", no_wrap=True, overflow="ellipsis")
        return Group(heading, self._table(now), status)

    def _table(self, now: float) -> Table:
        shown = [name for name, (_, _, least) in _COLUMNS.items() if self._console.width >= least]
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        for name in shown:
            fixed, justify, _ = _COLUMNS[name]
            is_flexible = fixed is None or ("detail" not in shown and name == "name")
            width, ratio = (None, 1) if is_flexible else (fixed, None)
            table.add_column(width=width, ratio=ratio, justify=justify, no_wrap=True, overflow="ellipsis")
        for key, row in _ordered(self.view):
            cells = _cells(self.view, key, row, now, with_tokens="tokens" not in shown)
            table.add_row(*(cells[name] for name in shown))
        return table


def _ordered(view: RunView) -> list[tuple[Key, Row]]:
    others: list[Key] = ["judge", "writer"]
    return [*view.seats.items(), *((key, view.rows[key]) for key in others if key in view.rows)]


def _cells(view: RunView, key: Key, row: Row, now: float, *, with_tokens: bool) -> dict[str, Text]:
    """Return a row's cells by column; `with_tokens`: the detail of an answer has to tell them."""
    is_paid, cost, seconds = bool(view.calls_of(key)), view.cost_of(key), row.seconds(now)
    used = f"{tokens(view.tokens_of(key))} tok" if is_paid else ""
    return {
        "seat": Text(str(key) if isinstance(key, int) else ""),
        "name": Text(short_name(row.name)),
        "state": Text(row.state, style=_STYLES.get(row.state, "")),
        "detail": Text(f"{used}, {row.detail}" if row.has_answer and used and with_tokens else row.detail, style="dim"),
        "tokens": Text(used),
        "time": Text("" if seconds is None else clock(seconds)),
        "cost": Text(short_cost(cost.usd, lower_bound=cost.is_lower_bound) if is_paid else ""),
    }


def short_name(name: str) -> str:
    """Return a model's name in the room there is: without provider and vendor if need be, then cut."""
    if len(name) <= NAME:
        return name
    return cut(name.rpartition("/")[2] if "/" in name else name.partition(":")[2] or name, NAME)


def _heading(view: RunView) -> str:
    return " · ".join([*view.facts, f"run {view.run_id[:8]}"])


def _status(view: RunView, now: float) -> str:
    panel = [f"panel {view.answered} of {len(view.seats)}"] if view.seats else []
    spent, going = view.spent, view.ended is None
    under_way = spent.is_lower_bound or going or view.is_stopping
    cost = spent._replace(is_lower_bound=under_way).said if spent.usd or not going else ""
    keys = "" if not going else "stopping; Ctrl-C again leaves now" if view.is_stopping else "Ctrl-C keeps the run"
    return " · ".join(part for part in (clock(view.seconds(now)), *panel, cost, keys) if part)
