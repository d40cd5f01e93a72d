"""What a turn came to, as clients see it: the projections of state that the tool, the CLI and the servers share."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolCall

from fusion_graph.evidence import renumbered
from fusion_graph.ledger import own_calls, spent
from fusion_graph.prompts import FUSION_TOOL_NAME
from fusion_graph.schemas import (
    Analysis,
    CallEntry,
    Claim,
    Decision,
    FailureReason,
    RunStatus,
    SeatResult,
    Source,
    is_demo,
)

PLAN_ID = "fusion-plan-"  # messages whose ids begin so say what a panel that waits for approval would do

HALF = "the answer breaks off where its writer failed"  # a reason
# What a second call of fusion in one turn gets.
CAPPED = json.dumps(
    {
        "status": "error",
        "error": "a panel is at work on this already; answer from what you know",
        "failure_reason": "fusion_invocation_capped",
    }
)


def answered(results: Sequence[SeatResult]) -> list[SeatResult]:
    """Return the seats that brought text, whole or partial."""
    return [result for result in results if result["content"]]


def wire_responses(results: Sequence[SeatResult], sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Return one entry per seat that answered, with the run's source numbers in its text."""
    return [
        {
            "seat": result["seat"],
            "model": result["model"],
            "content": renumbered(result, sources),
            "partial": result["partial"],
        }
        | ({"answered_by": result["answered_by"]} if "answered_by" in result else {})
        | {key: result[key] for key in ("files", "more_files") if key in result}
        for result in answered(results)
    ]


def wire_failures(results: Sequence[SeatResult]) -> list[dict[str, Any]]:
    """Return one entry per seat that failed or was cut: seat, model, error, and status_code where there was one."""
    failed: list[dict[str, Any]] = []
    for result in results:
        if error := result["error"]:
            entry = {"seat": result["seat"], "model": result["model"], "error": error["message"]}
            failed.append(entry | ({"status_code": error["status_code"]} if "status_code" in error else {}))
    return failed


def wire_analysis(analysis: Analysis, results: Sequence[SeatResult]) -> dict[str, Any]:
    """Return the five arrays of the wire, with models where the analysis has seats."""
    models = {result["seat"]: result["model"] for result in results}

    def model(seat: int) -> str:
        return models.get(seat, f"seat {seat}")  # of a state that was cut in half: a result may be gone

    return {
        "consensus": [_noted(claim) for claim in analysis["consensus"]],
        "contradictions": [
            {
                "topic": clash["topic"],
                "stances": [{"model": model(s["seat"]), "stance": s["text"]} for s in clash["stances"]],
            }
            for clash in analysis["contradictions"]
        ],
        "partial_coverage": [
            {"models": [model(seat) for seat in claim["seats"]], "point": claim["text"]}
            for claim in analysis["partial_coverage"]
        ],
        "unique_insights": [
            {"model": model(seat), "insight": claim["text"]}
            for claim in analysis["unique_insights"]
            for seat in claim["seats"][:1]
        ],
        "blind_spots": list(analysis["blind_spots"]),
    }


def _noted(claim: Claim) -> str:
    return f"{claim['text']} ({claim['note']})" if "note" in claim else claim["text"]


def panel_result(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the panel of a state has brought: responses, failed_models, and sources as pages with url and title.

    `failure_reason` is there if that is too little.
    """
    results: list[SeatResult] = values.get("results") or []
    sources: list[Source] = values.get("sources") or []
    too_few = len(answered(results)) < (values.get("settings") or {}).get("min_answers", 1)
    return {
        "responses": wire_responses(results, sources),
        "failed_models": wire_failures(results),
        "sources": [{"url": source["url"], "title": source["title"]} for source in sources],
        **({"failure_reason": panel_failure(results)} if too_few else {}),
    }


def panel_failure(results: Sequence[SeatResult]) -> FailureReason:
    """Return why a panel without answers failed: 402 before 429 before anything else."""
    kinds = {result["error"]["kind"] for result in results if result["error"]}
    if "payment_required" in kinds:
        return "insufficient_credits"
    return "rate_limited" if "rate_limited" in kinds else "all_panels_failed"


def tool_result(
    results: Sequence[SeatResult],
    sources: Sequence[Source],
    analysis: Analysis | None,
    failure: FailureReason | None,
) -> str:
    """Return the JSON that the `fusion` tool gives back to the outer model."""
    compared = wire_analysis(analysis, results) if analysis else None
    told = deliberation(compared, wire_responses(results, sources), wire_failures(results), failure)
    return json.dumps(told, ensure_ascii=False)


def deliberation(
    analysis: Mapping[str, Any] | None,
    responses: Sequence[Mapping[str, Any]],
    failed_models: Sequence[Mapping[str, Any]],
    failure: FailureReason | None,
) -> dict[str, Any]:
    """Return what a panel came to, as clients and models are told it; `failure`: it gave no usable answer, and why."""
    failed = {"failed_models": failed_models} if failed_models else {}
    if failure is not None:
        return {"status": "error", "error": "the panel gave no usable answer", "failure_reason": failure, **failed}
    compared = {"analysis": analysis} if analysis else {}
    return {"status": "ok", **compared, "responses": responses, **failed}


def usage(calls: Sequence[CallEntry], run_id: str | None = None) -> dict[str, Any]:
    """Return what the calls add up to, and the calls.

    `cost_usd` is the sum of the known costs and a lower bound where `cost_is_lower_bound` says so; None: nothing is
    known. `paid_by_this_run_usd` leaves out what a fork inherited from the run it came from.
    """
    own = calls if run_id is None else own_calls(calls, run_id)
    return {
        "total": {**spent(calls), "paid_by_this_run_usd": spent(own)["cost_usd"]},
        "calls": [dict(call) for call in calls],
    }


def run_result(run_id: str, thread_id: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the one JSON object that tells a turn whole: answer, analysis, responses, sources, costs, and how it went.

    `values` is the graph's state, also of a run that was cut at any point, or {}. A graph of your own has no run: give
    any ids. Keys: `status` (ok, degraded, error, interrupted), `reasons`, `answer`, `analysis`, `responses`,
    `failed_models`, `sources`, `citations`, `usage` (`total`, `calls`, `tools`; US dollars, tokens), `settings`, `notes`.
    """
    results: list[SeatResult] = values.get("results") or []
    sources: list[Source] = values.get("sources") or []
    analysis: Analysis | None = values.get("analysis")
    answer, tool_calls = _answer(values.get("messages") or [], values.get("decision"))
    status = _ended(values.get("status"), said=bool(answer or tool_calls))
    told: dict[str, Any] = {
        "run_id": run_id,
        "thread_id": thread_id,
        "status": status["status"],
        "reasons": status["reasons"],
        "fused": status["fused"],
        "answer": answer,
        "tool_calls": tool_calls,
        "analysis": wire_analysis(analysis, results) if analysis else None,
        "responses": wire_responses(results, sources),
        "failed_models": wire_failures(results),
        "sources": [_wire_source(number, source) for number, source in enumerate(sources, 1)],
        "citations": status["citations"],
        "usage": {**usage(values.get("calls") or [], run_id), "tools": [_tool_use(result) for result in results]},
        "settings": values.get("settings"),
        "demo": _has_demo(values.get("settings") or {}),
        "notes": _notes(values, results),
    }
    if status["judge_failure"]:
        told["judge_failure"] = status["judge_failure"]
    if status["failure_reason"]:
        told["failure_reason"] = status["failure_reason"]
    return told


def _tool_use(result: SeatResult) -> dict[str, Any]:
    """Return how often a seat wanted its tools, and which of them were run how often."""
    return {
        "seat": result["seat"],
        "model": result.get("answered_by", result["model"]),
        "requested": result["tool_calls_requested"],
        "executed": result["tool_calls_executed"],
        "by_tool": result.get("tools", {}),  # not in checkpoints of before
        "failed": {name: failures["calls"] for name, failures in result.get("failed_tools", {}).items()},
    }


def _notes(values: Mapping[str, Any], results: Sequence[SeatResult]) -> list[str]:
    """Return in words what a run had to do without: tools that are not there or never worked, prices nobody knows."""
    missing = dict.fromkeys(note for result in results for note in result.get("missing_tools", []))
    return [*missing, *_broken_tools(results), *_unpriced(values)]


def _broken_tools(results: Sequence[SeatResult]) -> list[str]:
    """Return the tools all of whose calls failed, and what the last said: one that works now and then is no news."""
    calls: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    last: dict[str, str] = {}
    for result in results:
        calls.update(result.get("tools", {}))
        for name, failed in result.get("failed_tools", {}).items():
            failures[name] += failed["calls"]
            last[name] = failed["last"]
    return [f"{name} failed in all {n} of its calls: {last[name]}" for name, n in failures.items() if n == calls[name]]


def _unpriced(values: Mapping[str, Any]) -> list[str]:
    settings = values.get("settings") or {}
    if not settings.get("max_cost_usd") or settings.get("price_ceiling"):
        return []
    answered = [call for call in values.get("calls") or [] if call["outcome"] in {"answer", "tool_calls"}]
    unknown = sorted({call["model"] for call in answered if call["cost_usd"] is None})
    remedy = "say what a message costs (price), or at most (price_ceiling)"
    return [f"max_cost_usd was not kept: no price is known for {', '.join(unknown)}; {remedy}"] if unknown else []


def _has_demo(settings: Mapping[str, Any]) -> bool:
    """Return whether a model of the offline demo is on the roster."""
    seats = [seat if isinstance(seat, str) else seat["model"] for seat in settings.get("panel") or []]
    return any(is_demo(name or "") for name in (*seats, settings.get("judge"), settings.get("writer")))


def _answer(messages: Sequence[BaseMessage], decision: Decision | None) -> tuple[str, list[ToolCall]]:
    """Return the turn's last text and its calls of the caller's tools; what led up to the panel is neither."""
    last = messages[-1] if messages else None
    if not isinstance(last, AIMessage) or (last.id or "").startswith(PLAN_ID):
        return "", []
    is_callers = decision is not None and decision["kind"] == "plain"  # a tool of that name: no panel was offered
    if not is_callers and any(call["name"] == FUSION_TOOL_NAME for call in last.tool_calls):
        return "", []
    return str(last.text), list(last.tool_calls)


def _ended(status: RunStatus | None, *, said: bool) -> RunStatus:
    """Return how the turn ended. `judge` writes the first half of a status: without an answer it is not the whole."""
    if status is not None and (said or status["status"] != "ok"):
        return status
    unfinished: RunStatus = {
        "status": "error",
        "reasons": ["the run has not finished"],
        "failure_reason": "unexpected_error",
        "judge_failure": status["judge_failure"] if status else None,
        "fused": status["fused"] if status else False,
        "citations": [],
    }
    return unfinished


def _wire_source(number: int, source: Source) -> dict[str, Any]:
    found_by = {"found_by": source["found_by"]} if "found_by" in source else {}
    return {
        "number": number,
        "url": source["url"],
        "canonical_url": source["key"],
        "title": source["title"],
        "snippet": source["snippet"],
        "published": source["published"],
        "seats": source["seats"],
        "status": "read" if source["read"] else "seen",
        "retrieved_at": source.get("retrieved_at", ""),  # not in checkpoints of before
        "sha256": source.get("sha256", ""),
        **found_by,
    }
