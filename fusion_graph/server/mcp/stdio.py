"""MCP over stdin and stdout: lines of JSON, and nothing else."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import suppress
from threading import Thread
from typing import Any

import anyio
from mcp.server.stdio import stdio_server

from fusion_graph.runs import Runs
from fusion_graph.server.config import ServerConfig
from fusion_graph.server.mcp.server import make_server
from fusion_graph.server.mcp.tools import Tools


async def serve_stdio(runs: Runs, config: ServerConfig) -> None:
    """Serve until stdin or stdout is closed, or a signal comes."""
    serving = asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel if serving else bool)
    reading, writing = _taken()
    server = make_server(Tools(runs, config), config.environ)
    # The SDK's own reader holds the process until a line comes, whatever signal has come before.
    lines: Any = _lines(reading)
    try:
        with os.fdopen(writing, "w", encoding="utf-8") as stdout:
            async with stdio_server(lines, anyio.wrap_file(stdout)) as (read, write):
                await server.run(read, write, server.create_initialization_options())
    except* (asyncio.CancelledError, BrokenPipeError):
        pass


def _taken() -> tuple[int, int]:
    """Return stdin and stdout as they were; whatever else reads or prints from now on gets nothing, and is on stderr."""
    sys.stdout.flush()
    reading, writing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return reading, writing


async def _lines(reading: int) -> AsyncGenerator[str, None]:
    """Yield lines, read by a thread for which nobody waits: reading cannot be cancelled."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[bytes]()

    def read() -> None:
        with suppress(RuntimeError), os.fdopen(reading, "rb") as stdin:  # the loop is closed: nobody listens any more
            for line in stdin:
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, b"")

    Thread(target=read, name="stdin", daemon=True).start()
    while line := await lines.get():
        yield line.decode(errors="replace")
