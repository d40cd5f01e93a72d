"""Where the fault table is played: real runs in a real database, real clients, a scripted server on loopback."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from langchain_core.tools import BaseTool

from fusion_graph.calls import Asker
from fusion_graph.deployment import Parts
from fusion_graph.events import LAST, LiveRun
from fusion_graph.runs import Runs, open_runs
from tests.corpus import write_corpus
from tests.model_server import Behaviour, ModelServer, judge, panelist, when, writer

QUESTION = "When did the bridge open?"
SEATS = {1: "one", 2: "two", 3: "three"}
ROSTER: dict[str, Any] = {
    "panel": [f"openai:{name}" for name in SEATS.values()],
    "judge": "openai:judge",
    "writer": "openai:writer",
    "tools": [],
}
PANEL_TOOLS = ["web_search", "web_fetch"]
HANG_GUARD = 10.0  # seconds after which a run that never ends fails its row


def compares() -> Behaviour:
    """Play a judge whose report names real letters, and who can write as well."""
    reports = judge(values={"answers": ["A", "B"], "answer": "A", "better_supported": "A", "sources": []})
    return when(lambda request: request.response_format is not None, reports, writer())


USUAL: dict[str, Behaviour] = {"judge": compares(), "writer": writer(), "*": panelist()}


class Stage:
    """One row's server, database file and environment. Waits before retries are noted, not waited for."""

    def __init__(self, server: ModelServer, folder: Path, tools: Sequence[BaseTool] = ()) -> None:
        self.server = server
        self.db = folder / "runs.db"
        self.environ = {"FUSION_SEARCH": f"local:{write_corpus(folder / 'pages')}", "FUSION_HOME": str(folder)}
        self.settings: dict[str, Any] = dict(ROSTER)
        self.heard = True
        self.waits: list[float] = []
        self._tools = tools

    @asynccontextmanager
    async def runs(self, url: str = "", **environ: str) -> AsyncIterator[Runs]:
        """Open the database, or that of a URL, as a process of its own would, with more variables in its environment."""
        parts = Parts.real(tools=self._tools, environ=self.environ | environ)
        cast("Asker", parts.ask)._sleep = self._sleep
        async with open_runs(url or self.db, parts) as runs:
            yield runs

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)

    async def start(self, runs: Runs) -> LiveRun:
        """Start the row's run."""
        return await runs.start([QUESTION], self.settings, thread_id="t")

    async def play(self) -> dict[str, Any]:
        """Run from start to end."""
        async with self.runs() as runs:
            return await self.end(runs, await self.start(runs))

    async def end(self, runs: Runs, live: LiveRun) -> dict[str, Any]:
        """Return a run's result, having checked how its events and its row end."""
        heard = asyncio.create_task(told(live)) if self.heard else None
        async with asyncio.timeout(HANG_GUARD):
            result = await live.result()
            events = [await heard] if heard else []
        events.append([event async for event in runs.events(live.run_id)])
        for each in events:
            assert [event["type"] in LAST for event in each] == [False] * (len(each) - 1) + [True]
            assert [event["seq"] for event in each] == sorted({event["seq"] for event in each})
        assert (await runs.get(live.run_id))["status"] == result["status"]
        return result


async def told(live: LiveRun) -> list[Any]:
    """Return all that a run tells who listens from now on."""
    return [event async for event in live.events()]
