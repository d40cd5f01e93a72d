"""A run shown as it goes, and what it came to: stdout, stderr, Ctrl-C, exit codes."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, Self

from fusion_graph import terminal
from fusion_graph.cli import approving
from fusion_graph.cli.app import print_result, tell

if TYPE_CHECKING:
    from fusion_graph.events import LiveRun
    from fusion_graph.runs import Runs
    from fusion_graph.schemas import Event

FIRST_EVENT = 1
SETTLING_SECONDS = 0.02  # between looks for what the run's first step stores, which takes about as long


async def follow(
    live: "LiveRun", *, as_json: bool, as_events: bool, strict: bool, quiet: bool, runs: "Runs | None" = None
) -> int:
    """Show a run as it goes and print what it comes to; return the exit code.

    With `runs` its roster is shown from the start, and so is what was done before this process.
    """
    import asyncio

    view = terminal.RunView(live.run_id)
    display = _display(view, as_events=as_events, quiet=quiet or as_json)
    stop = _Stop(live, view, display)
    with stop.on_signals():
        try:
            if display:
                with display:
                    await _watch(live, display, runs)
            result = await live.result()
        except asyncio.CancelledError:
            if not (stop.is_asked or live.is_over):  # not the run was stopped, but who waits for it
                raise
            tell(*await _stopped(view, runs, by="" if stop.is_asked else " from elsewhere"))
            return 130
    if result.get("approval") and runs and not (as_json or as_events) and approving.can_be_asked():
        if decision := approving.ask_about(result):
            live = await runs.resume(live.run_id, decision)
            return await follow(live, as_json=False, as_events=False, strict=strict, quiet=quiet, runs=runs)
        return _exit_code(result, strict=strict)
    if as_json:
        print_result(json.dumps(result, ensure_ascii=False), hint=_kept(result))
    elif not as_events:
        show_result(result, quiet=quiet, seconds=view.seconds(time.time()) if view.began else None)
    return _exit_code(result, strict=strict)


def show_result(result: dict[str, Any], *, quiet: bool = False, seconds: float | None = None) -> None:
    """Print the answer on stdout; on stderr how it was degraded before it, and what it cost after it."""
    width = terminal.width_of(sys.stderr)
    if result.get("approval"):
        approving.tell_waiting(result)
        return
    tell(*terminal.opening_lines(result, width=width))
    if terminal.is_page():
        from fusion_graph.terminal.page import print_page

        print_page(result)
    else:
        print_result(terminal.answer_text(result), hint=_kept(result))
    if quiet:
        return
    gap = [""] if width else []
    costs = [*terminal.cost_table(result, width), *terminal.tool_lines(result, width)]
    tell(*gap, *costs, *gap, *terminal.closing_lines(result, seconds, width=width))


def _kept(result: dict[str, Any]) -> str:
    show = terminal.command(f"show {result['run_id'][:8]}")
    return f"the answer is stored: {show}"


class _Display(Protocol):
    """Where a run is shown while it goes on."""

    view: terminal.RunView

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

    def show(self, event: "Event") -> None:
        """Take an event over."""

    def close(self) -> None:
        """Leave the terminal as it was found."""


class _Printed:
    """What is printed stays printed: there is nothing to open or to close."""

    def __init__(self, view: terminal.RunView) -> None:
        self.view = view

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        pass


class _Lines(_Printed):
    """One line per event on stderr."""

    def __init__(self, view: terminal.RunView) -> None:
        super().__init__(view)
        self._progress = terminal.Progress(view)

    def show(self, event: "Event") -> None:
        if line := self._progress.line(event):
            tell(line)


class _Records(_Printed):
    """Every event as a line of JSON on stdout."""

    def show(self, event: "Event") -> None:
        terminal.note(self.view, event)
        hint = f"go on with: {terminal.command(f'resume {self.view.run_id[:8]}')}"
        print_result(json.dumps(event, ensure_ascii=False, default=str), hint=hint)


def _display(view: terminal.RunView, *, as_events: bool, quiet: bool) -> _Display | None:
    """Return where to show the run. None: nowhere, and nobody listens; panelists then need not stream."""
    if as_events:
        return _Records(view)
    if quiet:
        return None
    if not terminal.is_live():
        return _Lines(view)
    from fusion_graph.terminal.live import LiveView

    return LiveView(view)


async def _watch(live: "LiveRun", display: _Display, runs: "Runs | None") -> None:
    """Show events until the last; before the first, what there is to know of the run already."""
    is_known = runs is None
    async for event in live.events():
        if not is_known and runs:
            await introduce(display.view, runs, before=event["seq"])
            is_known = True
        display.show(event)


async def introduce(view: terminal.RunView, runs: "Runs", *, before: int | None = None) -> None:
    """Tell the view the run's settings and what earlier processes did: all events, or those with a number below."""
    import asyncio

    result = await runs.show(view.run_id)
    while before is not None and result["settings"] is None and result["status"] == "running":
        await asyncio.sleep(SETTLING_SECONDS)
        result = await runs.show(view.run_id)
    view.introduce(result)
    is_new = before == FIRST_EVENT and not (result["responses"] or result["failed_models"])
    if is_new and result["settings"] and not view.is_demo:
        view.estimate = await _estimated(runs, result["settings"])
    for event in await runs.store.events(view.run_id):
        if before is None or event["seq"] < before:
            terminal.note(view, event)


async def _estimated(runs: "Runs", settings: dict[str, Any]) -> str:
    """Return in a few words what such a run costs."""
    from fusion_graph.estimate import render_estimate
    from fusion_graph.settings import load_settings

    return render_estimate(await runs.estimate(load_settings(settings)))


async def _stopped(view: terminal.RunView, runs: "Runs | None", *, by: str) -> list[str]:
    """Return what to say of a run that was stopped: what is saved, what was spent, how to go on."""
    if runs:  # the journal also knows the calls that were under way
        await introduce(view, runs)
    saved = f"{view.answered} of {len(view.seats)} answers saved, " if view.seats else ""
    when = f" at {terminal.clock(view.seconds(time.time()))}" if view.began else ""
    spent = view.spent.said if view.spent.usd is None else f"{view.spent.said} spent"
    return [
        f"stopped{by}{when}; {saved}{spent}",
        f"hint: go on with: {terminal.command(f'resume {view.run_id[:8]}')}",
    ]


class _Stop:
    """What Ctrl-C and SIGTERM do: stop at the last checkpoint; the second time, leave at once.

    The run can be resumed either way.
    """

    def __init__(self, live: "LiveRun", view: terminal.RunView, display: _Display | None) -> None:
        self._live, self._view, self._display = live, view, display
        self.is_asked = False

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Be called by both signals."""
        import asyncio

        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def __call__(self) -> None:
        if self.is_asked:
            if self._display:
                self._display.close()
            os._exit(130)
        self.is_asked = self._view.is_stopping = True
        self._live.cancel_soon()


def _exit_code(result: dict[str, Any], *, strict: bool) -> int:
    if result["status"] == "interrupted":
        return 3
    if result["status"] == "error":
        outcomes = {call["outcome"] for call in result["usage"]["calls"]}
        return 4 if outcomes == {"unauthorized"} else 1
    return 5 if strict and result["status"] == "degraded" else 0
