"""Targets on scripted models, asked through the real graphs: what tests of generating share."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.tools import BaseTool

from fusion_graph.deployment import Parts
from fusion_graph.evaluation.archive import Archive, open_archive
from fusion_graph.evaluation.config import EvaluationConfig, Target
from fusion_graph.evaluation.generating import Generator
from fusion_graph.evaluation.guard import Guard
from fusion_graph.evaluation.purse import Paying, Purse
from fusion_graph.evaluation.shapes import Criterion, Dataset, Generation, Task
from fusion_graph.evaluation.targets import Benches, open_benches, settled
from fusion_graph.models.scripted import ScriptedModels

REQUIREMENT = "States that the suspension bridge was opened to all traffic in the spring of 1932"
TASK = Task("bridge", "Academic", "When did it open?", (Criterion("year", "factual-accuracy", 10, REQUIREMENT),))
DATASET = Dataset("own", (TASK,), "own.jsonl", "", "0" * 64)
PANEL = {"panel": ["north", "south"], "judge": "judge", "writer": "writer"}
FUSED = Target(name="fused", settings=PANEL)
ALONE = Target(name="alone", kind="solo", model="north")
BEST = Target(
    name="best", kind="best_of", model="north", tries=2, settings={"panel": ["north", "south"], "judge": "judge"}
)


@dataclass
class Bench:
    """A generator, and what it works with."""

    parts: Parts
    archive: Archive
    benches: Benches
    generator: Generator
    purse: Purse

    async def generate(self, target: Target, task: Task = TASK, **generation: Any) -> Generation:
        """Return what a target makes of a task."""
        config = EvaluationConfig(name="own", target=[target], generation={"tools": [], **generation})
        return await self.generator.generate(settled(config, target, self.parts), task)


@asynccontextmanager
async def open_bench(
    models: ScriptedModels, folder: Path, *, tools: Sequence[BaseTool] = (), limit: float = 0.0
) -> AsyncIterator[Bench]:
    """Open a bench in a folder, with models that cost a cent a call."""
    parts = Parts.real(load_model=models, price=lambda _name, _message: (0.01, "test"), tools=tools, environ={})
    purse = Purse(limit)
    async with open_archive(folder / "archive.db") as archive:
        guard = Guard(DATASET, archive)
        async with open_benches(folder / "runs.db", parts, guard) as benches:
            yield Bench(
                parts, archive, benches, Generator(benches, Paying(parts.ask, purse), archive, guard, purse), purse
            )
