"""Scores against what they take, with the line of those that nothing cheaper matches."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fusion_graph.evaluation.report.charts.labels import Box, Label, Spot, place_labels
from fusion_graph.evaluation.report.charts.scales import Scale, linear_scale, reach, wide_scale
from fusion_graph.evaluation.report.charts.svg import FONT, Chart, Mark, cut, line, sign, tag
from fusion_graph.evaluation.shapes import Estimate

_WIDTH, _HEIGHT = 700, 440
_AREA = Box(46, 30, _WIDTH - 18, _HEIGHT - 46)
_LONGEST = 220  # px of a label
_MARK = 6  # px around the middle of a mark
_ARROW = 16  # px


@dataclass(frozen=True, slots=True)
class Point:
    """A target: its number in the table, what it takes (`is_least`: that or more), and its score."""

    number: int
    name: str
    takes: float
    figure: Estimate
    mark: Mark
    is_least: bool = False

    @property
    def score(self) -> float:
        """The mean, which every point has."""
        return self.figure["mean"] or 0.0


def best_for_their_price(points: Sequence[Point]) -> list[Point]:
    """Return the points that none matches for less, cheapest first; who may take more than is known is not compared."""
    best: list[Point] = []
    for point in sorted((each for each in points if not each.is_least), key=lambda each: (each.takes, -each.score)):
        if not best or point.score > best[-1].score:
            best.append(point)
    return best


def scatter(title: str, points: Sequence[Point], axis: str, write: Callable[[float], str]) -> Chart:
    """Return a chart of scores over what `axis` names; `write` puts a value of it in words."""
    over = wide_scale([point.takes for point in points])
    up = linear_scale(reach(point.figure for point in points), within=(0, 100))
    places = [_place(point, over, up) for point in points]
    says = "; ".join(f"{point.number} {point.name}: {point.score:.1f} for {_taken(point, write)}" for point in points)
    parts = [*_axes(over, up, axis, write), _line(points, over, up)]
    parts += [_whisker(point, over, up) for point in points]
    parts += [_sign(point, *place) for point, place in zip(points, places, strict=True)]
    parts += _labels(points, places, over, up)
    return Chart(title, says, _WIDTH, _HEIGHT, "".join(parts), frozenset(point.mark for point in points))


def _taken(point: Point, write: Callable[[float], str]) -> str:
    return f"at least {write(point.takes)}" if point.is_least else write(point.takes)


def _at_x(value: float, scale: Scale) -> float:
    return scale.at(value, _AREA.left + 8, _AREA.right - _AREA.left - 16)


def _at_y(value: float, scale: Scale) -> float:
    return scale.at(value, _AREA.bottom, _AREA.top - _AREA.bottom)


def _place(point: Point, over: Scale, up: Scale) -> tuple[float, float]:
    return _at_x(point.takes, over), _at_y(point.score, up)


def _axes(over: Scale, up: Scale, axis: str, write: Callable[[float], str]) -> list[str]:
    foot = _AREA.bottom
    across = [line(_AREA.left, _at_y(tick, up), _AREA.right, _at_y(tick, up), "grid") for tick in up.ticks]
    levels = [tag("text", f"{tick:g}", x=_AREA.left - 8, y=_at_y(tick, up) + 4, class_="tick end") for tick in up.ticks]
    ticks = [tag("text", write(tick), x=_at_x(tick, over), y=foot + 18, class_="tick middle") for tick in over.ticks]
    names = [
        tag("text", "Score", x=8, y=14, class_="axis"),
        tag("text", axis, x=_AREA.right, y=_HEIGHT - 8, class_="axis end"),
    ]
    return [*across, *levels, line(_AREA.left, foot, _AREA.right, foot, "zero"), *ticks, *names]


def _line(points: Sequence[Point], over: Scale, up: Scale) -> str:
    best = [_place(point, over, up) for point in best_for_their_price(points)]
    if len(best) < 2:  # noqa: PLR2004 - a line has two ends
        return ""
    return tag("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in best), class_="pareto")


def _line_boxes(points: Sequence[Point], over: Scale, up: Scale) -> list[Box]:
    """Return boxes along the line, as close as a label is high."""
    best = [_place(point, over, up) for point in best_for_their_price(points)]
    return [box for one, other in pairwise(best) for box in _boxes_between(one, other)]


def _boxes_between(one: tuple[float, float], other: tuple[float, float]) -> list[Box]:
    steps = 1 + int(math.dist(one, other) / FONT)
    middles = [
        [a + (b - a) * step / steps for a, b in zip(one, other, strict=True)]
        for step in range(steps + 1)
    ]  # fmt: skip
    return [Box(x - 1, y - 1, x + 1, y + 1) for x, y in middles]


def _whisker(point: Point, over: Scale, up: Scale) -> str:
    low, high = point.figure["low"], point.figure["high"]
    if low is None or high is None:
        return ""
    x = _at_x(point.takes, over)
    return line(x, _at_y(low, up), x, _at_y(high, up), "whisker")


def _sign(point: Point, x: float, y: float) -> str:
    arrow = f"M{x + _MARK:.1f} {y:.1f}h{_ARROW - _MARK}m-4 -3l4 3l-4 3"
    return (tag("path", d=arrow, class_="mark") if point.is_least else "") + sign(point.mark, x, y)


def _labels(points: Sequence[Point], places: Sequence[tuple[float, float]], over: Scale, up: Scale) -> list[str]:
    spots = [
        Spot(x, y, cut(f"{point.number} {point.name}", _LONGEST), str(point.number))
        for point, (x, y) in zip(points, places, strict=True)
    ]
    marks = [
        Box(x - _MARK, y - _MARK, x + (_ARROW if point.is_least else _MARK), y + _MARK)
        for point, (x, y) in zip(points, places, strict=True)
    ]
    lines = [*(_whisker_box(point, over, up) for point in points), *_line_boxes(points, over, up)]
    found = place_labels(spots, _AREA, marks, lines)
    return [_label(label, spot) for label, spot in zip(found, spots, strict=True) if label]


def _whisker_box(point: Point, over: Scale, up: Scale) -> Box:
    x, ends = _at_x(point.takes, over), reach([point.figure])
    return Box(x - 1, _at_y(max(ends), up), x + 1, _at_y(min(ends), up))


def _label(label: Label, spot: Spot) -> str:
    """Return a label, flush with the side of its box that is next to the point."""
    box = label.box
    middle = (box.left + box.right) / 2
    x, side = (
        (box.left, "") if box.left > spot.x else (box.right, " end") if box.right < spot.x else (middle, " middle")
    )
    text = tag("text", label.text, x=x, y=box.bottom - FONT / 3, class_=f"label{side}")
    return line(spot.x, spot.y, middle, (box.top + box.bottom) / 2, "leader") + text if label.is_far else text
