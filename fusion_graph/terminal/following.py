"""What each event of a run changes in its view."""

from collections.abc import Callable

from fusion_graph.schemas import Event, seat_state
from fusion_graph.terminal.run_view import Key, Row, RunView
from fusion_graph.terminal.words import counted, failure, in_line

TRIES = 3  # the first and `calls.tries.MAX_RETRIES` more
_RETRIED = frozenset({"rate_limited", "server_error", "connection", "timeout", "empty"})
_VERBS = {"web_search": "search", "web_fetch": "read", "bash": "run"}


def note(view: RunView, event: Event) -> None:
    """Take over what an event tells."""
    if fold := _FOLDS.get(event["type"]):
        fold(view, event)


def tool_words(event: Event) -> str:
    """Return a tool call in words: `search: query`, `read: host/path`."""
    tool, target = event["tool"], in_line(event["target"])
    return f"{in_line(_VERBS.get(tool, tool))}: {target.removeprefix('https://').removeprefix('http://')}"


def _asked(view: RunView, event: Event) -> None:
    row = view.row(event["seat"], event.get("model", ""))
    row.began = row.began or event["at"]
    row.detail = row.detail or "for the model"


def _tool_called(view: RunView, event: Event) -> None:
    row = view.row(event["seat"])
    row.state, row.detail, row.blanks = "researching", tool_words(event), 0


def _seat_writes(view: RunView, event: Event) -> None:
    view.row(event["seat"]).writes("answering", event["delta"])


def _seat_answered(view: RunView, event: Event) -> None:
    result = event["result"]
    row = view.row(event["seat"], event["model"])
    row.ends(seat_state(result), counted(len(result["sources"]), "source"), event["at"], has_answer=True)


def _seat_failed(view: RunView, event: Event) -> None:
    tries = max((call["attempt"] for call in view.calls_of(event["seat"]) if call["error"]), default=1)
    detail = failure(event["error"]) + (f", {tries} tries" if tries > 1 else "")
    view.row(event["seat"], event["model"]).ends("failed", detail, event["at"])


def _called(view: RunView, event: Event) -> None:
    call = event["call"]
    view.calls[call["id"]] = call
    row = view.rows.get(call["seat"] or call["role"])
    if row and call["role"] == "writer":
        row.name = in_line(call["model"])  # another model may have to write
    if row is None or row.is_over or not call["error"]:
        return
    following = call["attempt"] + 1
    is_retry = call["outcome"] in _RETRIED and following <= TRIES
    row.state = "waiting" if call["seat"] else row.state
    row.detail = (f"retry {following} of {TRIES} after " if is_retry else "") + failure(call["error"])


def _comparing(view: RunView, event: Event) -> None:
    model = event.get("model") or (view.roster.judge if view.roster else "judge")
    view.rows["judge"] = Row(in_line(model), "comparing", counted(view.answered, "answer"), event["at"])


def _compared(view: RunView, event: Event) -> None:
    found = event["analysis"]
    words = f"{len(found['consensus'])} agree, {len(found['contradictions'])} disagree"
    view.row("judge", "judge").ends("compared", words, event["at"])
    view.expect_writer(event["at"])


def _not_compared(view: RunView, event: Event) -> None:
    if row := view.rows.get("judge"):
        row.ends("no comparison", in_line(event["reason"]).replace("_", " "), event["at"])
    view.expect_writer(event["at"])


def _writer_starts(view: RunView, event: Event) -> None:
    view.expect_writer(event["at"])
    row = view.row("writer", "writer")
    row.state, row.began, row.blanks = "writing", row.began or event["at"], 0


def _writer_writes(view: RunView, event: Event) -> None:
    view.row("writer", "writer").writes("writing", event["delta"])


def _written(view: RunView, event: Event) -> None:
    view.row("writer", "writer").ends("written", counted(len(str(event["result"]).split()), "word"), event["at"])


def _taken_back(view: RunView, event: Event) -> None:
    """Forget the text of an attempt that failed; its note says why."""
    key: Key = event["seat"] if "seat" in event else "writer" if event["item"].startswith("answer") else "judge"
    if (row := view.rows.get(key)) and not row.is_over:
        row.blanks = 0
        row.state = "waiting" if isinstance(key, int) else row.state


_FOLDS: dict[str, Callable[[RunView, Event], None]] = {
    "run_started": lambda view, event: view.start(event["at"]),
    "panelist_started": _asked,
    "panelist_delta": _seat_writes,
    "tool_called": _tool_called,
    "panelist_finished": _seat_answered,
    "panelist_failed": _seat_failed,
    "analysis_started": _comparing,
    "analysis_finished": _compared,
    "analysis_absent": _not_compared,
    "answer_started": _writer_starts,
    "answer_delta": _writer_writes,
    "answer_finished": _written,
    "call_finished": _called,
    "item_incomplete": _taken_back,
    "interrupted": lambda view, event: view.stop(event["at"], "waiting"),
    "finished": lambda view, event: view.stop(event["at"], "failed"),
    "failed": lambda view, event: view.stop(event["at"], "stopped"),
}
