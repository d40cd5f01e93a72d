"""Targets in the order of their scores, with the numbers that tables and charts know them by."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from fusion_graph.evaluation.report.blocks import Table
from fusion_graph.evaluation.shapes import Results, TargetFigures

CLEAR = 0.05  # adjusted p below which a difference is more than chance explains

Column: TypeAlias = tuple[str, Callable[[TargetFigures], str]]


def ranked(results: Results) -> list[tuple[int, TargetFigures]]:
    """Return the targets from the highest score to the lowest, those without one last."""

    def place(target: TargetFigures) -> float:
        score = target["own"]["mean"]
        return float("inf") if score is None else -score

    return list(enumerate(sorted(results["targets"], key=place), start=1))


def numbered(results: Results) -> dict[str, str]:
    """Return each target's name with its number before it."""
    return {target["name"]: f"{number} {target['name']}" for number, target in ranked(results)}


def has_scores(results: Results) -> bool:
    """Say whether any target has a score; without rubrics none has."""
    return any(target["own"]["mean"] is not None for target in results["targets"])


def target_table(label: str, results: Results, columns: Sequence[Column]) -> Table:
    """Return a table of all targets."""
    rows = [[str(number), target["name"], *(cell(target) for _, cell in columns)] for number, target in ranked(results)]
    return Table(label, ["#", "Target", *(name for name, _ in columns)], rows)
