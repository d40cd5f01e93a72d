"""A run as the tools tell it, cut to what clients take."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from fusion_graph.characters import fair_shares, visible
from fusion_graph.errors import RunNotFoundError
from fusion_graph.ledger import own_calls, spent
from fusion_graph.server.mcp.arguments import Detail
from fusion_graph.server.mcp.fitting import MAX_WORDS, cut, fitting, in_line, in_lines, weight
from fusion_graph.server.mcp.shapes import Disagreement, Outcome, Point, SeatAnswer, SeatFailure, SourcePage, Stance

_RUNS = "fusion://runs/"
_MAX_ERROR = 100  # characters; all eight seats may fail


class Rooms(NamedTuple):
    """How much the parts of a result may take, in characters: a result has each twice, as text and as structure."""

    texts: int  # the answer and, with `seats`, those of the seats
    seats: bool
    disagreements: int
    claims: int  # of each other kind
    sources: int = 3500
    notes: int = 1500  # of each kind


DETAILS: dict[Detail, Rooms] = {
    "answer": Rooms(8000, seats=False, disagreements=3500, claims=0),
    "analysis": Rooms(0, seats=False, disagreements=3500, claims=2500),
    "full": Rooms(13_000, seats=True, disagreements=0, claims=0),
}
_ALL = 10**9
WHOLE = Rooms(_ALL, seats=True, disagreements=_ALL, claims=_ALL, sources=_ALL, notes=_ALL)


def uri_of(run_id: str) -> str:
    """Return the resource that a run is."""
    return f"{_RUNS}{run_id}"


def run_of(uri: str) -> str:
    """Return the run that a resource is. Raises RunNotFoundError."""
    if not uri.startswith(_RUNS):
        raise RunNotFoundError(f"there is no resource {in_line(uri)!r}", hint=f"resources are {_RUNS}RUN_ID")
    return uri.removeprefix(_RUNS)


def outcome_of(result: Mapping[str, Any], rooms: Rooms, *, next_step: str = "", reason: str = "") -> Outcome:
    """Return what there is to tell of a run's result object (`Runs.show`). `reason`: why it has none, if it is known."""
    cost = spent(own_calls(result["usage"]["calls"], result["run_id"]))
    reasons = [reason] if reason else result["reasons"]
    return Outcome(
        run_id=result["run_id"],
        status=result["status"],
        next=next_step,
        reasons=fitting(in_lines([*reasons, *(result.get("notes") or [])]), rooms.notes),
        **_texts(result, rooms),
        **_comparison(result["analysis"] or {}, rooms),
        failed=fitting(_failed(result), rooms.notes),
        sources=fitting(_listed(result), rooms.sources),
        sources_found=len(result["sources"]),
        doubts=fitting(in_lines(_doubts(result)), rooms.notes),
        seats=len((result["settings"] or {}).get("panel") or []),
        seats_answered=len(result["responses"]),
        cost_usd=cost["cost_usd"],
        cost_is_lower_bound=cost["cost_is_lower_bound"],
        demo=result["demo"],
        resource=uri_of(result["run_id"]),
    )


def _texts(result: Mapping[str, Any], rooms: Rooms) -> dict[str, Any]:
    """Return the answer and those of the seats, each with its share of the room."""
    responses = result["responses"] if rooms.seats else []
    texts = [visible(text) for text in (result["answer"], *(response["content"] for response in responses))]
    shares = fair_shares([int(weight(text)) + 1 for text in texts], rooms.texts)
    answer, *others = (cut(text, share) for text, share in zip(texts, shares, strict=True))
    told = [
        SeatAnswer(seat=each["seat"], model=each["model"], answer=text, partial=each["partial"])
        for each, text in zip(responses, others, strict=True)
    ]
    return {"answer": answer, "answer_chars": len(texts[0]), "responses": told}


def _comparison(analysis: Mapping[str, Any], rooms: Rooms) -> dict[str, Any]:
    clashes = analysis.get("contradictions", [])
    points = [(claim["models"], claim["point"]) for claim in analysis.get("partial_coverage", [])]
    points += [([claim["model"]], claim["insight"]) for claim in analysis.get("unique_insights", [])]
    told = [Point(models=models, point=in_line(point)) for models, point in points]
    return {
        "disagreements": fitting((_disagreement(clash, rooms) for clash in clashes), rooms.disagreements),
        "disagreements_found": len(clashes),
        "agreements": fitting(in_lines(analysis.get("consensus", [])), rooms.claims),
        "said_by_some": fitting(told, rooms.claims),
        "blind_spots": fitting(in_lines(analysis.get("blind_spots", [])), rooms.claims),
    }


def _disagreement(clash: Mapping[str, Any], rooms: Rooms) -> Disagreement:
    """Return a disagreement of which one fits, however many stances it has."""
    room = min(MAX_WORDS, rooms.disagreements / (2 * len(clash["stances"]) + 2))
    stances = [Stance(model=each["model"], stance=in_line(each["stance"], room)) for each in clash["stances"]]
    return Disagreement(topic=in_line(clash["topic"], room), stances=stances)


def _failed(result: Mapping[str, Any]) -> list[SeatFailure]:
    return [
        SeatFailure(seat=seat["seat"], model=seat["model"], error=in_line(seat["error"], _MAX_ERROR))
        for seat in result["failed_models"]
    ]


def _listed(result: Mapping[str, Any]) -> list[SourcePage]:
    """Return the sources a reader needs: those that were read, and those the answer cites."""
    cited = {citation["source"] for citation in result["citations"]}
    return [
        SourcePage(
            number=source["number"],
            url=in_line(source["url"]),
            title=in_line(source["title"]),
            read=source["status"] == "read",
        )
        for source in result["sources"]
        if source["status"] == "read" or source["number"] in cited
    ]


def _doubts(result: Mapping[str, Any]) -> list[str]:
    """Return the citations that do not hold: pages nobody saw, words that are not on the page."""
    unseen = [f"{c['text']}: no tool of this run saw it" for c in result["citations"] if c["status"] == "unverified"]
    lost = [
        f"{words}: not found in {c['text']}"
        for c in result["citations"]
        if c.get("support") == "not_found"
        for words in c.get("missing") or []
    ]
    return list(dict.fromkeys([*unseen, *lost]))
