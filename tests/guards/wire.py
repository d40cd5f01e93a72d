"""What stands between a tool and this machine's network while a case runs: it records, and lets nothing out."""

import asyncio
import socket
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from langchain_core.tools import BaseTool, ToolException

NEVER = "never"  # an answer that does not come
PATIENCE = 8.0  # seconds after which a case that was to end by itself has failed


@dataclass(slots=True)
class Wire:
    """What was tried: the addresses and ports connected to, and the names the system was asked for."""

    connects: list[tuple[str, int]] = field(default_factory=list)
    lookups: list[str] = field(default_factory=list)

    @property
    def strays(self) -> list[tuple[str, int]]:
        """What is not of this machine."""
        return [(host, port) for host, port in self.connects if not host.startswith("127.")]


class Names:
    """A resolver over a table of names, each with its successive answers: addresses separated by blanks."""

    def __init__(self, known: Mapping[str, Sequence[str]]) -> None:
        self.known = known
        self.asked: list[str] = []

    async def resolve(self, host: str, _port: int) -> list[str]:
        if host not in self.known:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        self.asked.append(host)
        answers = self.known[host]
        if NEVER in answers:
            await asyncio.Event().wait()
        return answers[min(self.asked.count(host), len(answers)) - 1].split()


@contextmanager
def watched(*, opened: str = "", mute: str = "") -> Iterator[Wire]:
    """Let the running loop connect to one address; `mute` is one that never answers, and all others refuse."""
    loop, wire = asyncio.get_running_loop(), Wire()
    connect = loop.create_connection

    async def connect_if_open(factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        wire.connects.append((str(host), int(port)))
        if mute and host == mute:
            await asyncio.Event().wait()
        if host != opened:
            raise ConnectionRefusedError(f"{host} is not open in a test")
        return await connect(factory, host, port, **options)

    async def look_up(host: Any, _port: Any, **_options: Any) -> Any:
        wire.lookups.append(str(host))
        raise socket.gaierror(socket.EAI_NONAME, "the system's resolver is not asked in a test")

    with patch.object(loop, "create_connection", connect_if_open), patch.object(loop, "getaddrinfo", look_up):
        yield wire


async def failure(running: Awaitable[Any]) -> BaseException | None:
    """Return what a case raises, or None if it holds."""
    outcome = await _outcome(running)
    return outcome if isinstance(outcome, BaseException) else None


async def say(tool: BaseTool, arguments: Mapping[str, Any]) -> tuple[str, bool]:
    """Return what the tool says to a model, and whether that is a refusal; anything else that it does is a failure."""
    call = {"type": "tool_call", "id": "1", "name": tool.name, "args": dict(arguments)}
    outcome = await _outcome(_bounded(tool, call))
    if isinstance(outcome, ToolException):
        return str(outcome), True
    assert not isinstance(outcome, TimeoutError), f"it did not end within {PATIENCE:g} s"
    assert not isinstance(outcome, BaseException), f"it crashed with {outcome!r}"
    return str(outcome.content), False


async def _outcome(running: Awaitable[Any]) -> Any:
    """Return what `running` returns or raises, whatever it is."""
    return (await asyncio.gather(running, return_exceptions=True))[0]


async def _bounded(tool: BaseTool, call: dict[str, Any]) -> Any:
    async with asyncio.timeout(PATIENCE):
        return await tool.ainvoke(call)
