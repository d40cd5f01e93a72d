"""Finished evaluations against one another."""

import copy
import re
from typing import cast

import pytest

from fusion_graph.errors import SettingsError
from fusion_graph.evaluation.comparing import compared, comparison_lines
from fusion_graph.evaluation.shapes import Results


def results(**scores: dict[str, float | None]) -> Results:
    """Return the parts of results that are compared."""
    tasks = list(dict.fromkeys(task for row in scores.values() for task in row))
    told = {
        "dataset": {"sha256": "d" * 64},
        "protocol": {"sha256": "p" * 64, "model": "grader", "gradings": 3},
        "targets": [{"name": name} for name in scores],
        "tasks": [{"task": task, "scores": {name: scores[name].get(task) for name in scores}} for task in tasks],
    }
    return cast("Results", told)


ONE = results(a={"x": 50, "y": 60, "z": None}, b={"x": 40, "y": 60}, c={"x": 10})
OTHER = results(a={"x": 70, "y": 60})


def test_in_one_folder_every_target_is_compared_with_every_other() -> None:
    found = compared({"one": ONE})

    assert [(each["a"], each["b"], each["difference"]["n"]) for each in found] == [
        ("a", "b", 2),
        ("a", "c", 1),
        ("b", "c", 1),
    ]
    assert found[0]["difference"]["mean"] == 5.0


def test_one_target_is_compared_with_every_other() -> None:
    assert [(each["a"], each["b"]) for each in compared({"one": ONE}, b="b")] == [("b", "a"), ("b", "c")]


def test_targets_of_several_folders_are_named_with_theirs() -> None:
    (found,) = compared({"one": ONE, "other": OTHER}, "other: a", "one: a")

    assert (found["difference"]["n"], found["difference"]["mean"]) == (2, 10.0)
    assert (found["wins"], found["ties"], found["losses"]) == (1, 1, 0)


def test_a_target_that_is_not_there_is_told_with_its_whole_name() -> None:
    with pytest.raises(SettingsError, match="no target is called 'b'") as caught:
        compared({"one": ONE, "other": OTHER}, "b")

    assert caught.value.hint == "write 'one: b'"


@pytest.mark.parametrize(("part", "name"), [("dataset", "sha256"), ("protocol", "sha256"), ("protocol", "model")])
def test_what_was_measured_otherwise_is_not_compared(part: str, name: str) -> None:
    other = copy.deepcopy(OTHER)
    other[part][name] = "other"  # type: ignore[literal-required]

    with pytest.raises(SettingsError, match=re.escape(f"cannot be compared: {part} {name}")):
        compared({"one": ONE, "other": other})


def test_the_table_says_what_is_not_known() -> None:
    lines = comparison_lines(compared({"one": ONE}, "a", "c"))

    assert lines[1] == ("a", "c", "1", "+40.0", "-", "1.000", "1.000", "1", "0", "0")
