"""/v1/responses: ask, fetch, follow from any event on, cancel, delete. A response is a run, whoever is connected to it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from langchain_core.messages import BaseMessage, messages_from_dict

from fusion_graph.errors import DatabaseError, RunNotFoundError
from fusion_graph.events import LAST
from fusion_graph.presets import resolve
from fusion_graph.runs import Runs
from fusion_graph.schemas import ENDED, Event
from fusion_graph.server.access.owners import Owner
from fusion_graph.server.answers.response_events import STEP
from fusion_graph.server.answers.streams import BYTE_EVERY, DONE, Broken, outcome, paced, spaced, sse
from fusion_graph.server.asked.items import items_in
from fusion_graph.server.asked.payloads import check_payload
from fusion_graph.server.asked.responses import WORK, AskedResponse, parse_response
from fusion_graph.server.deliberations import noted
from fusion_graph.server.docs import openapi
from fusion_graph.server.errors import NO_RETRY, RefusedError
from fusion_graph.server.kept import (
    client_of,
    events_of,
    find,
    history_of,
    input_items,
    refusing_unknown,
    resolved,
    resumes,
    view,
)
from fusion_graph.server.running import check_models, depth_of, read_json, run_of
from fusion_graph.server.sharing import Run
from fusion_graph.store import RunRow

_MOST_ITEMS = 100


def add_responses(app: FastAPI) -> None:
    """Add the routes."""
    app.post("/v1/responses", **openapi.response(app))(_create)
    app.get("/v1/responses/{response_id}", **openapi.one_response(app))(_retrieve)
    app.post("/v1/responses/{response_id}/cancel", **openapi.one_response(app))(_cancel)
    app.post("/v1/responses/{response_id}/answer_now", **openapi.one_response(app))(_answer_now)
    app.delete("/v1/responses/{response_id}", **openapi.deleted(app))(_delete)
    app.get("/v1/responses/{response_id}/input_items", **openapi.input_items(app))(_items)


async def _create(request: Request, owner: Owner) -> Response:
    state, raw = request.app.state, await request.body()
    asked, live = await _begun(request, owner, raw)
    coming = _coming(live, state.runs, owner, asked.turn.messages)
    row = await state.runs.get(live.run_id)
    if not asked.told["store"]:
        await state.runs.retention.unkeep(row["run_id"])
    if asked.turn.stream:
        return _streamed(request, owner, row, cancels=asked.turn.cancels, shows_work=asked.shows_work)
    if asked.told["background"]:
        await state.runs.claims.deliver(row["run_id"])  # the client has its id
        return await _whole(request, row)
    answer = asyncio.ensure_future(_waited(coming, state.runs, row))
    await asyncio.wait([answer], timeout=BYTE_EVERY)
    heard = state.audience.hear(row["run_id"], spaced(answer), cancels=asked.turn.cancels)
    return StreamingResponse(heard, media_type="application/json", headers=_headers(row))


async def _retrieve(
    request: Request,
    response_id: str,
    owner: Owner,
    stream: bool = False,  # noqa: FBT001, FBT002 - a query's
    starting_after: Annotated[int, Query(ge=-1)] = -1,
    include: Annotated[Sequence[str], Query(description=f"{WORK}: what the panel does as well, in a stream")] = (),
    include_: Annotated[Sequence[str], Query(alias="include[]", description="The same, as OpenAI writes it")] = (),
) -> Response:
    state = request.app.state
    row = await find(state.runs, owner, response_id)
    if not stream:
        return await _whole(request, row)
    if resumes(row):
        await _go_on(request, owner, row)
    return _streamed(request, owner, row, after=starting_after, shows_work=WORK in {*include, *include_})


async def _cancel(request: Request, response_id: str, owner: Owner) -> Response:
    runs: Runs = request.app.state.runs
    row = await find(runs, owner, response_id)
    with refusing_unknown(response_id):
        await runs.cancel(row["run_id"])
        return await _whole(request, await runs.get(row["run_id"]))


async def _answer_now(request: Request, response_id: str, owner: Owner) -> Response:
    """Let the panel answer from what it has; asked again, cut it at once."""
    runs: Runs = request.app.state.runs
    row = await find(runs, owner, response_id)
    if row["status"] != "running":
        how = "it has ended" if row["status"] in ENDED else f"it is {row['status']}"
        raise RefusedError(409, f"{response_id} is not under way: {how}")
    with refusing_unknown(response_id):
        helped = await runs.answer_now(row["run_id"])
    if not helped:
        raise RefusedError(409, f"no panel is at work on {response_id}: it is over, or has not begun")
    return await _whole(request, row)


async def _delete(request: Request, response_id: str, owner: Owner) -> dict[str, Any]:
    runs: Runs = request.app.state.runs
    row = await find(runs, owner, response_id)
    with refusing_unknown(response_id):
        await runs.cancel(row["run_id"])
        await runs.delete(row["run_id"])
    return {"id": response_id, "object": "response", "deleted": True}


async def _items(
    request: Request,
    response_id: str,
    owner: Owner,
    after: str = "",
    limit: Annotated[int, Query(ge=1, le=_MOST_ITEMS)] = 20,
    order: Annotated[str, Query(pattern="^(asc|desc)$")] = "desc",
) -> dict[str, Any]:
    found = input_items(await find(request.app.state.runs, owner, response_id))
    found = found if order == "asc" else found[::-1]
    first = next((number for number, item in enumerate(found, 1) if item["id"] == after), 0)
    if after and not first:
        raise RefusedError(400, f"after: there is no item {after[:100]!r}; give the last_id of a page", param="after")
    page, more = found[first : first + limit], first + limit < len(found)
    ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
    return {"object": "list", "data": page, **ends, "has_more": more}


async def _begun(request: Request, owner: str, raw: bytes) -> tuple[AskedResponse, Run]:
    """Return what a request asks for, and its run, started or found again."""
    state, body = request.app.state, read_json(raw)
    check_payload(body)
    given = items_in(body.get("input"))
    history = await history_of(state.runs, owner, body.get("previous_response_id"))
    items = await resolved(state.runs, owner, given)
    asked = await asyncio.to_thread(parse_response, body, items, history, depth=depth_of(request))
    await asyncio.to_thread(check_models, asked.turn, state.config)
    settings = await asyncio.to_thread(resolve, asked.turn.settings, environ=state.config.environ)
    plain = asked.plain or state.config.keys.is_plain(owner)
    client = client_of(asked, settings.writer, items, plain=plain)
    return asked, await run_of(request, owner, raw, asked.turn, client)


def _coming(live: Run, runs: Runs, owner: str, messages: Sequence[BaseMessage]) -> "asyncio.Future[dict[str, Any]]":
    coming = asyncio.ensure_future(noted(live, runs, owner, messages))
    coming.add_done_callback(lambda task: task.cancelled() or task.exception())  # its client may be gone
    return coming


async def _go_on(request: Request, owner: str, row: RunRow) -> None:
    """Go on with a run that its server was stopped in. Raises RefusedError (429)."""
    state = request.app.state
    live = await state.sharing.resume(owner, row["run_id"])
    _coming(live, state.runs, owner, messages_from_dict(row["input"]["messages"]))


async def _whole(request: Request, row: RunRow) -> Response:
    return JSONResponse(await view(request.app.state.runs, row), headers=_headers(row))


async def _waited(coming: "asyncio.Future[dict[str, Any]]", runs: Runs, row: RunRow) -> bytes:
    """Return a response when its run has ended, also of one that broke off."""
    found = await outcome(coming)
    row = await _now(runs, row)
    response = await view(runs, row)
    if isinstance(found, Broken) and row["status"] not in {"cancelled", "failed"}:
        message = f"{found.message}; or GET /v1/responses/{response['id']}"
        response |= {"status": "failed", "error": {"code": "server_error", "message": message}}
    return json.dumps(response, ensure_ascii=False).encode()


async def _now(runs: Runs, row: RunRow) -> RunRow:
    """Return a run as it stands now, also if it has been deleted meanwhile."""
    try:
        return await runs.get(row["run_id"])
    except RunNotFoundError:
        return {**row, "status": "cancelled"}


def _streamed(
    request: Request, owner: str, row: RunRow, *, after: int = -1, cancels: bool = False, shows_work: bool = False
) -> Response:
    go_on = partial(_go_on, request, owner)
    pieces = _events(request.app.state.runs, row, after, go_on, shows_work=shows_work)
    heard = request.app.state.audience.hear(row["run_id"], pieces, cancels=cancels)
    return StreamingResponse(heard, media_type="text/event-stream", headers=_headers(row))


async def _events(
    runs: Runs, row: RunRow, after: int, go_on: Callable[[RunRow], Awaitable[None]], *, shows_work: bool
) -> AsyncGenerator[bytes, None]:
    """Yield the events of a response with a number above `after`, then those to come, up to its end."""
    told = events_of(row, after=after, shows_work=shows_work)

    def said(event: Event) -> list[bytes]:
        return [_named(wire) for wire in told.take(event)]

    def alive() -> bytes | None:
        wire = told.keep_alive()
        return _named(wire) if wire else None

    left: RunRow = {**row, "status": "stopped"}
    with suppress(DatabaseError, RefusedError):  # all places are taken; its client can come again
        async with aclosing(paced(_followed(runs, row, after // STEP, go_on), said, alive)) as pieces:
            async for piece in pieces:
                yield piece
        left = await _now(runs, row)
    if not told.has_ended:
        yield _named(told.left(left["status"], left["seq"]))
    yield DONE


async def _followed(
    runs: Runs, row: RunRow, seen: int, go_on: Callable[[RunRow], Awaitable[None]]
) -> AsyncGenerator[Event, None]:
    """Yield the events of a run. If another process that is at work on it is gone in the middle, this one goes on with it."""
    last, kind = 0, ""
    while kind not in LAST:
        async with aclosing(runs.events(row["run_id"], last, seen=max(seen, last))) as events:
            async for event in events:
                last, kind = event["seq"], event["type"]
                yield event
        if not resumes(row := await _now(runs, row)):
            return
        await go_on(row)


def _named(wire: Mapping[str, Any]) -> bytes:
    return sse(dict(wire), wire["type"])


def _headers(row: RunRow) -> dict[str, str]:
    return {**NO_RETRY, "x-fusion-run-id": row["run_id"]}
