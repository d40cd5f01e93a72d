"""Sessions with MCP servers. Importing this takes a second: `mcp_servers` does so off the event loop."""

import asyncio
import json
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TextIO, TypeVar

import anyio
import httpx
from langchain_core.tools import BaseTool
from langchain_mcp_adapters.sessions import SSEConnection, StreamableHttpConnection, create_session
from langchain_mcp_adapters.tools import load_mcp_tools
from mcp import ClientSession, McpError, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from pydantic import Field

from fusion_graph.characters import visible
from fusion_graph.errors import redact
from fusion_graph.schemas import DEPTH, INSIDE
from fusion_graph.tools.failures import refused
from fusion_graph.tools.mcp.apart import apart
from fusion_graph.tools.mcp.config import McpServer

_MAX_WORDS = 400  # characters of an error, and of what a program last said on stderr
_ENDED = {"Connection closed", "Session terminated"}
# An ExceptionGroup holds what ended the transport's own tasks, whose exceptions are those named here.
_FAILURES = (
    OSError, RuntimeError, ValueError, httpx.HTTPError, httpx.InvalidURL, McpError,
    anyio.BrokenResourceError, anyio.ClosedResourceError, ExceptionGroup,
)  # fmt: skip
_Answer = TypeVar("_Answer")

# The SDK logs a traceback for each line it cannot read; unhandled, Python writes that to the terminal.
logging.getLogger("mcp").addHandler(logging.NullHandler())


class McpTool(BaseTool):
    """A tool of an MCP server. Each call opens a session of its own, so that it works in any event loop.

    It is no StructuredTool: those keep arguments called config, runtime or run_manager for themselves.
    """

    server: McpServer = Field(exclude=True, repr=False)
    remote_name: str
    seconds: float

    def _run(self, /, **_arguments: Any) -> str:
        raise NotImplementedError("a tool of an MCP server can be called with ainvoke only")

    async def _arun(self, /, **arguments: Any) -> str:
        params = types.CallToolRequestParams(name=self.remote_name, arguments=arguments)
        request = types.ClientRequest(types.CallToolRequest(params=params))

        # `session.call_tool` would list all tools again, to check the structured part, which is not passed on.
        async def call(session: ClientSession) -> types.CallToolResult:
            return await session.send_request(request, types.CallToolResult)

        result = await in_session(self.server, self.seconds, call)
        text = self.server.blanked(visible(_text(result)))
        if result.isError:
            raise refused(text or f"{self.name} failed and did not say why. Answer without it.")
        return text


async def list_tools(server: McpServer, seconds: float) -> list[BaseTool]:
    """Return the tools that a server has, under its own names, with their schemas.

    Raises:
        ToolException: it cannot be reached, or gives no answer in time.
    """
    return await in_session(server, seconds, load_mcp_tools)


async def in_session(server: McpServer, seconds: float, ask: Callable[[ClientSession], Awaitable[_Answer]]) -> _Answer:
    """Connect, ask, and leave nothing behind: a program that was started has ended, even if this is cancelled.

    Raises:
        ToolException: it did not work, or not in time; the sentence names the server and the cause, no secrets.
    """
    return await apart(lambda: _in_session(server, seconds, ask))


async def _in_session(server: McpServer, seconds: float, ask: Callable[[ClientSession], Awaitable[_Answer]]) -> _Answer:
    has_started = False
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        try:
            async with asyncio.timeout(seconds), _session(server, log) as session:
                await session.initialize()
                has_started = True
                return await ask(session)
        except _FAILURES as error:
            said = "" if has_started else _tail(log, server)
            raise refused(f"MCP server {server.name!r}: {_why(_cause(error), server, seconds)}{said}") from None
    raise refused(f"MCP server {server.name!r}: it went away")  # the SDK's contexts may swallow what ended them


def _session(server: McpServer, log: TextIO) -> AbstractAsyncContextManager[ClientSession]:
    if server.command:
        return _stdio_session(server, log)
    own = {name: value for name, value in server.headers.items() if name.lower() not in DEPTH}
    headers = {**own, **DEPTH}
    if server.transport == "sse":
        return create_session(SSEConnection(transport="sse", url=server.url, headers=headers))
    return create_session(StreamableHttpConnection(transport="streamable_http", url=server.url, headers=headers))


@asynccontextmanager
async def _stdio_session(server: McpServer, log: TextIO) -> AsyncIterator[ClientSession]:
    """Start the program; unlike the adapter's session, with its stderr kept off the terminal."""
    environ = {**(server.env or {}), **INSIDE}
    program = StdioServerParameters(command=server.command, args=server.args, env=environ, cwd=server.cwd)
    async with stdio_client(program, errlog=log) as (read, write), ClientSession(read, write) as session:
        yield session


def _cause(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _why(error: Exception, server: McpServer, seconds: float) -> str:
    match error:
        case TimeoutError():
            return f"no answer within {seconds:g} s"
        case httpx.HTTPStatusError(response=response):
            return f"it answered {response.status_code} {response.reason_phrase}"
        case httpx.ConnectError():
            return f"nothing answers at {httpx.URL(server.url).host}"
        case FileNotFoundError() | PermissionError():
            return f"it cannot be started: {error.strerror}: {error.filename or server.command!r}"
        case _ if isinstance(error, anyio.BrokenResourceError | anyio.ClosedResourceError) or str(error) in _ENDED:
            return "it ended without an answer" if server.command else "no MCP server (any more) at its url"
        case _:
            told = f"{type(error).__name__}: {error}".replace(server.url or "\0", "its url")
            return redact(server.blanked(told))[:_MAX_WORDS]


def _tail(log: TextIO, server: McpServer) -> str:
    log.seek(0)
    said = " ".join(visible(redact(server.blanked(log.read()))).split())
    return f"; it last said: {said[-_MAX_WORDS:]}" if said else ""


def _text(result: types.CallToolResult) -> str:
    """Return the text of a result; other content is named in its place."""
    text = "\n".join(map(_part, result.content))
    return text or (json.dumps(result.structuredContent, ensure_ascii=False) if result.structuredContent else "")


def _part(part: types.ContentBlock) -> str:
    match part:
        case types.TextContent(text=text):
            return text
        case types.EmbeddedResource(resource=types.TextResourceContents(text=text)):
            return text
        case types.ResourceLink(uri=uri, name=name):
            return f"{name}: {uri}"
        case _:
            return f"[{part.type} omitted]"
