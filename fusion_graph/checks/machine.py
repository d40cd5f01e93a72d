"""What this machine has: versions, folders, preset files, the database of runs."""

import asyncio
import difflib
import os
import platform
import sqlite3
from collections.abc import Collection, Mapping
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fusion_graph import __version__
from fusion_graph.checks.item import Item, fault, made
from fusion_graph.database.address import faults, is_url, shown
from fusion_graph.database.damage import REMEDY, damage
from fusion_graph.database.opening import exists, open_database
from fusion_graph.errors import FusionError, SettingsError
from fusion_graph.folders import home
from fusion_graph.presets import load_presets
from fusion_graph.settings import FusionSettings

PACKAGES = ("langgraph", "langchain-core", "langchain-openai")
VARIABLES = frozenset({  # that are read beside those of the settings
    "API_KEYS", "API_KEYS_FILE", "BASH", "CALLS_PER_PROVIDER", "DB", "DEMO_CORPUS", "FETCH_ALLOW", "HOME", "INSIDE", "LOG",
    "LOG_LEVEL", "MCP", "METRICS_KEY", "SEARCH", "SERVER_KEEP_DAYS", "SERVER_MAX_RUNS", "SERVER_MAX_RUNS_IN_ALL",
    "SERVER_MODELS", "SERVER_REQUESTS_PER_MINUTE", "SERVER_USD_PER_DAY",
})  # fmt: skip
_OTHERS = 0o077  # permissions of everybody but the owner


def versions() -> list[Item]:
    """Return Python and the packages everything rests on."""
    found, missing = [f"fusion_graph {__version__}"], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    items = [made("ok", "python", platform.python_version()), made("ok", "packages", ", ".join(found))]
    lost = [made("fail", "packages", f"{name} is not installed", f"pip install {name}") for name in missing]
    return items + lost


def folders(environ: Mapping[str, str]) -> list[Item]:
    """Return where this package keeps its files."""
    places = {kind: home(kind, environ) for kind in ("config", "data", "cache")}
    text = ", ".join(f"{kind} {path}" for kind, path in places.items())
    if len(set(places.values())) == 1:
        text = f"{places['data']} (FUSION_HOME)"
    closed = sorted({str(path) for path in places.values() if not _is_writable(path)})
    if closed:
        remedy = f"make {', '.join(closed)} writable, or set FUSION_HOME to a folder that is"
        return [made("warn", "folders", text, remedy)]
    return [made("ok", "folders", text)]


def variables(environ: Mapping[str, str]) -> list[Item]:
    """Return the variables that begin as ours do and that nothing reads: a typing error would have no effect."""
    known = {f"FUSION_{name}" for name in (*VARIABLES, *map(str.upper, FusionSettings.model_fields))}
    unknown = sorted(name for name in environ if name.startswith("FUSION_") and name not in known)
    return [made("warn", "variables", f"nothing reads {name}", _meant(name, known)) for name in unknown]


def _meant(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else "unset it; what there is stands in README"


def presets(environ: Mapping[str, str]) -> list[Item]:
    """Return where one's own presets are, and whether they can be read."""
    path = home("config", environ) / "presets.toml"
    try:
        count = len(load_presets(environ))
    except SettingsError as error:
        return [fault("presets", error)]
    own = f"with your own of {path}" if path.exists() else f"your own would be in {path}"
    return [made("ok", "presets", f"{count} presets, {own}")]


def database(db: str | Path | None, environ: Mapping[str, str], *, offline: bool = False) -> list[Item]:
    """Return the state of what holds the runs; it is neither created nor changed."""
    if db and is_url(db):
        return [asyncio.run(_server(str(db), offline=offline))]
    path = Path(db or home("data", environ) / "runs.db")
    remedy = "name a file this user can write to with --db, or set FUSION_HOME"
    if not _is_writable(path):
        return [made("fail", "database", f"{path} cannot be written", remedy)]
    if not path.exists():
        return [made("ok", "database", f"{path} will be created by the first run")]
    try:
        runs, found = _count_runs(path), path.stat()
    except (OSError, sqlite3.Error) as error:
        damaged = damage(error)
        return [made("fail", "database", f"{path}: {damaged or error}", REMEDY if damaged else remedy)]
    told = f"{path}: {_runs(runs)}, {found.st_size / 2**20:.1f} MiB"
    if os.name == "posix" and found.st_mode & _OTHERS:
        told = f"{told}, open to other users ({found.st_mode & 0o777:04o})"
        return [made("warn", "database", told, f"chmod 600 {path}")]
    return [made("ok", "database", told)]


async def _server(url: str, *, offline: bool) -> Item:
    if offline:
        return made("info", "database", f"{shown(url)}: not asked (--offline)")
    try:
        runs = await _count_runs_of(url) if await exists(url, "fusion_runs") else 0
    except FusionError as error:
        return fault("database", error)
    except faults() as error:
        return made("fail", "database", f"{shown(url)}: {error}", "look at the server's log")
    return made("ok", "database", f"{shown(url)}: {_runs(runs)}")


async def _count_runs_of(url: str) -> int:
    async with open_database(url) as server:
        return int((await server.read("SELECT count(*) AS runs FROM fusion_runs"))[0]["runs"])


def _runs(count: int) -> str:
    return f"{count} {'run' if count == 1 else 'runs'}"


def _count_runs(path: Path) -> int:
    uri = f"{path.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=1)) as connection:
        named = "SELECT count(*) FROM sqlite_master WHERE name = 'fusion_runs'"
        is_there = connection.execute(named).fetchone()[0]
        return int(connection.execute("SELECT count(*) FROM fusion_runs").fetchone()[0]) if is_there else 0


def _is_writable(path: Path) -> bool:
    """Tell whether a file or folder can be written, or made in the nearest folder that is there."""
    if path.exists():
        return os.access(path, os.W_OK)
    parent = next((folder for folder in path.absolute().parents if folder.exists()), None)
    return parent is not None and parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)
