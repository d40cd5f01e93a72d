"""A run as it looks while it goes on: one row per seat, one for the judge, one for the writer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fusion_graph.ledger import own_calls
from fusion_graph.schemas import CallEntry, is_demo
from fusion_graph.terminal.costs import Cost, cost_of
from fusion_graph.terminal.roster import Roster, roster_of
from fusion_graph.terminal.words import DEMO, counted, failure, in_line

Key = int | str  # a seat's number, or a role


@dataclass(slots=True)
class Row:
    """One line of the view. `is_over` says that its state is final; times are seconds since the epoch."""

    name: str
    state: str = "waiting"
    detail: str = ""
    began: float | None = None
    ended: float | None = None
    is_over: bool = False
    has_answer: bool = False
    blanks: int = 0  # between the words written so far

    def ends(self, state: str, detail: str, at: float, *, has_answer: bool = False) -> None:
        """Set the final state."""
        self.state, self.detail, self.ended = state, detail, at
        self.is_over, self.has_answer = True, has_answer

    def seconds(self, now: float) -> float | None:
        """Return how long it took, or has taken so far; None before it began."""
        return None if self.began is None else (self.ended or now) - self.began

    def writes(self, state: str, delta: str) -> None:
        """Count what is written."""
        self.blanks += delta.count(" ") + delta.count("\n")
        self.state, self.detail = state, counted(self.blanks + 1, "word")


@dataclass(slots=True)
class RunView:
    """A run's rows, calls and clock. Give it the run's events in order."""

    run_id: str
    roster: Roster | None = None
    rows: dict[Key, Row] = field(default_factory=dict)
    calls: dict[str, CallEntry] = field(default_factory=dict)
    began: float | None = None
    ended: float | None = None
    is_stopping: bool = False
    estimate: str = ""  # what it will cost, in words, if it is new

    @property
    def facts(self) -> list[str]:
        """What is known of the run before anything has happened: who takes part, what it will cost."""
        if self.roster is None:
            return [DEMO] if self.is_demo else []
        return [str(self.roster), *([self.estimate] if self.estimate else []), *self.roster.notes]

    @property
    def seats(self) -> dict[int, Row]:
        """The rows of the panel, by number."""
        return {key: self.rows[key] for key in sorted(key for key in self.rows if isinstance(key, int))}

    @property
    def answered(self) -> int:
        """How many seats brought an answer, whole or partial."""
        return sum(row.has_answer for row in self.seats.values())

    @property
    def is_demo(self) -> bool:
        """Whether models of the offline demo take part."""
        return bool(self.roster and self.roster.is_demo) or any(is_demo(row.name) for row in self.rows.values())

    @property
    def spent(self) -> Cost:
        """What this run has paid so far."""
        return cost_of(own_calls(self.calls.values(), self.run_id))

    def calls_of(self, key: Key) -> list[CallEntry]:
        """Return the calls of a row."""
        return [call for call in self.calls.values() if (call["seat"] or call["role"]) == key]

    def cost_of(self, key: Key) -> Cost:
        """Return what a row has cost."""
        return cost_of(self.calls_of(key))

    def tokens_of(self, key: Key) -> int:
        """Return the tokens a row has read and written."""
        counts = [call["tokens"] for call in self.calls_of(key) if call["tokens"]]
        return sum(count["input"] + count["output"] for count in counts)

    def seconds(self, now: float) -> float:
        """Return how long this process has been at it."""
        return 0.0 if self.began is None else (self.ended or now) - self.began

    def introduce(self, result: Mapping[str, Any]) -> None:
        """Take over what the run's result object holds so far: its roster, seats that have answered, calls."""
        if result["settings"]:
            self.roster = roster_of(result["settings"])
            for number, name in self.roster.seats.items() if self.roster.mode == "always" else ():
                self.rows.setdefault(number, Row(name))
        self.calls |= {call["id"]: call for call in result["usage"]["calls"]}
        for seat in result["failed_models"]:
            self._restore(seat, "failed", failure({**seat, "message": seat["error"]}))
        for seat in result["responses"]:
            found = sum(seat["seat"] in source["seats"] for source in result["sources"])
            state = "stopped" if seat["partial"] else "answered"
            self._restore(seat, state, counted(found, "source"), has_answer=True)

    def _restore(self, seat: Mapping[str, Any], state: str, detail: str, *, has_answer: bool = False) -> None:
        times = [(call["started_at"], call["duration_seconds"] or 0.0) for call in self.calls_of(seat["seat"])]
        row = self.row(seat["seat"], seat["model"])
        row.began = min((start for start, _ in times), default=None)
        row.ends(state, detail, max((start + took for start, took in times), default=0.0), has_answer=has_answer)

    def row(self, key: Key, model: str = "") -> Row:
        """Return the row of a seat or role, a new one if there is none yet."""
        if key not in self.rows:
            named = self.roster.seats.get(key) if self.roster and isinstance(key, int) else None
            self.rows[key] = Row(named or in_line(model))
        return self.rows[key]

    def start(self, at: float) -> None:
        """Begin the clock; what an earlier process had not finished waits again."""
        self.began, self.ended = at, None
        for key, row in self.rows.items():
            if not row.is_over:
                self.rows[key] = Row(row.name)

    def expect_writer(self, at: float) -> None:
        """Show that the writer is next."""
        if self.roster and "writer" not in self.rows:
            self.rows["writer"] = Row(self.roster.writer, began=at)

    def stop(self, at: float, state: str) -> None:
        """Stop the clock, and end what is under way in `state`: nothing more happens here."""
        self.ended = at
        for row in self.rows.values():
            if not row.is_over:
                row.ends(state, row.detail, at)
