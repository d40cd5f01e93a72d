"""An agent: the SDK's own client in a session with this server, and the scripted models behind that."""

import asyncio
import itertools
import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema
from langchain_core.tools import BaseTool
from mcp import ClientSession, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.shared.memory import create_connected_server_and_client_session

from fusion_graph.deployment import Parts
from fusion_graph.models.scripted import ScriptedModels, ScriptedRequest
from fusion_graph.runs import Runs, open_runs
from fusion_graph.server.config import ServerConfig
from fusion_graph.server.mcp.server import make_server
from fusion_graph.server.mcp.tools import Tools

Progress: TypeAlias = list[tuple[float, float | None, str]]  # figure, total, message
QUESTION = "What is the answer?"
ROSTER: dict[str, Any] = {
    "panel": ["north", "south", "east"],
    "judge": "judge",
    "writer": "writer",
    "tools": ["none"],
}


@dataclass
class Told:
    """What a call came to."""

    text: str
    structure: dict[str, Any]
    is_error: bool
    progress: Progress

    @property
    def run_id(self) -> str:
        return str(self.structure["run_id"])

    @property
    def status(self) -> str:
        return str(self.structure["status"])


@dataclass
class Agent:
    """A session of the SDK's client. What `call` returns fits the tool's schema, or it fails."""

    session: ClientSession
    progress: Progress = field(default_factory=list)  # of the call under way
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, question: str = QUESTION, **arguments: Any) -> Told:
        return await self.call("fusion_ask", question=question, **{**ROSTER, **arguments})

    async def result(self, run_id: str, **arguments: Any) -> Told:
        return await self.call("fusion_result", run_id=run_id, **arguments)

    async def call(self, name: str, /, **arguments: Any) -> Told:
        seen: Progress = []
        self.progress = seen
        result = await self.session.call_tool(name, arguments, progress_callback=self._hear)
        (content,) = result.content
        assert isinstance(content, types.TextContent)
        if not result.isError:
            jsonschema.validate(result.structuredContent, await self._schema(name))
        return Told(content.text, result.structuredContent or {}, result.isError, seen)

    async def tools(self) -> dict[str, types.Tool]:
        return {tool.name: tool for tool in (await self.session.list_tools()).tools}

    async def cancel_call(self) -> None:
        """Tell the server that nobody waits any more for the latest request."""
        latest = types.CancelledNotificationParams(requestId=self.session._request_id - 1)
        await self.session.send_notification(types.ClientNotification(types.CancelledNotification(params=latest)))

    async def hears(self, condition: Callable[[Progress], bool]) -> None:
        """Wait until the progress of the call under way is as it is to be."""
        async with asyncio.timeout(30):
            while not condition(self.progress):
                self._news.clear()
                await self._news.wait()

    async def _hear(self, progress: float, total: float | None, message: str | None) -> None:
        self.progress.append((progress, total, message or ""))
        self._news.set()

    async def _schema(self, name: str) -> dict[str, Any]:
        schema = (await self.tools())[name].outputSchema
        assert schema is not None
        return schema


@dataclass
class Scene:
    """An agent, the models it asks through the server, and the runs there."""

    agent: Agent
    models: ScriptedModels
    runs: Runs

    def asked(self) -> list[str]:
        """Return which models were asked, in alphabetical order."""
        return sorted(request.model for request in self.models.requests)


@asynccontextmanager
async def scene(
    db: Path,
    models: ScriptedModels,
    *,
    block: float = 30.0,
    heartbeat: float = 30.0,
    tools: Sequence[BaseTool] = (),
    environ: Mapping[str, str] | None = None,
    **limits: Any,
) -> AsyncIterator[Scene]:
    """Connect an agent with a server in this process."""
    own = {**os.environ, **(environ or {})}
    config = ServerConfig(db, models=frozenset({"*"}), environ=own, **limits)
    async with open_runs(db, Parts.real(load_model=models, tools=tools, environ=own)) as runs:
        server = make_server(Tools(runs, config, block_seconds=block, heartbeat_seconds=heartbeat), own)
        async with create_connected_server_and_client_session(server) as session:
            yield Scene(Agent(session), models, runs)


@asynccontextmanager
async def over_stdio(environ: Mapping[str, str], *arguments: str, code: str = "") -> AsyncIterator[Agent]:
    """Connect an agent with a process of `fusion mcp`; `code` is run in it first."""
    program = f"{code}\nfrom fusion_graph.cli import main\nmain()"
    server = StdioServerParameters(
        command=sys.executable, args=["-c", program, "mcp", *arguments], env=dict(environ), cwd=Path.cwd()
    )
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        yield Agent(session)


class Gate:
    """A model that answers when it is let; `asked` is set once it has been asked."""

    def __init__(self, text: str = "east: late") -> None:
        self.asked, self.open = asyncio.Event(), asyncio.Event()
        self._text = text

    async def __call__(self, _request: ScriptedRequest) -> str:
        self.asked.set()
        await self.open.wait()
        return self._text


def stored(db: Path) -> list[dict[str, Any]]:
    """Return the runs that a database holds."""
    with closing(sqlite3.connect(db)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM fusion_runs ORDER BY created_at")]


def only_grows(progress: Progress) -> bool:
    figures = [figure for figure, _, _ in progress]
    return all(low < high for low, high in itertools.pairwise(figures))


def size(told: Told) -> int:
    """Return how many characters a client gets."""
    return len(told.text) + len(json.dumps(told.structure, ensure_ascii=False))
