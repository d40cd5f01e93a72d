"""Events and results of a run, short enough to read."""

import io
from typing import Any

from rich.console import Console

from fusion_graph.results import run_result
from fusion_graph.schemas import Event, RunStatus
from tests.samples import analysis, claim, entry, seat_result, source

RUN = "7f3a1234" + "0" * 24
SETTINGS: dict[str, Any] = {
    "preset": "quality",
    "mode": "always",
    "panel": [{"model": "vendor/one", "name": ""}, {"model": "vendor/two", "name": ""}],
    "judge": "vendor/judge",
    "writer": "vendor/writer",
    "max_cost_usd": 0,
}


def event(kind: str, at: float = 0.0, **fields: Any) -> Event:
    return {"type": kind, "run_id": RUN, "seq": 1, "at": at, **fields}  # type: ignore[typeddict-item]


def called(
    call_id: str, seat: int | None = None, cost: float | None = 0.25, *, at: float = 0.0, **fields: Any
) -> Event:
    role = "panelist" if seat else "judge"
    call = entry(cost, run_id=RUN, **{"id": call_id, "seat": seat, "role": role, **fields})
    return event("call_finished", at, call=call, **({"seat": seat} if seat else {}))


def result(**values: Any) -> dict[str, Any]:
    """A finished turn of two seats that disagree, with what is given in its place."""
    status: RunStatus = {
        "status": "ok",
        "reasons": [],
        "failure_reason": None,
        "judge_failure": None,
        "fused": True,
        "citations": [],
    }
    stances = [{"seat": 1, "text": "503 m", "sources": [1]}, {"seat": 2, "text": "504 m", "sources": []}]
    state = {
        "messages": [],
        "results": [seat_result(1, "One [1].", model="vendor/one"), seat_result(2, "Two.", model="vendor/two")],
        "sources": [source("a", seats=(1, 2)), source("b", read=False)],
        "analysis": analysis(
            consensus=[claim("it opened", 1, 2)],
            contradictions=[{"id": "c1", "topic": "the span", "stances": stances, "better": None}],
        ),
        "calls": [entry(run_id=RUN, role="writer", model="vendor/writer")],
        "status": status,
        "settings": SETTINGS,
    }
    return {**run_result(RUN, "thread", state), "status": "ok", "reasons": [], "answer": "It opened [1].", **values}


def console(width: int = 80) -> Console:
    """A console that keeps what is drawn on it, without colours."""
    return Console(
        file=io.StringIO(),
        width=width,
        force_terminal=True,
        color_system=None,
        markup=False,
        highlight=False,
        emoji=False,
    )


def drawn(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
