"""web_fetch: the text of one page, of the web or of the local documents, a part at a time."""

import asyncio
from dataclasses import dataclass
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field

from fusion_graph.schemas import Source
from fusion_graph.tools.content import decode, kind_of, visible
from fusion_graph.tools.corpus import SCHEME, Corpus
from fusion_graph.tools.domains import DomainRules
from fusion_graph.tools.download import Download, Downloader
from fusion_graph.tools.failures import refused
from fusion_graph.tools.html_text import read_html
from fusion_graph.urls import canonical_url, parse_url, shown

_SNIPPET = 300  # characters of the page kept with its source


@dataclass(frozen=True, slots=True)
class Page:
    """A page as text; `canonical` is the address it gives as its own, if it does."""

    url: str
    title: str
    text: str
    published: str = ""
    canonical: str = ""


class FetchArguments(BaseModel):
    """What a model may say to web_fetch."""

    url: str = Field(description="full address of the page, as listed by web_search")
    start: int = Field(default=0, ge=0, description="character of the page's text to begin at, to read on")


def make_fetch_tool(downloader: Downloader, corpus: Corpus | None, rules: DomainRules) -> BaseTool:
    """Return web_fetch under the rules of one run; `corpus` are the local documents, if any."""

    async def web_fetch(url: str, start: int = 0) -> tuple[str, dict[str, Any]]:
        page = await _local_page(url, corpus, rules) or await _web_page(url, downloader, rules)
        part = _part(page, start, downloader.limits.page_chars)
        return _render(page, part, start), {"sources": [_source(page, part)]}

    return StructuredTool.from_function(
        coroutine=web_fetch,
        name="web_fetch",
        description="Read the text of one page. A long page comes in parts: call again with the start it names.",
        args_schema=FetchArguments,
        response_format="content_and_artifact",
    )


async def _local_page(url: str, corpus: Corpus | None, rules: DomainRules) -> Page | None:
    document = await asyncio.to_thread(corpus.find, url) if corpus else None
    if document:
        rules.check(document.url)  # by whatever name it was asked for
        return Page(document.url, document.title, document.text, document.published)
    if url.startswith(SCHEME):
        raise refused(f"There is no local document {shown(url)!r}. Use a URL that web_search lists.")
    return None


async def _web_page(url: str, downloader: Downloader, rules: DomainRules) -> Page:
    page = await asyncio.to_thread(_read, await downloader.get(url, rules.check))
    canonical = parse_url(page.canonical, base=page.url) if page.canonical else None
    if canonical is not None:
        rules.check_not_excluded(canonical.href)
    if not page.text:
        raise refused(f"{shown(page.url)} has no readable text; it may need a browser. Use another source.")
    return page


def _read(download: Download) -> Page:
    kind = kind_of(download.body, download.content_type)
    text = decode(download.body, download.content_type)
    if kind != "html":
        return Page(download.url, download.url, visible(text).strip())
    html = read_html(text)
    return Page(
        download.url, visible(html.title) or download.url, visible(html.text), visible(html.published), html.canonical
    )


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
    )
