"""web_search: what a search backend is, and the tool around one."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field, StringConstraints, create_model

from fusion_graph.characters import visible
from fusion_graph.schemas import Source
from fusion_graph.seats import MAX_RESULTS, PanelTool
from fusion_graph.tools.domains import DomainRules
from fusion_graph.urls import canonical_url

MAX_SNIPPET = 2000  # characters, if the settings say nothing
_SIZES = {"low": 300, "medium": 1000, "high": 3000}


@dataclass(frozen=True, slots=True)
class Hit:
    """One result of a search; `published` is the date as the source writes it, or ""."""

    url: str
    title: str
    snippet: str
    published: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """What is looked for. `max_characters` bounds each snippet; None leaves their length to the backend.

    The domains are rules in normal form (`urls.parse_rule`): a host with its sub-domains, perhaps with a path.
    """

    query: str
    max_results: int = 5
    max_characters: int | None = None
    allowed_domains: tuple[str, ...] = ()
    excluded_domains: tuple[str, ...] = ()


class SearchBackend(Protocol):
    """Something that answers a query with hits, best first."""

    async def search(self, request: SearchRequest) -> list[Hit]:
        """Return at most `max_results` hits under the domain rules, as far as the backend can apply them.

        Raises:
            ToolException: the search failed, in words for the model.
        """
        ...


_Count = Annotated[int, Field(ge=1, le=MAX_RESULTS, description="how many results to list")]


class SearchArguments(BaseModel):
    """What a model may say to web_search."""

    query: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)] = Field(
        description="what to look for: a few specific words work better than a sentence"
    )
    max_results: _Count = 5


def now() -> str:
    """Return the time as sources note it: ISO 8601, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def make_search_tool(backend: SearchBackend, rules: DomainRules, limits: PanelTool | None = None) -> BaseTool:
    """Return web_search over `backend`, under the rules of one run and what its settings say of the tool."""
    most = (limits and limits.max_results) or 5
    chars = (limits.max_characters or _SIZES.get(limits.search_context_size)) if limits else None

    async def web_search(query: str, max_results: int = most) -> tuple[str, dict[str, Any]]:
        request = SearchRequest(
            query=query,
            max_results=max_results,
            max_characters=chars,
            allowed_domains=rules.narrowest,
            excluded_domains=rules.excluded,
        )
        found = await backend.search(request)
        fit = [hit for hit in _distinct(found) if rules.let_through(hit.url)][:max_results]
        hits = [_cleaned(hit, chars or MAX_SNIPPET) for hit in fit]
        text = "\n\n".join(map(_block, hits)) or f"No results for {query!r}. Try other or fewer words."
        return text, {"sources": [_source(hit) for hit in hits]}

    return StructuredTool.from_function(
        coroutine=web_search,
        name="web_search",
        description="Search for pages. Lists title, URL, date and an excerpt of each; open one with web_fetch.",
        args_schema=create_model("SearchArguments", __base__=SearchArguments, max_results=(_Count, most)),
        response_format="content_and_artifact",
    )


def _distinct(hits: Iterable[Hit]) -> Iterable[Hit]:
    first: dict[str, Hit] = {}
    for hit in hits:
        first.setdefault(canonical_url(hit.url), hit)
    return first.values()


def _cleaned(hit: Hit, most: int) -> Hit:
    title, snippet, published = (" ".join(visible(text).split()) for text in (hit.title, hit.snippet, hit.published))
    return Hit(hit.url, title or hit.url, snippet[:most], published)


def _block(hit: Hit) -> str:
    lines = (hit.title, hit.url, f"Published: {hit.published}" if hit.published else "", hit.snippet)
    return "\n".join(line for line in dict.fromkeys(lines) if line)


def _source(hit: Hit) -> Source:
    return Source(
        key=canonical_url(hit.url),
        url=hit.url,
        title=hit.title,
        snippet=hit.snippet,
        published=hit.published,
        read=False,
        text="",
        seats=[],
        retrieved_at=now(),
        sha256="",
    )
