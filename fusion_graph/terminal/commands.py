"""Commands that a person is told to type next."""

import shlex
from contextvars import ContextVar
from pathlib import Path

_database: ContextVar[str] = ContextVar("_database", default="")


def use_database(path: str | Path | None) -> None:
    """Name the file of the runs in every command from here on: who was told of it once does not look elsewhere. None: do not."""
    _database.set(f" --db {shlex.quote(str(path))}" if path else "")


def command(text: str) -> str:
    """Return a command of `fusion runs`, as it can be typed."""
    return f"fusion runs {text}{_database.get()}"
