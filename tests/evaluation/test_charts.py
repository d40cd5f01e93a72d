"""Drawings of a report: scales, labels, the line of those worth their price, and what stands in an SVG element."""

import math
import re
from itertools import combinations
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_graph.evaluation.report.charts import (
    Chart,
    Point,
    Row,
    best_for_their_price,
    dots,
    drawn,
    linear_scale,
    reach,
    scatter,
    wide_scale,
)
from fusion_graph.evaluation.report.charts.labels import Box, Label, Spot, place_labels
from fusion_graph.evaluation.report.charts.svg import cut, text_width
from tests.evaluation.figures import HOSTILE, NONE, estimate

SVG = "{http://www.w3.org/2000/svg}"
AREA = Box(0, 0, 600, 400)
amounts = st.floats(1e-5, 1e5)


def point(number: int, takes: float, score: float, *, name: str = "", is_least: bool = False) -> Point:
    return Point(number, name or f"target {number}", takes, estimate([score]), "solo", is_least)


def element(chart: Chart) -> ET.Element:
    """Return a chart as its XML is read: it must be sound."""
    return ET.fromstring(drawn(chart).replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1))  # noqa: S314 - our own


def texts(chart: Chart) -> list[str]:
    return [each.text or "" for each in element(chart).iter(f"{SVG}text")]


# Scales


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([43.1, 69.0], [40, 45, 50, 55, 60, 65, 70]),
        ([0.0, 100.0], [0, 20, 40, 60, 80, 100]),
        ([-3.7, 25.0], [-5, 0, 5, 10, 15, 20, 25]),
        ([50.0], [44, 46, 48, 50, 52, 54, 56]),
        ([], [0, 0.2, 0.4, 0.6, 0.8, 1]),
    ],
)
def test_a_scale_names_round_values_around_all_that_is_shown(values: list[float], ticks: list[float]) -> None:
    assert list(linear_scale(values).ticks) == pytest.approx(ticks)


def test_a_scale_ends_where_values_can_go_no_further() -> None:
    scale = linear_scale([91, 104], within=(0, 100))

    assert (scale.low, scale.high) == (90, 100)
    assert scale.at(104, 0, 200) == 200


@given(st.lists(amounts, min_size=1, max_size=20))
def test_a_wide_scale_holds_all_amounts_in_their_order(values: list[float]) -> None:
    scale = wide_scale(values)

    places = [scale.at(value, 0, 1) for value in sorted(values)]

    assert places == sorted(places)
    assert scale.low <= min(values) <= max(values) <= scale.high * (1 + 1e-9)
    assert 2 <= len(scale.ticks) <= 12
    assert all(0 <= scale.at(tick, 0, 1) <= 1 for tick in scale.ticks)


def test_amounts_far_apart_go_by_factors_and_others_from_zero() -> None:
    assert wide_scale([0.019, 1.92]).ticks == pytest.approx([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2])
    assert wide_scale([0.0019, 1.92]).ticks == pytest.approx([0.001, 0.01, 0.1, 1])
    assert wide_scale([0.019, 1.92]).is_wide
    assert not wide_scale([0.5, 1.92]).is_wide
    assert not wide_scale([0.0, 1.92]).is_wide


# Labels


@given(st.lists(st.tuples(st.floats(10, 590), st.floats(10, 390)), min_size=1, max_size=16))
def test_no_label_lies_over_another_or_over_a_mark(places: list[tuple[float, float]]) -> None:
    spots = [Spot(x, y, f"{number} a target of some length", str(number)) for number, (x, y) in enumerate(places)]
    marks = [Box(x - 6, y - 6, x + 6, y + 6) for x, y in places]

    labels = [label for label in place_labels(spots, AREA, marks, []) if label]

    assert len(labels) == len(spots)
    assert not any(one.box.meets(other.box) for one, other in combinations(labels, 2))
    assert not any(label.box.meets(mark) for label in labels for mark in marks)
    assert all(AREA.holds(label.box) for label in labels)


def test_a_label_is_whole_where_there_is_room_and_else_a_number_with_a_line_to_its_point() -> None:
    spots = [Spot(300, 200, f"{number} a target with a name", str(number)) for number in range(1, 9)]
    marks = [Box(294, 194, 306, 206)]

    labels = place_labels(spots, AREA, marks, [])

    assert labels[0] == Label("1 a target with a name", labels[0].box)  # type: ignore[union-attr]
    assert [label.text for label in labels if label and label.is_far] == [str(number) for number in range(5, 9)]


def test_without_any_room_there_is_no_label() -> None:
    assert place_labels([Spot(5, 5, "1 a name", "1")], Box(0, 0, 10, 10), [Box(0, 0, 10, 10)], []) == [None]


@given(st.text(max_size=80), st.floats(20, 300))
def test_a_text_that_is_cut_fits(text: str, width: float) -> None:
    assert text_width(cut(text, width)) <= width


# What nothing cheaper matches


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9), st.booleans()), max_size=12))
def test_on_the_line_is_who_nobody_beats_for_the_same_money(given_points: list[tuple[int, int, bool]]) -> None:
    points = [
        point(number, takes, score, is_least=is_least) for number, (takes, score, is_least) in enumerate(given_points)
    ]

    best = best_for_their_price(points)

    known = [each for each in points if not each.is_least]
    unbeaten = {
        (each.takes, each.score)
        for each in known
        if not any(
            (other.takes, -other.score) != (each.takes, -each.score)
            and other.takes <= each.takes
            and other.score >= each.score
            for other in known
        )
    }
    assert [(each.takes, each.score) for each in best] == sorted(unbeaten)


# Drawings


def test_a_row_shows_its_figure_in_words_and_its_dot_on_the_scale() -> None:
    chart = dots(
        "Scores", [Row("1 north", "60.0 (50.0 to 70.0)", estimate([50.0, 70.0]))], linear_scale([0, 100]), width=428
    )

    found = element(chart)
    dot = found.find(f".//{SVG}circle")

    assert texts(chart)[-2:] == ["1 north", "60.0 (50.0 to 70.0)"]
    assert dot is not None
    assert float(dot.attrib["cx"]) == pytest.approx(14 + 0.6 * 400, abs=0.1)


def test_what_has_no_figure_has_no_dot_and_what_has_no_interval_no_line() -> None:
    scale = linear_scale([0, 100])
    nothing, alone = (dots("", [Row("1 north", "", figure)], scale) for figure in (NONE, estimate([40.0])))

    assert element(nothing).find(f".//{SVG}circle") is None
    assert element(alone).find(f".//{SVG}circle") is not None
    assert element(alone).find(f".//{SVG}line[@class='between']") is None


def test_a_published_score_is_another_mark_than_ours() -> None:
    chart = dots("Scores", [Row("1 north", "60.0", estimate([60.0]), "solo", 58.8)], linear_scale([0, 100]))

    assert chart.marks == {"solo", "published"}
    assert element(chart).find(f".//{SVG}path[@class='mark published']") is not None


def test_a_cost_known_in_part_has_an_arrow_and_is_not_on_the_line() -> None:
    points = [point(1, 0.1, 50), point(2, 0.2, 60), point(3, 0.05, 70, is_least=True)]

    chart = scatter("Score against cost", points, "US dollars", lambda cost: f"${cost:g}")

    found = element(chart)
    line = found.find(f".//{SVG}polyline")
    assert line is not None
    assert len(line.attrib["points"].split()) == 2
    assert "3 target 3: 70.0 for at least $0.05" in chart.says
    assert len(found.findall(f".//{SVG}path[@class='mark']")) == 1


def test_a_chart_tells_its_title_and_facts_to_who_does_not_see_it() -> None:
    chart = scatter("Score against cost", [point(1, 0.1, 50)], "US dollars", str)

    found = element(chart)

    assert found.attrib["role"] == "img"
    assert (found.findtext(f"{SVG}title"), found.findtext(f"{SVG}desc")) == (chart.title, "1 target 1: 50.0 for 0.1")


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_in_a_drawing_whatever_they_hold(name: str) -> None:
    charts = [
        dots(name, [Row(name, name, estimate([4.0, 5.0]))], linear_scale([0, 10])),
        scatter(name, [point(1, 1, 50, name=name), point(2, 2, 60, name=name)], name, lambda _: name),
    ]

    for chart in charts:
        tags = {each.tag.removeprefix(SVG) for each in element(chart).iter()}
        assert tags <= {"svg", "title", "desc", "text", "line", "circle", "g", "polyline", "path", "rect"}
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b]", drawn(chart))


def test_every_number_in_a_drawing_is_one() -> None:
    points = [point(number, 10.0**number, 7 * number) for number in range(1, 8)]

    written = drawn(scatter("", points, "", str))

    assert all(math.isfinite(float(value)) for value in re.findall(r' (?:x|y|cx|cy|x1|y1|x2|y2)="([^"]*)"', written))
    assert reach([NONE]) == []
