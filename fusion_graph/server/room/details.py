"""GET .../details: a run whole, beside its stream; as JSON with its texts as HTML, or as a document to keep."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import JSONResponse, Response

from fusion_graph.doubts import doubts_of
from fusion_graph.ledger import own_calls, spent
from fusion_graph.presets import Preset
from fusion_graph.runs import Runs
from fusion_graph.server.access.owners import Owner
from fusion_graph.server.kept import find
from fusion_graph.server.rendering import render_answer, render_text
from fusion_graph.server.room.history import ended_at, response_id
from fusion_graph.server.room.markdown import as_markdown
from fusion_graph.server.room.panel import comparison_of, seats_of
from fusion_graph.server.room.rosters import NOBODY, known_presets, roster_of
from fusion_graph.server.room.versions import earlier_turns, versions_of
from fusion_graph.server.room.whole import Whole, in_line, read_whole
from fusion_graph.store import RunRow
from fusion_graph.urls import host_of


async def details(
    request: Request,
    response_id: str,
    owner: Owner,
    format: Annotated[str, Query(pattern="^(json|markdown)$")] = "json",  # noqa: A002  (a query's)
) -> Response:
    """Answer GET /v1/responses/{response_id}/details."""
    runs, environ = request.app.state.runs, request.app.state.config.environ
    row = await find(runs, owner, response_id)
    run = await read_whole(runs, row, environ)
    if format == "markdown":
        return _download(row, await asyncio.to_thread(as_markdown, run))
    presets = await asyncio.to_thread(known_presets, environ)
    told = await asyncio.to_thread(_told, run, presets)
    return JSONResponse({**await _place(runs, owner, row), **told})


def _download(row: RunRow, text: str) -> Response:
    name = f'attachment; filename="fusion-{row["run_id"][:8]}.md"'
    return Response(text, media_type="text/markdown; charset=utf-8", headers={"content-disposition": name})


async def _place(runs: Runs, owner: str, row: RunRow) -> dict[str, Any]:
    """Return what a run is among others."""
    parents = [run["parent_id"] for run in await runs.summaries.of(owner, [row["run_id"]])]
    return {
        "object": "response.details",
        "id": response_id(row["run_id"]),
        "run_id": row["run_id"],
        "parent_id": next(map(response_id, parents), None),  # it may have been deleted meanwhile
        "status": row["status"],
        "is_live": runs.live(row["run_id"]) is not None,
        "created_at": row["created_at"],
        "ended_at": ended_at(row["status"], row["updated_at"]),
        "previous": await earlier_turns(runs, owner, row),
        "versions": await versions_of(runs, owner, row),
    }


def _told(run: Whole, presets: dict[str, Preset]) -> dict[str, Any]:
    """Return what a run holds. Takes a while for long texts."""
    result, calls = run.result, run.calls
    own = {call["id"] for call in own_calls(calls, run.row["run_id"])}
    return {
        "question": run.question,
        "roster": roster_of(run.settings, presets) if run.settings else NOBODY,
        "reasons": run.reasons,
        "notes": result.get("notes") or [],  # not in results of before
        "failure_reason": result.get("failure_reason") if run.has_ended else None,
        "judge_failure": result.get("judge_failure"),
        "fused": result["fused"] or run.asks_panel,
        "answer": _answer(run),
        "comparison": comparison_of(run.analysis, result["sources"]) if run.analysis else None,
        "seats": seats_of(run),
        "sources": _sources(run),
        "doubts": doubts_of(result["citations"], in_line),
        "calls": [{**call, "own": call["id"] in own} for call in calls],
        "cost": _cost(calls, [call for call in calls if call["id"] in own]),
        "approval": _approval(run),
    }


def _answer(run: Whole) -> dict[str, Any] | None:
    text = run.result["answer"]
    if not text:
        return None
    html = render_answer(text, run.result["citations"], run.result["sources"])
    return {"text": text, "html": html, "words": len(text.split())}


def _sources(run: Whole) -> list[dict[str, Any]]:
    cited = {citation["source"] for citation in run.result["citations"]}
    return [
        {
            **{name: source[name] for name in ("number", "url", "title", "published", "seats", "status")},
            "site": host_of(source["url"]).removeprefix("www."),
            "cited": source["number"] in cited,
            "retrieved_at": source.get("retrieved_at", ""),  # not in results of before
            **({"found_by": source["found_by"]} if "found_by" in source else {}),
        }
        for source in run.result["sources"]
    ]


def _cost(calls: Sequence[dict[str, Any]], own: Sequence[dict[str, Any]]) -> dict[str, Any]:
    total, paid = spent(calls), spent(own)
    return {
        "cost_usd": total["cost_usd"],
        "cost_is_lower_bound": total["cost_is_lower_bound"],
        "paid_usd": paid["cost_usd"],
        "paid_is_lower_bound": paid["cost_is_lower_bound"],
        "input_tokens": total["input_tokens"],
        "output_tokens": total["output_tokens"],
    }


def _approval(run: Whole) -> dict[str, Any] | None:
    """Return what a run waits to be approved: the values that may be changed, and the plan in words."""
    if run.row["status"] != "interrupted" or "approval" not in run.result:
        return None
    action = run.result["approval"]["action_requests"][0]
    return {"args": action["args"], "html": render_text(action["description"])}
