"""A run's outcome as Markdown, which the model that called the tool reads: how it came short is said first."""

from collections.abc import Iterable

from fusion_graph.server.mcp.shapes import Outcome
from fusion_graph.server.words import DEMO, cost_words

_OPENINGS = {
    "degraded": "**Degraded answer**",
    "error": "**No answer of the panel**",
    "running": "**Still at work**",
    "interrupted": "**Waits for approval**",
    "failed": "**Failed**",
    "cancelled": "**Cancelled**",
    "stopped": "**Stopped**",
}


def render(told: Outcome) -> str:
    """Return the outcome as Markdown."""
    parts = [
        _opening(told),
        told.answer + _rest(told),
        _section("Disagreements", _disagreements(told)),
        _section("Agreements", told.agreements),
        _section("Said by some", (f"{', '.join(point.models)}: {point.point}" for point in told.said_by_some)),
        _section("Not covered", told.blind_spots),
        *(f"## Seat {seat.seat}: {seat.model}\n\n{seat.answer}" for seat in told.responses),
        _section("Failed", (f"seat {seat.seat}, {seat.model}: {seat.error}" for seat in told.failed)),
        _sources(told),
        _section("Doubtful", told.doubts),
        _closing(told),
    ]
    return "\n\n".join(part for part in parts if part)


def _opening(told: Outcome) -> str:
    lines: list[str] = []
    if label := _OPENINGS.get(told.status):
        lines.append(f"{label}: {'; '.join(told.reasons)}." if told.reasons else f"{label}.")
    elif told.reasons:
        lines.append(f"Note: {'; '.join(told.reasons)}.")
    lines += [f"Next: {told.next}."] if told.next else []
    return "\n\n".join([*lines, *([DEMO] if told.demo else [])])


def _rest(told: Outcome) -> str:
    """Return where the rest of a cut answer is."""
    if not told.answer or len(told.answer) >= told.answer_chars:
        return ""
    more = "" if told.responses else " more of it: fusion_result with detail full;"
    said = (
        f"cut after {len(told.answer):,} of {told.answer_chars:,} characters;{more} all of it: resource {told.resource}"
    )
    return f"\n\n[{said}, or in a terminal: fusion runs show {told.run_id}]"


def _disagreements(told: Outcome) -> Iterable[str]:
    for each in told.disagreements:
        yield "\n".join([each.topic, *(f"  - {stance.model}: {stance.stance}" for stance in each.stances)])
    if told.disagreements and (more := told.disagreements_found - len(told.disagreements)):
        yield f"{more} more: resource {told.resource}"


def _section(heading: str, lines: Iterable[str]) -> str:
    listed = [f"- {line}" for line in lines]
    return "\n".join([f"## {heading}", *listed]) if listed else ""


def _sources(told: Outcome) -> str:
    lines = [
        f"{source.number}. {source.title} <{source.url}> ({'read' if source.read else 'only found, not read'})"
        for source in told.sources
    ]
    if more := told.sources_found - len(lines):
        lines.append(f"{more} more found" if lines else f"{more} found, none read or cited")
    return "\n".join(["## Sources", *lines]) if lines else ""


def _closing(told: Outcome) -> str:
    cost = cost_words(told.cost_usd, is_lower_bound=told.cost_is_lower_bound)
    seats = [f"{told.seats_answered} of {told.seats} seats answered"] if told.seats else []
    return " · ".join([f"Status: {told.status}", *seats, f"cost: {cost}", f"run_id: {told.run_id}"])
