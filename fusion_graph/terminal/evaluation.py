"""How far an evaluation is: bars where somebody watches, else a line now and then."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from fusion_graph.terminal.words import in_line, money

_EVERY = 10.0  # seconds between two lines


class Bars:
    """One bar a stage, with the money spent so far."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bar = progress.add_task("settings", total=None, spent="", told="")

    def begin(self, stage: str, total: int) -> None:
        """See `evaluation.stages.Watch`."""
        self._progress.update(self._bar, told="")
        if self._progress.tasks[0].total is None:
            self._progress.remove_task(self._bar)
        self._bar = self._progress.add_task(stage, total=total, spent="", told="")

    def step(self, spent_usd: float, told: str) -> None:
        """See `evaluation.stages.Watch`."""
        self._progress.update(self._bar, advance=1, spent=money(spent_usd), told=in_line(told))


class Lines:
    """A line when a stage begins and ends, and now and then between, on a stream that nobody may be watching."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stage, self._done, self._total, self._last = "", 0, 0, 0.0

    def begin(self, stage: str, total: int) -> None:
        """See `evaluation.stages.Watch`."""
        self._stage, self._done, self._total = stage, 0, total
        self._say(f"{stage}: {total}")

    def step(self, spent_usd: float, told: str) -> None:
        """See `evaluation.stages.Watch`."""
        self._done += 1
        if self._done == self._total or time.monotonic() - self._last >= _EVERY:
            self._say(f"{self._stage}: {self._done} of {self._total}, {money(spent_usd)} so far · {in_line(told)}")

    def _say(self, line: str) -> None:
        self._last = time.monotonic()
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class Silence:
    """Nothing."""

    def begin(self, stage: str, total: int) -> None:
        """See `evaluation.stages.Watch`."""

    def step(self, spent_usd: float, told: str) -> None:
        """See `evaluation.stages.Watch`."""


@contextmanager
def watched(*, is_live: bool, quiet: bool) -> Iterator[Bars | Lines | Silence]:
    """Show on stderr how far an evaluation is."""
    console = Console(stderr=True)
    if quiet:
        yield Silence()
    elif not is_live:
        yield Lines(console)
    else:
        columns = (
            TextColumn("{task.description:<12}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[spent]}"),
            TextColumn("{task.fields[told]}", style="dim", markup=False),
        )
        with Progress(*columns, console=console) as progress:
            yield Bars(progress)
