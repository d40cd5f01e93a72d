"""POST /v1/chat/completions. A connection is not a run: who goes away leaves it at work, who comes again finds it."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse

from fusion_graph import prompts
from fusion_graph.presets import resolve
from fusion_graph.saying import stopped
from fusion_graph.server.access.owners import Owner
from fusion_graph.server.answers.completions import Completion
from fusion_graph.server.answers.streams import BYTE_EVERY, Broken, Coming, chat_stream, outcome, spaced
from fusion_graph.server.asked.turns import Turn, parse_chat
from fusion_graph.server.deliberations import noted
from fusion_graph.server.docs import openapi
from fusion_graph.server.errors import NO_RETRY
from fusion_graph.server.running import check_models, depth_of, read_json, run_of
from fusion_graph.server.sharing import Run


def add_chat(app: FastAPI) -> None:
    """Add the route."""

    @app.post("/v1/chat/completions", **openapi.chat(app))
    async def chat_completions(request: Request, owner: Owner) -> Response:
        raw = await request.body()
        turn = await asyncio.to_thread(parse_chat, read_json(raw), depth=depth_of(request))
        await asyncio.to_thread(check_models, turn, request.app.state.config)
        live = await run_of(request, owner, raw, turn)
        return await _answered(live, turn, request, owner)


async def _answered(live: Run, turn: Turn, request: Request, owner: str) -> Response:
    state, headers = request.app.state, {**NO_RETRY, "x-fusion-run-id": live.run_id}
    settled = await asyncio.to_thread(resolve, turn.settings, environ=state.config.environ)
    question = str(prompts.asked(turn.messages)[-1].text)
    completion = Completion(live.run_id, model=settled.writer, question=question)
    result = asyncio.ensure_future(noted(live, state.runs, owner, turn.messages))
    result.add_done_callback(lambda task: task.cancelled() or task.exception())  # its client may be gone
    if turn.stream:
        kind, pieces = "text/event-stream", chat_stream(live, result, completion, turn.stop)
    else:
        answer = asyncio.ensure_future(_whole(result, turn.stop, completion))
        await asyncio.wait([answer], timeout=BYTE_EVERY)
        kind, pieces = "application/json", spaced(answer)
    heard = state.audience.hear(live.run_id, pieces, cancels=turn.cancels)
    return StreamingResponse(heard, media_type=kind, headers=headers)


async def _whole(result: Coming, stop: list[str], completion: Completion) -> bytes:
    """Return the completion, also of a run that broke off."""
    found = await outcome(result)
    if isinstance(found, Broken):
        return _encoded(completion.broken(*found))
    return _encoded(completion.whole(found, stopped(found["answer"], stop)))


def _encoded(told: Mapping[str, Any]) -> bytes:
    return json.dumps(told, ensure_ascii=False).encode()
