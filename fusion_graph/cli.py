"""The `fusion` command. Results go to stdout, everything else to stderr.

Exit codes: 0 answered (also degraded); 1 no answer; 2 usage or settings; 3 paused; 4 credentials missing or refused;
5 degraded, with --strict; 130 stopped by Ctrl-C.
"""

import asyncio
import json
import os
import select
import signal
import sqlite3
import stat
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fusion_graph import terminal
from fusion_graph.errors import FusionError, MissingKeyError, ModelLoadError, SettingsError
from fusion_graph.settings import home

if TYPE_CHECKING:  # the rest of the package is imported by the commands that need it: --help takes no second
    from fusion_graph.events import LiveRun
    from fusion_graph.runs import Runs

CODES = (
    "Exit codes: 0 answered, also degraded; 1 no answer; 2 usage or settings; 3 paused; 4 credentials; "
    "5 degraded with --strict; 130 Ctrl-C."
)
STDIN_PATIENCE_SECONDS = 3.0
app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Ask a panel of models; get one cited answer.",
    epilog=CODES,
)
runs_app = typer.Typer(no_args_is_help=True, help="Past and stopped runs: nothing paid for is lost.")
app.add_typer(runs_app, name="runs")

Database = Annotated[
    Path | None, typer.Option("--db", help="Database file of the runs.", show_default="in the data folder")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
AsEvents = Annotated[bool, typer.Option("--events", help="Print every event as a line of JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the beginning of it.")]


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
        "panel": _listed(panel),
        "judge": judge,
        "writer": writer,
        "mode": mode,
        "tools": _listed(tools),
        "excluded_domains": _listed(exclude),
        "max_cost_usd": max_cost,
        "min_answers": min_answers,
    }
    settings = {name: value for name, value in given.items() if value is not None}
    text = _question(question)

    async def work(runs: "Runs") -> int:
        live = await runs.start([text], settings, thread_id=thread)
        return await _follow(live, as_json=as_json, as_events=events, strict=strict, quiet=quiet)

    _run(db, work, as_json=as_json)


@app.command("presets")
def list_presets(as_json: AsJson = False) -> None:
    """List the rosters to choose from: the published ones and your own."""
    from fusion_graph.presets import load_presets  # noqa: PLC0415  (see the note on imports above)

    try:
        presets = load_presets()
    except FusionError as error:
        raise typer.Exit(_refused(error, as_json=as_json)) from None
    if as_json:
        _print(json.dumps(presets, ensure_ascii=False))
        return
    for name, preset in presets.items():
        settings = preset["settings"]
        seats = ", ".join(seat if isinstance(seat, str) else seat["model"] for seat in settings.get("panel", []))
        _print(f"{name}: {preset['description']}\n  panel {seats}; judge {settings.get('judge', '-')}")


@runs_app.command("list")
def list_runs(
    db: Database = None,
    as_json: AsJson = False,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1)] = 20,
) -> None:
    """List runs, newest first."""

    async def work(runs: "Runs") -> int:
        rows = [_summary(row) for row in await runs.list(limit=limit)]
        _print(json.dumps(rows, ensure_ascii=False) if as_json else terminal.runs_table(rows))
        return 0

    _run(db, work, as_json=as_json)


@runs_app.command("show")
def show_run(run: RunId, db: Database = None, as_json: AsJson = False) -> None:
    """Show what a run came to, or holds so far."""

    async def work(runs: "Runs") -> int:
        result = await runs.show(run)
        _print(json.dumps(result, ensure_ascii=False) if as_json else terminal.answer_text(result))
        if not as_json:
            _tell(*terminal.closing_lines(result))
        return 0

    _run(db, work, as_json=as_json)


@runs_app.command("resume", epilog=CODES)
def resume_run(
    run: RunId,
    db: Database = None,
    as_json: AsJson = False,
    events: AsEvents = False,
    quiet: Quiet = False,
) -> None:
    """Go on with a stopped run where it was; of a finished one, print the result again."""

    async def work(runs: "Runs") -> int:
        live = await runs.resume(run)
        return await _follow(live, as_json=as_json, as_events=events, strict=False, quiet=quiet)

    _run(db, work, as_json=as_json)


@runs_app.command("fork", epilog=CODES)
def fork_run(
    run: RunId,
    judge: Annotated[str, typer.Option(help="Compare again with this model, and write again.")] = "",
    writer: Annotated[str, typer.Option(help="Write again with this model.")] = "",
    add_seat: Annotated[
        list[str] | None, typer.Option(help="Ask one more model; then compare and write again.")
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Ask the failed seats again.")] = False,
    db: Database = None,
    as_json: AsJson = False,
    events: AsEvents = False,
    quiet: Quiet = False,
) -> None:
    """Start a new run from another's answers: what does not change is not paid again."""

    async def work(runs: "Runs") -> int:
        live = await runs.fork(
            run, judge=judge, writer=writer, add_seats=_listed(add_seat) or [], retry_failed=retry_failed
        )
        return await _follow(live, as_json=as_json, as_events=events, strict=False, quiet=quiet)

    _run(db, work, as_json=as_json)


@runs_app.command("delete")
def delete_run(
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="A run's id, or the beginning of it.")] = None,
    older_than: Annotated[float | None, typer.Option(help="Delete all runs untouched for so many days.", min=0)] = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Delete a run: its events, its costs, and with the last run of a thread the thread's checkpoints."""
    if (run is None) == (older_than is None):
        raise typer.BadParameter("give a RUN or --older-than DAYS")

    async def work(runs: "Runs") -> int:
        if older_than is not None:
            gone = await runs.prune(older_than_seconds=older_than * 86_400)
            _print(json.dumps({"deleted": gone}) if as_json else f"deleted {gone} runs")
            return 0
        row = await runs.get(run or "")
        await runs.delete(row["run_id"])
        _print(json.dumps({"deleted": row["run_id"]}) if as_json else f"deleted {row['run_id'][:8]}")
        return 0

    _run(db, work, as_json=as_json)


async def _follow(live: "LiveRun", *, as_json: bool, as_events: bool, strict: bool, quiet: bool) -> int:
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
        _tell(f"stopped; what is done and paid is kept\nhint: go on with: fusion runs resume {live.run_id[:8]}")
        return 130
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    if as_json:
        _print(json.dumps(result, ensure_ascii=False))
    elif not as_events:
        _print(terminal.answer_text(result))
        _tell(*terminal.closing_lines(result))
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
            _print(json.dumps(event, ensure_ascii=False, default=str))
        elif line := progress.line(event):
            _tell(line)


def _exit_code(result: dict[str, Any], *, strict: bool) -> int:
    if result["status"] == "interrupted":
        return 3
    if result["status"] == "error":
        outcomes = {call["outcome"] for call in result["usage"]["calls"]}
        return 4 if outcomes == {"unauthorized"} else 1
    return 5 if strict and result["status"] == "degraded" else 0


def _run(db: Path | None, work: Callable[["Runs"], Coroutine[Any, Any, int]], *, as_json: bool) -> None:
    """Open the runs, do the work, and turn its errors into words and an exit code."""
    # Before LangGraph is imported: checkpoints then load plain data only.
    os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

    path = db or home("data") / "runs.db"

    async def main() -> int:
        from fusion_graph.runs import open_runs  # noqa: PLC0415  (see the note on imports above)

        async with open_runs(path) as runs:
            return await work(runs)

    try:
        code = asyncio.run(main())
    except FusionError as error:
        code = _refused(error, as_json=as_json)
    except (OSError, sqlite3.Error) as error:
        if isinstance(error, BrokenPipeError):
            raise  # whoever read our output has seen enough; typer leaves quietly
        _tell(f"error: the database {str(path)!r}: {error}", "hint: name a file this user can write to with --db")
        code = 1
    raise typer.Exit(code)


def _refused(error: FusionError, *, as_json: bool) -> int:
    """Say what went wrong and what to do about it; return the exit code."""
    if as_json:
        reason = "invalid_model" if isinstance(error, ModelLoadError) else "unexpected_error"
        told = {"status": "error", "failure_reason": reason, "error": str(error), "hint": error.hint}
        _print(json.dumps(told, ensure_ascii=False))
    _tell(f"error: {error}", *([f"hint: {error.hint}"] if error.hint else []))
    if isinstance(error, MissingKeyError):
        return 4
    return 2 if isinstance(error, SettingsError | ModelLoadError) else 1


def _summary(row: Any) -> dict[str, Any]:
    result = row["result"] or {}
    total = (result.get("usage") or {}).get("total") or {}
    seats = len((result.get("settings") or {}).get("panel") or [])
    cost = terminal.money(total.get("cost_usd"), lower_bound=total.get("cost_is_lower_bound", True))
    kept = {
        name: row[name]
        for name in ("run_id", "thread_id", "parent_id", "status", "question", "created_at", "updated_at")
    }
    return kept | {
        "seats": f"{len(result.get('responses') or [])}/{seats}" if seats else "-",
        "cost": cost,
        "cost_usd": total.get("cost_usd"),
    }


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
        _tell("reading stdin until it is closed; redirect it from /dev/null if it has nothing to add")
    return sys.stdin.read().strip()


def _listed(values: list[str] | None) -> list[str] | None:
    if values is None:
        return None
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    return [] if names == ["none"] else names


def _print(text: str) -> None:
    typer.echo(text)


def _tell(*lines: str) -> None:
    for line in lines:
        typer.echo(line, err=True)


def main() -> None:
    """Run the command line."""
    app()
