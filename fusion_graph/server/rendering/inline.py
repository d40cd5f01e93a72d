"""What stands in a line: links that lead out and say where to, no images, citations, what differs."""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from ada_url import URL
from markdown_it.token import Token

from fusion_graph.server.rendering.signs import Place, pieces, split_address, unsigned
from fusion_graph.urls import host_of, parse_url

_LINKED = ("http:", "https:", "mailto:")
_OUTWARD = {"rel": "noopener noreferrer nofollow", "target": "_blank"}


def finished(children: Iterable[Token], places: Sequence[Place]) -> list[Token]:
    """Return the tokens of a line as they are to be written."""
    return [*_texts(_links(_without_images(children, places), places), places)]


def raw(html: str) -> Token:
    """Return a token that is HTML of ours."""
    return Token("html_inline", "", 0, content=html)


def _without_images(tokens: Iterable[Token], places: Sequence[Place]) -> Iterator[Token]:
    """Yield links in place of images: nothing is loaded that a model names."""
    in_link = False
    for token in tokens:
        in_link = token.type == "link_open" or (in_link and token.type != "link_close")
        if token.type != "image":
            yield token
            continue
        alt = Token("text", "", 0, content=unsigned(_alt(token), places).strip() or "image")
        is_linked = not in_link
        if is_linked:
            yield Token("link_open", "a", 1, attrs={"href": token.attrGet("src") or ""})
        yield alt
        if is_linked:
            yield Token("link_close", "a", -1)


def _alt(image: Token) -> str:
    return "".join(_alt(token) or token.content or " " * (token.nesting == 0) for token in image.children or [])


def _links(tokens: Iterable[Token], places: Sequence[Place]) -> Iterator[Token]:
    opened: Token | None = None
    inside: list[Token] = []
    for token in tokens:
        if token.type == "link_open":
            opened, inside = token, []
        elif token.type == "link_close" and opened:
            yield from _link(str(opened.attrGet("href") or ""), inside, places)
            opened = None
        elif opened:
            inside.append(token)
        else:
            yield token


def _link(href: str, inside: Sequence[Token], places: Sequence[Place]) -> Iterator[Token]:
    """Yield a link; of one that leads to anything but a page or a mailbox, only its text."""
    address, followed = split_address(href, places)
    url = parse_url(address)
    text = "".join(token.content for token in inside)
    if url and url.protocol in _LINKED:
        yield Token("link_open", "a", 1, attrs={"href": url.href, **_OUTWARD})
        yield from inside
        yield Token("link_close", "a", -1)
        yield from _host(url, unsigned(text, places))
    else:
        yield from inside
    said = {piece.place.html for piece in pieces(text, places) if piece.place}
    yield from (raw(html) for html in (places[number].html for number in followed) if html not in said)


def _host(url: URL, text: str) -> Iterator[Token]:
    """Yield where a link leads, unless its text says so. `example.com` is not said by `example.com.evil.net`."""
    host = (host_of(url.href) or url.pathname).removeprefix("www.")
    if not re.search(rf"(?<![\w.@-])(?:www\.)?{re.escape(host)}(?![\w-]|\.\w)", text, re.IGNORECASE):
        yield raw(f' <span class="host">({escape(host)})</span>')


def _texts(tokens: Iterable[Token], places: Sequence[Place]) -> Iterator[Token]:
    """Yield citations in place of their signs, and marks around what differs: around texts alone, whatever these are in."""
    in_link = differs = False
    for token in tokens:
        in_link = token.type == "link_open" or (in_link and token.type != "link_close")
        if token.type == "code_inline":
            token.content = unsigned(token.content, places)
            yield from _marked(token) if differs else [token]
        elif token.type != "text":
            yield token
        else:
            for piece in pieces(token.content, places):
                differs = differs if piece.begins is None else piece.begins
                if piece.place:
                    yield raw(piece.place.inert if in_link else piece.place.html)
                elif piece.begins is None:
                    text = Token("text", "", 0, content=piece.text)
                    yield from _marked(text) if differs and not piece.text.isspace() else [text]


def _marked(token: Token) -> list[Token]:
    return [raw("<mark>"), token, raw("</mark>")]
