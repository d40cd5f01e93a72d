"""Documents as HTML: headings below those of the page, tables and code that scroll by themselves, text in its direction."""

from collections.abc import Iterator, Sequence
from html import escape

from markdown_it import MarkdownIt
from markdown_it.token import Token

from fusion_graph.server.rendering.cleaning import clean
from fusion_graph.server.rendering.inline import finished
from fusion_graph.server.rendering.reading import Document
from fusion_graph.server.rendering.signs import Place, pieces

_LOWEST = 6
_WRITER = MarkdownIt("zero", {"xhtmlOut": False})


def html_of(document: Document, top: int) -> str:
    """Return a document as HTML whose highest heading is `top`; no level is left out."""
    tokens = [*_written(_cells(_headed(document.tokens, top)), document.places)]
    return clean(_WRITER.renderer.render(tokens, _WRITER.options, {}))


def _headed(tokens: Sequence[Token], top: int) -> Iterator[Token]:
    above: list[str] = []
    for token in tokens:
        if token.type == "heading_open":
            above = [*(tag for tag in above if tag < token.tag), token.tag]
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(top + len(above) - 1, _LOWEST)}"
        yield token


def _cells(tokens: Iterator[Token]) -> Iterator[Token]:
    """Yield tables with their alignment where a style sheet finds it, and no head without words."""
    opened: Token | None = None
    for token in tokens:
        if token.type in {"th_open", "td_open"}:
            opened, style = token, str(token.attrs.pop("style", ""))
            token.attrs |= {"data-align": style.rpartition(":")[2]} if style else {}
        elif opened and token.type == "inline" and not token.content.strip():
            opened.tag = "td"
        elif opened and token.type in {"th_close", "td_close"}:
            token.tag = opened.tag
        yield token


def _written(tokens: Iterator[Token], places: Sequence[Place]) -> Iterator[Token]:
    for token in [*tokens]:  # whole: a cell learns its tag from what follows it
        if token.nesting == 1 and token.level == 0:
            token.attrSet("dir", "auto")  # of what is inside, too: a list takes its side from its items
        if token.type in {"fence", "code_block"}:
            yield _raw(_code(token.content, places))
            continue
        if token.type == "table_open":
            yield _raw(_scrolling("Table"))
        if token.type == "inline":
            token.children = finished(token.children or [], places)
        yield token
        if token.type == "table_close":
            yield _raw("</div>\n")


def _scrolling(label: str) -> str:
    return f'<div class="scroll" tabindex="0" role="group" aria-label="{label}">'


def _code(content: str, places: Sequence[Place]) -> str:
    marks = {True: "<mark>", False: "</mark>", None: ""}
    said = "".join(marks[piece.begins] + escape(piece.written, quote=False) for piece in pieces(content, places))
    return f'{_scrolling("Code")}<pre dir="ltr"><code>{said}</code></pre></div>\n'


def _raw(html: str) -> Token:
    return Token("html_block", "", 0, content=html)
