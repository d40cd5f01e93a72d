"""What is set up here, what is not, and what to do about it: the items of `fusion check`. Nothing is paid, nothing kept."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path

from fusion_graph.checks import machine, rosters, toolbox
from fusion_graph.checks.item import Item, Level, fault, in_thread, made
from fusion_graph.environment import ENVIRON
from fusion_graph.errors import SettingsError
from fusion_graph.presets import resolve
from fusion_graph.settings import FusionSettings

__all__ = ["Item", "Level", "exit_code", "run_checks"]

SECONDS = 15.0  # of one check; the servers' lists are given 10


async def run_checks(
    *,
    preset: str | None = None,
    db: str | Path | None = None,
    offline: bool = False,
    environ: Mapping[str, str] = ENVIRON,
) -> list[Item]:
    """Return every item, in an order of its own, for the models and tools of `preset` (default: as `ask` would choose).

    A broken file or variable is an item, never an error. `offline` touches no network. The checks run side by side.
    """
    settings, about_settings = await _settings(preset, environ)
    checks: list[tuple[str, Awaitable[list[Item]]]] = [
        ("versions", in_thread(machine.versions)),
        ("folders", in_thread(lambda: machine.folders(environ))),
        ("presets", in_thread(lambda: machine.presets(environ))),
        ("variables", in_thread(lambda: machine.variables(environ))),
        ("models", rosters.models(settings, environ, offline=offline)),
        ("search", toolbox.search(settings, environ)),
        ("fetch", toolbox.fetch(settings, environ, offline=offline)),
        ("tools", in_thread(lambda: toolbox.others(settings, environ))),
        ("sandbox", in_thread(lambda: toolbox.sandbox(settings, environ))),
        ("database", in_thread(lambda: machine.database(db, environ, offline=offline))),
        ("demo", in_thread(lambda: rosters.demo(settings, environ))),
    ]
    found = await asyncio.gather(*(_limited(name, check) for name, check in checks))
    before, after = found[:4], found[4:]
    return [item for items in [*before, [about_settings], *after] for item in items]


def exit_code(items: Sequence[Item]) -> int:
    """Return 0 if nothing failed, 4 if only keys are missing or refused, else 1."""
    failed = [item for item in items if item["level"] == "fail"]
    if not failed:
        return 0
    return 4 if all(item["is_key"] for item in failed) else 1


async def _settings(preset: str | None, environ: Mapping[str, str]) -> tuple[FusionSettings | None, Item]:
    try:
        settings = await in_thread(lambda: resolve({"preset": preset} if preset else None, environ=environ))
    except SettingsError as error:
        return None, fault("settings", error)
    seats = len(settings.panel)
    told = f"preset {settings.preset}: {seats} {'seat' if seats == 1 else 'seats'}, judge {settings.judge}"
    return settings, made("ok", "settings", f"{told}, writer {settings.writer}")


async def _limited(name: str, check: Awaitable[list[Item]]) -> list[Item]:
    try:
        async with asyncio.timeout(SECONDS):
            return await check
    except TimeoutError:
        return [made("warn", name, f"no result within {SECONDS:g} s", "try again; is a disk or the network slow?")]
