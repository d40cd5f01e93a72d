"""Web search without a key, through the metasearch package `ddgs` (an extra)."""

import asyncio
import importlib.util

from fusion_graph.seats import MAX_RESULTS
from fusion_graph.tools.failures import refused
from fusion_graph.tools.search import Hit, SearchRequest
from fusion_graph.urls import host_of

INSTALL = "pip install 'fusion-graph[ddgs]'"
_SITE_TERMS = 8  # engines ignore, or choke on, more of them; every rule is applied to the results anyway


def is_installed() -> bool:
    """Say whether the package is there, without importing it."""
    return importlib.util.find_spec("ddgs") is not None


class DdgsSearch:
    """A search backend that asks public search engines."""

    def __init__(self, timeout_seconds: float = 20.0) -> None:
        self.timeout_seconds = timeout_seconds

    async def search(self, request: SearchRequest) -> list[Hit]:
        """Return what the engines find. See `SearchBackend`."""
        sites = " OR ".join(f"site:{rule}" for rule in request.allowed_domains[:_SITE_TERMS])
        without = " ".join(f"-site:{rule}" for rule in request.excluded_domains[:_SITE_TERMS])
        asked = " ".join(part for part in (request.query, sites, without) if part)
        # Asks for more than is wanted: the domain rules still take some away.
        most = min(2 * request.max_results, MAX_RESULTS) if sites or without else request.max_results
        try:
            async with asyncio.timeout(self.timeout_seconds):
                return await asyncio.to_thread(_ask, asked, most)
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
