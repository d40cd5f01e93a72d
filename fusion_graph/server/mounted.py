"""The OpenAI-compatible routes and the page, inside a LangGraph server (`http.app` of langgraph.json).

Two stores stand side by side there. Runs of these routes are those of `fusion serve`: threads, checkpoints and leases
are in this package's database (FUSION_DB, FUSION_HOME), where `fusion runs` finds them too, and several workers of one
server share it, each run held by the lease of one. Runs of the LangGraph server are in that server's own threads, and
these routes do not see them.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.routing import Route

from fusion_graph.server.app import guarded, make_api
from fusion_graph.server.chatroom import PATHS
from fusion_graph.server.config import ServerConfig

_api = make_api(ServerConfig.from_environ())
_guard = guarded(_api)


class Mounted(FastAPI):
    """An app that lends its routes. Merged with the server's own app it would impose guard and error shapes on both."""

    def openapi(self) -> dict[str, Any]:
        """Return what /openapi.json says of these routes; the server adds its own."""
        return _api.openapi()


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    async with _api.router.lifespan_context(_api):
        yield


_api_routes = [Route(path, _guard) for path in ("/healthz", "/v1/{path:path}")]
# To be read only: POST /runs and what is below it are the server's own.
_page_routes = [Route(path, _guard, methods=["GET"]) for path in PATHS]
app = Mounted(routes=[*_api_routes, *_page_routes], openapi_url=None, lifespan=_lifespan)
