"""Figures as a report writes them."""

import math
from collections.abc import Mapping
from typing import Any

from fusion_graph.evaluation.shapes import Estimate, Share, TargetFigures
from fusion_graph.ledger import dollars

MINUS = "\N{MINUS SIGN}"
_LEAST = 0.0001  # of a dollar, and of a p value its tenfold: below it no digit is left to show
_MINUTE = 60


def number(value: float | None, *, signed: bool = False, none: str = "unknown") -> str:
    """Return a number with one digit after the point; with `signed`, with its sign."""
    if value is None:
        return none
    rounded = round(value, 1) + 0.0  # no -0.0
    written = f"{rounded:+.1f}" if signed and rounded else f"{rounded:.1f}"
    return written.replace("-", MINUS)


def interval(estimate: Estimate, *, signed: bool = False) -> str:
    """Return the interval of an estimate in words, "" where it has none."""
    low, high = estimate["low"], estimate["high"]
    if low is None or high is None:
        return ""
    return f"{number(low, signed=signed)} to {number(high, signed=signed)}"


def mean(estimate: Estimate, *, signed: bool = False, none: str = "no score") -> str:
    """Return an estimate: `68.3 (64.1 to 72.2)`; without an interval where there is none."""
    said = number(estimate["mean"], signed=signed, none=none)
    if estimate["mean"] is None:
        return said
    return f"{said} ({interval(estimate, signed=signed) or 'no interval'})"


def counted_mean(estimate: Estimate) -> str:
    """Return an estimate with the number of its tasks: `68.3 (64.1 to 72.2), n 100`."""
    return f"{mean(estimate)}, n {estimate['n']}"


def percent(share: float | None, *, digits: int = 0) -> str:
    """Return a share of 1 in percent."""
    return "unknown" if share is None else f"{100 * share:.{digits}f} %"


def share(found: Share) -> str:
    """Return a share with its interval: `62 % (57 to 67 %)`."""
    if found["share"] is None or not found["n"]:
        return "no such case"
    if found["low"] is None or found["high"] is None:
        return percent(found["share"])
    return f"{percent(found['share'])} ({100 * found['low']:.0f} to {100 * found['high']:.0f} %)"


def usd(cost: float | None, *, is_lower_bound: bool = False) -> str:
    """Return US dollars: `$0.41`, `at least $0.41`, or `unknown`."""
    if cost is None or (is_lower_bound and not cost):
        return "unknown"
    said = dollars(cost) if cost >= _LEAST or not cost else f"under ${_LEAST}"
    return f"at least {said}" if is_lower_bound else said


def cost_of(target: TargetFigures) -> str:
    """Return what one task costs with a target."""
    return usd(target["cost_usd"], is_lower_bound=target["cost_is_lower_bound"])


def plain(value: float) -> str:
    """Return an amount with three digits that tell, and no exponent: `0.0312`, `0.5`, `120`."""
    digits = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    written = f"{value:.{digits}f}"
    return written.rstrip("0").rstrip(".") if digits else written


def duration(seconds: float | None) -> str:
    """Return a time: `0.21 s`, `48 s`, `3 min 12 s`."""
    if seconds is None:
        return "unknown"
    if round(seconds) >= _MINUTE:
        minutes, rest = divmod(round(seconds), _MINUTE)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004 - two digits tell


def probability(p: float | None) -> str:
    """Return a p value: `0.034`, `under 0.001`."""
    if p is None:
        return "none"
    return f"{p:.3f}" if p >= 10 * _LEAST else "under 0.001"


def counted(many: int, noun: str) -> str:
    """Return `1 task`, `3 tasks`."""
    return f"{many:,} {noun}" if many == 1 else f"{many:,} {noun}s"


def title_of(identifier: str) -> str:
    """Return the id of a section of a rubric as words: `factual-accuracy` as `Factual accuracy`."""
    words = identifier.replace("-", " ").replace("_", " ").strip() or identifier
    return words[:1].upper() + words[1:]


def listed(value: Any) -> str:
    """Return a value of a manifest in one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {listed(part)}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(listed, value))
    return "not set" if value is None or value == "" else str(value)
