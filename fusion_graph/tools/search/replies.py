"""What a search service is asked for, and what is taken from its reply."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import Any

from fusion_graph.seats import MAX_RESULTS
from fusion_graph.tools.search.tool import Hit, SearchRequest
from fusion_graph.urls import host_of, refusal_reason

_SNIPPET = 1000  # characters, if nothing else is asked for
_SITE_TERMS = 8  # engines ignore, or choke on, more of them; every rule is applied to the results anyway


def asked_for(request: SearchRequest, most: int = MAX_RESULTS) -> int:
    """Return how many results to ask for: more than are wanted where domain rules will take some away."""
    ruled = request.allowed_domains or request.excluded_domains
    return min(2 * request.max_results if ruled else request.max_results, most)


def query_with_sites(request: SearchRequest) -> str:
    """Return the query with the domain rules as search engines write them, for services without parameters for them."""
    sites = " OR ".join(f"site:{rule}" for rule in request.allowed_domains[:_SITE_TERMS])
    without = " ".join(f"-site:{rule}" for rule in request.excluded_domains[:_SITE_TERMS])
    return " ".join(part for part in (request.query, sites, without) if part)


def snippet_length(request: SearchRequest) -> int:
    """Return how many characters a snippet may have."""
    return request.max_characters or _SNIPPET


def rows_of(reply: Any) -> list[dict[str, Any]]:
    """Return the `results` of a reply as it came.

    Raises:
        KeyError: there are none.
        TypeError: they are no list, or the reply is no object.
    """
    results = reply["results"]
    if not isinstance(results, list):
        raise TypeError(f"results: {type(results).__name__}")
    return [row for row in results if isinstance(row, dict)]


def text_of(value: object) -> str:
    """Return the value if it is text, else ""."""
    return value if isinstance(value, str) else ""


def fitting(request: SearchRequest, hits: Iterable[Hit]) -> list[Hit]:
    """Return the hits with a web address that the domain rules let through, no more and no longer than wanted."""
    rules = {"allowed": request.allowed_domains, "excluded": request.excluded_domains}
    fit = (hit for hit in hits if host_of(hit.url) and refusal_reason(hit.url, **rules) is None)
    most = snippet_length(request)
    return [replace(hit, snippet=hit.snippet[:most]) for hit in islice(fit, request.max_results)]
