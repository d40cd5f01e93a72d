"""Texts read as Markdown, in bounded time: what is too long or nested too deep is read as plain paragraphs."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from fusion_graph.characters import visible
from fusion_graph.server.rendering.cites import Signed
from fusion_graph.server.rendering.signs import Place, linked_sign, split_address, unsigned, without_signs

_MAX_CHARS = 1_000_000
_MAX_NESTING = 40  # of quotes and lists, which take two
_MAX_STEPS = 100_000  # of the parser: seconds for brackets alone, a megabyte of prose
_BLANK = re.compile(r"\n[ \t]*\n\s*")


class Document(NamedTuple):
    """A text as tokens of Markdown. `read` is how the content of one of its blocks becomes tokens."""

    tokens: list[Token]
    places: list[Place]
    read: Callable[[str], list[Token]]


class _TooMuchError(Exception):
    """The parser would leave something out, or take too long."""


class _Parser(MarkdownIt):
    """CommonMark with tables and strikethrough, without HTML. Signs are no part of an address."""

    def __init__(self, places: Sequence[Place]) -> None:
        super().__init__("commonmark", {"html": False, "xhtmlOut": False, "maxNesting": _MAX_NESTING})
        self._places = places
        self._steps = 0
        self.env: dict[str, Any] = {}
        self.enable(["table", "strikethrough"])
        self.block.ruler.before(
            "table", "bounds", self._check_line, {"alt": ["paragraph", "reference", "blockquote", "list"]}
        )
        self.inline.ruler.before("text", "bounds", self._count)

    def read(self, content: str) -> list[Token]:
        """Return the tokens of a line."""
        self._steps = 0
        try:
            return self.parseInline(content, self.env)[0].children or []
        except _TooMuchError:
            return _lines(content)

    def _check_line(self, state: StateBlock, _start: int, _end: int, silent: bool) -> bool:  # noqa: FBT001 -- likewise
        if state.level >= _MAX_NESTING - 2:
            raise _TooMuchError
        return self._count(state, silent)

    def _count(self, _state: StateBlock | StateInline, _silent: bool) -> bool:  # noqa: FBT001 -- likewise
        self._steps += 1
        if self._steps > _MAX_STEPS:
            raise _TooMuchError
        return False

    def validateLink(self, url: str) -> bool:  # noqa: ARG002, N802 -- the parser asks so
        return True  # `inline` decides, as browsers do

    def normalizeLink(self, url: str) -> str:  # noqa: N802 -- the parser asks so
        address, followed = split_address(url, self._places)
        return super().normalizeLink(address) + "".join(map(linked_sign, followed))

    def normalizeLinkText(self, link: str) -> str:  # noqa: N802 -- the parser asks so
        return without_signs(super().normalizeLinkText(unsigned(link, self._places)))  # it decodes, also to signs


def read_markdown(signed: Signed) -> Document:
    """Return a text as a document."""
    text, parser = visible(signed.text), _Parser(signed.places)
    if len(text) <= _MAX_CHARS:
        try:
            return Document(parser.parse(text, parser.env), signed.places, parser.read)
        except _TooMuchError:
            pass
    return Document(_paragraphs(text), signed.places, _lines)


def read_line(signed: Signed) -> Document:
    """Return a text as a document of one line, whatever marks of blocks it has."""
    text = visible(signed.text)
    read = _Parser(signed.places).read if len(text) <= _MAX_CHARS else _lines
    return Document([_inline(text, read)], signed.places, read)


def _paragraphs(text: str) -> list[Token]:
    tokens: list[Token] = []
    for paragraph in filter(None, _BLANK.split(text.strip())):
        tokens += [Token("paragraph_open", "p", 1), _inline(paragraph, _lines), Token("paragraph_close", "p", -1)]
    return tokens


def _inline(content: str, read: Callable[[str], list[Token]]) -> Token:
    return Token("inline", "", 0, children=read(content), content=content)


def _lines(content: str) -> list[Token]:
    first, *more = (Token("text", "", 0, content=line) for line in content.split("\n"))
    return [first, *(token for line in more for token in (Token("hardbreak", "br", 0), line))]
