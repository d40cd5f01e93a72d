"""The ledger of a panel, against tables small enough to count by hand, and against planted chances."""

from collections.abc import Sequence
from math import sqrt

import numpy as np
import pytest

from fusion_graph.evaluation.members import Case, Ledger, ledger
from fusion_graph.evaluation.shapes import Criterion, Share, Task

VERDICTS = {"+": True, "-": False, "?": None}


def case(*rows: str, silent: Sequence[int] = ()) -> Case:
    """Return a case of rows `weight members fused`, e.g. `10 +-- +`; the members at the places `silent` gave no answer."""
    cells = [row.split() for row in rows]
    criteria = tuple(
        Criterion(f"c{i}", "factual-accuracy", float(weight), "") for i, (weight, _, _) in enumerate(cells)
    )
    members = [
        {} if place in silent else {c.id: VERDICTS[row[1][place]] for c, row in zip(criteria, cells, strict=True)}
        for place in range(len(cells[0][1]))
    ]
    fused = {c.id: VERDICTS[row[2]] for c, row in zip(criteria, cells, strict=True)}
    return Case(Task("task", "Law", "?", criteria), fused, members)


def counts(found: Share) -> tuple[int, int]:
    return found["hits"], found["n"]


def kept(found: Ledger) -> list[tuple[int, int]]:
    return [counts(found["keep1"]), counts(found["keep2"]), counts(found["gain0"])]


def errors(found: Ledger) -> list[tuple[int, int]]:
    return [counts(found["caught"]), counts(found["caught_shared"]), counts(found["invented"])]


def test_findings_and_errors_are_told_apart_by_how_many_members_made_them() -> None:
    table = case(
        "10 +-- +",  # one member alone: kept
        "10 -+- -",  # lost
        "10 --+ +",  # kept
        "5  ++- +",  # two: kept
        "5  +++ -",  # all: lost
        "2  --- +",  # nobody: gained
        "2  --- -",
        "-5 +-- -",  # an error of one: caught
        "-5 -+- +",  # inherited
        "-9 ++- -",  # of two: caught
        "-9 +++ +",  # of all: inherited
        "-1 --- +",  # invented
        "-1 --- -",
        "-1 --- -",
    )

    found = ledger([table])

    assert kept(found) == [(2, 3), (1, 2), (1, 2)]
    assert errors(found) == [(1, 2), (1, 2), (1, 3)]
    assert found["keep1"]["share"] == 2 / 3


def test_counts_of_all_tasks_are_added() -> None:
    found = ledger([case("1 +- +", "-1 -+ -"), case("1 -+ -", "-1 -+ -")])

    assert kept(found)[0] == (1, 2)
    assert errors(found)[0] == (2, 2)


def test_a_criterion_that_somebody_lacks_a_verdict_on_is_left_out() -> None:
    found = ledger([case("1 +? +", "1 +- ?", "1 +- +", "-1 ?- -", "-1 +- ?", "0 +- +")])

    assert kept(found) == [(1, 1), (0, 0), (0, 0)]
    assert errors(found) == [(0, 0), (0, 0), (0, 0)]


def test_a_member_without_an_answer_is_not_counted() -> None:
    found = ledger([case("1 +-- +", "1 ++- +", silent=[2]), case("1 +-- +", silent=[0, 1, 2])])

    assert kept(found) == [(1, 1), (1, 1), (0, 0)]
    assert found["union"]["n"] == 1


def test_of_no_cases_there_are_no_figures() -> None:
    found = ledger([])

    assert kept(found) + errors(found) == [(0, 0)] * 6
    assert found["correlation"] is None
    assert found["union"]["mean"] is None
    assert found["intersection"]["mean"] is None


def test_correlation_is_phi_over_positive_criteria() -> None:
    # Of 8: both 3, first alone 1, second alone 2, neither 2. phi = (8*3 - 4*5) / sqrt(4*4*5*3).
    rows = ["1 ++ -"] * 3 + ["1 +- -"] + ["1 -+ -"] * 2 + ["1 -- -"] * 2 + ["-1 ++ -"] * 5 + ["1 ?+ -"]

    assert ledger([case(*rows)])["correlation"] == pytest.approx(4 / sqrt(240))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["1 ++ -", "1 -- -"], 1.0),
        (["1 +- -", "1 -+ -"], -1.0),
        (["1 ++ -", "1 +- -"], None),  # the first met all: it varies with nothing
        (["1 + -", "1 - -"], None),  # one member has no other
    ],
)
def test_correlation_goes_from_opposite_to_equal(rows: list[str], expected: float | None) -> None:
    assert ledger([case(*rows)])["correlation"] == expected


def test_correlation_is_the_mean_over_pairs_of_seats_across_tasks() -> None:
    # Seats 1 and 2 agree in both tasks, seat 3 says the opposite where it answered.
    found = ledger([case("1 ++- -", "1 --+ -"), case("1 ++- -", "1 --+ -", silent=[2])])

    assert found["correlation"] == pytest.approx((1 - 1 - 1) / 3)


def test_the_union_has_all_that_is_right_and_nothing_wrong_the_intersection_what_all_said() -> None:
    table = case("10 +- -", "6 ++ -", "4 -- -", "-5 +- +", "-2 ++ +")

    found = ledger([table])

    assert found["union"]["mean"] == pytest.approx(100 * 16 / 20)  # not 13 or 9: an oracle leaves errors out
    assert found["intersection"]["mean"] == pytest.approx(100 * (6 - 2) / 20)


def test_the_oracles_scores_are_means_over_tasks() -> None:
    found = ledger([case("1 +- -", "3 -- -"), case("1 ++ -", "1 -+ -")])

    assert found["union"]["n"] == 2
    assert found["union"]["mean"] == pytest.approx((25 + 100) / 2)
    assert found["intersection"]["mean"] == pytest.approx((0 + 50) / 2)


def test_a_task_with_too_few_verdicts_has_no_score_of_an_oracle() -> None:
    found = ledger([case(*["1 ++ +"] * 9, "1 ?+ +"), case("1 ++ +", "1 ++ +")])  # 90 % and 100 % of the verdicts

    assert (found["union"]["n"], found["union"]["mean"]) == (1, 100)


def test_an_error_without_a_verdict_leaves_the_union_its_score_and_the_intersection_none() -> None:
    found = ledger([case("10 ++ +", "-5 ?+ +")])

    assert found["union"]["mean"] == 100
    assert found["intersection"]["n"] == 0


def test_planted_chances_lie_in_their_intervals_as_often_as_those_say() -> None:
    planted = {"keep1": 0.6, "keep2": 0.9, "gain0": 0.1, "caught": 0.7, "caught_shared": 0.3, "invented": 0.2}
    rng = np.random.default_rng(5)

    found = [ledger([_planted(planted, rng) for _ in range(12)]) for _ in range(60)]

    held = []
    for name, chance in planted.items():
        for one in found:
            low, high = one[name]["low"], one[name]["high"]  # type: ignore[literal-required]
            held.append(low <= chance <= high)
    assert 0.92 <= sum(held) / len(held) <= 0.98


def _planted(chances: dict[str, float], rng: np.random.Generator) -> Case:
    """Return a task of 40 criteria, half of them negative, whose three members are right or wrong by tossing a coin."""
    rows = []
    for weight in [1, -1] * 20:
        members = rng.random(3) < 0.4
        fate = [["gain0", "keep1", "keep2"], ["invented", "caught", "caught_shared"]][weight < 0][min(sum(members), 2)]
        happens = rng.random() < chances[fate]
        is_met = not happens if fate.startswith("caught") else happens
        rows.append(f"{weight} {''.join('+' if met else '-' for met in members)} {'+' if is_met else '-'}")
    return case(*rows)
