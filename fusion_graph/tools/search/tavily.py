"""Web search by Tavily, through its client `tavily` (an extra)."""

import asyncio
import importlib.util
from typing import Any

from fusion_graph.tools.search.replies import asked_for, fitting, rows_of, text_of
from fusion_graph.tools.search.service import SearchService, imported
from fusion_graph.tools.search.tool import Hit, SearchRequest

INSTALL = "pip install 'fusion-graph[tavily]'"
KEY_VARIABLE = "TAVILY_API_KEY"
URL_VARIABLE = "TAVILY_BASE_URL"
_URL = "https://api.tavily.com"
# https://docs.tavily.com/documentation/api-reference/endpoint/search
_MAX_RESULTS = 20
_MAX_ALLOWED = 300
_MAX_EXCLUDED = 150


def is_installed() -> bool:
    """Say whether the package is there, without importing it."""
    return importlib.util.find_spec("tavily") is not None


class TavilySearch:
    """A search backend that asks Tavily; `url` is another address of its API, "" its own."""

    def __init__(self, api_key: str, *, url: str = "", timeout_seconds: float = 20.0) -> None:
        self.timeout_seconds = timeout_seconds
        self._url = url.rstrip("/") or _URL
        self._service = SearchService("Tavily", f"refused the key in {KEY_VARIABLE}", api_key.strip())

    async def search(self, request: SearchRequest) -> list[Hit]:
        """Return what Tavily finds. See `SearchBackend`."""
        package = await imported("tavily", INSTALL)
        async with self._service.guard(self.timeout_seconds, package.errors.TimeoutError):
            async with await asyncio.to_thread(self._connect) as client:
                tavily = package.AsyncTavilyClient(self._service.key, api_base_url=self._url, client=client)
                reply = await tavily.search(request.query, timeout=self.timeout_seconds, **_options(request))
            return fitting(request, map(_hit, _rows(reply)))

    def _connect(self) -> Any:
        import httpx  # noqa: PLC0415 - here in a thread, as are the certificates it reads

        return httpx.AsyncClient(event_hooks={"response": [self._service.check]})


def _options(request: SearchRequest) -> dict[str, Any]:
    return {
        "max_results": asked_for(request, _MAX_RESULTS),
        "include_domains": list(request.allowed_domains[:_MAX_ALLOWED]) or None,
        "exclude_domains": list(request.excluded_domains[:_MAX_EXCLUDED]) or None,
    }


def _rows(reply: Any) -> list[dict[str, Any]]:
    rows = rows_of(reply)
    # The client gives an empty list to a reply without one; Tavily's own repeat the query.
    if not rows and "query" not in reply:
        raise KeyError("query")
    return rows


def _hit(row: dict[str, Any]) -> Hit:
    url, title, content, published = (text_of(row.get(key)) for key in ("url", "title", "content", "published_date"))
    return Hit(url, title, content, published)
