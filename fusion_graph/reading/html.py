"""The readable text of an HTML page: what a person would see of its main part, with headings, lists and tables."""

import re
from contextlib import suppress
from urllib.parse import urljoin

import trafilatura
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import DocumentNode, HTMLTree

from fusion_graph.reading.document import CUT, MAX_DATE, MAX_TITLE, Document, bounded, one_line
from fusion_graph.reading.hidden import every, remove_hidden

_MAX_HTML = 4_000_000  # characters of HTML that are parsed
_LITTLE = 200  # characters: trafilatura knows articles, and of other pages may take one corner for the whole
_LITTLE_SHARE = 5
_MAX_CANONICAL = 20  # links; a page has one
_BULLET = re.compile(r"(?m)^( *)\u2022 ")
_PUBLISHED = ("article:published_time", "datepublished", "citation_publication_date", "dc.date", "date")
_LINKED_DATA = re.compile(r'"datePublished"\s*:\s*"([^"]{4,40})"')


def read_html(html: str) -> Document:
    """Return the readable part of an HTML page, however broken it is. Source: trafilatura, else resiliparse."""
    tree = HTMLTree.parse(html[:_MAX_HTML])
    if not (page := tree.document):
        return Document("")
    title, published = one_line(tree.title or "", MAX_TITLE), one_line(_published(page), MAX_DATE)
    canonical = _canonical(page)
    remove_hidden(page)
    _mark_headings(tree, page)
    text = _main_text(tree).replace("\xa0", " ")
    return Document(bounded(text + CUT if len(html) > _MAX_HTML else text), title, published, canonical)


def _main_text(tree: HTMLTree) -> str:
    found = (trafilatura.extract(str(tree), include_comments=False, output_format="txt") or "").strip()
    article = _plain(tree, main_content=True)
    if _size(found) >= max(_LITTLE, _size(article) // _LITTLE_SHARE):
        return found
    whole = article if _size(article) >= _LITTLE else _plain(tree, main_content=False)
    return max(whole, found, key=_size)


def _size(text: str) -> int:
    return len(text) - text.count(" ") - text.count("\n")


def _plain(tree: HTMLTree, *, main_content: bool) -> str:
    text = extract_plain_text(tree, preserve_formatting=True, main_content=main_content, alt_texts=False)
    return _BULLET.sub(r"\1- ", text.replace("\t\t", " | ")).strip()


def _mark_headings(tree: HTMLTree, page: DocumentNode) -> None:
    for level in range(1, 7):
        for node in every(page, f"h{level}"):
            mark, first = tree.create_text_node("#" * level + " "), node.first_child
            if mark is not None and first is not None:
                node.insert_before(mark, first)


def _published(page: DocumentNode) -> str:
    stated: dict[str, str] = {}
    for meta in every(page, "meta[content]"):
        name = meta.getattr("property") or meta.getattr("name") or meta.getattr("itemprop") or ""
        stated.setdefault(name.lower(), meta.getattr("content") or "")
    for script in every(page, "script[type='application/ld+json']"):
        if found := _LINKED_DATA.search(script.text or ""):
            stated.setdefault("datepublished", found[1])
    return next((stated[name] for name in _PUBLISHED if stated.get(name, "").strip()), "")


def _canonical(page: DocumentNode) -> tuple[str, ...]:
    base = page.query_selector("base[href]")
    start = (base.getattr("href") or "").strip() if base else ""
    links = every(page, "link[rel~=canonical i][href]")[:_MAX_CANONICAL]
    return tuple(_joined(start, (link.getattr("href") or "").strip()) for link in links)


def _joined(base: str, link: str) -> str:
    with suppress(ValueError):  # one of them is no URL
        return urljoin(base, link)
    return link
