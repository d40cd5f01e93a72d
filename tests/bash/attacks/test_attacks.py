"""No attack does harm in the sandbox, whoever starts it; without one, each would."""

import os
from collections import Counter

import pytest

from tests.bash.attacks.case import Case
from tests.bash.attacks.ordinary import Ordinary
from tests.bash.attacks.scenes import ANSWERS, CONTROLS
from tests.bash.attacks.stage import World, problem, works
from tests.bash.attacks.table import CASES

pytestmark = pytest.mark.timeout(60)
_RUN = [case for case in CASES if case.control != ANSWERS]
_CONTROLLED = [case for case in CASES if not case.control]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_attack_does_no_harm(case: Case, world: World) -> None:
    assert problem(case, world) == ""


@pytest.mark.parametrize("case", _RUN, ids=str)
def test_an_attack_on_an_ordinary_user_does_no_harm(case: Case, ordinary: Ordinary) -> None:
    assert ordinary.problem(case.name) == ""


@pytest.mark.parametrize("case", _CONTROLLED, ids=str)
def test_an_attack_does_harm_without_the_sandbox(case: Case, world: World) -> None:
    try:
        harm = CONTROLS[case.name](world) if case.scene else world.plainly(case)
    finally:
        world.sweep()

    assert harm


def test_the_sandbox_works_for_root_and_for_others(world: World, ordinary: Ordinary) -> None:
    assert works(world) == ""
    assert ordinary.problem("") == ""
    assert os.geteuid() == 0


def test_the_suite_is_not_cut_down() -> None:
    assert not [name for name, times in Counter(case.name for case in CASES).items() if times > 1]
    assert len([case for case in CASES if not case.scene]) >= 150
    assert len(_CONTROLLED) >= 115
