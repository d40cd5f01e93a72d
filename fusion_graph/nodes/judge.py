"""`judge`: compare the answers. A validated analysis comes out, or none and the reason: its failure never fails a run."""

import hashlib
import random
import string
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.runtime import Runtime

from fusion_graph import prompts
from fusion_graph.calls import Ask, Call
from fusion_graph.evidence import renumbered
from fusion_graph.nodes.structured import Ladder
from fusion_graph.report import Author, analysis_of
from fusion_graph.results import answered, panel_failure
from fusion_graph.schemas import JudgeFailure, RunStatus, SeatResult, Source
from fusion_graph.settings import FusionSettings, load_settings
from fusion_graph.state import FusionState

MAX_ANSWERS_CHARS = 400_000  # about 100,000 tokens; a judge whose context is smaller gets a quarter
Labels = Mapping[str, int]


async def judge(state: FusionState, runtime: Runtime[FusionSettings], *, ask: Ask, ladder: Ladder) -> dict[str, Any]:
    """Write the analysis into state; with fewer answers than the floor nothing is compared, nor paid."""
    settings = load_settings(state["settings"])
    results = answered(state.get("results") or [])
    if len(results) < settings.min_answers:
        return {"analysis": None, "status": _status(state, None)}
    emit = runtime.stream_writer
    emit({"type": "analysis_started", "model": settings.judge})
    labels = label_seats(results)
    report, failure, entries = await ladder.climb(ask, _call(settings), partial(_request, state, labels), emit)
    analysis = analysis_of(report, _authors(results, labels, state.get("sources") or [])) if report else None
    return {"analysis": analysis, "calls": entries, "status": _status(state, failure)}


def label_seats(results: Sequence[SeatResult]) -> Labels:
    """Return letters for the seats, shuffled by their answers: the same answers always get the same letters."""
    seed = hashlib.sha256("\0".join(result["content"] for result in results).encode(errors="replace")).digest()
    seats = [result["seat"] for result in results]
    random.Random(seed).shuffle(seats)  # noqa: S311  (order, not secrecy)
    return dict(zip(string.ascii_uppercase, seats, strict=False))


def _authors(results: Sequence[SeatResult], labels: Labels, sources: Sequence[Source]) -> dict[str, Author]:
    by_seat = {result["seat"]: result for result in results}
    number = {source["key"]: n for n, source in enumerate(sources, 1)}
    found: dict[str, Author] = {}
    for label, seat in labels.items():
        result = by_seat[seat]
        own = frozenset(number[key] for key in result["sources"] if key in number)
        found[label] = Author(seat, result.get("answered_by", result["model"]), own)
    return found


def _call(settings: FusionSettings) -> Call:
    return Call(
        role="judge",
        key="judge",
        model=settings.judge,
        messages=(),
        timeout_seconds=settings.panel_timeout_seconds,
        temperature=0.0,
        reasoning=settings.reasoning,
        max_tokens=settings.max_completion_tokens,
    )


def _request(state: FusionState, labels: Labels, share: float) -> list[BaseMessage]:
    """Return the judge's request, with answers cut to `share` of the room there is for them."""
    by_seat = {result["seat"]: result for result in state["results"]}
    by_label = {label: by_seat[seat] for label, seat in labels.items()}
    sources = state.get("sources") or []
    texts = [renumbered(result, sources) for result in by_label.values()]
    room = min(MAX_ANSWERS_CHARS, sum(map(len, texts)))
    answers = dict(zip(by_label, prompts.shared_out(texts, int(room * share)), strict=True))
    evidence = {label: prompts.render_evidence_list(result, sources) for label, result in by_label.items()}
    return prompts.render_judge(state["messages"], answers, evidence)


def _status(state: FusionState, failure: JudgeFailure | None) -> RunStatus:
    """Return the first half of the turn's status; `write` completes it."""
    results = state.get("results") or []
    return {
        "status": "ok",
        "reasons": [],
        "failure_reason": None if answered(results) else panel_failure(results),
        "judge_failure": failure,
        "fused": True,
        "citations": [],
    }
