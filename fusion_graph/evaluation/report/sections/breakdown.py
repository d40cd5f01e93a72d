"""Scores by section of the rubrics, and by domain of the tasks."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from fusion_graph.evaluation.report import words
from fusion_graph.evaluation.report.blocks import Charts, Folded, Section
from fusion_graph.evaluation.report.charts import Chart, Row, Scale, dots, linear_scale, reach
from fusion_graph.evaluation.report.sections.ranking import Column, ranked, target_table
from fusion_graph.evaluation.shapes import Estimate, Results, TargetFigures

_NOTHING: Estimate = {"n": 0, "mean": None, "low": None, "high": None}


def by_axis(results: Results) -> Section | None:
    """Return the scores of each section of the rubrics, None where there are not several."""
    reading = (
        "What each target earned in one section of the rubrics: a target may be strong on facts and weak on sources."
    )
    return _section(results, "By section of the rubric", reading, lambda target: target["axes"], words.title_of)


def by_domain(results: Results) -> Section | None:
    """Return the scores of each domain, None where there are not several."""
    reading = (
        "The score among the tasks of one domain. A domain has few tasks, so that its intervals are wide: a lead in one of them "
        "is a hint, not a finding."
    )
    many = results["dataset"].get("domains") or {}

    def title(name: str) -> str:
        shown = name or "Without a domain"
        return f"{shown} ({words.counted(many[name], 'task')})" if name in many else shown

    return _section(results, "By domain", reading, lambda target: target["domains"], title)


def _section(
    results: Results,
    title: str,
    reading: str,
    of: Callable[[TargetFigures], Mapping[str, Estimate]],
    written: Callable[[str], str],
) -> Section | None:
    keys = _keys([of(target) for target in results["targets"]])
    if len(keys) < 2:  # noqa: PLR2004 - a single group is what the main table is about
        return None
    shown = [figure for target in results["targets"] for figure in of(target).values()]
    scale = linear_scale(reach(shown), within=(0, 100), steps=5)

    def of_group(key: str, target: TargetFigures) -> Estimate:
        return of(target).get(key, _NOTHING)

    def told(key: str, target: TargetFigures) -> str:
        return words.counted_mean(of_group(key, target))

    charts = [_chart(results, written(key), partial(of_group, key), scale) for key in keys]
    columns: list[Column] = [(written(key), partial(told, key)) for key in keys]
    return Section(
        title,
        reading,
        [
            Charts(charts, "All charts have the same scale."),
            Folded("The same as a table", [target_table(title, results, columns)]),
        ],
    )


def _keys(found: Sequence[Mapping[str, Estimate]]) -> list[str]:
    """Return the keys under which any target has a score, in their order."""
    return list(dict.fromkeys(key for each in found for key, figure in each.items() if figure["mean"] is not None))


def _chart(results: Results, title: str, figure: Callable[[TargetFigures], Estimate], scale: Scale) -> Chart:
    rows = [
        Row(f"{number} {target['name']}", words.mean(figure(target)), figure(target), target["kind"])
        for number, target in ranked(results)
    ]
    return dots(title, rows, scale)
