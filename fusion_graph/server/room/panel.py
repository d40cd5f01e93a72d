"""What the seats of a run brought, and how they compare, as a page shows it."""

from collections.abc import Mapping, Sequence
from typing import Any

from fusion_graph.evidence import renumbered
from fusion_graph.ledger import spent
from fusion_graph.schemas import Analysis, Claim, Contradiction, SeatResult, seat_state
from fusion_graph.server.rendering import render_line, render_text
from fusion_graph.server.room.whole import Whole

_Sources = Sequence[Mapping[str, Any]]


def seats_of(run: Whole) -> list[dict[str, Any]]:
    """Return every seat that is asked, or was."""
    seats = run.settings.seats if run.settings else []
    named = {number: (seat.model, seat.name or seat.model) for number, seat in enumerate(seats, 1)}
    named |= {number: (result["model"], result["name"] or result["model"]) for number, result in run.results.items()}
    return [_seat(run, number, *named[number]) for number in sorted(named)] if run.asks_panel else []


def _seat(run: Whole, number: int, model: str, name: str) -> dict[str, Any]:
    calls = [call for call in run.calls if call["role"] == "panelist" and call["seat"] == number]
    cost, result = spent(calls), run.results.get(number)
    return {
        "seat": number,
        "model": model,
        "name": name,
        **(_brought(run, result) if result else _NOTHING),
        "seconds": _seconds(calls),
        "cost_usd": cost["cost_usd"],
        "cost_is_lower_bound": cost["cost_is_lower_bound"],
    }


_NOTHING: dict[str, Any] = {
    "state": "waiting",
    "text": "",
    "html": "",
    "notes": [],
    "error": None,
    "sources": [],
    "tool_calls": {"requested": 0, "executed": 0, "by_tool": {}, "failed": {}},
    "files": [],
    "more_files": 0,
}


def _brought(run: Whole, result: SeatResult) -> dict[str, Any]:
    text = renumbered(result, run.sources)
    number = {source["key"]: n for n, source in enumerate(run.sources, 1)}
    stands_in = {"answered_by": result["answered_by"]} if "answered_by" in result else {}
    return {
        "state": seat_state(result),
        "text": text,
        "html": render_text(text, run.result["sources"]) if text else "",
        "notes": result["notes"],
        "error": result["error"],
        **stands_in,
        "sources": sorted(number[key] for key in result["sources"] if key in number),
        "tool_calls": {
            "requested": result["tool_calls_requested"],
            "executed": result["tool_calls_executed"],
            "by_tool": result.get("tools", {}),  # not in checkpoints of before
            "failed": {name: failures["calls"] for name, failures in result.get("failed_tools", {}).items()},
        },
        "files": result.get("files", []),
        "more_files": result.get("more_files", 0),
    }


def _seconds(calls: Sequence[Mapping[str, Any]]) -> float | None:
    """Return how long a seat took from its first call to the end of its last."""
    ends = [call["started_at"] + call["duration_seconds"] for call in calls if call["duration_seconds"] is not None]
    return round(max(ends) - min(call["started_at"] for call in calls), 3) if ends else None


def comparison_of(analysis: Analysis, sources: _Sources) -> dict[str, Any]:
    """Return the judge's comparison with its texts as HTML."""
    return {
        "consensus": [_claim(claim, sources) for claim in analysis["consensus"]],
        "contradictions": [_contradiction(clash, sources) for clash in analysis["contradictions"]],
        "partial_coverage": [_claim(claim, sources) for claim in analysis["partial_coverage"]],
        "unique_insights": [_claim(claim, sources) for claim in analysis["unique_insights"]],
        "blind_spots": [{"html": render_line(text, sources)} for text in analysis["blind_spots"]],
    }


def _claim(claim: Claim, sources: _Sources) -> dict[str, Any]:
    note = {"note": claim["note"]} if "note" in claim else {}
    told = {"id": claim["id"], "html": render_line(claim["text"], sources)}
    return {**told, **note, "seats": claim["seats"], "sources": claim["sources"]}


def _contradiction(clash: Contradiction, sources: _Sources) -> dict[str, Any]:
    stances = [
        {"seat": side["seat"], "html": render_line(side["text"], sources), "sources": side["sources"]}
        for side in clash["stances"]
    ]
    topic = render_line(clash["topic"], sources)
    return {"id": clash["id"], "topic": topic, "stances": stances, "better": clash["better"]}
