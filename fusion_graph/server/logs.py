"""What servers log on stderr, without secrets: as text, or as JSON, one object a line, with the ids of runs."""

import json
import logging
import logging.config
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fusion_graph.calls import run_scope
from fusion_graph.environment import ENVIRON
from fusion_graph.errors import SettingsError, redact
from fusion_graph.schemas import Event

FORMAT_VARIABLE, LEVEL_VARIABLE = "FUSION_LOG", "FUSION_LOG_LEVEL"
_LEVELS = ("debug", "info", "warning", "error")
_TOLD = ("run_id", "status", "cost_usd")  # what a record may tell beside its message
_log = logging.getLogger("fusion_graph.runs")


class Redacting(logging.Formatter):
    """Traces of exceptions quote what they were about: keys in headers, URLs and error texts among it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text, redacted as a whole."""
        return redact(super().format(record))


class RedactingJson(logging.Formatter):
    """A record as one JSON object: time, level, logger, message, the run it is about, and what else is told of it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON, redacted."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        told: dict[str, Any] = {"at": at, "level": record.levelname.lower(), "logger": record.name}
        told |= {"message": redact(record.getMessage())} | fields_of(record)
        if record.exc_info:
            told["exception"] = redact(self.formatException(record.exc_info))
        return json.dumps(told, ensure_ascii=False, default=str)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a record tells beside its message. A record of a run's own task has that run's id."""
    told = {name: value for name in _TOLD if (value := getattr(record, name, None)) is not None}
    run_id = run_scope.get().run_id
    return {"run_id": run_id, **told} if run_id else told


def log_config(environ: Mapping[str, str] = ENVIRON) -> dict[str, Any]:
    """Return what `logging.config.dictConfig` takes. FUSION_LOG is `text` or `json`, FUSION_LOG_LEVEL what is logged at all.

    Raises:
        SettingsError: a variable has another value.
    """
    kind = _chosen(environ, FORMAT_VARIABLE, "text", ("text", "json"))
    level = _chosen(environ, LEVEL_VARIABLE, "warning", _LEVELS)
    forms: dict[str, dict[str, Any]] = {
        "text": {"()": Redacting, "format": "%(levelname)s: %(name)s: %(message)s"},
        "json": {"()": RedactingJson},
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"redacted": forms[kind]},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "redacted"}},
        "loggers": {
            "fusion_graph": {"level": level.upper()},
            "uvicorn.access": {"level": "INFO" if level in {"debug", "info"} else "WARNING"},  # each request
            "uvicorn.error": {"level": "WARNING"},
            "psycopg": {"level": "ERROR"},  # it warns of each try to connect; that the database is away is told once
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
    }


def _chosen(environ: Mapping[str, str], name: str, usual: str, known: Sequence[str]) -> str:
    given = environ.get(name, "").strip().lower() or usual
    if given not in known:
        hint = f"one of {', '.join(known)}"
        raise SettingsError(f"{name} = {given!r} is unknown", field=name, value=given, hint=hint)
    return given


def log_events(events: Sequence[Event]) -> None:
    """Log when a run begins and how it ends."""
    for event in events:
        told: dict[str, Any] = {"run_id": event["run_id"]}
        if event["type"] == "run_started":
            _log.info("run %s begins", event["run_id"], extra=told)
        elif event["type"] in {"finished", "failed", "interrupted"}:
            result = event.get("result") or {}
            status = event.get("reason") or result.get("status") or event["type"]
            total = (result.get("usage") or {}).get("total") or {}
            told |= {"status": status, "cost_usd": total.get("cost_usd")}
            _log.info("run %s: %s", event["run_id"], status, extra=told)
