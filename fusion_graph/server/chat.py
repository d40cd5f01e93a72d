"""POST /v1/chat/completions. A connection is not a run: who goes away leaves it at work, who comes again finds it."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse

from fusion_graph.errors import FusionError
from fusion_graph.events import LiveRun
from fusion_graph.presets import resolve
from fusion_graph.runs import Runs
from fusion_graph.saying import stopped
from fusion_graph.schemas import DEPTH
from fusion_graph.server.completions import Chunks, complete
from fusion_graph.server.config import ServerConfig
from fusion_graph.server.errors import NO_RETRY, RefusedError, error_body
from fusion_graph.server.offer import preset_models
from fusion_graph.server.owners import Owner
from fusion_graph.server.requests import Turn, parse_chat
from fusion_graph.server.streams import BYTE_EVERY, Run, chat_stream, spaced
from fusion_graph.server.threads import Threads
from fusion_graph.settings import is_demo

_MAX_MESSAGES = 2000
(_DEPTH,) = DEPTH


def add_chat(app: FastAPI) -> None:
    """Add the route."""

    @app.post("/v1/chat/completions")
    async def chat_completions(request: Request, owner: Owner) -> Response:
        raw = await request.body()
        body = _json(raw)
        turn = await asyncio.to_thread(parse_chat, body, depth=int(bool(request.headers.get(_DEPTH))))
        await asyncio.to_thread(_check, turn, request.app.state.config)
        live = await _run_of(request, owner, raw, turn)
        return await _answered(live, turn, _stop(body), request, owner)


async def _run_of(request: Request, owner: str, raw: bytes, turn: Turn) -> Run:
    """Return the run that a request belongs to, started if there is none."""
    state, headers = request.app.state, request.headers
    thread, messages = state.threads.of(owner, turn.messages)

    async def start() -> LiveRun:
        if state.sharing.running(owner) >= state.config.max_runs:
            raise RefusedError(429, f"{state.config.max_runs} runs are under way for this key", retry_after="10")
        runs: Runs = state.runs
        return await runs.start(messages, turn.settings, caller=turn.caller, thread_id=thread, owner=owner)

    key, retries = headers.get("idempotency-key", ""), headers.get("x-stainless-retry-count", "0")
    found: Run = await state.sharing.get(state.runs, owner, raw, key=key, is_retry=retries != "0", start=start)
    return found


def _stop(body: Mapping[str, Any]) -> list[str]:
    stop = body.get("stop") or []
    words = [stop] if isinstance(stop, str) else stop
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise RefusedError(400, "stop is neither a text nor a list of texts", param="stop")
    return words


async def _answered(live: Run, turn: Turn, stop: list[str], request: Request, owner: str) -> Response:
    config: ServerConfig = request.app.state.config
    created, headers = int(time.time()), {**NO_RETRY, "x-fusion-run-id": live.run_id}
    noted = asyncio.ensure_future(_noted(live, request.app.state.threads, owner))
    noted.add_done_callback(lambda task: task.cancelled() or task.exception())  # its client may be gone
    if turn.stream:
        settled = await asyncio.to_thread(resolve, turn.settings, environ=config.environ)
        stream = chat_stream(live, noted, Chunks(live.run_id, settled.writer, created), stop)
        return StreamingResponse(
            stream, media_type="text/event-stream", headers={**headers, "cache-control": "no-store"}
        )
    answer = asyncio.ensure_future(_whole(noted, stop, created))
    done, _ = await asyncio.wait([answer], timeout=BYTE_EVERY)
    if done:
        return Response(answer.result(), media_type="application/json", headers=headers)
    return StreamingResponse(spaced(answer), media_type="application/json", headers=headers)


async def _noted(live: Run, threads: Threads, owner: str) -> dict[str, Any]:
    """Return the result of a run, after noting which calls of the client's tools it ended with."""
    result = await live.result()
    threads.note(owner, result)
    return result


async def _whole(result: "asyncio.Future[dict[str, Any]]", stop: list[str], created: int) -> bytes:
    """Return the completion; what breaks off a run is told in it, because its status may have been sent."""
    try:
        found = await result
    except (FusionError, asyncio.CancelledError) as error:
        told = {**error_body(502, str(error) or "the run was cancelled"), "choices": []}
        return json.dumps(told).encode()
    whole = complete(found, stopped(found["answer"], stop), created=created)
    return json.dumps(whole, ensure_ascii=False).encode()


def _json(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, f"the body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise RefusedError(400, "the body is no JSON object")
    return body


def _check(turn: Turn, config: ServerConfig) -> None:
    """Refuse what only costs: names of models that nobody allowed, endless conversations. Blocks."""
    if len(turn.messages) > _MAX_MESSAGES:
        raise RefusedError(400, f"messages: more than {_MAX_MESSAGES}", param="messages")
    named = [turn.settings.get("judge"), turn.settings.get("writer"), *turn.settings.get("panel", [])]
    allowed = config.models | preset_models(config)
    if "*" in config.models:
        return
    for name in named:
        if name and name not in allowed and not is_demo(name):
            raise RefusedError(
                404, f"the model {name!r} is not offered here; GET /v1/models lists what is", param="model"
            )
