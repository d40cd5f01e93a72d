"""The run as lines, one per event: what CI logs and files get in the place of the live view."""

from collections.abc import Callable

from fusion_graph.schemas import Event, is_demo
from fusion_graph.terminal.following import note, tool_words
from fusion_graph.terminal.run_view import Key, RunView
from fusion_graph.terminal.words import DEMO, clock, in_line, tokens


class Progress:
    """Turn the events of one run into lines. `view` may know the run already: an earlier process's part of it."""

    def __init__(self, view: RunView) -> None:
        self.view = view

    def line(self, event: Event) -> str | None:
        """Take the event over into the view and return its line, None if it has none."""
        note(self.view, event)
        tell = _LINES.get(event["type"])
        text = tell(self.view, event) if tell else None
        return f"{clock(self.view.seconds(event['at']))} {in_line(text)}" if text else None


def _started(view: RunView, event: Event) -> str:
    return f"run {event['run_id'][:8]} started" + (f": {' · '.join(view.facts)}" if view.facts else "")


def _seat(view: RunView, event: Event) -> str:
    return f"seat {event['seat']} {view.row(event['seat']).name}".strip()


def _asked(view: RunView, event: Event) -> str:
    unsaid = view.roster is None and is_demo(event.get("model", ""))
    return f"{_seat(view, event)} is asked" + (f" ({DEMO})" if unsaid else "")


def _figures(view: RunView, key: Key) -> str:
    """Return what a row has found and used: `1,204 tok, 5 sources, $0.12`."""
    return ", ".join([f"{tokens(view.tokens_of(key))} tok", view.rows[key].detail, view.cost_of(key).said])


def _answered(view: RunView, event: Event) -> str:
    error = f": {event['error']['message']}" if "error" in event else ""
    return f"{_seat(view, event)} {view.row(event['seat']).state}: {_figures(view, event['seat'])}{error}"


def _failed(view: RunView, event: Event) -> str:
    return f"{_seat(view, event)} failed: {event['error']['message']}"


def _compared(view: RunView, _event: Event) -> str:
    return f"comparison: {view.rows['judge'].detail}"


def _attempt(_view: RunView, event: Event) -> str | None:
    call = event["call"]
    if not call["error"]:
        return None
    who = f"seat {call['seat']}" if call["seat"] else call["role"]
    return f"{who} {call['model']}, attempt {call['attempt']}: {call['error']['message']}"


_LINES: dict[str, Callable[[RunView, Event], str | None]] = {
    "run_started": _started,
    "panelist_started": _asked,
    "tool_called": lambda _view, event: f"seat {event['seat']} {tool_words(event)}",
    "panelist_finished": _answered,
    "panelist_failed": _failed,
    "analysis_started": lambda view, _event: f"{view.rows['judge'].name} compares {view.rows['judge'].detail}",
    "analysis_finished": _compared,
    "analysis_absent": lambda _view, event: f"no comparison: {event['reason'].replace('_', ' ')}",
    "answer_started": lambda view, _event: f"{view.rows['writer'].name} writes the answer",
    "answer_finished": lambda view, _event: f"answer written: {view.rows['writer'].detail}",
    "call_finished": _attempt,
}
