"""A task, a grader that reads what it is shown, and a shelf for its verdicts: what tests of grading share."""

import json
from collections.abc import Mapping
from typing import Any

from fusion_graph.calls import Asker
from fusion_graph.evaluation.shapes import Criterion, Task
from fusion_graph.models.scripted import Outcome, Script, ScriptedModels, ScriptedRequest
from fusion_graph.prompts import unfenced

TASK = Task(
    "t1",
    "Academic",
    "When did the bridge open, and what is it made of?",
    (
        Criterion("year", "factual-accuracy", 10, "Says that it opened in 1932"),
        Criterion("steel", "factual-accuracy", 5, "Says that it is made of steel"),
        Criterion("stone", "factual-accuracy", -20, "Says that it is made of stone"),
    ),
)
TEXT = "It opened in 1932 and is made of steel."


class Shelf:
    """Verdicts kept in memory, as JSON."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    async def get(self, kind: str, key: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = json.loads(self.kept.get((kind, key), "null"))
        return found

    async def put(self, kind: str, key: str, value: Mapping[str, Any]) -> None:
        self.kept[kind, key] = json.dumps(value)


class Graders(ScriptedModels):
    """Models that grade; `asker` asks them without waiting between tries."""

    def __init__(self, **scripts: Script) -> None:
        super().__init__({name.replace("_", ":"): script for name, script in scripts.items()})
        self.asker = Asker(self, lambda _model, _message: (0.01, "test"), sleep=_at_once)


async def _at_once(_seconds: float) -> None:
    """Wait for nothing."""


def shown(request: ScriptedRequest) -> dict[str, str]:
    """Return what the request shows between fence marks, by title."""
    return unfenced(request.text)


def honest(request: ScriptedRequest) -> str:
    """Find the last word of the criterion in the response."""
    seen = shown(request)
    word = seen["criterion"].split()[-1]
    status = "MET" if word in seen["response"] else "UNMET"
    return json.dumps({"explanation": f"looked for {word}", "criterion_status": status})


def says(*replies: Outcome) -> Script:
    """Answer in turn; the last one goes on for ever."""
    left = list(replies)
    return lambda _request: left.pop(0) if len(left) > 1 else left[0]
