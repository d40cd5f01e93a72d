"""Web search by Exa, through its client `exa_py` (an extra)."""

import asyncio
import importlib.util
from collections.abc import Sequence
from typing import Any

from fusion_graph.tools.search.replies import asked_for, fitting, snippet_length, text_of
from fusion_graph.tools.search.service import SearchService, imported
from fusion_graph.tools.search.tool import Hit, SearchRequest

INSTALL = "pip install 'fusion-graph[exa]'"
KEY_VARIABLE = "EXA_API_KEY"
URL_VARIABLE = "EXA_BASE_URL"
_URL = "https://api.exa.ai"
_MAX_DOMAINS = 1200  # https://exa.ai/docs/reference/search


def is_installed() -> bool:
    """Say whether the package is there, without importing it."""
    return importlib.util.find_spec("exa_py") is not None


class ExaSearch:
    """A search backend that asks Exa; `url` is another address of its API, "" its own."""

    def __init__(self, api_key: str, *, url: str = "", timeout_seconds: float = 20.0) -> None:
        self.timeout_seconds = timeout_seconds
        self._url = url.rstrip("/") or _URL
        self._service = SearchService("Exa", f"refused the key in {KEY_VARIABLE}", api_key.strip())

    async def search(self, request: SearchRequest) -> list[Hit]:
        """Return what Exa finds. See `SearchBackend`."""
        package = await imported("exa_py", INSTALL)
        async with self._service.guard(self.timeout_seconds):
            exa = await asyncio.to_thread(self._open, package)  # reads certificates and its own version from disk
            async with exa.client:
                reply = await exa.search(request.query, **_options(request))
            return fitting(request, map(_hit, reply.results))

    def _open(self, package: Any) -> Any:
        exa = package.AsyncExa(self._service.key, self._url)
        exa.client.event_hooks = {"response": [self._service.check]}
        return exa


def _options(request: SearchRequest) -> dict[str, Any]:
    options: dict[str, Any] = {
        "num_results": asked_for(request),
        "contents": {"highlights": {"max_characters": snippet_length(request)}},
    }
    # Exa takes one list or the other; what is excluded among the allowed is taken from the results.
    if request.allowed_domains:
        options["include_domains"] = _patterns(request.allowed_domains)
    elif request.excluded_domains:
        options["exclude_domains"] = _patterns(request.excluded_domains)
    return options


def _patterns(rules: Sequence[str]) -> list[str]:
    """Return the rules as Exa reads them: it takes paths, and sub-domains by a wildcard."""
    patterns = [pattern for rule in rules for pattern in ([rule] if "/" in rule else [rule, f"*.{rule}"])]
    return patterns[:_MAX_DOMAINS]


def _hit(result: Any) -> Hit:
    excerpts = " … ".join(text_of(excerpt) for excerpt in result.highlights or [])
    return Hit(text_of(result.url), text_of(result.title), excerpts, text_of(result.published_date))
