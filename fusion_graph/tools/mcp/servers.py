"""Tools of MCP servers for the panel, by the names `mcp:server` and `mcp:server/tool`."""

import asyncio
import hashlib
import importlib
import importlib.util
import re
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from langchain_core.tools import BaseTool, ToolException

from fusion_graph.characters import visible
from fusion_graph.errors import SettingsError, did_you_mean
from fusion_graph.tools.failures import refused
from fusion_graph.tools.mcp.config import VARIABLE, McpConfig, McpServer

PREFIX = "mcp:"
INSTALL = "pip install 'fusion-graph[mcp]'"
_OURS = {"web_search", "web_fetch", "bash"}
_MAX_NAME = 64  # what the strictest provider takes
_MAX_DESCRIPTION = 1000

Listing = dict[str, BaseTool]  # by the server's own names


class McpServers:
    """The servers that a user has set up. What each lists is asked once, and then the same for all seats and runs."""

    def __init__(self, config: McpConfig, *, list_seconds: float = 20.0, call_seconds: float = 50.0) -> None:
        self._config = config
        self._list_seconds = list_seconds
        self._call_seconds = call_seconds  # less than a seat waits for a tool, so that the server is named
        self._listings: dict[str, Future[Listing | None]] = {}

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "McpServers":
        """Return the servers of the file that FUSION_MCP names, else of `mcp.json` in the config folder."""
        return cls(McpConfig.from_environ(environ))

    @property
    def names(self) -> tuple[str, ...]:
        """Return the configured servers.

        Raises:
            SettingsError: the file is not what it must be.
        """
        return tuple(self._config.entries)

    def check(self, name: str) -> None:
        """Refuse a name that cannot work, as far as that is known without connecting.

        Raises:
            SettingsError: the server is not configured or its entry is wrong, or the package is missing.
        """
        self._config.server(self._split(name)[0])
        if importlib.util.find_spec("langchain_mcp_adapters") is None:
            why = f"tools: {name!r} needs the package langchain-mcp-adapters"
            raise SettingsError(why, field="tools", value=name, hint=INSTALL)

    async def tools(self, name: str) -> list[BaseTool]:
        """Return one tool of a server, or all it has; connects if the server has not been asked yet.

        Raises:
            SettingsError: `check` fails, the server cannot be reached, or it has no such tool.
        """
        await asyncio.to_thread(self.check, name)
        server, wanted = self._split(name)
        try:
            listing = await self._listing(server)
        except ToolException as error:
            hint = f"see its entry in {self._config.path}, or leave {name!r} out of the tools"
            raise SettingsError(f"tools: {error}", field="tools", value=name, hint=hint) from error
        if wanted and wanted not in listing:
            why = f"tools: MCP server {server!r} has no tool {wanted!r}"
            raise SettingsError(why, field="tools", value=name, hint=did_you_mean(wanted, listing))
        return [listing[wanted]] if wanted else list(listing.values())

    def _split(self, name: str) -> tuple[str, str]:
        """Return server and tool of a name; servers are sometimes called after a path, so the longest fit is meant."""
        wanted = name.removeprefix(PREFIX)
        fits = [server for server in self.names if wanted == server or wanted.startswith(f"{server}/")]
        if not fits:
            setup = f"set one up in {self._config.path}, or name another file in {VARIABLE}"
            hint = did_you_mean(wanted.partition("/")[0], self.names) if self.names else setup
            raise SettingsError(f"tools: no MCP server for {name!r}", field="tools", value=name, hint=hint)
        server = max(fits, key=len)
        return server, wanted[len(server) + 1 :]

    async def _listing(self, server: str) -> Listing:
        """Return what a server lists. The first who asks connects; others wait for it, in whatever event loop."""
        while True:
            mine: Future[Listing | None] = Future()
            mine.set_running_or_notify_cancel()  # else whoever stops waiting would cancel it for all
            theirs = self._listings.setdefault(server, mine)  # atomic, as loops in several threads need it
            listing = await (self._ask(server, mine) if theirs is mine else asyncio.wrap_future(theirs))
            if listing is not None:
                return listing

    async def _ask(self, server: str, mine: Future[Listing | None]) -> Listing | None:
        try:
            mine.set_result(await self._list(self._config.server(server)))
        except ToolException as error:
            del self._listings[server]
            mine.set_exception(error)
        finally:
            if not mine.done():  # cancelled: one of those who wait asks again
                del self._listings[server]
                mine.set_result(None)
        return mine.result()

    async def _list(self, server: McpServer) -> Listing:
        try:
            await asyncio.to_thread(importlib.import_module, "fusion_graph.tools.mcp.calls")
        except ImportError as error:
            raise refused(f"MCP server {server.name!r}: the package is broken: {error}. {INSTALL}") from error
        from fusion_graph.tools.mcp.calls import McpTool, list_tools  # noqa: PLC0415 - imported off the loop by now

        found = await list_tools(server, self._list_seconds)
        return {
            tool.name: McpTool(
                name=offered_name(server.name, tool.name, self.names),
                description=_shortened(tool.description) or f"{tool.name} of {server.name}",
                args_schema={"type": "object", "properties": {}} | _cleaned(tool.args_schema),
                server=server,
                remote_name=tool.name,
                seconds=self._call_seconds,
            )
            for tool in found
        }


def offered_name(server: str, tool: str, servers: tuple[str, ...]) -> str:
    """Return what models call a tool: `server_tool`, with a hash where that is no name or another tool's."""
    plain = f"{server}_{tool}"
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", plain)
    # Of servers a and a_b, both with fitting tools, a_b keeps the plain names.
    foreign = any(len(other) > len(server) and plain.startswith(f"{other}_") for other in servers)
    if name == plain and len(name) <= _MAX_NAME and name not in _OURS and not foreign:
        return name
    digest = hashlib.sha256(f"{server}\0{tool}".encode()).hexdigest()[:8]
    return f"{name[: _MAX_NAME - 9]}_{digest}"


def _shortened(text: str) -> str:
    shown = visible(text).strip()
    return shown if len(shown) <= _MAX_DESCRIPTION else f"{shown[: _MAX_DESCRIPTION - 1]}…"


def _cleaned(schema: Any, key: str = "") -> Any:
    """Return a third party's schema without characters that only a machine reads, its descriptions cut."""
    if isinstance(schema, dict):
        return {key: _cleaned(value, key) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_cleaned(value) for value in schema]
    if isinstance(schema, str):
        return _shortened(schema) if key == "description" else visible(schema)
    return schema
