"""`fusion ask`: the question and its settings."""

import os
import select
import stat
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fusion_graph.cli.app import (
    CODES,
    AsEvents,
    AsJson,
    Database,
    JudgeModel,
    Mode,
    PanelModels,
    PanelTools,
    PresetName,
    Quiet,
    WriterModel,
    app,
    listed,
    refuse_empty,
    tell,
    with_runs,
)
from fusion_graph.cli.showing import follow
from fusion_graph.errors import RunNotFoundError

if TYPE_CHECKING:
    from fusion_graph.runs import Runs

_SHOWN_CHARS = 8  # of a run's id

STDIN_PATIENCE_SECONDS = 3.0


@app.command(epilog=CODES)
def ask(
    question: Annotated[
        str, typer.Argument(help="The question; - reads it from stdin. Piped text is added to a question as context.")
    ],
    preset: PresetName = None,
    panel: PanelModels = None,
    judge: JudgeModel = None,
    writer: WriterModel = None,
    mode: Mode = None,
    tools: PanelTools = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Domains never to be used, comma-separated or repeated.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(help="Budget in US dollars: a seat stops researching when its share is spent.")
    ] = None,
    price_ceiling: Annotated[
        float | None,
        typer.Option(
            help="Under a budget: what a model without a known price costs at most, in dollars per million tokens."
        ),
    ] = None,
    min_answers: Annotated[int | None, typer.Option(help="Fewer answers than this are an error.")] = None,
    approve: Annotated[
        bool | None,
        typer.Option(
            "--approve/--yes", help="Tell the price and wait for a yes before the panel is paid; or never wait."
        ),
    ] = None,
    thread: Annotated[
        str | None,
        typer.Option(
            help="Go on with this thread, or a run's (by its id): the panel sees what was said. A new name begins one."
        ),
    ] = None,
    db: Database = None,
    as_json: AsJson = False,
    events: AsEvents = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 5 if the answer is degraded.")] = False,
    quiet: Quiet = False,
) -> None:
    """Ask the panel a question and print the answer.

    Example: fusion ask "Which EU states tax ...?" --preset budget --max-cost 0.50
    """
    given: dict[str, Any] = {
        "preset": preset,
        "panel": listed(panel),
        "judge": judge,
        "writer": writer,
        "mode": mode,
        "tools": listed(tools),
        "excluded_domains": listed(exclude),
        "max_cost_usd": max_cost,
        "price_ceiling": price_ceiling,
        "min_answers": min_answers,
        "approve": approve,
    }
    settings = {name: value for name, value in given.items() if value is not None}
    text = _question(question)

    async def work(runs: "Runs") -> int:
        live = await runs.start(
            [text], settings, thread_id=await _thread(runs, thread, quiet=quiet or as_json or events)
        )
        return await follow(live, as_json=as_json, as_events=events, strict=strict, quiet=quiet, runs=runs)

    with_runs(db, work, as_json=as_json, given={"question": text, "thread": thread} | settings)


async def _thread(runs: "Runs", named: str | None, *, quiet: bool) -> str | None:
    """Return the thread of a name: its id, or the id of a run of it, or as much of one as tables show. Any other name is new."""
    if named is None or await runs.store.of_thread(named):
        return named
    if len(named) >= _SHOWN_CHARS:
        with suppress(RunNotFoundError):
            return (await runs.get(named))["thread_id"]
    if not quiet:
        tell(f"thread {named!r} is new: nothing was said in it before")
    return named


def _question(question: str) -> str:
    """Return the question, with stdin for `-`, or with piped text after it."""
    piped = _piped()
    text = piped if question == "-" else f"{question}\n\n{piped}" if piped else question
    refuse_empty(text)
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
    # As in arguments: what is not UTF-8 is refused with them.
    piped = TextIOWrapper(sys.stdin.buffer, encoding=sys.stdin.encoding, errors="surrogateescape")
    try:
        return piped.read().strip()
    finally:
        piped.detach()
