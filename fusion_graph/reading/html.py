"""The readable text of an HTML page: what a person would see of its main part, with headings, lists and tables."""

import re

import trafilatura
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import DocumentNode, ElementNode, HTMLTree

from fusion_graph.reading.document import CUT, Document, bounded

_MAX_HTML = 4_000_000  # characters of HTML that are parsed
_LITTLE = 200  # characters: trafilatura knows articles, and of other pages may take one corner for the whole
_LITTLE_SHARE = 5
_UNSEEN = "script style template noscript nav svg canvas iframe object embed video audio button select textarea".split()  # noqa: SIM905 - a word list
_PERHAPS_UNSEEN = ",".join([*_UNSEEN, "[hidden]", "[aria-hidden=true]", "[style]"])
_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|(?:opacity|font-size)\s*:\s*0(?:\.0*)?(?:px|r?em|pt|%)?\s*(?:;|!|$)"
    r"|(?:left|top|text-indent)\s*:\s*-\d{3,}|clip\s*:\s*rect\((?:\s*0(?:px)?[\s,]*){4}\)"
)
_BULLET = re.compile(r"(?m)^( *)\u2022 ")
_PUBLISHED = ("article:published_time", "datepublished", "citation_publication_date", "dc.date", "date")
_LINKED_DATA = re.compile(r'"datePublished"\s*:\s*"([^"]{4,40})"')


def read_html(html: str) -> Document:
    """Return the readable part of an HTML page, however broken it is. Source: trafilatura, else resiliparse."""
    tree = HTMLTree.parse(html[:_MAX_HTML])
    if not (page := tree.document):
        return Document("")
    title, published, canonical = " ".join((tree.title or "").split()), _published(page), _canonical(page)
    _leave_out_what_nobody_sees(page)
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


def _leave_out_what_nobody_sees(page: DocumentNode) -> None:
    for node in page.query_selector_all(_PERHAPS_UNSEEN):
        if node.parent and node.tag not in {"html", "body"} and _is_unseen(node):  # scripts show those two later
            node.parent.remove_child(node)  # not decompose: that frees the nodes inside, which come next here


def _is_unseen(node: ElementNode) -> bool:
    if node.tag in _UNSEEN or node.hasattr("hidden") or node.getattr("aria-hidden") == "true":
        return True
    return _HIDING.search((node.getattr("style") or "").lower()) is not None


def _mark_headings(tree: HTMLTree, page: DocumentNode) -> None:
    for level in range(1, 7):
        for node in page.query_selector_all(f"h{level}"):
            mark, first = tree.create_text_node("#" * level + " "), node.first_child
            if mark is not None and first is not None:
                node.insert_before(mark, first)


def _published(page: DocumentNode) -> str:
    stated: dict[str, str] = {}
    for meta in page.query_selector_all("meta[content]"):
        name = meta.getattr("property") or meta.getattr("name") or meta.getattr("itemprop") or ""
        stated.setdefault(name.lower(), (meta.getattr("content") or "").strip())
    for script in page.query_selector_all("script[type='application/ld+json']"):
        if found := _LINKED_DATA.search(script.text or ""):
            stated.setdefault("datepublished", found[1])
    return next((stated[name] for name in _PUBLISHED if stated.get(name)), "")


def _canonical(page: DocumentNode) -> str:
    link = page.query_selector("link[rel=canonical i][href]")
    return (link.getattr("href") or "").strip() if link else ""
