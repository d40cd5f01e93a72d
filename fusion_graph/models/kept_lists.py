"""The lists of models that servers sent, kept as files in the cache folder: one for each server, whole or not at all."""

import os
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from fusion_graph.environment import ENVIRON
from fusion_graph.folders import home
from fusion_graph.models.providers import SERVERS
from fusion_graph.models.server_lists import ListedModel

KEPT_SECONDS = 86_400  # new models and prices come weekly


class KeptList(TypedDict):
    """A server's list: where and when (seconds since the epoch) it was fetched."""

    url: str
    at: float
    models: list[ListedModel]


def kept_file(provider: str, environ: Mapping[str, str] = ENVIRON) -> Path:
    """Return where a server's list is kept."""
    return home("cache", environ) / f"models-{provider}.json"


def read_kept(provider: str, environ: Mapping[str, str] = ENVIRON) -> KeptList | None:
    """Return the list last fetched from the server in use, however old; None if there is none, or no sound one."""
    try:
        kept = _type().validate_json(kept_file(provider, environ).read_bytes())
    except (OSError, ValidationError):
        return None
    return kept if kept["url"] == SERVERS[provider].public_url(environ) else None


def is_fresh(kept: KeptList) -> bool:
    """Tell whether a list is younger than a day."""
    return 0 <= time.time() - kept["at"] < KEPT_SECONDS


def day_of(kept: KeptList) -> str:
    """Return the day a list was fetched on."""
    return f"{datetime.fromtimestamp(kept['at'], UTC):%Y-%m-%d}"


def keep(provider: str, environ: Mapping[str, str], models: list[ListedModel]) -> None:
    """Write a server's list to the cache.

    Raises:
        OSError: it cannot be written; what was there before is there still.
    """
    path = kept_file(provider, environ)
    kept: KeptList = {"url": SERVERS[provider].public_url(environ), "at": time.time(), "models": models}
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_type().dump_json(kept))
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


@cache
def _type() -> TypeAdapter[KeptList]:
    return TypeAdapter(KeptList)
