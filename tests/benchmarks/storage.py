"""What is stored of a run with much research, how long it takes to go on with one, and what its models are sent."""

import asyncio
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from langchain_core.messages import ToolMessage

from fusion_graph.deployment import Parts
from fusion_graph.models import load_model
from fusion_graph.runs import open_runs
from tests.benchmarks.figures import Figure
from tests.benchmarks.model_server import models
from tests.benchmarks.ways import (
    QUESTION,
    RESULT_CHARS,
    SEATS,
    asked_since,
    graph_with_sqlite,
    look_up,
    settings,
    stored,
    use,
)

TOOLS = 8
PAYLOAD = len(SEATS) * TOOLS * RESULT_CHARS
SIZES = f"{len(SEATS)} x {TOOLS} x {RESULT_CHARS // 1000} KB"
LENGTHS = (0, 2, 8)  # rounds of tools


def measured() -> list[Figure]:
    """Return the figures of what is stored and sent."""
    with models() as url, tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        use(url)
        return asyncio.run(_measured(url, Path(folder)))


async def _measured(url: str, folder: Path) -> list[Figure]:
    context, tools = settings(tools=TOOLS), [look_up()]
    async with graph_with_sqlite(context, folder, tools) as run:
        await run()
    async with stored(context, folder, tools) as run:
        await run()
    figures = [
        Figure(f"stored bytes to tool payload ({SIZES}): {name}", (folder / file).stat().st_size / PAYLOAD, "", goal)
        for name, file, goal in (("graph with SqliteSaver", "checkpoints.db", 1.3), ("stored run", "runs.db", None))
    ]
    times = {rounds: await _resumed(folder, rounds) for rounds in LENGTHS}
    figures += [
        Figure(f"from resume to the next model call, after {rounds} rounds of tools a seat", seconds * 1000, "ms")
        for rounds, seconds in times.items()
    ]
    figures.append(Figure(f"the same, {LENGTHS[-1]} rounds to none", times[LENGTHS[-1]] / times[0], ""))
    ours, naive = await _sent(url, context), await _naively(url)
    figures.append(
        Figure("input of a run's models to a naive loop's on the same task, in characters", ours / naive, "", 0.6)
    )
    return figures


async def _resumed(folder: Path, rounds: int) -> float:
    """Return how long it takes until the judge is asked of a run that was stopped there."""
    times: list[float] = []
    for number in range(7):
        context = settings(tools=rounds) | {"judge": "openai:judge-60000ms"}
        db = folder / f"resumed-{rounds}-{number}.db"
        async with open_runs(db, Parts.real(tools=[look_up()])) as runs:
            live = await runs.start([QUESTION], context)
            await _judged(live.events())
            await live.cancel()
            began = time.perf_counter()
            live = await runs.resume(live.run_id)
            await _judged(live.events())
            times.append(time.perf_counter() - began)
            await live.cancel()
    return median(times)


async def _judged(events: Any) -> None:
    async for event in events:
        if event["type"] == "analysis_started":
            return


def _chars(bodies: Sequence[Mapping[str, Any]]) -> int:
    return sum(len(json.dumps([body["messages"], body.get("tools", [])])) for body in bodies)


async def _sent(url: str, context: Mapping[str, Any]) -> int:
    """Return how much a run's models are sent."""
    await asked_since(url)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        async with stored(context, Path(folder), [look_up()]) as run:
            await run()
    return _chars(await asked_since(url))


async def _naively(url: str) -> int:
    """Return how much a loop sends that gives every model all there is, and judge and writer all of the research."""
    tool, context = look_up(), settings(tools=TOOLS)
    researched: list[Any] = []
    for name in context["panel"]:
        messages: list[Any] = [("user", QUESTION)]
        while True:
            said = await load_model(name).bind_tools([tool]).ainvoke(messages)
            messages.append(said)
            if not said.tool_calls:
                break
            (call,) = said.tool_calls
            messages.append(ToolMessage(await tool.ainvoke(call["args"]), tool_call_id=call["id"]))
        researched.append("\n\n".join(str(message.text) for message in messages[1:]))
    answers = "\n\n".join(researched)
    report = await load_model(context["judge"]).ainvoke(f"{QUESTION}\n\nCompare these answers:\n\n{answers}")
    await load_model(context["writer"]).ainvoke(f"{QUESTION}\n\n{answers}\n\n{report.text}\n\nWrite the answer.")
    return _chars(await asked_since(url))
