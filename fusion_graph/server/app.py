"""The app: its routes, and what they share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request

from fusion_graph.calls import Asker
from fusion_graph.deployment import Parts
from fusion_graph.models import provider_of
from fusion_graph.runs import Runs, open_runs
from fusion_graph.server.access.guard import Guard
from fusion_graph.server.access.limits import Limits
from fusion_graph.server.access.owners import Owner
from fusion_graph.server.audience import Audience
from fusion_graph.server.chat import add_chat
from fusion_graph.server.chatroom import add_chatroom
from fusion_graph.server.config import ServerConfig
from fusion_graph.server.docs import openapi
from fusion_graph.server.errors import RefusedError, answer_errors
from fusion_graph.server.health import VERSION, add_health
from fusion_graph.server.keeping import Keeping
from fusion_graph.server.metrics import Metrics
from fusion_graph.server.offer import listed
from fusion_graph.server.responses import add_responses
from fusion_graph.server.room.routes import add_room
from fusion_graph.server.sharing import Sharing


def make_app(config: ServerConfig, parts: Parts | None = None) -> Guard:
    """Return the server as an ASGI app. Its runs are opened with its lifespan, and stopped, to be resumed, with it."""
    return guarded(make_api(config, parts))


def guarded(api: FastAPI) -> Guard:
    """Return the routes behind what refuses strangers."""

    async def stop() -> None:
        await api.state.runs.stop()

    def leave() -> None:
        api.state.is_leaving = True

    def refused(status: int) -> None:
        api.state.metrics.refused(status)

    return Guard(api, is_open=not api.state.config.keys, stop=stop, leave=leave, refused=refused)


def make_api(config: ServerConfig, parts: Parts | None = None) -> FastAPI:
    """Return the routes of the server, unguarded."""
    parts = parts or Parts.real(environ=config.environ)
    parts.panel_tools.shells.refuse_unsandboxed()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_runs(config.db, parts) as runs:
            app.state.runs, app.state.audience = runs, Audience(runs)
            app.state.metrics = _metrics(runs, parts)
            runs.watch = app.state.metrics.heard
            app.state.sharing = Sharing(runs, app.state.limits)
            async with Keeping(runs, app.state.sharing, config.keep_days).going_on():
                yield

    # The framework's own pages of documentation load scripts from elsewhere.
    app = FastAPI(title="fusion_graph", version=VERSION, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.config, app.state.parts, app.state.limits = config, parts, Limits(config)
    app.state.is_leaving = False
    answer_errors(app)
    add_health(app)
    _add_models(app)
    add_chat(app)
    add_responses(app)
    add_room(app)
    add_chatroom(app)
    return app


def _metrics(runs: Runs, parts: Parts) -> Metrics:
    load = parts.ask.load if isinstance(parts.ask, Asker) else dict
    return Metrics(runs=lambda: runs.under_way, away=lambda: runs.store.db.is_away, load=load, provider_of=provider_of)


def _add_models(app: FastAPI) -> None:
    @app.get("/v1/models", **openapi.model_list(app))
    async def models(
        request: Request,
        _owner: Owner,
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1)] = 1000,
    ) -> dict[str, Any]:
        found = await asyncio.to_thread(listed, request.app.state.config)
        end = offset + limit
        more = f"/v1/models?offset={end}&limit={limit}" if end < len(found) else None
        return {"object": "list", "data": found[offset:end], "total_count": len(found), "links": {"next": more}}

    @app.get("/v1/models/{name:path}", **openapi.one_model(app))
    async def model(request: Request, name: str, _owner: Owner) -> dict[str, Any]:
        for offered in await asyncio.to_thread(listed, request.app.state.config):
            if offered["id"] == name:
                return offered
        raise RefusedError(404, f"there is no model {name!r}; GET /v1/models lists them", param="model")
