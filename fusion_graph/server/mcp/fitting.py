"""Text and lists cut to a room: clients of MCP drop results that are too long, or spill them into files."""

import json
from collections.abc import Iterable, Sequence
from typing import TypeVar

from pydantic import BaseModel

from fusion_graph.characters import visible

_Item = TypeVar("_Item", bound=str | BaseModel)
MAX_WORDS = 1000  # characters of one entry of a list


def weight(text: str) -> float:
    """Return how much of a room a text takes: its characters in JSON, more for scripts that take more tokens."""
    written = json.dumps(text, ensure_ascii=False)
    return max(len(written), len(written.encode(errors="replace")) / 2)


def cut(text: str, room: float) -> str:
    """Return as much of the beginning of a text as fits."""
    while (heavy := weight(text)) > room and text:
        text = text[: min(int(len(text) * room / heavy), len(text) - 1)]
    return text


def fitting(items: Iterable[_Item], room: float) -> list[_Item]:
    """Return the first items of a list that fit."""
    kept: list[_Item] = []
    for item in items:
        room -= weight(item if isinstance(item, str) else item.model_dump_json())
        if room < 0:
            break
        kept.append(item)
    return kept


def in_line(text: object, room: float = MAX_WORDS) -> str:
    """Return text as one line that is not too long, without characters that only a machine reads."""
    said = " ".join(visible(str(text)).split())
    return said if weight(said) <= room else f"{cut(said, room)}…"


def in_lines(texts: Sequence[object]) -> list[str]:
    """Return each text as one line."""
    return [in_line(text) for text in texts]
