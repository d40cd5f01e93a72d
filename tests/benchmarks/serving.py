"""What `fusion serve` does with many clients: time to the first text, runs a second, CPU and memory of its process."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from tests.benchmarks.figures import Figure
from tests.benchmarks.model_server import models
from tests.benchmarks.ways import QUESTION, settings
from tests.ports import answers, free_port

DELAY = 200  # ms, three times
MANY, HELD = 256, 3000  # runs at a time, each of whose models answers after so many ms
MIB = 1024 * 1024
_TICKS = os.sysconf("SC_CLK_TCK")
_numbers = itertools.count()  # the same request again would be given the same run


@dataclass(frozen=True)
class Server:
    """A process of `fusion serve`."""

    url: str
    pid: int

    def memory(self) -> float:
        """Return its resident memory in MiB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / MIB

    def cpu(self) -> float:
        """Return the seconds it has worked."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def _serving(models_url: str) -> Iterator[Server]:
    port = free_port()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FUSION_")},
            "OPENAI_BASE_URL": models_url,
            "OPENAI_API_KEY": "of-the-benchmark",
            "FUSION_HOME": folder,
            "FUSION_SERVER_MODELS": "*",
            "FUSION_SERVER_MAX_RUNS": "10000",
            "FUSION_CALLS_PER_PROVIDER": "10000",
            "FUSION_LOG_LEVEL": "warning",
        }
        program = [sys.executable, "-c", "from fusion_graph.cli import main; main()"]
        with subprocess.Popen([*program, "serve", "--port", str(port), "--drain", "0"], env=environ) as process:
            try:
                while not answers(port):
                    time.sleep(0.1)
                yield Server(f"http://127.0.0.1:{port}", process.pid)
            finally:
                process.kill()


def measured() -> list[Figure]:
    """Return the figures of a server in a process of its own."""
    with models() as url, _serving(url) as server:
        return asyncio.run(_measured(server))


async def _measured(server: Server) -> list[Figure]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=MIB) as client:
        for _ in range(5):
            await _response(client, server, delay=0)
        idle = server.memory()
        late = [await _first_text(client, server) - 3 * DELAY / 1000 for _ in range(11)]
        figures = [
            Figure("first text of an answer after the ideal moment, chat completions", median(late) * 1000, "ms", 30)
        ]
        for number in (16, 64):
            figures += await _throughput(client, server, number)
        before, held = (
            server.memory(),
            [asyncio.create_task(_response(client, server, delay=HELD)) for _ in range(MANY)],
        )
        most = before
        while not all(task.done() for task in held):
            await asyncio.sleep(0.1)
            most = max(most, server.memory())
        await asyncio.gather(*held)
    return [
        *figures,
        Figure("memory of a server that has nothing to do", idle, "MiB", 200),
        Figure(f"memory of each of {MANY} concurrent runs", (most - before) / MANY, "MiB", 1),
    ]


async def _throughput(client: aiohttp.ClientSession, server: Server, number: int) -> list[Figure]:
    places, total = asyncio.Semaphore(number), max(3 * number, 96)

    async def one() -> None:
        async with places:
            await _response(client, server, delay=0)

    began, worked = time.perf_counter(), server.cpu()
    await asyncio.gather(*(one() for _ in range(total)))
    per_second = total / (time.perf_counter() - began)
    cpu = (server.cpu() - worked) / total
    return [
        Figure(f"server: runs a second, {number} at a time, panel streamed", per_second, "/s", 30, at_least=True),
        Figure(f"server: CPU of a run, {number} at a time", cpu * 1000, "ms"),
    ]


def _question() -> str:
    return f"{QUESTION} ({next(_numbers)})"


def _panel(delay: int) -> dict[str, Any]:
    given = settings(delay=delay)
    plugin = {"id": "fusion", "analysis_models": given["panel"], "model": given["judge"], "tools": []}
    return {"model": "fusion", "stream": True, "plugins": [plugin], "x_fusion": {"writer": given["writer"]}}


async def _response(client: aiohttp.ClientSession, server: Server, *, delay: int) -> None:
    """Have a run whose every event is streamed."""
    async with client.post(f"{server.url}/v1/responses", json=_panel(delay) | {"input": _question()}) as response:
        last = [line async for line in response.content if line.startswith(b"event: ")][-1]
    assert last == b"event: response.completed\n", last


async def _first_text(client: aiohttp.ClientSession, server: Server) -> float:
    """Return the seconds until the answer begins."""
    asked = _panel(DELAY) | {"messages": [{"role": "user", "content": _question()}]}
    began, first = time.perf_counter(), 0.0
    async with client.post(f"{server.url}/v1/chat/completions", json=asked) as response:
        async for part in _parts(response):
            if not first and any(choice["delta"].get("content") for choice in part["choices"]):
                first = time.perf_counter() - began
    return first


async def _parts(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for line in response.content:
        if line.startswith(b"data: {"):
            yield json.loads(line[6:])
