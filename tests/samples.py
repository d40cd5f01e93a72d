"""Values that cross nodes, made short for tests: what is not given is unremarkable."""

from typing import Any

from fusion_graph.schemas import Analysis, CallEntry, CallError, Outcome, SeatResult, Source


def seat_result(seat: int, content: str = "An answer.", *, error: CallError | None = None, **fields: Any) -> SeatResult:
    result: SeatResult = {
        "seat": seat,
        "model": f"vendor/model-{seat}",
        "name": f"vendor/model-{seat}",
        "content": content,
        "partial": bool(content and error),
        "error": error,
        "sources": [],
        "notes": [],
        "tool_calls_requested": 0,
        "tool_calls_executed": 0,
    }
    return {**result, **fields}  # type: ignore[typeddict-item]


def failed(kind: Outcome, message: str = "it failed", status_code: int | None = None) -> CallError:
    error: CallError = {"kind": kind, "message": message}
    if status_code is not None:
        error["status_code"] = status_code
    return error


def source(name: str, *, read: bool = True, seats: tuple[int, ...] = (1,), published: str = "") -> Source:
    url = f"https://pages.example/{name}"
    return {
        "key": url,
        "url": url,
        "title": f"About {name}",
        "snippet": f"{name} in short",
        "published": published,
        "read": read,
        "text": "",
        "seats": list(seats),
        "retrieved_at": "",
        "sha256": "",
    }


def analysis(**parts: Any) -> Analysis:
    empty: Analysis = {
        "consensus": [],
        "contradictions": [],
        "partial_coverage": [],
        "unique_insights": [],
        "blind_spots": [],
        "strongest": None,
    }
    return {**empty, **parts}  # type: ignore[typeddict-item]


def claim(text: str, *seats: int, sources: tuple[int, ...] = ()) -> dict[str, Any]:
    return {"id": f"id of {text}", "text": text, "seats": list(seats), "sources": list(sources)}


def entry(cost: float | None = 0.5, *, run_id: str = "", **fields: Any) -> CallEntry:
    made: CallEntry = {
        "id": "e1",
        "key": "judge:0",
        "request": "0123456789abcdef",
        "run_id": run_id,
        "role": "judge",
        "seat": None,
        "model": "vendor/judge",
        "attempt": 1,
        "started_at": 1.0,
        "duration_seconds": 2.0,
        "outcome": "answer",
        "finish_reason": "stop",
        "response_id": "r1",
        "tokens": {"input": 100, "cached": 10, "output": 20, "reasoning": 5},
        "cost_usd": cost,
        "cost_source": None if cost is None else "provider",
        "error": None,
        "repeated": False,
    }
    return {**made, **fields}  # type: ignore[typeddict-item]
