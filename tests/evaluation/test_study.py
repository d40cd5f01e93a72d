"""The simulations of the study, against closed forms, the real scoring and the real ledger."""

from dataclasses import replace
from math import asin, pi
from typing import Any, cast

import pytest

from fusion_graph.evaluation.members import Case, ledger
from fusion_graph.evaluation.power import simulated_power, tasks_needed
from fusion_graph.evaluation.scoring import score
from fusion_graph.evaluation.shapes import Criterion, Task
from fusion_graph.evaluation.study import (
    Answers,
    Grader,
    Met,
    Panel,
    answer,
    break_even,
    compare,
    measure,
    phi,
    rubrics,
    scores,
)

PAIR = Panel(recalls=(0.5, 0.5), luck=0)


def shares(found: Answers) -> tuple[float, float, float]:
    """Return the shares of positive criteria that no, one and both members meet."""
    by = found.members.sum(axis=0)[found.weights > 0]
    none, one, both = (float((by == count).mean()) for count in range(3))
    return none, one, both


def test_rubrics_have_the_shape_of_draco() -> None:
    weights = rubrics()

    assert weights.shape == (4_000, 39)
    assert (weights < 0).mean() == pytest.approx(415 / 3_934, abs=0.005)
    assert (weights.max(), weights[weights > 0].min()) == (20, 2)
    assert -500 <= weights.min() < -400
    assert ((weights < -25).any(axis=1)).mean() == pytest.approx(0.06, abs=0.012)


def test_a_simulated_answer_scores_as_a_graded_one_does() -> None:
    found = answer(Panel(error=0.5), tasks=200)
    for weights, met, simulated in zip(found.weights, found.fused, scores(found.weights, found.fused), strict=True):
        criteria = [Criterion(str(place), "", float(weight), "") for place, weight in enumerate(weights)]

        graded = score(criteria, {str(place): bool(verdict) for place, verdict in enumerate(met)})

        assert graded.normalized == pytest.approx(simulated)


def test_members_meet_as_many_criteria_as_planted() -> None:
    found = answer(Panel(recalls=(0.7, 0.4), error=0.2))
    positive = found.weights > 0

    assert [met[positive].mean() for met in found.members] == pytest.approx([0.7, 0.4], abs=0.01)
    assert [met[~positive].mean() for met in found.members] == pytest.approx([0.2, 0.2], abs=0.01)
    assert found.best == 0


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.5, 0.8])
def test_two_members_agree_as_often_as_the_bell_curve_says(correlation: float) -> None:
    found = answer(replace(PAIR, correlation=correlation))

    # Sheppard 1899: both above their means with chance 1/4 + asin(r) / 2 pi.
    both = 1 / 4 + asin(correlation) / (2 * pi)
    assert shares(found) == pytest.approx((both, 1 - 2 * both, both), abs=0.01)
    assert phi(found) == pytest.approx(4 * both - 1, abs=0.02)


def test_members_that_are_the_same_never_find_anything_alone() -> None:
    found = answer(replace(PAIR, correlation=1))

    assert shares(found)[1] == 0
    assert phi(found) == pytest.approx(1)


def test_what_the_fusion_meets_follows_from_what_it_keeps() -> None:
    panel = Panel(recalls=(0.6, 0.6), correlation=0, luck=0, keep1=0.5, keep2=0.9, gain0=0.1)
    found = answer(panel)

    met = found.fused[found.weights > 0].mean()

    assert met == pytest.approx(0.36 * 0.9 + 0.48 * 0.5 + 0.16 * 0.1, abs=0.01)


def test_the_ledger_of_simulated_answers_holds_the_chances_they_were_made_with() -> None:
    panel = Panel()
    found = ledger(_cases(answer(panel, tasks=150)))

    for name in ("keep1", "keep2", "gain0", "caught", "caught_shared", "invented"):
        share: Any = cast("dict[str, Any]", found)[name]
        assert share["share"] == pytest.approx(getattr(panel, name), abs=3 * (share["high"] - share["low"]) / 4), name
    assert found["correlation"] == pytest.approx(phi(answer(panel)), abs=0.04)


def _cases(found: Answers) -> list[Case]:
    def verdicts(met: Met, task: int) -> dict[str, bool | None]:
        return {str(place): bool(verdict) for place, verdict in enumerate(met[task])}

    return [
        Case(
            Task(
                str(task), "", "", tuple(Criterion(str(i), "", float(weight), "") for i, weight in enumerate(weights))
            ),
            verdicts(found.fused, task),
            [verdicts(member, task) for member in found.members],
        )
        for task, weights in enumerate(found.weights)
    ]


def test_a_fusion_that_keeps_all_and_catches_all_is_never_worse_than_a_member() -> None:
    found = answer(Panel(keep1=1, keep2=1, caught=1, caught_shared=1, invented=0))

    fused = scores(found.weights, found.fused)

    assert all((fused >= scores(found.weights, member)).all() for member in found.members)


def test_more_kept_is_more_gained_and_equal_seeds_draw_the_same() -> None:
    gains = [compare(Panel(keep1=keep1)).gain for keep1 in (0.2, 0.5, 0.8)]

    assert gains == sorted(gains)
    assert compare(Panel()) == compare(Panel())
    assert compare(Panel()) != compare(Panel(), seed=1)


def test_break_even_is_where_the_gain_turns() -> None:
    panel = Panel()
    found = break_even(panel)

    assert found is not None
    assert compare(replace(panel, keep1=found + 0.01)).gain > 0 > compare(replace(panel, keep1=found - 0.01)).gain


def test_a_fusion_that_loses_what_members_agree_on_never_breaks_even() -> None:
    assert break_even(replace(PAIR, keep2=0.3)) is None


def test_a_grader_without_errors_sees_what_is_there() -> None:
    assert measure(answer(Panel()), Grader()) == compare(Panel())


def test_noise_shrinks_a_difference_and_more_gradings_do_not_bring_it_back() -> None:
    found = answer(replace(PAIR, error=0, invented=0, keep1=0.9))
    true = measure(found, Grader())

    once, often = (measure(found, Grader(noise=0.1, gradings=gradings)) for gradings in (1, 5))

    # Of the positive criteria's difference 1 - 2 * noise is left; errors are made up alike on both sides.
    assert once.gain == pytest.approx(0.8 * true.gain, rel=0.1)
    assert often.gain == pytest.approx(0.8 * true.gain, rel=0.1)
    assert often.sd < once.sd


def test_a_grader_that_favours_one_side_shows_a_gain_where_there_is_none() -> None:
    found = answer(PAIR)
    same = found._replace(fused=found.members[found.best])

    assert measure(same, Grader(gradings=5)).gain == 0
    assert measure(same, Grader(), of_fused=Grader(favour=0.1)).gain > 5  # a tenth of half the points, and of errors
    assert measure(same, Grader(favour=0.1)).gain == pytest.approx(0, abs=0.3)
    assert measure(same, Grader(), of_fused=Grader(favour=1)).fused == 100


def test_leniency_finds_errors_too_and_so_gives_less_than_favour() -> None:
    found = answer(PAIR)

    lenient, kind = (measure(found, Grader(), of_fused=grader) for grader in (Grader(leniency=0.1), Grader(favour=0.1)))

    assert measure(found, Grader()).fused < lenient.fused < kind.fused


def test_five_points_take_114_tasks_for_a_power_of_80_per_cent() -> None:
    assert tasks_needed(5) == 114  # ((1.960 + 0.842) * 19 / 5) ** 2 = 113.3
    assert tasks_needed(10) == 29
    assert tasks_needed(5, sd=9.5) == tasks_needed(10)
    assert tasks_needed(5, power=0.9) == 152


def test_simulated_power_is_near_the_normal_approximation() -> None:
    none, half, eighty = simulated_power(100, [0.0, 1.96 * 1.9, 2.80 * 1.9])

    assert none == pytest.approx(0.05, abs=0.02)
    assert half == pytest.approx(0.5, abs=0.04)
    assert eighty == pytest.approx(0.8, abs=0.04)


def test_more_tasks_show_more_and_equal_seeds_draw_the_same() -> None:
    found = [simulated_power(n, [5.0])[0] for n in (12, 50, 200)]

    assert found == sorted(found)
    assert found == [simulated_power(n, [5.0])[0] for n in (12, 50, 200)]
