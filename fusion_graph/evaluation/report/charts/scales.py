"""Scales: where a value stands on an axis, and which values the axis names."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from fusion_graph.evaluation.shapes import Estimate

_STEPS = (1, 2, 2.5, 5, 10)
_WIDE = 8  # times: beyond it small values of a linear scale can no longer be told apart


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from `low` to `high`; a wide one goes by factors."""

    low: float
    high: float
    ticks: tuple[float, ...]
    is_wide: bool = False

    def at(self, value: float, start: float, length: float) -> float:
        """Return where a value stands on an axis of some length; what is off the axis, at its end."""
        of = math.log if self.is_wide else float
        part = (of(value) - of(self.low)) / (of(self.high) - of(self.low)) if not self.is_wide or value > 0 else 0
        return start + length * min(max(part, 0), 1)


def linear_scale(
    values: Iterable[float], *, within: tuple[float, float] = (-math.inf, math.inf), steps: int = 7
) -> Scale:
    """Return a scale with round ends around values, in about so many steps, but not beyond what values can be."""
    low, high = _ends(values, within)
    step = _step((high - low) / steps)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    named = tuple(step * each for each in range(first, last + 1))
    return Scale(max(named[0], within[0]), min(named[-1], within[1]), tuple(t for t in named if _is_in(t, within)))


def wide_scale(values: Iterable[float]) -> Scale:
    """Return a scale for amounts: from 0, or by factors where they are far apart."""
    amounts = sorted(values)
    if not amounts or amounts[0] <= 0 or amounts[-1] / amounts[0] < _WIDE:
        return linear_scale([0, *amounts], within=(0, math.inf))
    low, high = (_power_below(amounts[0]), -_power_below(1 / amounts[-1]))
    named = [factor * 10.0**power for power in range(low, high + 1) for factor in (1, 2, 5)]
    first = max(index for index, tick in enumerate(named) if tick <= amounts[0])
    last = min(index for index, tick in enumerate([*named, math.inf]) if tick >= amounts[-1])
    shown = named[first : last + 1]
    few = shown if len(shown) <= 9 else [tick for tick in shown if _is_power(tick)]  # noqa: PLR2004 - fit side by side
    return Scale(shown[0], shown[-1], tuple(few), is_wide=True)


def reach(figures: Iterable[Estimate]) -> list[float]:
    """Return the means and the ends of the intervals that there are."""
    ends = (end for figure in figures for end in (figure["mean"], figure["low"], figure["high"]))
    return [end for end in ends if end is not None]


def _ends(values: Iterable[float], within: tuple[float, float]) -> tuple[float, float]:
    given = list(values) or [0.0, 1.0]
    low, high = max(min(given), within[0]), min(max(given), within[1])
    if high > low:
        return low, high
    around = abs(low) / 10 or 1.0
    return max(low - around, within[0]), min(high + around, within[1])


def _step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in _STEPS if step * power >= rough * (1 - 1e-9))


def _power_below(value: float) -> int:
    return math.floor(math.log10(value) + 1e-9)


def _is_power(value: float) -> bool:
    return abs(math.log10(value) - round(math.log10(value))) < 1e-9  # noqa: PLR2004 - rounding


def _is_in(value: float, within: tuple[float, float]) -> bool:
    return within[0] <= value <= within[1]
