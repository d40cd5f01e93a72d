"""The MCP server: how a call reaches its tool. Errors are results that models can read and mend."""

import asyncio
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from mcp import McpError
from mcp.server.lowlevel import Server
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.types import (
    INVALID_PARAMS,
    CallToolResult,
    ErrorData,
    Resource,
    ResourceTemplate,
    TextContent,
    Tool,
)
from pydantic import AnyUrl

from fusion_graph.errors import FusionError, did_you_mean, redact
from fusion_graph.schemas import DEPTH, INSIDE
from fusion_graph.server.errors import RefusedError, fault_of, log_fault
from fusion_graph.server.mcp.fitting import in_line
from fusion_graph.server.mcp.listing import TOOLS, listed
from fusion_graph.server.mcp.outcomes import run_of, uri_of
from fusion_graph.server.mcp.tools import Asker, Tools

NAME = "fusion"
VERSION = version("fusion-graph")
_DEPTH = next(iter(DEPTH))
_MAX_ERROR = 2000  # characters
_INSTRUCTIONS = (
    "fusion_ask puts one question to a panel of models and compares their answers. It returns within 45 seconds: "
    "if the run is still at work then, call fusion_result with its run_id until it has ended."
)


Mcp = Server[Any, Any]


def make_server(tools: Tools, environ: Mapping[str, str]) -> Mcp:
    """Return an MCP server whose calls these tools answer."""
    server: Mcp = Server(NAME, version=VERSION, instructions=_INSTRUCTIONS)
    calls: dict[str, Any] = {
        "fusion_ask": tools.ask,
        "fusion_result": tools.result,
        "fusion_estimate": tools.estimate,
        "fusion_cancel": tools.cancel,
    }

    @server.list_tools()  # type: ignore[no-untyped-call,untyped-decorator]
    async def list_tools() -> list[Tool]:
        return await asyncio.to_thread(lambda: [listed(name, environ) for name in TOOLS])

    @server.call_tool(validate_input=False)  # type: ignore[untyped-decorator]
    async def call_tool(name: str, arguments: dict[str, Any]) -> CallToolResult:
        try:
            if name not in TOOLS:
                return _failure(f"there is no tool {in_line(name)!r}; {did_you_mean(name, TOOLS)}")
            given = TOOLS[name].arguments.model_validate(arguments)
            text, told = await calls[name](given, _asker(server, environ))
        except FusionError as error:
            return _failure(f"{error}. {error.hint}" if error.hint else str(error))
        except RefusedError as error:
            return _failure(str(error))
        except Exception as error:  # noqa: BLE001  (the MCP edge: the SDK would tell clients whatever it quotes)
            log_fault(error, name)
            return _failure(fault_of(error))
        return CallToolResult(content=[_text(text)], structuredContent=told.model_dump(mode="json"))

    _add_resources(server, tools, environ)
    return server


def _add_resources(server: Mcp, tools: Tools, environ: Mapping[str, str]) -> None:
    """Let clients read whole runs, which may be longer than a tool's result."""

    @server.list_resource_templates()  # type: ignore[no-untyped-call,untyped-decorator]
    async def list_templates() -> list[ResourceTemplate]:
        about = "All of a run: answer, comparison, what every seat answered, sources, cost"
        return [
            ResourceTemplate(uriTemplate=uri_of("{run_id}"), name="run", description=about, mimeType="text/markdown")
        ]

    @server.list_resources()  # type: ignore[no-untyped-call,untyped-decorator]
    async def list_runs() -> list[Resource]:
        rows = await tools.newest(_asker(server, environ).owner)
        return [
            Resource(uri=AnyUrl(uri_of(row["run_id"])), name=row["question"] or row["run_id"], mimeType="text/markdown")
            for row in rows
        ]

    @server.read_resource()  # type: ignore[no-untyped-call,untyped-decorator]
    async def read_run(uri: AnyUrl) -> Iterable[ReadResourceContents]:
        try:
            text = await tools.whole(run_of(str(uri)), _asker(server, environ).owner)
        except FusionError as error:
            raise McpError(ErrorData(code=INVALID_PARAMS, message=redact(f"{error}. {error.hint}"))) from None
        return [ReadResourceContents(text, "text/markdown")]


def _asker(server: Mcp, environ: Mapping[str, str]) -> Asker:
    """Return who makes the call under way: over HTTP the request says so, over stdio it is this process's user."""
    context = server.request_context
    request = context.request
    token = context.meta.progressToken if context.meta else None

    async def tell(progress: float, total: float | None, message: str) -> None:
        if token is not None:
            await context.session.send_progress_notification(
                token, progress, total, message, related_request_id=str(context.request_id)
            )

    if request is None:
        return Asker("", is_inside=any(map(environ.get, INSIDE)), tell=tell)
    return Asker(request.state.owner, is_inside=request.headers.get(_DEPTH, "0") != "0", tell=tell)


def _failure(message: str) -> CallToolResult:
    return CallToolResult(content=[_text(redact(message[: 2 * _MAX_ERROR])[:_MAX_ERROR])], isError=True)


def _text(text: str) -> TextContent:
    return TextContent(type="text", text=text)
