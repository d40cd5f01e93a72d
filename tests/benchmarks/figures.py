"""What a benchmark tells: figures with their goals, as a table or as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One figure. `goal` is the most it should be, or with `at_least` the least; None: it is told for comparison."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    at_least: bool = False

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is reached, None if there is none."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "value": float(f"{self.value:.4g}"), "is_met": self.is_met}


def load(path: Path) -> list[Figure]:
    """Return the figures of a file that `--json` wrote."""
    told = json.loads(path.read_text(encoding="utf-8"))["figures"]
    return [Figure(**{name: value for name, value in each.items() if name != "is_met"}) for each in told]


def table(figures: Sequence[Figure]) -> list[str]:
    """Return the figures as lines of a Markdown table."""
    rows = [f"| {each.name} | {_said(each)} | {_goal(each)} |" for each in figures]
    return ["| figure | measured | goal |", "|---|---|---|", *rows]


def _said(figure: Figure) -> str:
    missed = ", missed" if figure.is_met is False else ""
    return f"{_number(figure.value)} {figure.unit}".strip() + missed


def _goal(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    return f"{'≥' if figure.at_least else '≤'} {_number(figure.goal)} {figure.unit}".strip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios round by round: a machine that slows down slows both."""
    return median(one / other for one, other in zip(ours, theirs, strict=True))


def p95(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[min(round(0.95 * len(ordered)), len(ordered) - 1)]
