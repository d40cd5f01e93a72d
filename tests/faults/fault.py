"""One row of the fault table: what goes wrong, and all that must come of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from langchain_core.tools import BaseTool

from tests.faults.stage import Stage
from tests.model_server import Behaviour

At: TypeAlias = Literal["seat", "panel", "tool", "judge", "writer", "store"]
Story: TypeAlias = Callable[[Stage], Awaitable[dict[str, Any] | None]]

WRITTEN = r"^The final answer, in the words of writer"
STRUCK: Mapping[At, tuple[str, ...]] = {
    "seat": ("two",),
    "tool": ("two",),
    "panel": ("one", "two", "three"),
    "judge": ("judge",),
    "writer": ("writer",),
    "store": (),
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault `at` some part of a run of three seats, of which a seat's or a tool's strikes seat 2.

    It is provoked by what the struck models play (made anew for each run, because some count), by `story` in place of
    a plain run, or by the settings, environment, tools and server limits given. `heard`: somebody listens, so that the
    models stream. Patterns are searched for; `failed` and `answers` are by seat; a seat in neither answers as in a run
    without a fault. `ledger` are the outcomes of all attempts of the struck role in order (of each seat for the panel,
    of all calls for the store). `told` is the row's second column in README; a row without it is a variant of another.
    """

    name: str
    at: At
    plays: Callable[[], Behaviour] | None = None
    story: Story | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    tools: tuple[BaseTool, ...] = ()
    server: Mapping[str, Any] = field(default_factory=dict)
    heard: bool = True
    status: str | None = "ok"
    failed: Mapping[int, str] = field(default_factory=dict)
    answers: Mapping[int, str] = field(default_factory=dict)
    partial: tuple[int, ...] = ()
    failure_reason: str | None = None
    judge_failure: str | None = None
    reasons: str = ""
    ledger: str
    waited: float | None = None
    answer: str = WRITTEN
    told: str = ""
