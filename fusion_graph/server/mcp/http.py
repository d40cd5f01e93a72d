"""MCP over streamable HTTP, behind the guard and the keys of `fusion serve`. No sessions: runs are what is kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from fusion_graph.deployment import Parts
from fusion_graph.runs import Runs, open_runs
from fusion_graph.server.access.guard import Guard, Receive, Scope, Send
from fusion_graph.server.access.limits import Limits
from fusion_graph.server.config import ServerConfig
from fusion_graph.server.errors import RefusedError, error_body, retry_told
from fusion_graph.server.mcp.arguments import MAX_WAIT_SECONDS
from fusion_graph.server.mcp.server import VERSION, make_server
from fusion_graph.server.mcp.tools import Tools
from fusion_graph.server.mcp.waiting import HEARTBEAT_SECONDS

PATH = "/mcp"


def make_mcp_app(
    config: ServerConfig,
    parts: Parts | None = None,
    *,
    block_seconds: float = MAX_WAIT_SECONDS,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
) -> Guard:
    """Return the server as an ASGI app. Its runs are opened with its lifespan, and stopped, to be resumed, with it."""
    parts = parts or Parts.real(environ=config.environ)
    parts.panel_tools.shells.refuse_unsandboxed()
    opened: list[Runs] = []
    door = _Door(config)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with open_runs(config.db, parts) as runs:
            tools = Tools(runs, config, block_seconds=block_seconds, heartbeat_seconds=heartbeat_seconds)
            sessions = StreamableHTTPSessionManager(make_server(tools, config.environ), stateless=True)
            opened.append(runs)
            async with sessions.run():
                door.sessions = sessions
                yield

    async def stop() -> None:
        for runs in opened:
            await runs.stop()

    routes = [Route("/healthz", _health), Route(PATH, door, methods=["POST"])]
    return Guard(Starlette(routes=routes, lifespan=lifespan), is_open=not config.keys, stop=stop)


class _Door:
    """Let those in who have a key, as often as they may come. Plain ASGI."""

    sessions: StreamableHTTPSessionManager

    def __init__(self, config: ServerConfig) -> None:
        self._keys = config.keys
        self._limits = Limits(config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            owner = self._admitted(Headers(scope=scope).get("authorization"))
        except RefusedError as error:
            body, headers = error_body(error.status, str(error)), retry_told(error.status) | error.headers
            await JSONResponse(body, error.status, headers)(scope, receive, send)
            return
        scope["state"] = {**scope.get("state", {}), "owner": owner}
        await self.sessions.handle_request(scope, receive, send)

    def _admitted(self, authorization: str | None) -> str:
        owner = self._keys.owner(authorization)
        if owner is None:
            said = "give one of this server's API keys: Authorization: Bearer KEY"
            raise RefusedError(401, said, www_authenticate="Bearer")
        self._limits.admit(owner)
        return owner


async def _health(_request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok", "version": VERSION})
