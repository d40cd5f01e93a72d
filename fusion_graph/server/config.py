"""How a server is set up."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fusion_graph.environment import ENVIRON
from fusion_graph.errors import SettingsError
from fusion_graph.folders import home
from fusion_graph.server.access.keys import Keys

DB_VARIABLE = "FUSION_DB"
MODELS_VARIABLE = "FUSION_SERVER_MODELS"
RUNS_VARIABLE = "FUSION_SERVER_MAX_RUNS"
ALL_RUNS_VARIABLE = "FUSION_SERVER_MAX_RUNS_IN_ALL"
REQUESTS_VARIABLE = "FUSION_SERVER_REQUESTS_PER_MINUTE"
USD_VARIABLE = "FUSION_SERVER_USD_PER_DAY"
KEEP_VARIABLE = "FUSION_SERVER_KEEP_DAYS"
METRICS_VARIABLE = "FUSION_METRICS_KEY"


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """How a server is set up. `models` may be named beside those of the presets; `*` opens it to any.

    Each owner may have `max_runs` under way at a time, make `max_requests` a minute (0: any number), and spend `max_usd`
    within 24 hours (None: any amount); all owners together may have `max_runs_in_all` in one process. Runs are deleted
    `keep_days` after they were last touched (0: never). `metrics_key` opens the metrics and nothing else.
    """

    db: str | Path = field(repr=False)  # a URL may hold a password
    keys: Keys = field(default_factory=Keys)
    models: frozenset[str] = frozenset()
    max_runs: int = 8
    max_requests: int = 0
    max_usd: float | None = None
    keep_days: float = 0.0
    max_runs_in_all: int = 500
    metrics_key: Keys = field(default_factory=Keys)
    environ: Mapping[str, str] = field(default_factory=lambda: ENVIRON, repr=False)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = ENVIRON, *, db: str | Path | None = None) -> "ServerConfig":
        """Return what the environment sets up. Raises SettingsError."""
        models = frozenset(name.strip() for name in environ.get(MODELS_VARIABLE, "").split(",") if name.strip())
        usd = _number(environ, USD_VARIABLE, 0.0)
        return cls(
            db or environ.get(DB_VARIABLE, "").strip() or home("data", environ) / "runs.db",
            Keys.from_environ(environ),
            models,
            max_runs=int(_number(environ, RUNS_VARIABLE, 8, least=1)),
            max_requests=int(_number(environ, REQUESTS_VARIABLE, 0)),
            max_usd=usd or None,
            keep_days=_number(environ, KEEP_VARIABLE, 0.0),
            max_runs_in_all=int(_number(environ, ALL_RUNS_VARIABLE, 500, least=1)),
            metrics_key=_metrics_key(environ),
            environ=environ,
        )


def _metrics_key(environ: Mapping[str, str]) -> Keys:
    key = environ.get(METRICS_VARIABLE, "").strip()
    return Keys([key], METRICS_VARIABLE) if key else Keys()


def _number(environ: Mapping[str, str], name: str, default: float, *, least: float = 0) -> float:
    given = environ.get(name, "").strip()
    try:
        value = float(given or default)
    except ValueError:
        value = -1.0
    if not least <= value < math.inf:
        hint = f"give a number of {least:g} or more"
        raise SettingsError(f"{name} = {given!r} is no limit", field=name, value=given, hint=hint)
    return value
