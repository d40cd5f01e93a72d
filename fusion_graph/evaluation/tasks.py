"""The tasks of a file: rows with rubrics, or plain questions."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from fusion_graph.checked import placed
from fusion_graph.errors import SettingsError
from fusion_graph.evaluation.rows import id_of, object_of, parse_json, text_of
from fusion_graph.evaluation.rubrics import parse_rubric
from fusion_graph.evaluation.shapes import Task

NO_DOMAIN = "no domain"
SUFFIXES = (".json", ".jsonl", ".txt")
_ROW = frozenset({"id", "domain", "problem", "question", "answer"})
_LINES = "write one task on each line, as a JSON object; a list of tasks belongs in a .json file"
_LIST = "write a list of tasks: [{...}, {...}]; one task on each line belongs in a .jsonl file"
_FORMS = "a task is an object with problem, and optionally id, domain and answer (its rubric); in a .txt file, a line"


def parse_tasks(text: str, suffix: str) -> tuple[Task, ...]:
    """Return the tasks of a file of one of `SUFFIXES`, in its order.

    Raises:
        SettingsError: a row is unfit, an id or question comes twice, tasks with and without a rubric are mixed, or there
            is none; the message begins with the place.
    """
    places: dict[str, str] = {}
    tasks: list[Task] = []
    for place, written in _rows(text, suffix):
        try:
            task = _parse_task(parse_json(written, "the row", hint=_LINES) if suffix == ".jsonl" else written)
            _check_fits(task, tasks, places)
        except SettingsError as error:
            raise placed(error, place) from None
        places[task.id] = place
        tasks.append(task)
    if not tasks:
        raise SettingsError("it holds no tasks", field="dataset", hint=_FORMS)
    return tuple(tasks)


def _rows(text: str, suffix: str) -> Iterator[tuple[str, Any]]:
    """Yield each row with its place. Lines end at line feeds only: JSON may hold Unicode's other line ends."""
    if suffix == ".json":
        rows = parse_json(text, "the file", hint=_LIST)
        if not isinstance(rows, list):
            raise SettingsError("the file holds no list", field="dataset", hint=_LIST)
        yield from ((f"task {number}", row) for number, row in enumerate(rows, 1))
        return
    for number, line in enumerate(text.split("\n"), 1):
        if suffix == ".jsonl" and line.strip():
            yield f"line {number}", line
        elif line.strip() and not line.lstrip().startswith("#"):
            yield f"line {number}", {"problem": line.strip()}


def _parse_task(row: Any) -> Task:
    given = {field: value for field, value in object_of(row, "the row", _ROW).items() if value is not None}
    if "problem" in given and "question" in given:
        raise SettingsError("the row has a problem and a question", field="question", hint="leave one of them out")
    problem = text_of(given, "question" if "question" in given else "problem", "the row")
    return Task(
        id=id_of(given, "the row") if "id" in given else _content_id(problem),
        domain=text_of(given, "domain", "the row").strip() if "domain" in given else NO_DOMAIN,
        problem=problem,
        criteria=parse_rubric(given["answer"]) if "answer" in given else (),
    )


def _content_id(problem: str) -> str:
    return hashlib.sha256(problem.strip().encode()).hexdigest()[:12]


def _check_fits(task: Task, tasks: list[Task], places: Mapping[str, str]) -> None:
    if task.id in places:
        message = f"this question, or its id {task.id!r}, is there already: {places[task.id]}"
        raise SettingsError(message, field="id", value=task.id, hint="give each task an id of its own, and each once")
    if tasks and bool(task.criteria) != bool(tasks[0].criteria):
        here, there = ("a rubric", "none") if task.criteria else ("no rubric", "one")
        message = f"task {task.id!r} has {here}, and the first task of the file has {there}"
        hint = "keep graded tasks and plain questions in files of their own"
        raise SettingsError(message, field="answer", value=task.id, hint=hint)
