"""One case of the injection suite: what the attacker controls, and what must not come of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import pytest
from langchain_core.messages import BaseMessage

from fusion_graph.models.scripted import Script, ScriptedRequest

MARK = "PWNED"  # what the attacker wants to be said, agreed on, or believed
NORTH, SOUTH, EAST = SEATS = ("vendor/north-4", "vendor/south-5", "vendor/east-6")
JUDGE, WRITER = "vendor/judge-7", "vendor/writer-8"
EVIL, COLLECT = "https://evil.example/page", "https://evil.example/collect"

Captured: TypeAlias = Literal["seat", "judge", "writer"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """An attack on a run of three seats, of which the second is the attacker's as far as `captured` says.

    The attacker has what is not empty: the text of the `page` that seat 2 reads, the `files` of the corpus, what seat 2
    answers (`idle`: without a look at any page), more of its settings, or `turns` of the conversation before the
    question. The judge may warn of what it was told (`judge_warns`), all writers may fail (`no_writer`), `luck` may help.

    `harm`, a name of `HARMS`, must not come of it, as no other may; with `guard`, a name of `GUARDS`, down it does. `hole`
    says why it does today: the test expects it, and fails once the hole is mended and the mark still there.
    """

    name: str
    page: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    answer: str | Script = ""
    idle: bool = False
    seat: Mapping[str, Any] = field(default_factory=dict)
    turns: Sequence[BaseMessage] = ()
    captured: tuple[Captured, ...] = ("seat",)
    judge_warns: bool = False
    no_writer: bool = False
    caller: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    luck: Callable[[pytest.MonkeyPatch], None] | None = None
    harm: str
    guard: str = ""
    hole: str = ""


@dataclass(frozen=True)
class Played:
    """A case's run as it ended: the graph's state, the result, every request, the terminal's page, hosts looked up."""

    case: Case
    state: Mapping[str, Any]
    result: Mapping[str, Any]
    requests: Sequence[ScriptedRequest]
    page: str
    looked_up: Sequence[str]

    @property
    def answer(self) -> str:
        """The final answer."""
        return str(self.result["answer"])

    @property
    def analysis(self) -> Mapping[str, Any]:
        """The analysis; of a run without one, an empty one."""
        empty: dict[str, Any] = {"consensus": [], "contradictions": [], "strongest": None}
        return self.state["analysis"] or {**empty, "partial_coverage": [], "unique_insights": []}

    @property
    def answers(self) -> dict[int, str]:
        """What the seats answered, by number."""
        return {result["seat"]: result["content"] for result in self.state["results"]}

    def asked(self, *models: str) -> list[ScriptedRequest]:
        """Return what some models were asked."""
        return [request for request in self.requests if request.model in models]

    def told(self, *models: str) -> str:
        """Return all that some models read."""
        return "\n".join(str(message.text) for request in self.asked(*models) for message in request.messages)
