"""How a server is set up."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fusion_graph.server.keys import Keys
from fusion_graph.settings import home

MODELS_VARIABLE = "FUSION_SERVER_MODELS"


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """How a server is set up. `models` may be named beside those of the presets; `*` opens it to any.

    `max_runs` of one owner may be under way at a time.
    """

    db: Path
    keys: Keys = field(default_factory=Keys)
    models: frozenset[str] = frozenset()
    max_runs: int = 8
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ, *, db: Path | None = None) -> "ServerConfig":
        """Return what the environment sets up. Raises SettingsError."""
        models = frozenset(name.strip() for name in environ.get(MODELS_VARIABLE, "").split(",") if name.strip())
        return cls(db or home("data", environ) / "runs.db", Keys.from_environ(environ), models, environ=environ)
