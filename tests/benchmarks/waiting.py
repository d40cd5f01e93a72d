"""What a quorum saves where some seats take much longer than others, and how long the program takes to start."""

import asyncio
import random
import subprocess
import sys
import time
from statistics import median
from typing import Any

from fusion_graph.deployment import build_fusion_graph
from tests.benchmarks.figures import Figure, p95
from tests.benchmarks.model_server import models
from tests.benchmarks.ways import QUESTION, SEATS, settings, use

RUNS, AT_ONCE = 120, 24
TYPICAL, TAIL, MOST = (
    100,
    1.1,
    5000,
)  # ms, and the exponent of a Pareto distribution: one call in a dozen takes a second
GRACE = 0.2  # seconds
STARTS = 7


def measured() -> list[Figure]:
    """Return p95 of run times with a quorum and without, of the same runs."""
    with models() as url:
        use(url)
        return asyncio.run(_measured())


async def _measured() -> list[Figure]:
    draw = random.Random(7)  # noqa: S311
    delays = [[min(round(TYPICAL * draw.paretovariate(TAIL)), MOST) for _ in SEATS] for _ in range(RUNS)]
    waiting = await _times(delays, quorum=0)
    cut = await _times(delays, quorum=2, grace_seconds=GRACE)
    return [
        Figure(
            "p95 of a run's time with quorum 2 of 3 to waiting for all, heavy-tailed seats",
            p95(cut) / p95(waiting),
            "",
            0.6,
        ),
        Figure("p95 of a run's time, waiting for all", p95(waiting), "s"),
        Figure(f"p95 of a run's time, quorum 2 and {GRACE} s of grace", p95(cut), "s"),
    ]


async def _times(delays: list[list[int]], **more: float) -> list[float]:
    graph: Any = build_fusion_graph().compile()
    places = asyncio.Semaphore(AT_ONCE)

    async def one(late: list[int]) -> float:
        seats = [f"openai:seat-{name}-{ms}ms" for name, ms in zip(SEATS, late, strict=True)]
        async with places:
            began = time.perf_counter()
            await graph.ainvoke({"messages": [("user", QUESTION)]}, context=settings() | {"panel": seats} | more)
            return time.perf_counter() - began

    return await asyncio.gather(*map(one, delays))


def started() -> list[Figure]:
    """Return how long commands take that ask no model."""
    program = "from fusion_graph.cli import main; main()"
    commands = {
        "python -c pass": (["-c", "pass"], None),
        "fusion --help": (["-c", program, "--help"], 500),
        "import fusion_graph, and build the graph": (
            ["-c", "from fusion_graph import build_fusion_graph; build_fusion_graph().compile()"],
            None,
        ),
    }
    return [Figure(name, _milliseconds(arguments), "ms", goal) for name, (arguments, goal) in commands.items()]


def _milliseconds(arguments: list[str]) -> float:
    times: list[float] = []
    for _ in range(STARTS + 1):
        began = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        times.append((time.perf_counter() - began) * 1000)
    return median(times[1:])
