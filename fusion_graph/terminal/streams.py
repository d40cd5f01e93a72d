"""What may be drawn where. We decide ourselves: libraries take FORCE_COLOR on a pipe for a terminal they can steer."""

import os
import sys
from collections.abc import Mapping
from typing import TextIO

from fusion_graph.environment import ENVIRON


def is_live(environ: Mapping[str, str] = ENVIRON) -> bool:
    """Return whether stderr can be drawn over: a terminal with a cursor that a person looks at."""
    return sys.stderr.isatty() and _is_watched(environ)


def is_page(environ: Mapping[str, str] = ENVIRON) -> bool:
    """Return whether the answer is read here rather than piped on."""
    return sys.stdout.isatty() and is_live(environ)


def _is_watched(environ: Mapping[str, str]) -> bool:
    in_ci = environ.get("CI", "").strip().lower() not in {"", "0", "false"}
    return environ.get("TERM") != "dumb" and environ.get("TTY_INTERACTIVE") != "0" and not in_ci


def width_of(stream: TextIO, environ: Mapping[str, str] = ENVIRON) -> int | None:
    """Return how many columns a terminal has (COLUMNS has the last word), None for anything but a terminal."""
    if not stream.isatty():
        return None
    if (columns := environ.get("COLUMNS", "")).isdigit() and int(columns):
        return int(columns)
    return os.get_terminal_size(stream.fileno()).columns or 80
