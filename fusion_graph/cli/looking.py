"""What there is to choose from, what it would cost, what it did cost, and whether all is set up."""

import json
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from fusion_graph.cli import completing
from fusion_graph.cli.app import (
    AsJson,
    Database,
    JudgeModel,
    Mode,
    PanelModels,
    PanelTools,
    PresetName,
    WriterModel,
    app,
    listed,
    print_result,
    refuse_broken,
    refuse_empty,
    refused,
    tell,
    unusable,
    wait_for,
)
from fusion_graph.database.address import faults
from fusion_graph.database.damage import damage
from fusion_graph.errors import FusionError, redact
from fusion_graph.folders import home

if TYPE_CHECKING:
    from fusion_graph.estimate import CallSize
    from fusion_graph.settings import FusionSettings
    from fusion_graph.spending import Dimension, Spending
    from fusion_graph.store import RunStore

T = TypeVar("T")
SHOWN_MODELS = 40
DAY_SECONDS = 86_400
_NOTHING: "Spending" = {"calls": 0, "input_tokens": 0, "output_tokens": 0, "cost_usd": 0.0, "unpriced": 0}


@app.command("presets")
def list_presets(as_json: AsJson = False) -> None:
    """List the rosters to choose from: the published ones and your own.

    Example: fusion presets
    """
    from fusion_graph.presets import load_presets

    try:
        presets = load_presets()
    except FusionError as error:
        raise typer.Exit(refused(error, as_json=as_json)) from None
    if as_json:
        print_result(json.dumps(presets, ensure_ascii=False))
        return
    for name, preset in presets.items():
        settings = preset["settings"]
        seats = ", ".join(seat if isinstance(seat, str) else seat["model"] for seat in settings.get("panel", []))
        print_result(f"{name}: {preset['description']}\n  panel {seats}; judge {settings.get('judge', '-')}")


@app.command("models")
def list_models(
    words: Annotated[list[str] | None, typer.Argument(metavar="[FILTER]...", help="Words the name must hold.")] = None,
    provider: Annotated[
        str | None, typer.Option(help="Only this provider's: openrouter, openai, anthropic ...")
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Fetch the lists again, also those younger than a day.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(help="How many; 0 for all.", min=0, show_default=f"{SHOWN_MODELS}, under --json all")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the models you can name, with prices per million tokens and context lengths.

    Example: fusion models claude opus
    """
    from fusion_graph.cli.tables import models_table
    from fusion_graph.models import listing

    also = completing.preset_models()
    try:
        found = wait_for(listing.list_models(provider=provider, refresh=refresh, also=also))
    except FusionError as error:
        raise typer.Exit(refused(error, as_json=as_json)) from None
    fit = listing.matching(found["models"], " ".join(words or []))
    fit.sort(key=lambda model: model["name"] not in also)
    shown = fit[: limit or None] if limit is not None or as_json else fit[:SHOWN_MODELS]
    tell(*(f"warning: {problem}" for problem in found["problems"]))
    if as_json:
        print_result(json.dumps({"models": shown, "problems": found["problems"]}, ensure_ascii=False))
    elif shown:
        print_result(models_table(shown))
    if len(shown) < len(fit):
        tell(f"{len(fit) - len(shown)} more: give a word to filter by, --provider, or --limit 0")
    if not fit:
        tell(*_nothing_fits(found["models"], words or []))
    raise typer.Exit(0 if fit else 1)


def _nothing_fits(models: list[Any], words: list[str]) -> list[str]:
    said = f"error: no model's name holds {' '.join(words)!r}" if models else "error: no model is known"
    return [said, "hint: fusion models lists all; --refresh fetches the lists again"]


@app.command("estimate")
def estimate_cost(
    question: Annotated[str | None, typer.Argument(help="The question; a long one costs more.")] = None,
    preset: PresetName = None,
    panel: PanelModels = None,
    judge: JudgeModel = None,
    writer: WriterModel = None,
    mode: Mode = None,
    tools: PanelTools = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Tell what a run would cost, from your past runs and known prices. Calls no model and needs no key.

    Example: fusion estimate "Which EU states tax ...?" --preset budget
    """
    if question is not None:
        refuse_empty(question)
    from fusion_graph.cli.tables import estimate_table
    from fusion_graph.estimate import estimate_run
    from fusion_graph.models.listing import make_estimate_price

    given: dict[str, Any] = {"preset": preset, "panel": listed(panel), "judge": judge, "writer": writer}
    given |= {"mode": mode, "tools": listed(tools)}
    try:
        refuse_broken({"question": question} | given)
        settings = _settled({name: value for name, value in given.items() if value is not None})
    except FusionError as error:
        raise typer.Exit(refused(error, as_json=as_json)) from None
    found = estimate_run(settings, _history(db), make_estimate_price(), question=question or "")
    print_result(json.dumps(found, ensure_ascii=False) if as_json else estimate_table(found))


def _settled(given: dict[str, Any]) -> "FusionSettings":
    """Return the settings of a run whose models can be named; their keys may be missing."""
    from fusion_graph.models.names import parse_name
    from fusion_graph.presets import resolve
    from fusion_graph.schemas import is_demo

    settings = resolve(given)
    for model in (*(seat.model for seat in settings.seats), settings.judge, settings.writer):
        if not is_demo(model):
            parse_name(model)
    return settings


def _history(db: str | None) -> list["CallSize"]:
    """Return the sizes of past calls; none if the database is not there, or cannot be read."""
    from fusion_graph.spending import call_sizes

    try:
        return _from_store(db, lambda store: call_sizes(store.db), [])
    except FusionError as error:
        told = str(error)
    except faults() as error:
        told = damage(error) or redact(str(error))
    tell(f"warning: past runs cannot be read: {told}")
    return []


def _from_store(db: str | None, ask: Callable[["RunStore"], Awaitable[T]], instead: T) -> T:
    """Return what the store answers; `instead`, if there is no database yet: looking creates none."""
    place = _place(db)

    async def main() -> T:
        from fusion_graph.database.opening import exists

        if not await exists(place, "fusion_runs"):
            return instead
        from fusion_graph.store import open_store

        async with open_store(place) as store:
            return await ask(store)

    return wait_for(main())


def _place(db: str | None) -> str | Path:
    return db or home("data") / "runs.db"


class By(StrEnum):
    """What spending can be told by."""

    model = "model"
    day = "day"
    role = "role"


@app.command("usage")
def show_usage(
    days: Annotated[
        float | None, typer.Option(help="Only the last so many days.", min=0, show_default="all there is")
    ] = None,
    by: Annotated[By | None, typer.Option(help="What to add up by.", show_default="day and model")] = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Show what was spent, by day and model, over all runs that are kept; what forks took over is counted once.

    Example: fusion usage --days 7 --by model
    """
    from fusion_graph.cli.tables import usage_table
    from fusion_graph.spending import spending

    dimensions: list[Dimension] = [by.value] if by else ["day", "model"]
    since = time.time() - days * DAY_SECONDS if days is not None else 0.0

    async def spent(store: "RunStore") -> tuple[list["Spending"], "Spending"]:
        (total,) = await spending(store.db, since=since)
        return await spending(store.db, dimensions, since=since), total

    none: tuple[list[Spending], Spending] = ([], _NOTHING)
    try:
        rows, total = _from_store(db, spent, none)
    except FusionError as error:
        raise typer.Exit(refused(error, as_json=as_json)) from None
    except faults() as error:
        raise typer.Exit(unusable(_place(db), error)) from None
    if as_json:
        print_result(json.dumps({"by": dimensions, "since": since, "rows": rows, "total": total}, ensure_ascii=False))
    elif total["calls"]:
        print_result(usage_table(dimensions, rows, total))
    else:
        tell("no calls yet" if days is None else f"no calls in the last {days:g} days")


@app.command("check")
def check(
    preset: PresetName = None,
    offline: Annotated[bool, typer.Option("--offline", help="Touch no network.")] = False,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Check keys, models, tools, files and versions, and say what to do about each. Pays nothing, changes nothing.

    Example: fusion check --preset demo
    """
    from fusion_graph.checks import exit_code, run_checks
    from fusion_graph.cli.tables import checks_table

    items = wait_for(run_checks(preset=preset, db=db, offline=offline))
    code = exit_code(items)
    print_result(
        json.dumps({"ok": not code, "exit_code": code, "items": items}, ensure_ascii=False)
        if as_json
        else checks_table(items, shutil.get_terminal_size().columns if sys.stdout.isatty() else None)
    )
    raise typer.Exit(code)
