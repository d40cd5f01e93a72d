"""Two runs beside one another: settings, answers by sentence, analyses by point, sources, costs.

Pure functions over the result objects of `results.run_result`. Nothing here takes its square in time: what is too large
to be paired is told as removed and added.
"""

from fusion_graph.comparison.matching import align, match
from fusion_graph.comparison.results import compare_results, point_text
from fusion_graph.comparison.sentences import split_sentences
from fusion_graph.comparison.values import ANALYSIS_PARTS, Comparison, Kind, Part, Point, RunHead, SeatComparison

__all__ = [
    "ANALYSIS_PARTS",
    "Comparison",
    "Kind",
    "Part",
    "Point",
    "RunHead",
    "SeatComparison",
    "align",
    "compare_results",
    "match",
    "point_text",
    "split_sentences",
]
