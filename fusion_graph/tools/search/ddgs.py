"""Web search without a key, through the metasearch package `ddgs` (an extra)."""

import asyncio
import importlib.util

from fusion_graph.tools.failures import refused
from fusion_graph.tools.search.replies import asked_for, query_with_sites
from fusion_graph.tools.search.tool import Hit, SearchRequest
from fusion_graph.urls import host_of

INSTALL = "pip install 'fusion-graph[ddgs]'"


def is_installed() -> bool:
    """Say whether the package is there, without importing it."""
    return importlib.util.find_spec("ddgs") is not None


class DdgsSearch:
    """A search backend that asks public search engines."""

    def __init__(self, timeout_seconds: float = 20.0) -> None:
        self.timeout_seconds = timeout_seconds

    async def search(self, request: SearchRequest) -> list[Hit]:
        """Return what the engines find. See `SearchBackend`."""
        try:
            async with asyncio.timeout(self.timeout_seconds):
                return await asyncio.to_thread(_ask, query_with_sites(request), asked_for(request))
        except TimeoutError as error:
            raise refused(f"The search took over {self.timeout_seconds:g} s. Try again with fewer words.") from error


def _ask(query: str, max_results: int) -> list[Hit]:
    try:
        from ddgs import DDGS  # noqa: PLC0415 - an extra
        from ddgs.exceptions import DDGSException  # noqa: PLC0415
    except ImportError as error:
        raise refused(f"Web search is not installed on this machine: {INSTALL}. Answer without it.") from error
    try:
        results = DDGS().text(query, max_results=max_results)
    except DDGSException as error:
        if "no results" in str(error).lower():
            return []
        raise refused(f"The search failed: {error}. Try again once, in other words.") from error
    hits = [Hit(str(row.get("href", "")), str(row.get("title", "")), str(row.get("body", ""))) for row in results]
    return [hit for hit in hits if host_of(hit.url)]
