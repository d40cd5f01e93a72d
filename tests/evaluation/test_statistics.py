"""Intervals and tests over tasks: closed forms, numbers computed by hand, and how often an interval holds the truth."""

from collections.abc import Sequence
from math import comb, inf, nan, sqrt
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion_graph.evaluation.shapes import Estimate
from fusion_graph.evaluation.statistics import (
    EXACT_TASKS,
    by_convention,
    estimate,
    holm,
    judge_noise,
    paired,
    quantile,
    share,
    sign_flip_test,
    sign_test,
)

scores = st.lists(st.floats(0, 100), min_size=2, max_size=12)


def normal(n: int, *, mean: float, sd: float) -> list[float]:
    """Return `n` values that lie as those of a normal distribution do, with exactly this mean and deviation."""
    found = np.array([NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)])
    return list(mean + sd * found / found.std(ddof=1))


def half_width(found: Estimate) -> float:
    assert found["low"] is not None
    assert found["high"] is not None
    return (found["high"] - found["low"]) / 2


def by_task(values: Sequence[float]) -> dict[str, float]:
    return {f"task {number}": value for number, value in enumerate(values)}


def test_of_no_task_nothing_is_estimated_and_of_one_task_no_interval() -> None:
    assert estimate([]) == {"n": 0, "mean": None, "low": None, "high": None}
    assert estimate([40.0]) == {"n": 1, "mean": 40.0, "low": None, "high": None}


def test_the_interval_of_two_tasks_reaches_from_one_to_the_other() -> None:
    # A resample is one task twice with chance 1/4 each: both ends are past the 2.5 % points.
    assert estimate([20.0, 60.0]) == {"n": 2, "mean": 40.0, "low": 20.0, "high": 60.0}


def test_equal_scores_leave_no_doubt() -> None:
    assert estimate([55.0] * 7) == {"n": 7, "mean": 55.0, "low": 55.0, "high": 55.0}


def test_a_hundred_tasks_that_differ_by_nineteen_points_resolve_three_point_seven() -> None:
    found = estimate(normal(100, mean=5, sd=19))

    assert found["mean"] == pytest.approx(5)
    assert half_width(found) == pytest.approx(1.96 * 19 / sqrt(100), abs=0.1)
    assert half_width(found) == pytest.approx(3.7, abs=0.1)


@pytest.mark.parametrize(("n", "least", "most"), [(100, 0.92, 0.98), (10, 0.86, 0.94)])
def test_the_interval_holds_the_true_mean_as_often_as_it_says(n: int, least: float, most: float) -> None:
    rng = np.random.default_rng(7)
    found = [estimate(list(rng.normal(50, 19, n)), seed=number) for number in range(250)]

    held = [e for e in found if e["low"] is not None and e["high"] is not None and e["low"] <= 50 <= e["high"]]

    assert least <= len(held) / len(found) <= most


@given(scores.flatmap(lambda values: st.tuples(st.just(values), st.permutations(values))))
@settings(max_examples=20, deadline=None)
def test_an_estimate_is_the_same_in_any_order_of_tasks(orders: tuple[list[float], list[float]]) -> None:
    assert estimate(orders[0]) == estimate(orders[1])


@given(scores)
@settings(max_examples=20, deadline=None)
def test_an_interval_lies_around_its_mean_and_among_the_scores(values: list[float]) -> None:
    found = estimate(values)

    ends = [found["low"], found["mean"], found["high"]]
    numbers = [end for end in ends if end is not None]
    assert len(numbers) == 3
    assert min(values) - 1e-9 <= numbers[0] <= numbers[1] + 1e-9 <= numbers[2] + 2e-9 <= max(values) + 3e-9


def test_another_seed_draws_other_resamples_of_nearly_the_same_interval() -> None:
    values = normal(40, mean=50, sd=19)

    one, other = estimate(values, seed=1), estimate(values, seed=2)

    assert one != other
    assert half_width(one) == pytest.approx(half_width(other), rel=0.05)


@pytest.mark.parametrize("odd", [nan, inf, -inf])
def test_what_is_no_number_is_refused(odd: float) -> None:
    with pytest.raises(ValueError, match=f"{odd!r} is no score: leave a task without a score out"):
        estimate([1.0, odd])
    with pytest.raises(ValueError, match="is no score"):
        paired({"a": odd}, {"a": 1.0})
    with pytest.raises(ValueError, match="is no score"):
        judge_noise([[1.0, odd]])


def test_a_quantile_is_interpolated() -> None:
    assert quantile([], 0.5) is None
    assert quantile([3.0], 0.9) == 3
    assert quantile([1.0, 4.0, 2.0, 3.0], 0.5) == 2.5
    assert quantile([float(second) for second in range(11)], 0.9) == 9


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (1, 1, 0.2065, 1.0),
        (81, 263, 0.2553, 0.3662),
    ],
)
def test_the_interval_of_a_share_is_wilsons(hits: int, n: int, low: float, high: float) -> None:
    found = share(hits, n)  # 81 of 263 is in Newcombe 1998, table I, method 3

    assert (found["n"], found["hits"], found["share"]) == (n, hits, hits / n)
    assert found["low"] == pytest.approx(low, abs=5e-5)
    assert found["high"] == pytest.approx(high, abs=5e-5)


def test_a_share_of_none_is_none() -> None:
    assert share(0, 0) == {"n": 0, "hits": 0, "share": None, "low": None, "high": None}


def test_targets_are_compared_on_common_tasks_only() -> None:
    a = {"one": 60.0, "two": 50.0, "only a": 100.0}
    b = {"two": 40.0, "one": 40.0, "only b": 0.0}

    found = paired(a, b)

    assert (found.difference["n"], found.difference["mean"]) == (2, 15.0)
    assert (found.wins, found.ties, found.losses) == (2, 0, 0)


def test_a_difference_within_the_margin_is_a_tie() -> None:
    a, b = by_task([51.0, 49.0, 51.1, 48.9, 50.0]), by_task([50.0] * 5)

    assert paired(a, b)[2:] == (1, 3, 1)
    assert paired(a, b, tie=0)[2:] == (2, 1, 2)
    assert paired(a, b, tie=2)[2:] == (0, 5, 0)


def test_without_common_tasks_there_is_no_comparison() -> None:
    found = paired({"one": 1.0}, {"two": 2.0})

    assert found == ({"n": 0, "mean": None, "low": None, "high": None}, None, 0, 0, 0)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=1, max_size=24))
@settings(max_examples=20, deadline=None)
def test_the_other_way_round_the_difference_has_the_other_sign_and_the_same_p(pairs: list[tuple[float, float]]) -> None:
    a, b = by_task([one for one, _ in pairs]), by_task([other for _, other in pairs])

    there, back = paired(a, b), paired(b, a)

    assert there.difference["mean"] == pytest.approx(-(back.difference["mean"] or 0), abs=1e-9)
    assert (there.p, there.wins, there.ties, there.losses) == (back.p, back.losses, back.ties, back.wins)


def test_the_p_of_few_tasks_is_exact() -> None:
    # 1 + 2 + 3 = 6 is reached by all plus and by all minus, of 8 ways: 2/8. With -1: 4 and -4 and beyond: 4 of 8.
    assert sign_flip_test([1.0, 2.0, 3.0]) == 2 / 8
    assert sign_flip_test([-1.0, 2.0, 3.0]) == 4 / 8
    assert sign_flip_test([5.0]) == 1
    assert sign_flip_test([0.0, 0.0]) == 1
    assert sign_flip_test([2.0] * 10) == 2 / 2**10
    assert sign_flip_test([]) is None


def test_rounding_does_not_part_sums_that_are_equal() -> None:
    # 0.1 + 0.2 - 0.3 is 0 in decimals, and so is every p of it.
    assert sign_flip_test([0.1, 0.2, -0.3]) == 1


def test_the_p_of_many_tasks_is_drawn_near_the_exact_one_and_never_zero() -> None:
    ones = [1.0] * 40
    twelve = [1.0] * 28 + [-1.0] * 12  # |sum| >= 16: at most 12 of 40 on one side, the sign test
    exact = 2 * sum(comb(40, k) for k in range(13)) / 2**40

    assert len(ones) > EXACT_TASKS
    assert sign_flip_test(ones) == 1 / 20_001
    assert sign_flip_test(twelve) == pytest.approx(exact, abs=0.002)
    assert sign_test(28, 12) == pytest.approx(exact)


@pytest.mark.parametrize("n", [8, 30])
def test_where_nothing_differs_five_in_a_hundred_are_significant(n: int) -> None:
    rng = np.random.default_rng(3)
    ps = [sign_flip_test(list(rng.normal(0, 19, n)), seed=number) for number in range(200)]

    significant = [p for p in ps if p is not None and p <= 0.05]

    assert 0.02 <= len(significant) / len(ps) <= 0.09


@pytest.mark.parametrize(
    ("wins", "losses", "p"),
    [(0, 0, None), (1, 0, 1.0), (5, 5, 1.0), (5, 0, 2 / 32), (0, 5, 2 / 32), (8, 2, 2 * 56 / 1024)],
)
def test_the_sign_test_is_binomial_and_two_sided(wins: int, losses: int, p: float | None) -> None:
    assert sign_test(wins, losses) == p


def test_the_sign_test_of_thousands_does_not_overflow() -> None:
    assert sign_test(2_500, 2_500) == 1
    assert 0 < (sign_test(2_400, 2_600) or 0) < 0.01


def test_holm_takes_the_smallest_times_their_number_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.02, None, 0.5, 0.9]) == pytest.approx([0.06, None, 1.0, 1.0])
    assert holm([]) == []
    assert holm([None]) == [None]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferronis(ps: list[float]) -> None:
    adjusted = [p for p in holm(ps) if p is not None]

    for p, raised in zip(ps, adjusted, strict=True):
        assert p <= raised <= min(1.0, p * len(ps)) + 1e-12
    assert [raised for _, raised in sorted(zip(ps, adjusted, strict=True))] == sorted(adjusted)


def test_judge_noise_is_pooled_over_tasks_and_blind_to_how_tasks_differ() -> None:
    # Squares around their means: 2 of one degree of freedom, and 8 of two.
    assert judge_noise([[10, 12], [90, 92, 94]]) == pytest.approx(sqrt((2 + 8) / 3))
    assert judge_noise([[10], [90]]) is None
    assert judge_noise([[], [1]]) is None
    assert judge_noise([]) is None
    assert judge_noise([[50, 50, 50], [70]]) == 0


def test_the_three_conventions_can_choose_another_winner() -> None:
    found = by_convention(
        {
            "careful": {"easy": 60.0, "hard": 40.0, "long": 30.0},
            "brittle": {"easy": 58.0, "hard": None, "long": None},
        }
    )

    assert found["careful"].own == {"easy": 60.0, "hard": 40.0, "long": 30.0}
    assert found["brittle"].own == {"easy": 58.0}  # 58 beats a mean of 43.3
    assert found["brittle"].zero_filled == {"easy": 58.0, "hard": 0.0, "long": 0.0}
    assert found["careful"].zero_filled == found["careful"].own
    assert (found["careful"].common, found["brittle"].common) == ({"easy": 60.0}, {"easy": 58.0})


def test_an_answer_that_could_not_be_scored_is_no_zero() -> None:
    found = by_convention({"a": {"one": 10.0, "two": 20.0}, "b": {"one": 30.0}})  # b answered two; its grading failed

    assert found["b"].zero_filled == {"one": 30.0}
    assert found["a"].common == {"one": 10.0}


def test_without_targets_there_is_nothing_to_convene() -> None:
    assert by_convention({}) == {}
    assert by_convention({"a": {}, "b": {"one": 1.0}})["b"] == ({"one": 1.0}, {"one": 1.0}, {})
