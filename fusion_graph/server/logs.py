"""What `fusion serve` logs: warnings and errors of everybody in the process, without secrets, on stderr."""

import logging
from typing import Any

from fusion_graph.errors import redact


class Redacting(logging.Formatter):
    """Traces of exceptions quote what they were about: keys in headers, URLs and error texts among it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text, redacted as a whole."""
        return redact(super().format(record))


LOGS: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"redacted": {"()": Redacting, "format": "%(levelname)s: %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "redacted"}},
    "loggers": {
        "psycopg": {"level": "ERROR"}
    },  # it warns of each try to connect; that the database is away is told once
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
