"""Contamination: what tools brought that a rubric says, or that its publisher wrote about it.

Blocked hosts are never opened (`excluded_domains`); this looks at what came all the same, from any tool.
"""

import asyncio
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.tools import BaseTool

from fusion_graph.evaluation.archive import Archive
from fusion_graph.evaluation.shapes import Dataset
from fusion_graph.state import Offer, OfferTools, Plan

GRAM = 8  # words in a row: the published rule
MARKERS = ("perplexity-ai/draco", "pplx-draco", "2602.11685")
LEAKS = "leak"  # kind of what is kept
_WORD = re.compile(r"\w+")
_SHOWN = 120  # characters


class Guard:
    """Looks at the results of tools for markers and for eight words in a row of any requirement of a data set."""

    def __init__(self, dataset: Dataset, archive: Archive) -> None:
        self._archive = archive
        self._writing = asyncio.Lock()
        self._grams = {gram for task in dataset.tasks for each in task.criteria for gram in grams(each.requirement)}

    def found_in(self, text: str) -> list[str]:
        """Return in words what of a rubric stands in a text: the markers, and the first words of each run of them."""
        lowered = text.casefold()
        markers = [f"the text holds {marker!r}" for marker in MARKERS if marker in lowered]
        return markers + [f"it has the words of a requirement: {words!r}" for words in self._overlaps(text)]

    def _overlaps(self, text: str) -> Iterator[str]:
        last = -GRAM
        for place, gram in enumerate(grams(text)):
            if gram in self._grams:
                if place > last + 1:
                    yield " ".join(gram)[:_SHOWN]
                last = place

    def watching(self, offer_tools: OfferTools) -> OfferTools:
        """Return `offer_tools` with tools whose results are looked at before the model reads them."""

        async def offer(plan: Plan, workspace: str) -> Offer:
            offered = await offer_tools(plan, workspace)
            if not workspace:  # nobody calls them: it is only asked what there is
                return offered
            return Offer([self._watched(tool, workspace) for tool in offered.tools], offered.missing)

        return offer

    def _watched(self, tool: BaseTool, workspace: str) -> BaseTool:
        own = tool.callbacks if isinstance(tool.callbacks, list) else []
        return tool.model_copy(update={"callbacks": [*own, _Listener(self, workspace, tool.name)]})

    async def note(self, workspace: str, tool: str, text: str) -> None:
        """Keep what is found in a result."""
        run, _, seat = workspace.removeprefix("run-").partition("/")
        told = [f"seat {seat}, {tool}: {leak}" for leak in self.found_in(text)]
        if told:
            async with self._writing:  # seats work side by side
                kept = dict.fromkeys([*await self.leaks(run), *told])
                await self._archive.put(LEAKS, run, {"leaks": list(kept)})

    async def leaks(self, run_id: str) -> list[str]:
        """Return what was found in the results of a run's tools."""
        kept = await self._archive.get(LEAKS, run_id)
        return list(kept["leaks"]) if kept else []


class _Listener(AsyncCallbackHandler):
    """Hears of one seat's results of one tool."""

    raise_error = True  # a result that could not be looked at must not count as clean

    def __init__(self, guard: Guard, workspace: str, tool: str) -> None:
        self._guard, self._workspace, self._tool = guard, workspace, tool

    async def on_tool_end(self, output: Any, **_kwargs: Any) -> None:
        """Look at a result: its text, and the pages that it lists beside it."""
        await self._guard.note(self._workspace, self._tool, "\n".join(_texts(output)))


def grams(text: str) -> Iterable[tuple[str, ...]]:
    """Return the runs of eight words of a text, whatever stands between them."""
    words = _WORD.findall(text.casefold())
    return (tuple(words[at : at + GRAM]) for at in range(len(words) - GRAM + 1))


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a tool's message and its artifact."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, Sequence):
        for part in value:
            yield from _texts(part)
    elif hasattr(value, "content"):
        yield from _texts(value.content)
        yield from _texts(getattr(value, "artifact", None))
