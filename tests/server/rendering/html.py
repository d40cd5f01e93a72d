"""Rendered HTML as a browser reads it, and what may be in it: said here once more, apart from what cleans it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from resiliparse.parse.html import HTMLTree

_PLAIN = {"em", "strong", "s", "code", "mark", "hr", "br", "li", "thead", "tbody", "tr", "th", "td"}
_IN_DIRECTION = {"p", "h3", "h4", "h5", "h6", "ul", "ol", "blockquote", "table"}
_CITE = {"class", "data-status", "data-source", "data-support", "title"}
_SCROLL = {"class": "scroll", "tabindex": "0", "role": "group"}
_OUTWARD = {"rel": "noopener noreferrer nofollow", "target": "_blank"}
_HIDDEN = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufdd0-\ufdef\x00]")


@dataclass(frozen=True)
class Element:
    """An element: its name, its attributes, and its text."""

    tag: str
    attributes: dict[str, str]
    text: str


def elements(html: str, selector: str = "*") -> list[Element]:
    """Return the elements of a piece of a page in order."""
    found = _body(html).query_selector_all(selector)
    return [Element(e.tag, {name: e.getattr(name) for name in e.attrs}, e.text) for e in found]


def text_of(html: str) -> str:
    """Return the text of a piece of a page, its spaces as one."""
    return " ".join(_body(html).text.split())


def strangers(html: str) -> list[Element]:
    """Return the elements that a rendered text may not have, or not so."""
    return [element for element in elements(html) if not _is_ours(element)]


def check(html: str) -> None:
    """Assert that a rendered text has only what it may have."""
    assert strangers(html) == []
    assert not _HIDDEN.search(html)


def _body(html: str) -> Any:
    # As the page puts it in: what closes too much, or opens a table, changes what is around it.
    parsed: Any = HTMLTree.parse(f"<body><main><div id=here>{html}</div><p id=after></p></main></body>")
    here, main = parsed.body.get_element_by_id("here"), parsed.body.first_child
    assert [child.id for child in main.child_nodes] == ["here", "after"], "it breaks out of its place"
    return here


def _is_ours(element: Element) -> bool:
    tag, attributes = element.tag, element.attributes
    if tag in _PLAIN:
        return not attributes or (tag in {"th", "td"} and attributes.keys() == {"data-align"})
    if tag in _IN_DIRECTION:
        return set(attributes.items()) - set(_numbers(attributes)) <= {("dir", "auto")}
    if tag == "pre":
        return attributes == {"dir": "ltr"}
    if tag == "div":
        label = attributes.pop("aria-label", "")
        return attributes == _SCROLL and label in {"Table", "Code"}
    return tag in {"a", "span"} and _is_link_or_cite(tag, attributes)


def _numbers(attributes: dict[str, str]) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in attributes.items() if name == "start" and value.isdecimal())


def _is_link_or_cite(tag: str, attributes: dict[str, str]) -> bool:
    if attributes == {"class": "host"}:
        return tag == "span"
    href = attributes.pop("href", None)
    if attributes.get("class") == "cite":
        source = attributes.get("data-source")
        return attributes.keys() <= _CITE and (href == f"#source-{source}" if tag == "a" else href is None)
    return tag == "a" and attributes == _OUTWARD and urlsplit(href or "").scheme in {"http", "https", "mailto"}
