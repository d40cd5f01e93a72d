"""Where this package keeps its files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from fusion_graph.environment import ENVIRON


def home(kind: Literal["config", "data", "cache"], environ: Mapping[str, str] = ENVIRON) -> Path:
    """Return this package's folder for `kind`; FUSION_HOME moves all three to one place."""
    if moved := environ.get("FUSION_HOME", "").strip():
        return Path(moved).expanduser()
    import platformdirs  # noqa: PLC0415  (the command line's help needs none)

    found = {
        "config": platformdirs.user_config_path,
        "data": platformdirs.user_data_path,
        "cache": platformdirs.user_cache_path,
    }[kind]
    return found("fusion_graph", appauthor=False)
