"""A run's events as those of the Responses API: live, and again from the log with the same numbers, indexes and texts.

Each event of a run has a thousand numbers for what it becomes, so that a client's `starting_after` says where in the run
it is. Text of an attempt that was lost is never gone on with: its item is closed as incomplete, and another begins.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

from fusion_graph.schemas import Event, RunState
from fusion_graph.server.answers.answer_items import AnswerItems
from fusion_graph.server.answers.output_items import Output, Wire
from fusion_graph.server.answers.panel_item import PanelItem
from fusion_graph.server.answers.responses import ResponseObject, Status

STEP = 1000
_OWN = "response.fusion_call."
_ALIVE, _LAST = 900, 999  # numbers of an event that keep a stream alive, and the one that tells how a run was left
_STOPPED = "the run was interrupted; GET /v1/responses/{id}?stream=true&starting_after={number} goes on with the run"


class ResponseEvents:
    """The events of one response. `after` is the last number that a client has had, `shows_panel`: fusion's own, too.

    `shows_work`: also what the panel does, and when each of fusion's events was.
    """

    def __init__(
        self, response: ResponseObject, *, after: int = -1, shows_panel: bool = True, shows_work: bool = False
    ) -> None:
        self.last: Wire | None = None  # the response as it ended
        self._response = response
        self._after = after
        self._output = Output(response.run_id)
        self._panel = PanelItem(self._output, shows_work=shows_work) if shows_panel else None
        self._shows_work = shows_work
        self._answer = AnswerItems(self._output, lambda seq: seq * STEP)
        self._seq = 0
        self._alive = _ALIVE
        self._has_begun = False
        self._held: list[Wire] = []
        self._approval: Any = None  # what is to be approved, while the run waits
        self.has_ended = False  # the stream, with or without an end of the run

    @property
    def response(self) -> Wire:
        """The response as it is now."""
        return self.last or self._response.under_way(self._output.finished)

    def take(self, event: Event) -> list[Wire]:
        """Return what an event of the run is to a client that has had the numbers up to `after`."""
        self._seq, self._alive = event["seq"], _ALIVE
        numbers = count(self._seq * STEP)
        made = self._made(event)
        if self._shows_work:
            made = (wire | {"at": event["at"]} if wire["type"].startswith(_OWN) else wire for wire in made)
        numbered = [wire if "sequence_number" in wire else wire | {"sequence_number": next(numbers)} for wire in made]
        return [wire for wire in self._in_order(event, numbered) if wire["sequence_number"] > self._after]

    def _in_order(self, event: Event, wires: list[Wire]) -> list[Wire]:
        """Return what is told now: the end of an attempt is held back until the text is told that came before it."""
        if event["type"] == "call_finished" and self._answer.is_untold:
            self._held += wires
            return []
        told, self._held = [*self._held, *wires], []
        return sorted(told, key=lambda wire: int(wire["sequence_number"]))

    def _made(self, event: Event) -> Iterator[Wire]:
        if event["type"] == "run_started":
            yield from self._began()
        elif event["type"] == "finished":
            yield from self._ended(event)
        elif event["type"] == "failed":
            yield self._broken(event["reason"], event["error"]["message"])  # type: ignore[arg-type]
        elif event["type"] == "interrupted":
            self._approval = event["payload"]  # told by `left`: the run may have been gone on with since
        else:
            yield from self._panel.take(event) if self._panel else ()
            yield from self._answer.take(event)

    def keep_alive(self) -> Wire | None:
        """Return an event that says nothing new; None when the numbers for such are used up, or the client has had them."""
        if self._alive == _LAST:
            return None
        number, self._alive = self._seq * STEP + self._alive, self._alive + 1
        wire = {"type": "response.in_progress", "response": self._response.under_way()}
        return wire | {"sequence_number": number} if number > self._after else None

    def left(self, status: RunState, seq: int) -> Wire:
        """Return the end of a run whose log has none, by its status; `seq` is the last number that it has given away."""
        return self._broken(status) | {"sequence_number": max(seq, self._seq) * STEP + _LAST}

    def _began(self) -> Iterator[Wire]:
        if not self._has_begun:
            self._has_begun = True
            yield {"type": "response.created", "response": self.response}
        yield {"type": "response.in_progress", "response": self.response}

    def _ended(self, event: Event) -> Iterator[Wire]:
        result = event["result"]
        yield from self._panel.closed(result) if self._panel else ()
        yield from self._answer.closed(result)
        self.last = self._response.ended(result, self._output.finished, event["at"])
        self.has_ended = True
        yield {"type": f"response.{self.last['status']}", "response": self.last}

    def _broken(self, status: RunState, why: str = "") -> Wire:
        self.has_ended = True
        if status in {"stopped", "running"}:  # or another process has just gone on with it
            place = {"id": self.response["id"], "number": self._seq * STEP + _LAST}
            return {"type": "error", "code": "server_error", "message": _STOPPED.format(**place), "param": None}
        if status == "interrupted":
            self.last = self._response.waiting(self._approval, self._output.finished)
            return {"type": "response.incomplete", "response": self.last}
        how: Status = "cancelled" if status == "cancelled" else "failed"
        self.last = self._response.broken(how, why or "the run broke off", self._output.finished)
        # OpenAI has no event for what was cancelled.
        return {"type": "response.failed" if how == "failed" else "response.incomplete", "response": self.last}
