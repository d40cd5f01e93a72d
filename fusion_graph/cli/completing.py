"""What the shell offers on TAB: presets, models, runs. From files only, quickly, silent where there is nothing.

In bash a name with a colon (`openai:gpt-5`) is completed up to the colon only: bash takes it for the end of a word.
"""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import typer

from fusion_graph.errors import FusionError
from fusion_graph.folders import home

MAX_RUNS = 50
_BUSY_SECONDS = 0.05
_SHOWN_CHARS = 60
# Shells evaluate what they are offered, and names of models and questions are other people's words.
_SAFE_NAME = re.compile(r"[\w~./:@+-]+", re.ASCII)
_UNSAFE = re.compile(r"[^\w .,?!-]+")

_Found = list[tuple[str, str]]  # what is offered, and what a shell may show beside it


def presets(incomplete: str) -> _Found:
    """Return the presets that begin so."""
    from fusion_graph.presets import load_presets

    try:
        found = load_presets()
    except FusionError:
        return []
    return _offered([(name, preset["description"]) for name, preset in found.items()], incomplete)


def models(incomplete: str) -> _Found:
    """Return the models that begin so: those of presets, and of servers' lists as `fusion models` last fetched them."""
    return _offered([(name, "") for name in sorted({*preset_models(), *_kept_models()})], incomplete)


def several_models(incomplete: str) -> _Found:
    """Return how a comma-separated list of models may go on."""
    before, comma, last = incomplete.rpartition(",")
    return [(f"{before}{comma}{name}", text) for name, text in models(last)]


def runs(context: typer.Context, incomplete: str) -> _Found:
    """Return the newest runs whose ids begin so, with their questions."""
    path = Path(context.params.get("db") or home("data") / "runs.db")
    sql = "SELECT run_id, question FROM fusion_runs WHERE substr(run_id, 1, ?) = ? ORDER BY created_at DESC LIMIT ?"
    try:
        uri = f"{path.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as connection:
            rows = connection.execute(sql, (len(incomplete), incomplete, MAX_RUNS)).fetchall()
    except (OSError, sqlite3.Error):
        return []
    return _offered(rows, incomplete)


def preset_models() -> set[str]:
    """Return the models that presets name; none if the user's presets cannot be read."""
    from fusion_graph.presets import load_presets

    try:
        rosters = [preset["settings"] for preset in load_presets().values()]
    except FusionError:
        return set()
    seats = [seat for roster in rosters for seat in roster.get("panel", [])]
    named = [seat if isinstance(seat, str) else seat["model"] for seat in seats]
    return {*named, *(roster[role] for roster in rosters for role in ("judge", "writer") if roster.get(role))}


def _kept_models() -> set[str]:
    from fusion_graph.models.kept_lists import read_kept
    from fusion_graph.models.providers import SERVERS

    kept = [read_kept(provider) for provider in SERVERS]
    return {row["name"] for found in kept if found for row in found["models"]}


def _offered(found: _Found, incomplete: str) -> _Found:
    fit = [(name, text) for name, text in found if name.startswith(incomplete) and _SAFE_NAME.fullmatch(name)]
    return [(name, _UNSAFE.sub(" ", text)[:_SHOWN_CHARS].strip()) for name, text in fit]
