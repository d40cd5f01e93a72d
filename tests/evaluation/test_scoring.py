"""Scores by DRACO's rules, each edge case with its number, and in agreement with the paper authors' library."""

import random
import re
from typing import Any

import pytest
from rubric import Criterion as TheirCriterion
from rubric import PerCriterionOutput, Rubric
from rubric.autograders import PerCriterionGrader

from fusion_graph.evaluation.scoring import axis_scores, score, settled, task_pass_rate, task_score
from fusion_graph.evaluation.shapes import Criterion

MET, UNMET, NONE = True, False, None
_ASKED = re.compile(r"<criterion>\n(.*)\n</criterion>")


def rubric(*weights: float, axis: str = "factual-accuracy") -> list[Criterion]:
    """Return criteria c0, c1... of these weights."""
    return [Criterion(f"c{number}", axis, weight, f"says {number}") for number, weight in enumerate(weights)]


def verdicts(*given: bool | None) -> dict[str, bool | None]:
    return {f"c{number}": verdict for number, verdict in enumerate(given)}


def test_a_score_is_the_share_of_the_positive_weight_that_is_met() -> None:
    found = score(rubric(10, 5, 5), verdicts(MET, UNMET, MET))

    assert (found.normalized, found.raw, found.coverage) == (75.0, 15.0, 1.0)  # 15 of 20
    assert found.pass_rate == pytest.approx(200 / 3)


def test_an_error_costs_its_weight_and_does_not_widen_what_the_score_is_measured_by() -> None:
    found = score(rubric(10, 10, -5), verdicts(MET, MET, MET))

    assert (found.normalized, found.raw) == (75.0, 15.0)  # (10 + 10 - 5) of 20
    assert found.pass_rate == pytest.approx(200 / 3)  # two of three: the error was made


def test_an_error_that_is_not_made_passes_and_adds_nothing() -> None:
    found = score(rubric(10, 10, -5), verdicts(MET, UNMET, UNMET))

    assert (found.normalized, found.raw) == (50.0, 10.0)
    assert found.pass_rate == pytest.approx(200 / 3)


def test_a_grading_below_0_is_clipped_to_0_and_keeps_its_raw_sum() -> None:
    found = score(rubric(20, -500), verdicts(MET, MET))

    assert (found.normalized, found.raw, found.pass_rate) == (0.0, -480.0, 50.0)


def test_gradings_are_clipped_before_they_are_averaged() -> None:
    criteria = rubric(10, 10, -50)

    found = task_score(criteria, [verdicts(MET, MET, UNMET), verdicts(MET, MET, MET)])

    assert found == 50.0  # (100 + 0) / 2; averaged first it were (20 - 30) / 2 of 20: 0


@pytest.mark.parametrize(
    ("made", "expected"),
    [((UNMET, UNMET, UNMET), 100.0), ((MET, UNMET, UNMET), 90.0), ((UNMET, MET, MET), 10.0), ((MET, MET, MET), 0.0)],
)
def test_a_rubric_of_errors_only_starts_at_100_and_loses_their_share_of_the_weight(
    made: tuple[bool, ...], expected: float
) -> None:
    found = score(rubric(-5, -20, -25), verdicts(*made))

    assert found.normalized == pytest.approx(expected)  # 1 + raw / 50


def test_weights_count_as_they_are_given() -> None:
    found = score(rubric(0.5, 1.5, 2), verdicts(MET, MET, UNMET))

    assert found.normalized == 50.0


def test_criteria_of_weight_0_count_neither_in_the_score_nor_in_the_pass_rate_nor_in_the_coverage() -> None:
    found = score(rubric(10, 0, 0, 10), verdicts(MET, UNMET, NONE, UNMET))

    assert (found.normalized, found.pass_rate, found.coverage) == (50.0, 50.0, 1.0)


@pytest.mark.parametrize("weights", [(), (0,)])
def test_nothing_to_weigh_is_unscored(weights: tuple[float, ...]) -> None:
    found = score(rubric(*weights), verdicts(MET))

    assert (found.normalized, found.pass_rate, found.coverage, found.raw) == (None, None, 0.0, 0.0)


def test_at_95_percent_coverage_a_criterion_without_a_verdict_is_left_out_of_both_sums() -> None:
    criteria = rubric(*[10] * 20)

    found = score(criteria, verdicts(*[MET] * 15, *[UNMET] * 4, NONE))

    assert found.coverage == 0.95
    assert found.normalized == pytest.approx(100 * 150 / 190)  # counted as UNMET it were 75
    assert found.pass_rate == pytest.approx(100 * 15 / 19)


@pytest.mark.parametrize("lacking", [verdicts(*[MET] * 18, NONE, NONE), verdicts(*[MET] * 18)])
def test_below_95_percent_coverage_a_grading_is_unscored_and_never_0(lacking: dict[str, bool | None]) -> None:
    found = score(rubric(*[10] * 20), lacking)

    assert (found.normalized, found.pass_rate, found.coverage, found.raw) == (None, None, 0.9, 180.0)


def test_without_the_verdict_on_an_error_a_grading_is_unscored_for_it_would_be_forgiven() -> None:
    criteria = rubric(*[10] * 39, -500)

    found = score(criteria, verdicts(*[MET] * 39, NONE))

    assert (found.coverage, found.normalized, found.pass_rate) == (0.975, None, None)  # left out it were 100


def test_among_errors_only_one_without_a_verdict_is_left_out_of_both_sums() -> None:
    found = score(rubric(*[-10] * 20), verdicts(*[MET] * 10, *[UNMET] * 9, NONE))

    assert found.normalized == pytest.approx(100 * (1 - 100 / 190))


def test_without_a_verdict_on_any_positive_criterion_a_grading_is_not_measured_as_one_of_errors_only() -> None:
    found = score(rubric(10, *[-1] * 39), verdicts(NONE, *[UNMET] * 39))

    assert (found.coverage, found.normalized) == (0.975, None)  # by the errors alone it were 100


def test_verdicts_on_what_is_not_in_the_rubric_count_nowhere() -> None:
    found = score(rubric(10, 10), {**verdicts(MET, UNMET), "of another task": MET})

    assert (found.normalized, found.coverage) == (50.0, 1.0)


def test_a_task_has_the_mean_of_the_gradings_that_are_scored() -> None:
    criteria = rubric(10, 10)
    gradings = [verdicts(MET, MET), verdicts(MET, NONE), verdicts(MET, UNMET)]

    assert task_score(criteria, gradings) == 75.0  # (100 + 50) / 2
    assert task_pass_rate(criteria, gradings) == 75.0


@pytest.mark.parametrize("gradings", [[], [verdicts(MET, NONE)], [{}]])
def test_a_task_without_a_scored_grading_has_no_score(gradings: list[dict[str, bool | None]]) -> None:
    assert task_score(rubric(10, 10), gradings) is None
    assert task_pass_rate(rubric(10, 10), gradings) is None


def test_an_axis_is_scored_as_a_rubric_of_its_own() -> None:
    facts, style, errors = (Criterion(name, name, weight, "") for name, weight in (("f", 10), ("s", 5), ("e", -5)))
    criteria = [facts, Criterion("f2", "f", -10, ""), style, errors]

    found = axis_scores(criteria, [{"f": MET, "f2": UNMET, "s": UNMET, "e": MET}, {"f": MET, "f2": MET, "e": UNMET}])

    # f: 10 of 10, then 10 - 10 of 10. s: 0 of 5, then no verdict. e: errors only: 1 - 5/5, then 1 - 0/5.
    assert found == {"f": 50.0, "s": 0.0, "e": 50.0}
    assert list(found) == ["f", "s", "e"]


def test_settled_verdicts_are_those_of_most_gradings() -> None:
    gradings = [
        {"most met": MET, "most unmet": UNMET, "tie": MET, "one said": NONE, "none said": NONE},
        {"most met": MET, "most unmet": UNMET, "tie": UNMET, "one said": UNMET, "none said": NONE},
        {"most met": UNMET, "most unmet": MET, "tie": NONE},
    ]

    assert settled(gradings) == {
        "most met": MET,
        "most unmet": UNMET,
        "tie": NONE,
        "one said": UNMET,
        "none said": NONE,
    }
    assert settled([]) == {}


async def test_on_5000_random_rubrics_scores_are_those_of_the_paper_authors_library() -> None:
    luck = random.Random(2602_11685)  # noqa: S311
    kinds = {"positive": 0, "mixed": 0, "negative": 0}

    for _ in range(5_000):
        weights = random_weights(luck)
        given = [luck.random() < 0.5 for _ in weights]
        ours = score(rubric(*weights), verdicts(*given))

        theirs = await by_their_library(weights, given)

        assert ours.normalized == pytest.approx(100 * theirs.score, abs=1e-9)
        assert ours.raw == pytest.approx(theirs.raw_score)
        kinds["positive" if min(weights) > 0 else "negative" if max(weights) < 0 else "mixed"] += 1

    assert min(kinds.values()) > 500, kinds


def random_weights(luck: random.Random) -> list[float]:
    """Return weights within DRACO's range: of all signs, or errors only; whole or not; now and then a 0."""
    signs = luck.choice([(1,), (1, 1, -1), (1, 1, 0, -1), (-1,)])
    most = {1: 20, 0: 1, -1: luck.choice([25, 500])}
    drawn = [sign * luck.uniform(1, most[sign]) for sign in luck.choices(signs, k=luck.randint(1, 12))]
    weights = [float(round(weight)) for weight in drawn] if luck.random() < 0.7 else drawn
    return weights if any(weights) else [10.0]


async def by_their_library(weights: list[float], given: list[bool]) -> Any:
    """Return the report of `rubric`, called as its users do: a grader, and a function that answers in a model's place."""

    async def answer(system_prompt: str, user_prompt: str, **_: Any) -> PerCriterionOutput:
        asked = _ASKED.search(user_prompt)
        assert asked
        status = "MET" if given[int(asked[1])] else "UNMET"
        return PerCriterionOutput(criterion_status=status, explanation="as told")

    criteria = [TheirCriterion(weight=weight, requirement=str(number)) for number, weight in enumerate(weights)]
    return await Rubric(criteria).grade("an answer", autograder=PerCriterionGrader(generate_fn=answer), query="asked")
