"""A rubric as DRACO writes it: sections, in them criteria and sections again, each criterion with a weight."""

from typing import Any

from fusion_graph.errors import SettingsError
from fusion_graph.evaluation.rows import id_of, list_of, number_of, object_of, parse_json, text_of
from fusion_graph.evaluation.shapes import Criterion

_RUBRIC = frozenset({"id", "sections"})
_SECTION = frozenset({"id", "title", "criteria", "sections"})
_CRITERION = frozenset({"id", "weight", "requirement"})
_FORM = '{"sections": [{"id": "...", "criteria": [{"id": "...", "weight": 10, "requirement": "..."}]}]}'


def parse_rubric(answer: Any) -> tuple[Criterion, ...]:
    """Return the criteria of a rubric, which is JSON in a text or an object, in the order they stand in.

    Raises:
        SettingsError: it is in another form, repeats an id, has no criteria, or none that weighs anything.
    """
    if isinstance(answer, str):
        hint = f"a rubric's form is {_FORM}; a plain question has no `answer`"
        answer = parse_json(answer, "the rubric in `answer`", hint=hint)
    criteria: dict[str, Criterion] = {}
    for axis, row in _rows(object_of(answer, "the rubric in `answer`", _RUBRIC)):
        criterion = _criterion(axis, row)
        if criterion.id in criteria:
            message = f"criterion {criterion.id!r} is in the rubric twice"
            raise SettingsError(message, field="id", value=criterion.id, hint="give each criterion an id of its own")
        criteria[criterion.id] = criterion
    if not any(criterion.weight for criterion in criteria.values()):
        what = "every criterion of the rubric has the weight 0" if criteria else "the rubric has no criteria"
        raise SettingsError(what, field="answer", hint=f"a rubric's form is {_FORM}")
    return tuple(criteria.values())


def _rows(rubric: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the criteria, each with its axis. Without recursion: how deep sections nest is the file's choice."""
    rows: list[tuple[str, Any]] = []
    waiting = [("", section) for section in reversed(list_of(rubric, "sections", "the rubric"))]
    while waiting:
        axis, section = waiting.pop()
        where = f"a section in {axis!r}" if axis else "a section of the rubric"
        table = object_of(section, where, _SECTION)
        axis = axis or id_of(table, where)
        rows += [(axis, row) for row in list_of(table, "criteria", where)]
        waiting += [(axis, inner) for inner in reversed(list_of(table, "sections", where))]
    return rows


def _criterion(axis: str, row: Any) -> Criterion:
    table = object_of(row, f"a criterion in {axis!r}", _CRITERION)
    name = id_of(table, f"a criterion in {axis!r}")
    what = f"criterion {name!r}"
    return Criterion(name, axis, number_of(table, "weight", what), text_of(table, "requirement", what))
