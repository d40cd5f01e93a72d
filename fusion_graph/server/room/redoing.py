"""POST .../resume and .../fork: go on with a run, or let it have another judge, writer or seat without paying the rest again."""

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from langchain_core.messages import messages_from_dict

from fusion_graph import prompts
from fusion_graph.events import LiveRun
from fusion_graph.forks import ForkPlan
from fusion_graph.runs import Runs
from fusion_graph.schemas import ENDED
from fusion_graph.server.access.owners import Owner
from fusion_graph.server.asked.again import APPROVAL, ForkRequest, ResumeRequest, parse_again
from fusion_graph.server.asked.responses import TOLD
from fusion_graph.server.deliberations import noted
from fusion_graph.server.errors import NO_RETRY, RefusedError
from fusion_graph.server.kept import KIND, find, view
from fusion_graph.server.room.estimates import estimate_told
from fusion_graph.server.running import check_offered, found_or_started, read_json
from fusion_graph.server.sharing import Run
from fusion_graph.store import RunRow


async def resume(request: Request, response_id: str, owner: Owner) -> Response:
    """Answer POST /v1/responses/{response_id}/resume."""
    state, raw = request.app.state, await request.body()
    runs: Runs = state.runs
    wanted = parse_again(ResumeRequest, read_json(raw) if raw.strip() else {})
    row = await find(runs, owner, response_id)
    _refuse_vain(row, wanted)
    if row["status"] == "running":
        return await _told(runs, row)
    await asyncio.to_thread(check_offered, wanted.models, state.config)
    budget = (await runs.state(row)).get("settings", {}).get("max_cost_usd", 0.0)

    async def begin(run_id: str) -> LiveRun:
        cap = await state.limits.cap(runs, owner, run_id)
        return await runs.resume(run_id, wanted.resumed_with(budget, cap))

    live = await state.sharing.limited(owner, row["run_id"], begin)
    return await _followed(live, runs, owner)


async def fork(request: Request, response_id: str, owner: Owner) -> Response:
    """Answer POST /v1/responses/{response_id}/fork."""
    state, raw = request.app.state, await request.body()
    runs: Runs = state.runs
    wanted = parse_again(ForkRequest, read_json(raw))
    row = await find(runs, owner, response_id)
    await asyncio.to_thread(check_offered, wanted.models, state.config)
    if wanted.estimate:
        plan = await runs.plan_fork(row["run_id"], **wanted.changes())
        cost = await runs.estimate_fork(plan)
        return JSONResponse(estimate_told(cost, plan.told(cost)))

    async def start(run_id: str) -> LiveRun:
        cap = await state.limits.cap(runs, owner, run_id)
        plan = await runs.plan_fork(row["run_id"], **wanted.changes(), cap=cap)
        client = _client_of(plan, plain=state.config.keys.is_plain(owner))
        return await runs.begin_fork(plan, owner=owner, run_id=run_id, client=client)

    live = await found_or_started(request, owner, raw, start)
    await runs.claims.deliver(live.run_id)  # the client gets its id
    return await _followed(live, runs, owner)


def _refuse_vain(row: RunRow, wanted: ResumeRequest) -> None:
    """Refuse what could not go on, and a decision that nobody waits for. Raises RefusedError."""
    status, run = row["status"], f"run {row['run_id'][:8]}"
    if status in ENDED:
        raise RefusedError(409, f"{run} has ended: it is {status}; fork it, or ask again")
    if status == "interrupted" and wanted.decision is None:
        raise RefusedError(400, f"{run} waits for approval: {APPROVAL}", param="decision")
    if status != "interrupted" and wanted.decision is not None:
        raise RefusedError(409, f"{run} does not wait for approval: it is {status}", param="decision")


def _client_of(plan: ForkPlan, *, plain: bool) -> dict[str, Any]:
    """Return what is kept with a fork so that it can be told as a response to the request of the run it comes from."""
    before = plan.parent["input"].get("client") or {}
    before = before if before.get("kind") == KIND else {}
    question = str(prompts.asked(plan.values["messages"])[-1].text)
    return {
        "kind": KIND,
        "told": True,
        "plain": plain,
        "resumes": True,
        "model": plan.settings.writer,
        "request": {**before.get("request", TOLD), "background": True, "store": True},
        "items": before.get("items") or [{"role": "user", "content": question}],
    }


async def _followed(live: Run, runs: Runs, owner: str) -> Response:
    """Return the response of a run that goes on in the background."""
    row = await runs.get(live.run_id)
    ending = asyncio.ensure_future(noted(live, runs, owner, messages_from_dict(row["input"]["messages"])))
    ending.add_done_callback(lambda task: task.cancelled() or task.exception())  # the run has stored what happened
    return await _told(runs, row)


async def _told(runs: Runs, row: RunRow) -> Response:
    headers: Mapping[str, str] = {**NO_RETRY, "x-fusion-run-id": row["run_id"]}
    return JSONResponse(await view(runs, row), headers=headers)
