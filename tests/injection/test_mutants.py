"""Every guard is needed: with any one gone, some attack of the table does harm."""

from pathlib import Path

import pytest

from tests.injection.guards import GUARDS
from tests.injection.harms import harms_of
from tests.injection.stage import play
from tests.injection.table import CASES


@pytest.mark.parametrize("guard", GUARDS)
async def test_a_mutant_without_one_guard_is_caught(guard: str, tmp_path: Path) -> None:
    sound = [case for case in CASES if not case.hole]
    likely = sorted(sound, key=lambda case: case.guard != guard)

    for number, case in enumerate(likely):
        with pytest.MonkeyPatch.context() as patch:
            GUARDS[guard](patch)
            if harms_of(await play(case, tmp_path / str(number), patch)):
                return
    pytest.fail(f"mutant survived: {guard}")


def test_every_guard_has_a_case_that_succeeds_without_it() -> None:
    assert {case.guard for case in CASES if case.guard} == set(GUARDS)
