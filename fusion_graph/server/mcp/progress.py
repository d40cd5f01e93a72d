"""How far a run is, for progress notifications: a figure that only grows, and a line of words."""

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from fusion_graph.characters import visible
from fusion_graph.events import LiveRun
from fusion_graph.ledger import own_calls, spent
from fusion_graph.schemas import Event
from fusion_graph.server.pauses import with_pauses
from fusion_graph.server.words import cost_words

MAX_MESSAGE = 200  # characters that clients show
_LOOKS = 4  # at the clock, in a heartbeat
_MAX_TARGET = 60
_VERBS = {"web_search": "searches", "web_fetch": "reads", "bash": "runs"}
_DOING = {
    "analysis_started": "comparing the answers",
    "analysis_finished": "writing the answer",
    "analysis_absent": "writing the answer",
    "answer_finished": "the answer is written",
}
_DONE = {"analysis_finished": "analysis", "analysis_absent": "analysis", "answer_finished": "answer"}
_MILESTONES = frozenset({"panelist_finished", "panelist_failed", *_DOING})

Tell = Callable[[float, float | None, str], Awaitable[None]]  # progress, total, message


class Steps:
    """The steps of a run: one for each seat, one for the comparison, one for the answer."""

    def __init__(self, shown: Mapping[str, Any], seats: int = 0) -> None:
        """`shown` is the run's result object so far (`Runs.show`); `seats` how many it will have, where that lacks them."""
        self.run_id: str = shown["run_id"]
        self.failure = ""  # why it came to no result
        self._seats = len((shown["settings"] or {}).get("panel") or []) or seats
        self._answered = {seat["seat"] for seat in shown["responses"]}
        self._failed = {seat["seat"] for seat in shown["failed_models"]} - self._answered
        self._done = {"analysis"} if shown["analysis"] is not None else set()  # of what comes after the panel
        self._doing = ""
        self._seats_do: dict[int, str] = {}
        self._calls = {call["id"]: call for call in own_calls(shown["usage"]["calls"], self.run_id)}
        self._told = -1.0

    def note(self, event: Event) -> bool:
        """Take an event over; return whether it is a milestone."""
        kind, seat = event["type"], event.get("seat", 0)
        if kind == "tool_called":
            self._seats_do.pop(seat, None)
            self._seats_do[seat] = _tool_words(event)  # the latest comes last
        elif kind == "call_finished":
            self._calls[event["call"]["id"]] = event["call"]
        elif kind == "failed":
            self.failure = event["error"]["message"]
        elif kind in {"panelist_finished", "panelist_failed"}:
            self._seats_do.pop(seat, None)
            (self._answered if kind == "panelist_finished" else self._failed).add(seat)
        elif kind in _DONE:
            self._done.add(_DONE[kind])
        self._doing = _DOING.get(kind, self._doing)
        return kind in _MILESTONES

    async def tell(self, tell: Tell) -> None:
        """Tell where the run is. Each figure is above the one before, also where nothing has happened between."""
        done = float(len(self._answered) + len(self._failed) + len(self._done))
        total = self._seats + 2 if self._seats else None
        if total is not None and self._told >= total:
            return
        # Half of what is left until the next step: it never gets there, and leaves room for the next time.
        self._told = done if done > self._told else (self._told + int(self._told) + 1) / 2
        await tell(self._told, total, self.words)

    @property
    def words(self) -> str:
        """What has happened and what it cost, the newest first."""
        seats = f"{len(self._answered)} of {self._seats or '?'} answered"
        failed = [f"{len(self._failed)} failed"] if self._failed else []
        total = spent(self._calls.values())
        cost = cost_words(total["cost_usd"], is_lower_bound=total["cost_is_lower_bound"])
        paid = [f"cost {cost}" if cost == "unknown" else cost] if self._calls else []
        latest = [f"seat {seat} {does}" for seat, does in self._seats_do.items()][-1:]
        said = "; ".join([seats, *failed, *([self._doing] if self._doing else latest), *paid])
        # The id stays, whatever is cut: who stops waiting before the call returns finds the run by it.
        tail = f"; run_id {self.run_id}"
        return visible(said)[: MAX_MESSAGE - len(tail)] + tail


def _tool_words(event: Event) -> str:
    target = " ".join(event["target"].split()).removeprefix("https://").removeprefix("http://")
    return f"{_VERBS.get(event['tool'], event['tool'])} {target[:_MAX_TARGET]}"


async def follow(live: LiveRun, steps: Steps, tell: Tell, *, seconds: float, heartbeat: float) -> None:
    """Tell each milestone of a run, and where it is at every heartbeat, until its end or for so many seconds."""
    began, now = time.time(), time.monotonic()
    end, beat = now + seconds, now + heartbeat
    await steps.tell(tell)
    async with aclosing(with_pauses(live.events(), min(seconds, heartbeat) / _LOOKS)) as coming:
        async for event in coming:
            now = time.monotonic()
            # What happened before this call is no news.
            is_news = event is not None and steps.note(event) and event["at"] >= began
            if is_news or now >= beat:
                beat = now + heartbeat if now >= beat else beat
                await steps.tell(tell)
            if now >= end:
                return
