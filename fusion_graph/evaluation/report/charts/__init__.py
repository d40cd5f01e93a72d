"""Charts as SVG without colours or fonts of their own: the style sheet of the page they stand in gives those."""

from fusion_graph.evaluation.report.charts.dots import Row, dots
from fusion_graph.evaluation.report.charts.scales import Scale, linear_scale, reach, wide_scale
from fusion_graph.evaluation.report.charts.scatter import Point, best_for_their_price, scatter
from fusion_graph.evaluation.report.charts.svg import MARKS, Chart, drawn, drawn_mark

__all__ = [
    "MARKS",
    "Chart",
    "Point",
    "Row",
    "Scale",
    "best_for_their_price",
    "dots",
    "drawn",
    "drawn_mark",
    "linear_scale",
    "reach",
    "scatter",
    "wide_scale",
]
