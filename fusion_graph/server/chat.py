"""POST /v1/chat/completions. A connection is not a run: who goes away leaves it at work, who comes again finds it."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse

from fusion_graph import prompts
from fusion_graph.events import LiveRun
from fusion_graph.presets import resolve
from fusion_graph.runs import Runs
from fusion_graph.saying import stopped
from fusion_graph.schemas import DEPTH
from fusion_graph.server.access.owners import Owner
from fusion_graph.server.answers.completions import Completion
from fusion_graph.server.answers.streams import BYTE_EVERY, Broken, Coming, Run, chat_stream, outcome, spaced
from fusion_graph.server.asked.turns import Turn, parse_chat
from fusion_graph.server.config import ServerConfig
from fusion_graph.server.deliberations import note_calls, taken_up
from fusion_graph.server.docs import openapi
from fusion_graph.server.errors import NO_RETRY, RefusedError
from fusion_graph.server.offer import preset_models
from fusion_graph.server.sharing import Asked
from fusion_graph.settings import is_demo

(_DEPTH,) = DEPTH


def add_chat(app: FastAPI) -> None:
    """Add the route."""

    @app.post("/v1/chat/completions", **openapi.chat(app))
    async def chat_completions(request: Request, owner: Owner) -> Response:
        raw = await request.body()
        body = _json(raw)
        turn = await asyncio.to_thread(parse_chat, body, depth=int(request.headers.get(_DEPTH, "0") != "0"))
        await asyncio.to_thread(_check, turn, request.app.state.config)
        live = await _run_of(request, owner, raw, turn)
        return await _answered(live, turn, request, owner)


async def _run_of(request: Request, owner: str, raw: bytes, turn: Turn) -> Run:
    """Return the run that a request belongs to, started if there is none."""
    state, headers = request.app.state, request.headers
    runs: Runs = state.runs

    async def start(run_id: str) -> LiveRun:
        cap = await state.limits.cap(runs, owner, run_id)
        settings = turn.settings | ({"max_cost_usd": cap} if cap is not None else {})
        brought: dict[str, Any] = {"caller": turn.caller, "owner": owner, "run_id": run_id}
        if settings["mode"] != "never" and (before := await taken_up(runs, owner, turn.messages)):
            return await runs.start_from(before.panel, turn.messages, settings, parent_id=before.run_id, **brought)
        return await runs.start(turn.messages, settings, **brought)

    is_retry = headers.get("x-stainless-retry-count", "0") != "0"
    asked = Asked(owner, raw, headers.get("idempotency-key", ""), is_retry=is_retry)
    found: Run = await state.sharing.get(asked, start)
    return found


async def _answered(live: Run, turn: Turn, request: Request, owner: str) -> Response:
    state, headers = request.app.state, {**NO_RETRY, "x-fusion-run-id": live.run_id}
    settled = await asyncio.to_thread(resolve, turn.settings, environ=state.config.environ)
    question = str(prompts.asked(turn.messages)[-1].text)
    completion = Completion(live.run_id, model=settled.writer, question=question)
    result = asyncio.ensure_future(_noted(live, state.runs, owner, turn))
    result.add_done_callback(lambda task: task.cancelled() or task.exception())  # its client may be gone
    if turn.stream:
        kind, pieces = "text/event-stream", chat_stream(live, result, completion, turn.stop)
        headers["cache-control"] = "no-store"
    else:
        answer = asyncio.ensure_future(_whole(result, turn.stop, completion))
        await asyncio.wait([answer], timeout=BYTE_EVERY)
        kind, pieces = "application/json", spaced(answer)
    heard = state.audience.hear(live.run_id, pieces, cancels=turn.cancels)
    return StreamingResponse(heard, media_type=kind, headers=headers)


async def _noted(live: Run, runs: Runs, owner: str, turn: Turn) -> dict[str, Any]:
    """Return the result of a run, after noting which calls of the client's tools it ended with."""
    result = await live.result()
    await note_calls(runs, owner, turn.messages, result)
    return result


async def _whole(result: Coming, stop: list[str], completion: Completion) -> bytes:
    """Return the completion, also of a run that broke off."""
    found = await outcome(result)
    if isinstance(found, Broken):
        return _encoded(completion.broken(*found))
    return _encoded(completion.whole(found, stopped(found["answer"], stop)))


def _encoded(told: Mapping[str, Any]) -> bytes:
    return json.dumps(told, ensure_ascii=False).encode()


def _json(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, f"the body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise RefusedError(400, "the body is no JSON object")
    return body


def _check(turn: Turn, config: ServerConfig) -> None:
    """Refuse names of models that nobody allowed. Blocks."""
    if "*" in config.models:
        return
    named = [turn.settings.get("judge"), turn.settings.get("writer"), *turn.settings.get("panel", [])]
    allowed = config.models | preset_models(config)
    for name in named:
        if name and name not in allowed and not is_demo(name):
            raise RefusedError(
                404, f"the model {name!r} is not offered here; GET /v1/models lists what is", param="model"
            )
