"""The readable text of an HTML page: headings, paragraphs, lists and table rows; no scripts, menus or hidden text.

One class around the standard library's parser, so that a better extractor can take its place behind `read_html`.
"""

import re
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TypeAlias

_MAX_CHARS = 4_000_000  # of HTML that is parsed, about five seconds of the parser
_CUT = "\n\n[the rest of this page was too long to read]"

_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())  # noqa: SIM905 - a word list
_UNSEEN = frozenset(
    "script style template noscript nav svg canvas iframe object video audio button select textarea title".split()  # noqa: SIM905
)
_PARAGRAPH = frozenset(
    "p h1 h2 h3 h4 h5 h6 ul ol dl table pre blockquote section article main aside figure form hr header footer".split()  # noqa: SIM905
)
_LINE = frozenset("div li dt dd tr br caption thead tbody tfoot figcaption address details summary".split())  # noqa: SIM905
_ITEM = {"li": {"li"}, "dt": {"dt", "dd"}, "dd": {"dt", "dd"}}
_CELL = {"td": {"td", "th"}, "th": {"td", "th"}, "tr": {"td", "th", "tr"}}
_ENDS = _ITEM | _CELL | {tag: {"p"} for tag in _PARAGRAPH | {"div"}}  # end tags that HTML lets an author leave out
_CELL_MARK = " | "
_HEADING = re.compile(r"h[1-6]")
_MARKED = re.compile(r"h[1-6]|li|tr|table")
_HIDING_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|(?:opacity|font-size)\s*:\s*0(?:\.0*)?(?:px|r?em|pt|%)?\s*(?:;|!|$)"
)
_PUBLISHED = {"article:published_time", "datepublished", "citation_publication_date", "dc.date", "date"}
_BLANKS = re.compile(r"[ \t\n\r\f\xa0]+")

Attributes: TypeAlias = list[tuple[str, str | None]]


@dataclass(frozen=True, slots=True)
class HtmlPage:
    """What a page says: its title, its text, and from its head the publication date and canonical URL, or ""."""

    title: str
    text: str
    published: str
    canonical: str


def read_html(html: str) -> HtmlPage:
    """Return the readable part of an HTML document, however broken it is."""
    parser = _Reader()
    parser.feed(html[:_MAX_CHARS])
    # Not close(): it takes quadratic time over an unfinished tag, which HTML says to drop. An empty comment flushes.
    parser.feed("<!---->")
    lines = "".join(parser.written).strip().split("\n")
    text = "\n".join(line.rstrip() for line in lines) + (_CUT if len(html) > _MAX_CHARS else "")
    title = " ".join("".join(parser.title).split())
    return HtmlPage(title, text, parser.head.get("published", ""), parser.head.get("canonical", ""))


class _Reader(HTMLParser):
    """Writes the text of the elements that are seen. Open elements are a stack; hidden ones hide what is inside."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.written: list[str] = []
        self.title: list[str] = []
        self.head: dict[str, str] = {}
        self._open: list[tuple[str, bool]] = []  # element, is it hidden
        self._count: Counter[str] = Counter()
        self._hidden = 0
        self._breaks = 0  # line breaks, and the mark of a heading, item or cell, due before the next text
        self._mark = ""

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        self._note_head(tag, {name: value or "" for name, value in attrs})
        while self._open and self._open[-1][0] in _ENDS.get(tag, ()):
            self.handle_endtag(self._open[-1][0])
        if not self._hidden:
            self._break(tag)
            self._set_mark(tag)
        if tag not in _VOID:
            hidden = tag in _UNSEEN or _is_hidden(tag, attrs)
            self._open.append((tag, hidden))
            self._count[tag] += 1
            self._hidden += hidden

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        self.handle_starttag(tag, attrs)  # in HTML the slash means nothing

    def handle_endtag(self, tag: str) -> None:
        if not self._count[tag]:
            return
        while self._pop() != tag:
            pass
        if not self._hidden:
            self._break(tag)
            self._mark = "" if _MARKED.fullmatch(tag) else self._mark

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] == "title" and not self._count["svg"]:
            self.title.append(data)
        if not self._hidden:
            self._write(data)

    def _write(self, data: str) -> None:
        blank = bool(self.written) and self.written[-1].endswith(" ")
        if not self._count["pre"]:
            data = _BLANKS.sub(" ", data)
            data = data.lstrip(" ") if blank or self._breaks or self._mark else data
        if data:
            mark = self._mark.removeprefix(_CELL_MARK) if self._breaks else self._mark
            self.written.append("\n" * self._breaks + (mark.lstrip(" ") if blank and not self._breaks else mark) + data)
            self._breaks, self._mark = 0, ""

    def _pop(self) -> str:
        tag, hidden = self._open.pop()
        self._count[tag] -= 1
        self._hidden -= hidden
        return tag

    def _break(self, tag: str) -> None:
        self._breaks = max(self._breaks, 2 if tag in _PARAGRAPH else 1 if tag in _LINE else 0)

    def _set_mark(self, tag: str) -> None:
        if _HEADING.fullmatch(tag):
            self._mark = "#" * int(tag[1]) + " "
        elif tag in {"td", "th"}:
            self._mark += _CELL_MARK
        elif tag in {"li", "tr"}:
            self._mark = "- " if tag == "li" else ""

    def _note_head(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "meta":
            name = attributes.get("property") or attributes.get("name") or attributes.get("itemprop") or ""
            if name.lower() in _PUBLISHED:
                self.head.setdefault("published", attributes.get("content", "").strip())
        elif tag == "link" and attributes.get("rel", "").lower() == "canonical":
            self.head.setdefault("canonical", attributes.get("href", "").strip())


def _is_hidden(tag: str, attrs: Attributes) -> bool:
    if tag in {"html", "body"}:  # scripts show these later
        return False
    given = {name: (value or "").lower() for name, value in attrs}
    return "hidden" in given or given.get("aria-hidden") == "true" or bool(_HIDING_STYLE.search(given.get("style", "")))
