"""From answers and verdicts to figures: small tables with numbers worked out by hand."""

from typing import Any

import pytest

from fusion_graph.evaluation.config import Target
from fusion_graph.evaluation.figures import (
    Answer,
    common_scores,
    comparisons,
    member_figures,
    pair_figures,
    target_figures,
    task_rows,
)
from fusion_graph.evaluation.pairwise import PairVerdict
from fusion_graph.evaluation.shapes import Criterion, Ending, Generation, Task, Verdicts

# Two things to say, worth 6 and 4, and one not to say, worth -5.
CRITERIA = (
    Criterion("six", "factual-accuracy", 6, "Says six"),
    Criterion("four", "citation-quality", 4, "Says four"),
    Criterion("wrong", "factual-accuracy", -5, "Says what is wrong"),
)
TASKS = [
    Task(name, domain, f"What of {name}?", CRITERIA)
    for name, domain in (("one", "Law"), ("two", "Law"), ("three", "Finance"))
]
TARGET = Target(name="t", settings={})


def verdicts(*, six: bool | None, four: bool | None, wrong: bool | None = False) -> Verdicts:
    return {"six": six, "four": four, "wrong": wrong}


def made(task: Task, ending: Ending = "answered", **parts: Any) -> Generation:
    generation: Generation = {
        "key": task.id,
        "target": "t",
        "task": task.id,
        "run_id": "r",
        "ending": ending,
        "text": "text" if ending in {"answered", "unverified"} else "",
        "reasons": [],
        "members": [],
        "seconds": 10.0,
        "cost_usd": 0.5,
        "cost_is_lower_bound": False,
        "cost_by_role": {"panelist": 0.3, "writer": 0.2},
        "tokens": {},
        "leaks": [],
    }
    return {**generation, **parts}  # type: ignore[typeddict-item]


def answer(number: int, *gradings: Verdicts, ending: Ending = "answered", **parts: Any) -> Answer:
    return Answer(TASKS[number], made(TASKS[number], ending, **parts), gradings)


def test_a_target_that_answered_two_tasks_of_three() -> None:
    answers = [
        answer(0, verdicts(six=True, four=True), verdicts(six=True, four=False)),  # 100 and 60: 80
        answer(1, verdicts(six=True, four=False, wrong=True), leaks=["seat 1, web_fetch: a rubric"]),  # (6 - 5) / 10
        answer(2, ending="refused", seconds=2.0, cost_usd=None, cost_is_lower_bound=True),
    ]

    found = target_figures(TARGET, ["m"], answers, {"one": 80.0})

    assert found["own"]["n"] == 2
    assert found["own"]["mean"] == pytest.approx(45.0)
    assert found["zero_filled"]["n"] == 3
    assert found["zero_filled"]["mean"] == pytest.approx(30.0)
    assert (found["common"]["n"], found["common"]["mean"]) == (1, 80.0)
    assert found["clean"]["n"] == 1
    assert found["clean"]["mean"] == pytest.approx(80.0)
    # 3 and 2 of 3 criteria passed in the gradings of the first task, 1 of 3 in the second's.
    assert found["pass_rate"]["mean"] == pytest.approx(100 * (5 / 6 + 1 / 3) / 2)
    # Gradings of 100 and 60 differ by a standard deviation of 28.28; one grading tells nothing.
    assert found["judge_noise"] == pytest.approx(28.284, abs=0.001)
    assert found["coverage"] == 1.0
    assert found["endings"] == {"answered": 2, "refused": 1}
    assert (found["unscored"], found["contaminated"]) == (0, 1)
    assert (found["cost_usd"], found["cost_is_lower_bound"]) == (0.5, True)
    assert found["cost_by_role"] == pytest.approx({"panelist": 0.3, "writer": 0.2})
    assert (found["seconds"], found["seconds_high"]) == (10.0, 10.0)
    assert found["axes"]["citation-quality"]["mean"] == pytest.approx(25.0)  # 100 and 0, and 0
    assert {name: each["n"] for name, each in found["domains"].items()} == {"Law": 2}


def test_an_answer_with_too_few_verdicts_is_unscored_and_no_zero() -> None:
    answers = [answer(0, verdicts(six=None, four=True)), answer(1, verdicts(six=True, four=True))]

    found = target_figures(TARGET, ["m"], answers, {})

    assert (found["own"]["n"], found["own"]["mean"]) == (1, 100.0)
    assert (found["zero_filled"]["n"], found["unscored"]) == (1, 1)
    assert found["coverage"] == pytest.approx(5 / 6)


def test_what_every_target_completed_is_common_to_them() -> None:
    full, none = verdicts(six=True, four=True), verdicts(six=False, four=False)
    found = common_scores(
        {
            "a": [answer(0, full), answer(1, full), answer(2, ending="failed")],
            "b": [answer(0, none), answer(1, verdicts(six=None, four=None)), answer(2, full)],
        }
    )

    assert found == {"a": {"one": 100.0}, "b": {"one": 0.0}}


def test_targets_are_compared_on_tasks_that_both_have_a_score_of() -> None:
    full, half = verdicts(six=True, four=True), verdicts(six=True, four=False)
    answers = {
        "a": [answer(0, full), answer(1, full), answer(2, full)],
        "b": [answer(0, half), answer(1, full), answer(2, ending="timed_out")],
        "c": [],
    }

    first, second = comparisons([("a", "b"), ("a", "c")], answers)

    assert first["difference"]["n"] == 2
    assert first["difference"]["mean"] == pytest.approx(20.0)
    assert (first["wins"], first["ties"], first["losses"]) == (1, 1, 0)
    assert first["p"] == first["p_holm"] == 1.0
    assert (second["difference"]["n"], second["p"], second["p_holm"]) == (0, None, None)


def test_members_are_graded_as_if_each_had_answered_alone() -> None:
    members = [
        {"seat": 1, "model": "m", "text": "x", "ending": "answered", "cost_usd": 0.1, "cost_is_lower_bound": False},
        {"seat": 2, "model": "n", "text": "", "ending": "refused", "cost_usd": None, "cost_is_lower_bound": True},
    ]
    fused = Answer(
        TASKS[0],
        made(TASKS[0], members=members),
        [verdicts(six=True, four=True)],
        members=[[verdicts(six=True, four=False, wrong=True)], []],
    )

    found = member_figures(TARGET, [fused], ["m", "n"])

    first, second = found["members"]
    assert (first["name"], first["cost_usd"]) == ("seat 1: m", 0.1)
    assert first["own"]["mean"] == pytest.approx(10.0)
    assert (second["endings"], second["own"]["n"], second["zero_filled"]["mean"]) == ({"refused": 1}, 0, 0.0)
    assert (found["keep1"]["hits"], found["keep1"]["n"]) == (1, 1)
    assert (found["gain0"]["hits"], found["gain0"]["n"]) == (1, 1)
    assert (found["caught"]["hits"], found["caught"]["n"]) == (1, 1)


def test_pairs_are_counted_with_what_was_not_decided() -> None:
    def said(winner: Any, *, same: bool | None) -> PairVerdict:
        return PairVerdict(winner, same, [], [], [])

    verdicts_of = [said("a", same=True)] * 6 + [said("tie", same=False), said("b", same=True), said(None, same=None)]
    (found,) = pair_figures({("x", "y"): verdicts_of})

    assert (found["n"], found["wins"], found["ties"], found["losses"], found["undecided"]) == (9, 6, 1, 1, 1)
    assert (found["same_in_both_orders"]["hits"], found["same_in_both_orders"]["n"]) == (7, 8)
    assert found["p"] == pytest.approx(2 * (1 + 7) / 2**7)  # 6 to 1, two-sided


def test_the_appendix_has_a_row_for_every_task() -> None:
    answers = {"a": [answer(0, verdicts(six=True, four=False)), answer(1, ending="failed", leaks=["x"])]}

    one, two, three = task_rows(TASKS, answers)

    assert (one["scores"], one["endings"], one["leaks"]) == ({"a": 60.0}, {"a": "answered"}, {})
    assert (two["scores"], two["endings"], two["leaks"]) == ({"a": None}, {"a": "failed"}, {"a": ["x"]})
    assert (three["domain"], three["scores"]) == ("Finance", {})
