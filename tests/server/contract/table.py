"""The statements of the contract, by their numbers."""

import tomllib
from pathlib import Path

TABLE = Path(__file__).with_name("table.toml")


def statements() -> dict[str, str]:
    """Return all statements by number."""
    sections = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {number: text for section in sections.values() for number, text in section.items()}
