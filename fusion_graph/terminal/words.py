"""Words and figures as every screen writes them, and text of models made harmless for a terminal."""

import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from fusion_graph.ledger import dollars

DEMO = "offline demo: no language model"
# Strings with their end (OSC, DCS, SOS, PM, APC), control sequences, then what is left of either: each in 7 and 8 bits.
_ESCAPES = re.compile(
    r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|\x1b[@-Z\\-_]"
)
# Controls, bidirectional marks and overrides, tag characters, and halves of a surrogate pair, which no stream can encode.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e007f]"
)


def clean(text: str) -> str:
    """Return text of models and pages without what would steer a terminal."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def in_line(text: object) -> str:
    """Return text, cleaned, as one line."""
    return " ".join(clean(str(text)).split())


def money(cost: float | None, *, lower_bound: bool = False) -> str:
    """Return US dollars: `$0.41`, `at least $0.41`, or `cost unknown`."""
    if cost is None:
        return "cost unknown"
    return f"at least {dollars(cost)}" if lower_bound else dollars(cost)


def cost_cell(cost: float | None, *, lower_bound: bool = False) -> str:
    """Return US dollars for a column: `$0.41`, `>= $0.41`, or `unknown`."""
    return money(cost, lower_bound=lower_bound).removeprefix("cost ").replace("at least", ">=")


def short_cost(cost: float | None, *, lower_bound: bool = False) -> str:
    """Return US dollars in seven characters; what is only a lower bound is rounded down: `>=$0.03`."""
    if cost is None or not lower_bound:
        return cost_cell(cost)
    return f">=${math.floor(cost * 100) / 100:.2f}"


def clock(seconds: float) -> str:
    """Return minutes and seconds, `1:48`."""
    whole = max(0, int(seconds))
    return f"{whole // 60}:{whole % 60:02d}"


def counted(number: int, noun: str) -> str:
    """Return `1 seat`, `3 seats`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def tokens(number: int) -> str:
    """Return a count of tokens that stays short: `1,204`, `19.4k`, `1.2M`."""
    for size, unit in ((1_000_000, "M"), (10_000, "k")):
        if number >= size:
            return f"{number / (1_000_000 if unit == 'M' else 1_000):.1f}{unit}"
    return f"{number:,}"


def failure(error: Mapping[str, Any]) -> str:
    """Return what went wrong in few words: `429 rate limited`; what has no kind, in its own."""
    kind = str(error.get("kind") or "error")
    words = kind.replace("_", " ") if kind != "error" else in_line(error.get("message", kind))
    return f"{error['status_code']} {words}" if error.get("status_code") else words


def joined(parts: Sequence[str], width: int | None = None) -> list[str]:
    """Return parts with dots between them, on as many lines of `width` as they need; None: on one."""
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]} · {part}" if lines else part
        if lines and (width is None or len(longer) <= width):
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


def cut(text: str, width: int) -> str:
    """Return text of at most `width` characters, with an ellipsis where something is missing."""
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}…"


def wrapped(text: str, width: int | None) -> list[str]:
    """Return text in lines of `width`, broken between words, later ones indented; None: as it is."""
    if width is None:
        return [text]
    return textwrap.wrap(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
