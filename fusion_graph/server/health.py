"""How the server is: for balancers, which send it requests or do not, and for Prometheus."""

import asyncio
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from fusion_graph.database.address import faults
from fusion_graph.runs import Runs
from fusion_graph.server.docs import openapi
from fusion_graph.server.errors import NO_RETRY, RefusedError
from fusion_graph.server.metrics import CONTENT_TYPE

VERSION = version("fusion-graph")
_LOOK_SECONDS = 2.0  # for the database to answer a question


def add_health(app: FastAPI) -> None:
    """Add the routes."""

    @app.get("/healthz", **openapi.health())
    async def healthz() -> dict[str, str]:
        return {"status": "ok", "version": VERSION}

    @app.get("/readyz", **openapi.readiness())
    async def readyz(request: Request) -> Response:
        state = request.app.state
        trouble = "it is about to stop" if state.is_leaving else await _trouble(state.runs)
        told: dict[str, Any] = {
            "status": "unready" if trouble else "ready",
            "runs": state.limits.under_way,
            "most_runs": state.config.max_runs_in_all,
        }
        return JSONResponse(told | ({"reason": trouble} if trouble else {}), 503 if trouble else 200, NO_RETRY)

    @app.get("/metrics", **openapi.metrics(app))
    async def metrics(request: Request) -> Response:
        config, given = request.app.state.config, request.headers.get("authorization")
        is_scraper = bool(config.metrics_key) and config.metrics_key.owner(given) is not None
        if not is_scraper and config.keys.owner(given) is None:
            raise RefusedError(
                401, "give FUSION_METRICS_KEY or an API key: Authorization: Bearer KEY", www_authenticate="Bearer"
            )
        return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE)


async def _trouble(runs: Runs) -> str:
    """Return why no run can be begun, "" if it can."""
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            await runs.store.db.read("SELECT 1 AS there")
    except TimeoutError:
        return f"the database does not answer within {_LOOK_SECONDS:g} s"
    except faults() as error:
        return f"the database: {type(error).__name__}"
    return ""
