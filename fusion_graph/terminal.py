"""What the command line prints: results to stdout, everything else to stderr; plain text, one line per event."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fusion_graph.schemas import Event

_ESCAPES = re.compile(r"\x1b(?:\][^\x07\x1b]*(?:\x07|\x1b\\)?|\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")


def clean(text: str) -> str:
    """Return text of models and pages without what would steer a terminal."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def money(cost: float | None, *, lower_bound: bool = False) -> str:
    """Return US dollars: `$0.41`, `at least $0.41`, or `cost unknown`."""
    if cost is None:
        return "cost unknown"
    shown = f"${cost:.2f}" if cost >= 0.1 or cost == 0 else f"${cost:.4f}"  # noqa: PLR2004  (cents stop telling below)
    return f"at least {shown}" if lower_bound else shown


def clock(seconds: float) -> str:
    """Return minutes and seconds, `1:48`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Progress:
    """Turn the events of one run into lines."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def line(self, event: Event) -> str | None:
        """Return the line for an event, None if it has none."""
        text = _told(event)
        return f"{clock(time.monotonic() - self._began)} {clean(text)}" if text else None


def _told(event: Event) -> str | None:
    if (tell := _LINES.get(event["type"])) is None:
        return None
    return tell(event)


def _seat(event: Event) -> str:
    return f"seat {event.get('seat')}"


def _answered(event: Event) -> str:
    result = event["result"]
    how = "answered in part" if result["partial"] else "answered"
    return f"{_seat(event)} {result['model']} {how}: {len(result['sources'])} sources"


def _compared(event: Event) -> str:
    found = event["analysis"]
    return f"comparison: {len(found['consensus'])} agree, {len(found['contradictions'])} disagree"


def _attempt(event: Event) -> str | None:
    call = event["call"]
    if not call["error"]:
        return None
    return f"{call['role']} {call['model']}, attempt {call['attempt']}: {call['error']['message']}"


_LINES: dict[str, Callable[[Event], str | None]] = {
    "run_started": lambda event: f"run {event['run_id'][:8]} started",
    "panelist_started": lambda event: f"{_seat(event)} {event.get('model', '')} is asked",
    "tool_called": lambda event: f"{_seat(event)} {event['tool']}: {event['target']}",
    "panelist_finished": _answered,
    "panelist_failed": lambda event: f"{_seat(event)} {event['model']} failed: {event['error']['message']}",
    "analysis_started": lambda event: f"{event.get('model', 'the judge')} compares",
    "analysis_finished": _compared,
    "analysis_absent": lambda event: f"no comparison: {event['reason']}",
    "answer_started": lambda _event: "writing the answer",
    "call_finished": _attempt,
}


def answer_text(result: Mapping[str, Any]) -> str:
    """Return the answer with what a reader needs beside it: disagreements first, then the sources."""
    parts = [result["answer"], *_disagreements(result), *_sources(result)]
    return clean("\n\n".join(part for part in parts if part))


def _disagreements(result: Mapping[str, Any]) -> list[str]:
    clashes = (result["analysis"] or {}).get("contradictions") or []
    if not clashes:
        return []
    lines = ["## Disagreements"]
    for clash in clashes:
        lines.append(f"- {clash['topic']}")
        lines += [f"  - {stance['model']}: {stance['stance']}" for stance in clash["stances"]]
    return ["\n".join(lines)]


def _sources(result: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{source['number']}. {source['title'] or source['url']} <{source['url']}>"
        + ("" if source["status"] == "read" else " (only found, not read)")
        for source in result["sources"]
    ]
    unknown = sorted({c["text"] for c in result["citations"] if c["status"] == "unverified"})
    if unknown:
        lines.append(f"Not verified: no tool of this run saw {', '.join(unknown)}")
    return ["## Sources\n" + "\n".join(lines)] if lines else []


def closing_lines(result: Mapping[str, Any]) -> list[str]:
    """Return what stderr says at the end: how the answer was degraded, then one line of figures."""
    total = result["usage"]["total"]
    settings = result["settings"] or {}
    seats = len(settings.get("panel") or [])
    warnings = [f"warning: {result['status']}: {reason}" for reason in result["reasons"]]
    read = sum(1 for source in result["sources"] if source["status"] == "read")
    figures = [
        {"ok": "answered", "degraded": "degraded answer", "error": "no panel answer"}.get(
            result["status"], result["status"]
        ),
        *([f"{len(result['responses'])} of {seats} seats"] if result["fused"] else []),
        money(total["cost_usd"], lower_bound=total["cost_is_lower_bound"]),
        f"{len(result['sources'])} sources, {read} read",
        f"fusion runs show {result['run_id'][:8]}",
    ]
    return [clean(line) for line in [*warnings, " · ".join(figures)]]


def runs_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the list of runs as columns."""
    cells = [("RUN", "STATUS", "SEATS", "COST", "AGE", "QUESTION")]
    cells += [
        (row["run_id"][:8], row["status"], row["seats"], row["cost"], _age(row["created_at"]), row["question"])
        for row in rows
    ]
    widths = [max(len(str(cell[column])) for cell in cells) for column in range(5)]
    lines = (
        "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=False)) + f"  {row[5]}"
        for row in cells
    )
    return clean("\n".join(lines))


def _age(created: float) -> str:
    seconds = max(0.0, time.time() - created)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"
