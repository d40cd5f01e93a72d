"""web_fetch: the text of one page, of the web or of the local documents, a part at a time."""

import asyncio
import hashlib
import re
from dataclasses import dataclass
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field

from fusion_graph.schemas import Source
from fusion_graph.tools.domains import DomainRules
from fusion_graph.tools.failures import excerpt, refused
from fusion_graph.tools.search.corpus import SCHEME, Corpus
from fusion_graph.tools.search.tool import now
from fusion_graph.tools.web.content import read_document
from fusion_graph.tools.web.download import Download, Downloader
from fusion_graph.tools.web.pages import Page, Pages
from fusion_graph.urls import canonical_url, parse_url, shown

_SNIPPET = 300  # characters of the page kept with its source
_LINK = re.compile(r"<([^<>]*)>([^<>]*)")  # target and parameters, RFC 8288
_RELATIONS = re.compile(r"(?i)\brel\s*=\s*\"?([^\";,]*)")
_MAX_CANONICAL = 20


class FetchArguments(BaseModel):
    """What a model may say to web_fetch."""

    url: str = Field(description="full address of the page, as listed by web_search")
    start: int = Field(default=0, ge=0, description="character of the page's text to begin at, to read on")


@dataclass(frozen=True, slots=True)
class Library:
    """Where pages come from: the web, the local documents if there are any, and what `run` has read already."""

    downloader: Downloader
    corpus: Corpus | None
    pages: Pages
    run: str = ""  # without one nothing is kept

    async def get(self, url: str, rules: DomainRules) -> Page:
        """Return a page that the rules allow. Raises ToolException."""
        if page := await self._local(url, rules):
            return page
        parsed = parse_url(url)
        if not self.run or parsed is None:
            return await self._from_web(url, rules)
        key = (self.run, parsed.href.removesuffix(parsed.hash), rules)
        return await self.pages.get(key, lambda: self._from_web(url, rules))

    async def _local(self, url: str, rules: DomainRules) -> Page | None:
        document = await asyncio.to_thread(self.corpus.find, url) if self.corpus else None
        if document:
            rules.check(document.url)  # by whatever name it was asked for
            return Page(document.url, document.title, document.text, document.published, retrieved_at=now())
        if url.startswith(SCHEME):
            raise refused(f"There is no local document {shown(url)!r}. Use a URL that web_search lists.")
        return None

    async def _from_web(self, url: str, rules: DomainRules) -> Page:
        page = await asyncio.to_thread(_page, await self.downloader.get(url, rules.check))
        for link in page.canonical:
            canonical = parse_url(link, base=page.url)
            if canonical is not None:
                rules.check_not_excluded(canonical.href)
        if not page.text:
            raise refused(f"{excerpt(page.url)} has no readable text; it may need a browser. Use another source.")
        return page


def make_fetch_tool(library: Library, rules: DomainRules, page_chars: int | None = None) -> BaseTool:
    """Return web_fetch under the rules of one run; one call gives at most `page_chars` characters of a page."""
    most = page_chars or library.downloader.limits.page_chars

    async def web_fetch(url: str, start: int = 0) -> tuple[str, dict[str, Any]]:
        page = await library.get(url, rules)
        part = _part(page, start, most)
        return _render(page, part, start), {"sources": [_source(page, part)]}

    return StructuredTool.from_function(
        coroutine=web_fetch,
        name="web_fetch",
        description="Read the text of one page. A long page comes in parts: call again with the start it names.",
        args_schema=FetchArguments,
        response_format="content_and_artifact",
    )


def _page(download: Download) -> Page:
    read = read_document(download.body, download.content_type)
    canonical = (*_canonical(download.links), *read.canonical)
    return Page(download.url, read.title or download.url, read.text, read.published, canonical, now())


def _canonical(links: str) -> tuple[str, ...]:
    """Return the canonical addresses that a `Link:` header gives."""
    stated = [(url, _RELATIONS.search(parameters)) for url, parameters in _LINK.findall(links)]
    return tuple(url for url, rel in stated if rel and "canonical" in rel[1].lower().split())[:_MAX_CANONICAL]


def _part(page: Page, start: int, most: int) -> str:
    if start and start >= len(page.text):
        raise refused(f"The page has {len(page.text)} characters; start must be less than that.")
    return page.text[start : start + most]


def _render(page: Page, part: str, start: int) -> str:
    end, total = start + len(part), len(page.text)
    head = [page.title, page.url, f"Published: {page.published}" if page.published else ""]
    lines = ["\n".join(line for line in dict.fromkeys(head) if line), part]
    if end < total:
        lines.append(f"[characters {start}-{end} of {total}; call again with start={end}]")
    elif start:
        lines.append(f"[characters {start}-{end} of {total}; this is the end]")
    return "\n\n".join(lines)


def _source(page: Page, part: str) -> Source:
    return Source(
        key=canonical_url(page.url),
        url=page.url,
        title=page.title,
        snippet=" ".join(part[:_SNIPPET].split()),
        published=page.published,
        read=True,
        text="",
        seats=[],
        retrieved_at=page.retrieved_at,
        sha256=hashlib.sha256(page.text.encode(errors="replace")).hexdigest(),
    )
