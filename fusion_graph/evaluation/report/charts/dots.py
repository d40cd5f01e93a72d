"""Rows of dots with their intervals: a name and its figure in words, and below them where that lies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fusion_graph.evaluation.report.charts.scales import Scale
from fusion_graph.evaluation.report.charts.svg import Chart, Mark, cut, group, line, sign, tag, text_width
from fusion_graph.evaluation.report.words import MINUS
from fusion_graph.evaluation.shapes import Estimate

_ROW = 38  # px
_TEXT, _DOT = 13, 27  # px from the top of a row to the foot of its words, and to its dot
_EDGE = 14  # px left and right, for dots at the ends and half of a tick's words
_AXIS = 22  # px


@dataclass(frozen=True, slots=True)
class Row:
    """A figure with its name: `value` is in words, `published` what others found."""

    name: str
    value: str
    figure: Estimate
    mark: Mark = "fusion"
    published: float | None = None


def dots(title: str, rows: Sequence[Row], scale: Scale, *, width: int = 350, zero: bool = False) -> Chart:
    """Return rows of dots over one scale; with `zero`, a line where nothing differs."""
    height = _ROW * len(rows) + _AXIS

    def at(value: float) -> float:
        return scale.at(value, _EDGE, width - 2 * _EDGE)

    grid = [line(at(tick), 0, at(tick), height - _AXIS, "grid") for tick in scale.ticks]
    ticks = [
        tag("text", f"{tick:g}".replace("-", MINUS), x=at(tick), y=height - 6, class_="tick middle")
        for tick in scale.ticks
    ]
    nothing = [line(at(0), 0, at(0), height - _AXIS, "zero")] if zero else []
    drawn = [_drawn(row, _ROW * index, width, at) for index, row in enumerate(rows)]
    says = "; ".join(f"{row.name}: {row.value}" for row in rows)
    marks: set[Mark] = {row.mark for row in rows}
    marks |= {"published"} if any(row.published is not None for row in rows) else set()
    return Chart(title, says, width, height, "".join([*grid, *nothing, *ticks, *drawn]), frozenset(marks))


def _drawn(row: Row, top: float, width: int, at: Callable[[float], float]) -> str:
    room = width - text_width(row.value) - 3 * _EDGE
    middle, figure = top + _DOT, row.figure
    parts = [
        tag("text", cut(row.name, room), x=_EDGE, y=top + _TEXT),
        tag("text", row.value, x=width - _EDGE, y=top + _TEXT, class_="value end"),
    ]
    if figure["low"] is not None and figure["high"] is not None:
        parts.append(line(at(figure["low"]), middle, at(figure["high"]), middle, "between"))
    if row.published is not None:
        parts.append(sign("published", at(row.published), middle))
    if figure["mean"] is not None:
        parts.append(sign(row.mark, at(figure["mean"]), middle))
    return group(parts)
