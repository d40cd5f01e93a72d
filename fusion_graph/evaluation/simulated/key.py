"""What simulated models know: the tasks of mini-DRACO, and the sentences that meet their criteria."""

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusion_graph.evaluation.dataset import load_dataset
from fusion_graph.evaluation.shapes import Task
from fusion_graph.evaluation.simulated.texts import is_said, plain

FOLDER = Path(__file__).parent.parent / "mini"
CORPUS = FOLDER / "corpus"


@dataclass(frozen=True, slots=True)
class Point:
    """What an answer may say, or the form it may have. `key.toml` tells what the fields are."""

    task: str
    id: str
    weight: float = 0.0  # 0: it is said, and no criterion is about it
    say: str = ""
    page: str = ""
    against: str = ""
    signs: tuple[str, ...] = ()
    form: bool = False
    reply: str = ""

    @property
    def is_error(self) -> bool:
        """Whether it is better left out."""
        return self.weight < 0

    def shows_in(self, text: str) -> bool:
        """Return whether an answer, with its pages below it, meets the criterion."""
        signs = self.signs or (self.say,)
        return any(sign and " ".join(sign.split()) in plain(text) for sign in signs)


@dataclass(frozen=True, slots=True)
class Known:
    """A task with its points, by the ids of their criteria."""

    task: Task
    points: Mapping[str, Point]

    @property
    def sentences(self) -> list[Point]:
        """The points that are said, in the order of the rubric."""
        return [point for point in self.points.values() if point.say and not point.form]

    @property
    def forms(self) -> list[Point]:
        """The points that are a form of the whole answer: a heading, a table."""
        return [point for point in self.points.values() if point.form]

    def said_in(self, text: str) -> list[Point]:
        """Return the sentences that a text says."""
        return [point for point in self.sentences if is_said(point.say, text)]


@functools.cache
def known_tasks() -> tuple[Known, ...]:
    """Return all tasks of mini-DRACO. Blocks, once."""
    key = tomllib.loads((FOLDER / "key.toml").read_text(encoding="utf-8"))
    return tuple(_known(task, key[task.id]) for task in load_dataset("mini").tasks)


def known_in(text: str) -> Known | None:
    """Return the task whose question stands first in a text: pages that were found may hold other questions."""
    asked = [known for known in known_tasks() if known.task.problem in text]
    return min(asked, key=lambda known: text.index(known.task.problem), default=None)


def _known(task: Task, table: Mapping[str, Mapping[str, Any]]) -> Known:
    weights = {criterion.id: criterion.weight for criterion in task.criteria}
    return Known(task, {name: _point(task.id, name, weights.get(name, 0.0), table[name]) for name in table})


def _point(task: str, name: str, weight: float, entry: Mapping[str, Any]) -> Point:
    return Point(task, name, weight, **{**entry, "signs": tuple(entry.get("signs", ()))})
