"""Two result objects compared, part by part."""

from collections.abc import Mapping, Sequence
from typing import Any

from fusion_graph.comparison.matching import align, match
from fusion_graph.comparison.sentences import split_sentences
from fusion_graph.comparison.values import (
    ANALYSIS_PARTS,
    AnalysisComparison,
    Comparison,
    CostsComparison,
    Kind,
    RunCost,
    RunHead,
    SeatComparison,
    SettingDifference,
    SourcesComparison,
)
from fusion_graph.ledger import own_calls, spent
from fusion_graph.schemas import ENDED
from fusion_graph.urls import canonical_url

_Result = Mapping[str, Any]
_KEYS = ("topic", "point", "insight")  # what a point of an analysis is called, by the list it stands in


def compare_results(a: _Result, b: _Result) -> Comparison:
    """Return in what two runs differ. A run that has not finished is compared with what it holds.

    Whoever knows a run's parent and question gives them with its result object, as `parent_id` and `question`.
    """
    return {
        "a": _head(a),
        "b": _head(b),
        "settings": _settings(a["settings"] or {}, b["settings"] or {}),
        "answer": align(split_sentences(a["answer"]), split_sentences(b["answer"])),
        "analysis": _analysis(a["analysis"], b["analysis"]),
        "responses": _responses(a["responses"], b["responses"]),
        "sources": _sources(a["sources"], b["sources"]),
        "costs": _costs(a, b),
    }


def _head(result: _Result) -> RunHead:
    settings = result["settings"] or {}
    return {
        "run_id": result["run_id"],
        "parent_id": result.get("parent_id"),
        "question": result.get("question"),
        "status": result["status"],
        "finished": result["status"] in ENDED,
        "reasons": list(result["reasons"]),
        "failure_reason": result.get("failure_reason"),
        "judge_failure": result.get("judge_failure"),
        "panel": [seat["model"] for seat in map(_seat, settings.get("panel") or [])],
        "judge": settings.get("judge") or "",
        "writer": settings.get("writer") or "",
        "demo": bool(result.get("demo")),
    }


def _seat(seat: Any) -> dict[str, Any]:
    """Return what a seat was given; what it leaves to the run's settings is left out."""
    given = {"model": seat} if isinstance(seat, str) else seat
    return {name: value for name, value in given.items() if value not in ("", None)}


def _settings(a: _Result, b: _Result) -> list[SettingDifference]:
    """Return the settings that differ; nothing is known of the settings of a run that never began."""
    if not a or not b:
        return []
    one, other = _flat(a), _flat(b)
    names = [*one, *(name for name in other if name not in one)]
    return [
        {"name": name, "a": one.get(name), "b": other.get(name)} for name in names if one.get(name) != other.get(name)
    ]


def _flat(settings: _Result) -> dict[str, Any]:
    seats = {f"panel.{number}": _seat(seat) for number, seat in enumerate(settings.get("panel") or [], 1)}
    return {**seats, **{name: value for name, value in settings.items() if name != "panel"}}


def _analysis(a: _Result | None, b: _Result | None) -> AnalysisComparison | None:
    if a is None and b is None:
        return None
    one, other = a or {}, b or {}
    return {  # type: ignore[return-value]  # the five lists by their names
        part: match(one.get(part) or [], other.get(part) or [], _key, point_text) for part in ANALYSIS_PARTS
    }


def _key(point: Any) -> str:
    return point if isinstance(point, str) else str(next((point[name] for name in _KEYS if name in point), ""))


def point_text(point: Any) -> str:
    """Return a point of an analysis in one line: what is said, and by whom."""
    if isinstance(point, str):
        return point
    if "stances" in point:
        stances = sorted(f"{stance['model']}: {stance['stance']}" for stance in point["stances"])
        return "; ".join([_key(point), *stances])
    models = sorted(point["models"]) if "models" in point else [point["model"]]
    return f"{_key(point)} ({', '.join(models)})"


def _responses(a: Sequence[_Result], b: Sequence[_Result]) -> list[SeatComparison]:
    one, other = ({response["seat"]: response for response in side} for side in (a, b))
    return [_seats(seat, one.get(seat), other.get(seat)) for seat in sorted(one.keys() | other.keys())]


def _seats(seat: int, a: _Result | None, b: _Result | None) -> SeatComparison:
    kind: Kind = "only_b" if a is None else "only_a" if b is None else "same" if a == b else "changed"
    return {"seat": seat, "kind": kind, "a": a["model"] if a else None, "b": b["model"] if b else None}


def _sources(a: Sequence[_Result], b: Sequence[_Result]) -> SourcesComparison:
    one, other = ({canonical_url(source["url"]): dict(source) for source in side} for side in (a, b))
    return {
        "in_both": len(one.keys() & other.keys()),
        "only_a": [source for key, source in one.items() if key not in other],
        "only_b": [source for key, source in other.items() if key not in one],
    }


def _costs(a: _Result, b: _Result) -> CostsComparison:
    ours, theirs = (result["usage"]["calls"] for result in (a, b))
    known_a, known_b = ({call["id"] for call in calls} for calls in (ours, theirs))
    less = spent([call for call in ours if call["id"] not in known_b])
    more = spent([call for call in theirs if call["id"] not in known_a])
    is_known = less["cost_usd"] is not None and not less["cost_is_lower_bound"] and more["cost_usd"] is not None
    difference = round((more["cost_usd"] or 0) - (less["cost_usd"] or 0), 8) if is_known else None
    return {
        "a": _run_cost(a),
        "b": _run_cost(b),
        "difference_usd": difference,
        "difference_is_lower_bound": is_known and more["cost_is_lower_bound"],
    }


def _run_cost(result: _Result) -> RunCost:
    calls = result["usage"]["calls"]
    return {"total": spent(calls), "paid_by_this_run": spent(own_calls(calls, result["run_id"]))}
