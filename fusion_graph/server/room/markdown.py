"""A run as a document that a person keeps: question, answer, comparison, what each seat said, sources, costs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fusion_graph.characters import visible
from fusion_graph.doubts import doubts_of
from fusion_graph.evidence import renumbered
from fusion_graph.ledger import own_calls, spent
from fusion_graph.markdown import escaped, linked
from fusion_graph.schemas import Analysis, Claim, SeatResult, seat_state
from fusion_graph.server.room.history import response_id
from fusion_graph.server.room.whole import Whole, in_line
from fusion_graph.server.words import DEMO, cost_words
from fusion_graph.summaries import summary_of

_TITLE = 120  # characters of a question
_READ = {"read": "read", "seen": "only found, not read"}
_NO_SECONDS = "-"


def as_markdown(run: Whole) -> str:
    """Return a run as a document. What models and pages call things is shown as it is; answers are Markdown already."""
    asked = in_line(run.question)
    title = asked if len(asked) <= _TITLE else f"{asked[:_TITLE]}…"
    parts = [
        f"# {escaped(title) or 'Fusion'}",
        _status(run),
        _section("Question", [visible(run.question)]) if title != run.question.strip() else "",
        _section("Answer", [visible(run.result["answer"])]),
        *_comparison(run),
        *(_seat(run, result) for result in run.results.values()),
        _section("Sources", [_lines(_sources(run), "")]),
        _section("Doubtful", [_lines(doubts_of(run.result["citations"], _shown))]),
        _section("Cost", ["\n".join(_costs(run))] if run.calls else []),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _shown(text: object) -> str:
    return escaped(in_line(text))


def _section(heading: str, texts: Iterable[str]) -> str:
    said = [text for text in texts if text]
    return "\n\n".join([f"## {heading}", *said]) if said else ""


def _lines(lines: Iterable[str], mark: str = "- ") -> str:
    return "\n".join(f"{mark}{line}" for line in lines)


def _status(run: Whole) -> str:
    summary, row = summary_of(run.result), run.row
    total = cost_words(summary["cost_usd"], is_lower_bound=summary["cost_is_lower_bound"])
    paid = cost_words(summary["paid_usd"], is_lower_bound=summary["paid_is_lower_bound"])
    facts = [
        f"Status: {row['status']}",
        *([f"{summary['answered']} of {summary['seats']} seats answered"] if summary["seats"] else []),
        f"cost: {total}" + (f", of which this run paid {paid}" if paid != total else ""),
        f"{datetime.fromtimestamp(row['created_at'], UTC):%Y-%m-%d %H:%M} UTC",
        str(response_id(row["run_id"])),
    ]
    notes = _lines(_shown(text) for text in (*run.reasons, *(run.result.get("notes") or [])))
    return "\n\n".join([" · ".join(facts), *([notes] if notes else []), *([DEMO] if summary["demo"] else [])])


def _comparison(run: Whole) -> Iterator[str]:
    if run.analysis is None:
        return
    yield _section("Disagreements", [_lines(_clashes(run, run.analysis))])
    told: Sequence[tuple[str, list[Claim]]] = (
        ("Agreements", run.analysis["consensus"]),
        ("Said by some", run.analysis["partial_coverage"]),
        ("Said by one", run.analysis["unique_insights"]),
    )
    for heading, claims in told:
        yield _section(heading, [_lines(_claim(claim) for claim in claims)])
    yield _section("Not covered", [_lines(map(_shown, run.analysis["blind_spots"]))])


def _claim(claim: Claim) -> str:
    seats = f"seat {claim['seats'][0]}" if len(claim["seats"]) == 1 else f"seats {', '.join(map(str, claim['seats']))}"
    note = f", {_shown(claim['note'])}" if "note" in claim else ""
    return f"{_shown(claim['text'])} ({seats}{note}){_cited(claim['sources'])}"


def _clashes(run: Whole, analysis: Analysis) -> Iterator[str]:
    for clash in analysis["contradictions"]:
        stances = [
            f"  - {_who(run, side['seat'])}: {_shown(side['text'])}{_cited(side['sources'])}"
            for side in clash["stances"]
        ]
        yield "\n".join([_shown(clash["topic"]), *stances])


def _who(run: Whole, seat: int) -> str:
    return f"seat {seat}, {_shown(run.results[seat]['model'])}" if seat in run.results else f"seat {seat}"


def _cited(sources: Sequence[int]) -> str:
    return f" [{', '.join(map(str, sources))}]" if sources else ""


def _seat(run: Whole, result: SeatResult) -> str:
    stands_in = f", answered by {_shown(result['answered_by'])}" if "answered_by" in result else ""
    heading = f"Seat {result['seat']}: {_shown(result['model'])} ({seat_state(result)}{stands_in})"
    error = [_shown(result["error"]["message"])] if result["error"] and not result["content"] else []
    notes = _lines(map(_shown, result["notes"]))
    return _section(heading, [*error, visible(renumbered(result, run.sources)), notes]) or f"## {heading}"


def _sources(run: Whole) -> Iterator[str]:
    for source in run.result["sources"]:
        title = f"{_shown(source['title'])} " if source["title"] else ""
        yield f"{source['number']}. {title}{linked(in_line(source['url']))} ({_READ[source['status']]})"


def _costs(run: Whole) -> Iterator[str]:
    """Yield a table: a line for each call of this run, one for those it did not pay again, and the sum."""
    yield "| call | model | tokens in | tokens out | seconds | cost |"
    yield "| --- | --- | ---: | ---: | ---: | ---: |"
    own = own_calls(run.calls, run.row["run_id"])
    earlier = [call for call in run.calls if call not in own]
    if earlier:
        yield _row("earlier", "of the run this one goes back to", earlier, _NO_SECONDS)
    for call in own:
        seconds = _NO_SECONDS if call["duration_seconds"] is None else f"{call['duration_seconds']:.1f}"
        yield _row(f"seat {call['seat']}" if call["seat"] else call["role"], call["model"], [call], seconds)
    yield _row("total", f"{len(run.calls)} calls", run.calls, _NO_SECONDS)


def _row(who: str, model: str, calls: Sequence[Mapping[str, Any]], seconds: str) -> str:
    total = spent(calls)
    cost = cost_words(total["cost_usd"], is_lower_bound=total["cost_is_lower_bound"])
    named = _shown(model).replace("|", "\\|")
    return f"| {who} | {named} | {total['input_tokens']:,} | {total['output_tokens']:,} | {seconds} | {cost} |"
