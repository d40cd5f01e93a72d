"""Web search by a SearXNG of one's own: https://docs.searxng.org/dev/search_api.html."""

import asyncio
from typing import Any

from fusion_graph.tools.failures import refused
from fusion_graph.tools.search.replies import fitting, query_with_sites, rows_of, text_of
from fusion_graph.tools.search.service import SearchService
from fusion_graph.tools.search.tool import Hit, SearchRequest

_ENGINES_NAMED = 5
_REFUSAL = "refused the request: most likely its settings.yml does not list json under search.formats"


class SearxngSearch:
    """A search backend that asks the SearXNG at `url`: the operator's own word, so any host may be named."""

    def __init__(self, url: str, *, timeout_seconds: float = 20.0) -> None:
        self.timeout_seconds = timeout_seconds
        self._url = url.rstrip("/")
        self._service = SearchService("SearXNG", _REFUSAL)

    async def search(self, request: SearchRequest) -> list[Hit]:
        """Return what SearXNG finds: it sends one page, as long as its engines make it. See `SearchBackend`."""
        async with self._service.guard(self.timeout_seconds):
            async with await asyncio.to_thread(self._connect) as client:
                asked = {"q": query_with_sites(request), "format": "json"}
                reply = (await client.get(f"{self._url}/search", params=asked)).json()
            return fitting(request, map(_hit, _rows(reply)))

    def _connect(self) -> Any:
        import httpx  # noqa: PLC0415 - here in a thread, as are the certificates it reads

        return httpx.AsyncClient(
            event_hooks={"response": [self._service.check]},
            headers={"User-Agent": "Mozilla/5.0 (compatible; fusion-graph)", "Accept": "application/json"},
            timeout=self.timeout_seconds,
            trust_env=False,
        )


def _rows(reply: Any) -> list[dict[str, Any]]:
    """Return the results; engines that are blocked must not look like a web without an answer."""
    rows, silent = rows_of(reply), reply.get("unresponsive_engines")
    if not rows and silent:
        names = ", ".join(text_of(name) for name, *_ in silent[:_ENGINES_NAMED])
        raise refused(
            f"SearXNG found nothing, and these of its engines did not answer: {names}. "
            "Try once in other words, else answer without search."
        )
    return rows


def _hit(row: dict[str, Any]) -> Hit:
    url, title, content, published = (text_of(row.get(key)) for key in ("url", "title", "content", "publishedDate"))
    return Hit(url, title, content, published)
