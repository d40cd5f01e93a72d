"""What a run costs beside its models: CPU, time over the critical path, and both with many runs at a time."""

import asyncio
import gc
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

from tests.benchmarks.figures import Figure, ratio
from tests.benchmarks.model_server import models
from tests.benchmarks.ways import (
    Run,
    Way,
    bodies,
    chat_model,
    graph,
    graph_with_sqlite,
    lean,
    plain,
    sdk,
    settings,
    stored,
    use,
)

ROUNDS = 9
AT_ONCE = (1, 16, 64, 256)
DELAY = 200  # ms; three times: seats, judge, writer


def measured() -> list[Figure]:
    """Return the figures of runs in this process."""
    with models() as url, tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        use(url)
        return asyncio.run(_measured(url, Path(folder)))


async def _measured(url: str, folder: Path) -> list[Figure]:
    quick, slow = settings(), settings(delay=DELAY)
    asked = await bodies(url, quick)
    cpu = await _cpu(
        {
            "aiohttp by hand": plain(url, asked),
            "openai SDK by hand": sdk(asked),
            "graph": graph(quick),
            "graph with a lean chat model": lean(url, quick),
            "graph with SqliteSaver": graph_with_sqlite(quick, folder),
            "graph with AsyncSqliteSaver": graph_with_sqlite(quick, folder, is_async=True),
            "stored run": stored(quick, folder),
            "ChatFusion": chat_model(quick),
        },
        runs=10,
    )
    ours = [
        Figure(f"CPU of a run to the openai SDK's: {name}", ratio(cpu[name], cpu["openai SDK by hand"]), "", goal)
        for name, goal in {
            "graph": 2.0,
            "graph with SqliteSaver": 3.0,
            "graph with AsyncSqliteSaver": None,
            "stored run": None,
            "ChatFusion": None,
            "graph with a lean chat model": None,
        }.items()
    ]
    figures = [*ours, *(Figure(f"CPU of a run: {name}", median(times) * 1000, "ms") for name, times in cpu.items())]
    async with graph_with_sqlite(slow, folder) as with_saver, stored(slow, folder) as kept:
        for (name, run), goal in zip(
            {"graph with SqliteSaver": with_saver, "stored run": kept}.items(), (50, None), strict=True
        ):
            over = await _wall(run) * 1000 - 3 * DELAY
            figures.append(Figure(f"time over the critical path of 3 x {DELAY} ms: {name}", over, "ms", goal))
    late = settings(delay=50)
    for name, way in {"graph": graph(late), "stored run": stored(late, folder)}.items():
        async with way as run:
            figures += await _at_once(name, run)
    return figures


async def _cpu(ways: Mapping[str, Way], *, runs: int) -> dict[str, list[float]]:
    """Return the CPU seconds of a run by way, one figure a round; the ways take turns."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    async with AsyncExitStack() as stack:
        opened = {name: await stack.enter_async_context(way) for name, way in ways.items()}
        for number in range(ROUNDS + 1):
            for name, run in opened.items():
                gc.collect()
                began = time.process_time()
                for _ in range(runs):
                    await run()
                if number:  # the first round warms up
                    found[name].append((time.process_time() - began) / runs)
    return found


async def _wall(run: Run) -> float:
    times: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await run()
        times.append(time.perf_counter() - began)
    return median(times[1:])


async def _at_once(name: str, run: Run) -> list[Figure]:
    """Return CPU per run and runs per second with so many runs at a time."""
    figures, alone = [], 0.0
    await run()
    for number in AT_ONCE:
        total = max(number, 32)
        places = asyncio.Semaphore(number)

        async def one(places: asyncio.Semaphore = places) -> None:
            async with places:
                await run()

        gc.collect()
        began, worked = time.perf_counter(), time.process_time()
        await asyncio.gather(*(one() for _ in range(total)))
        cpu = (time.process_time() - worked) / total
        per_second = total / (time.perf_counter() - began)
        alone = alone or cpu
        figures.append(Figure(f"{name}: runs a second, {number} at a time", per_second, "/s"))
        figures.append(Figure(f"{name}: CPU of a run, {number} at a time", cpu * 1000, "ms"))
    figures.append(Figure(f"{name}: CPU of a run at {number} at a time to 1 at a time", cpu / alone, "", 1.5))
    return figures
