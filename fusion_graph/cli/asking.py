"""`fusion ask`: ask, and show a run as it goes."""

import asyncio
import json
import os
import select
import signal
import stat
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fusion_graph import terminal
from fusion_graph.cli.app import CODES, AsEvents, AsJson, Database, Quiet, app, listed, print_result, tell, with_runs

if TYPE_CHECKING:
    from fusion_graph.events import LiveRun
    from fusion_graph.runs import Runs

STDIN_PATIENCE_SECONDS = 3.0


@app.command(epilog=CODES)
def ask(
    question: Annotated[
        str, typer.Argument(help="The question; - reads it from stdin. Piped text is added to a question as context.")
    ],
    preset: Annotated[str | None, typer.Option(help="Published roster to start from.")] = None,
    panel: Annotated[list[str] | None, typer.Option(help="Models of the panel, comma-separated or repeated.")] = None,
    judge: Annotated[str | None, typer.Option(help="Model that compares.")] = None,
    writer: Annotated[str | None, typer.Option(help="Model that writes; default: the judge.")] = None,
    mode: Annotated[str | None, typer.Option(help="always, auto or never ask the panel.")] = None,
    tools: Annotated[list[str] | None, typer.Option(help="Tools of the panel, comma-separated; none for none.")] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Domains never to be used, comma-separated or repeated.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(help="Budget in US dollars: a seat stops researching when its share is spent.")
    ] = None,
    min_answers: Annotated[int | None, typer.Option(help="Fewer answers than this are an error.")] = None,
    thread: Annotated[
        str | None, typer.Option(help="Go on with this thread: the panel sees what was said before.")
    ] = None,
    db: Database = None,
    as_json: AsJson = False,
    events: AsEvents = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 5 if the answer is degraded.")] = False,
    quiet: Quiet = False,
) -> None:
    """Ask the panel a question and print the answer."""
    given: dict[str, Any] = {
        "preset": preset,
        "panel": listed(panel),
        "judge": judge,
        "writer": writer,
        "mode": mode,
        "tools": listed(tools),
        "excluded_domains": listed(exclude),
        "max_cost_usd": max_cost,
        "min_answers": min_answers,
    }
    settings = {name: value for name, value in given.items() if value is not None}
    text = _question(question)

    async def work(runs: "Runs") -> int:
        live = await runs.start([text], settings, thread_id=thread)
        return await follow(live, as_json=as_json, as_events=events, strict=strict, quiet=quiet)

    with_runs(db, work, as_json=as_json)


def _question(question: str) -> str:
    """Return the question, with stdin for `-`, or with piped text after it."""
    piped = _piped()
    text = piped if question == "-" else f"{question}\n\n{piped}" if piped else question
    if not text.strip():
        raise typer.BadParameter("the question is empty")
    return text


def _piped() -> str:
    """Return what is piped or redirected into stdin; a terminal or /dev/null is neither."""
    if sys.stdin is None or sys.stdin.closed:
        return ""
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISREG(mode)):
        return ""
    if not select.select([sys.stdin], [], [], STDIN_PATIENCE_SECONDS)[0]:
        tell("reading stdin until it is closed; redirect it from /dev/null if it has nothing to add")
    return sys.stdin.read().strip()


async def follow(live: "LiveRun", *, as_json: bool, as_events: bool, strict: bool, quiet: bool) -> int:
    """Show a run as it goes and print what it comes to; return the exit code."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop, live, stopped)
    try:
        await _show_progress(live, as_events=as_events, quiet=quiet or as_json)
        result = await live.result()
    except asyncio.CancelledError:
        if not stopped.is_set():
            raise
        tell(f"stopped; what is done and paid is kept\nhint: go on with: fusion runs resume {live.run_id[:8]}")
        return 130
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    if as_json:
        print_result(json.dumps(result, ensure_ascii=False))
    elif not as_events:
        print_result(terminal.answer_text(result))
        tell(*terminal.closing_lines(result))
    return _exit_code(result, strict=strict)


def _stop(live: "LiveRun", stopped: asyncio.Event) -> None:
    """Stop at the last checkpoint; a second signal leaves at once (the run can be resumed all the same)."""
    if stopped.is_set():
        os._exit(130)
    stopped.set()
    live.cancel_soon()


async def _show_progress(live: "LiveRun", *, as_events: bool, quiet: bool) -> None:
    if quiet and not as_events:
        return
    progress = terminal.Progress()
    async for event in live.events():
        if as_events:
            print_result(json.dumps(event, ensure_ascii=False, default=str))
        elif line := progress.line(event):
            tell(line)


def _exit_code(result: dict[str, Any], *, strict: bool) -> int:
    if result["status"] == "interrupted":
        return 3
    if result["status"] == "error":
        outcomes = {call["outcome"] for call in result["usage"]["calls"]}
        return 4 if outcomes == {"unauthorized"} else 1
    return 5 if strict and result["status"] == "degraded" else 0
