"""`fusion runs ...`: what was asked before."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fusion_graph import terminal
from fusion_graph.cli.app import (
    CODES,
    AddedSeats,
    AsEvents,
    AsJson,
    Database,
    ForkedJudge,
    ForkedWriter,
    JudgeModel,
    OptionalRunId,
    PanelModels,
    Quiet,
    RunId,
    WriterModel,
    listed,
    print_result,
    runs_app,
    tell,
    with_runs,
)
from fusion_graph.cli.approving import approved, edited, rejected
from fusion_graph.cli.showing import follow, introduce, show_result
from fusion_graph.terminal.words import in_line

if TYPE_CHECKING:
    from fusion_graph.runs import Runs


@runs_app.command("list")
def list_runs(
    db: Database = None,
    as_json: AsJson = False,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1)] = 20,
) -> None:
    """List runs, newest first.

    Example: fusion runs list --limit 5
    """

    async def work(runs: "Runs") -> int:
        rows = [_summary(row, await _so_far(row, runs)) for row in await runs.list(limit=limit)]
        table = terminal.runs_table(rows, terminal.width_of(sys.stdout))
        print_result(json.dumps(rows, ensure_ascii=False) if as_json else table)
        return 0

    with_runs(db, work, as_json=as_json)


@runs_app.command("show")
def show_run(run: RunId, db: Database = None, as_json: AsJson = False) -> None:
    """Show what a run came to, or holds so far.

    Example: fusion runs show RUN --json
    """

    async def work(runs: "Runs") -> int:
        result = await runs.show(run)
        if as_json:
            print_result(json.dumps(result, ensure_ascii=False))
        else:
            row = await runs.get(result["run_id"])
            tell(*terminal.wrapped(f"asked: {in_line(row['question'])}", terminal.width_of(sys.stderr)))
            show_result(result)
        return 0

    with_runs(db, work, as_json=as_json, given={"run": run})


@runs_app.command("resume", epilog=CODES)
def resume_run(
    run: RunId,
    yes: Annotated[
        bool | None, typer.Option("--yes/--no", help="Start a panel that waits for approval, or do not.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why not; with --no.")] = "declined",
    panel: PanelModels = None,
    judge: JudgeModel = None,
    writer: WriterModel = None,
    max_cost: Annotated[float | None, typer.Option(help="Budget in US dollars.")] = None,
    db: Database = None,
    as_json: AsJson = False,
    events: AsEvents = False,
    quiet: Quiet = False,
) -> None:
    """Go on with a stopped run where it was; of a finished one, print the result again.

    A run that waits for approval is started by --yes, or by what you change of it, and ended by --no.

    Example: fusion runs resume RUN
    """
    given = {"panel": listed(panel), "judge": judge, "writer": writer, "max_cost_usd": max_cost}
    changes = {name: value for name, value in given.items() if value is not None}
    if yes is False and changes:
        raise typer.BadParameter("--no starts nothing, so there is nothing to change")
    decision = rejected(reason) if yes is False else edited(changes) if changes else approved() if yes else None

    async def work(runs: "Runs") -> int:
        live = await runs.resume(run, decision)
        return await follow(live, as_json=as_json, as_events=events, strict=False, quiet=quiet, runs=runs)

    with_runs(db, work, as_json=as_json, given={"run": run, "reason": reason, **changes})


@runs_app.command("fork", epilog=CODES)
def fork_run(
    run: RunId,
    judge: ForkedJudge = "",
    writer: ForkedWriter = "",
    add_seat: AddedSeats = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Ask the failed seats again.")] = False,
    db: Database = None,
    as_json: AsJson = False,
    events: AsEvents = False,
    quiet: Quiet = False,
) -> None:
    """Start a new run from another's answers: what does not change is not paid again. What is, is told before.

    Example: fusion runs fork RUN --judge openai:gpt-5.5
    """
    from fusion_graph.cli.app import tell
    from fusion_graph.terminal.words import in_line

    async def work(runs: "Runs") -> int:
        plan = await runs.plan_fork(
            run, judge=judge, writer=writer, add_seats=listed(add_seat) or [], retry_failed=retry_failed
        )
        if not quiet:
            tell(*terminal.wrapped(in_line(await runs.paid_again(plan)), terminal.width_of(sys.stderr)))
        live = await runs.begin_fork(plan)
        return await follow(live, as_json=as_json, as_events=events, strict=False, quiet=quiet, runs=runs)

    named = {"run": run, "judge": judge, "writer": writer, "seat": add_seat}
    with_runs(db, work, as_json=as_json, given=named)


@runs_app.command("cancel")
def cancel_run(run: RunId, db: Database = None, as_json: AsJson = False) -> None:
    """Stop a run, also one that a server or another terminal is at work on. What is paid is kept, and can be gone on with.

    Example: fusion runs cancel RUN
    """

    async def work(runs: "Runs") -> int:
        await runs.cancel(run)
        row = await runs.get(run)
        name, status = row["run_id"][:8], row["status"]
        said = f"cancelled {name}" if status == "cancelled" else f"{name} has ended: it is {status}"
        print_result(json.dumps({"run_id": row["run_id"], "status": status}) if as_json else said)
        return 0

    with_runs(db, work, as_json=as_json, given={"run": run})


@runs_app.command("delete")
def delete_run(
    run: OptionalRunId = None,
    older_than: Annotated[float | None, typer.Option(help="Delete all runs untouched for so many days.", min=0)] = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Delete a run: its events, its costs, and with the last run of a thread the thread's checkpoints.

    Example: fusion runs delete --older-than 30
    """
    if (run is None) == (older_than is None):
        raise typer.BadParameter("give a RUN or --older-than DAYS")

    async def work(runs: "Runs") -> int:
        if older_than is not None:
            gone = await runs.prune(older_than_seconds=older_than * 86_400)
            print_result(json.dumps({"deleted": gone}) if as_json else f"deleted {gone} runs")
            return 0
        row = await runs.get(run or "")
        await runs.delete(row["run_id"])
        print_result(json.dumps({"deleted": row["run_id"]}) if as_json else f"deleted {row['run_id'][:8]}")
        return 0

    with_runs(db, work, as_json=as_json, given={"run": run})


async def _so_far(row: Any, runs: "Runs") -> terminal.RunView:
    """Return the view of a run, whatever became of it."""
    view = terminal.RunView(row["run_id"])
    if row["result"] is None:
        await introduce(view, runs)
    else:
        view.introduce(row["result"])
    return view


def _summary(row: Any, view: terminal.RunView) -> dict[str, Any]:
    kept = {
        name: row[name]
        for name in ("run_id", "thread_id", "parent_id", "status", "question", "created_at", "updated_at")
    }
    spent = terminal.cost_of(view.calls.values())
    return kept | {
        "seats": f"{view.answered}/{len(view.seats)}" if view.seats else "-",
        "cost": spent.said,
        "cost_usd": spent.usd,
        "cost_is_lower_bound": spent.is_lower_bound,
    }
