"""Where a Markdown text links to and what it loads, and what of it is code, as a CommonMark renderer takes it.

The renderer lets HTML through, follows every scheme, and may know tables. A text too long or nested too deep for the
parser is searched for all that looks like a target, in code or not.
"""

import bisect
import html
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from markdown_it import MarkdownIt
from markdown_it.common.utils import unescapeAll
from markdown_it.helpers import parseLinkDestination
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline, autolink, backtick, html_inline, image, link
from markdown_it.token import Token

_MAX_PARSED_CHARS = 100_000
_MAX_NESTING = 40  # of quotes and lists, which take two
_MAX_BRACKETS = 8  # inside each other; the parser reads them once for each
_TRIES = 4  # places where the target of one link is looked for
# A fence, closed or running to the end, or a code span within one paragraph.
_CODE = re.compile(
    r"^[ \t>]*(?:(?:[-*+]|\d{1,3}[.)])[ \t]+)?(?P<fence>`{3,}(?=[^`\n]*$)|~{3,}).*?"
    r"(?:^[ \t>]*(?P=fence)[`~]*[ \t]*$|\Z)"
    r"|(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n[ \t]*\n).)+?(?<!`)(?P=ticks)(?!`)",
    re.DOTALL | re.MULTILINE,
)
# What ends in another place than a renderer thinks is longer here, never shorter: it must not be taken for a source.
_LOOKS_LINKED = re.compile(
    r"\]\([\s>]*(?:<([^<>\n]*)>|((?:[^\s()]|\([^\s()]*\))+(?=[\s)])|\S+))"
    r"|\]:[\s>]*(?:<([^<>\n]*)>|(\S*[:/\\&]\S*))"
    r"|<([A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*)>"
)
_ATTRIBUTE = re.compile(r"(?<![^\s\"'/])([\w:-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>][^\s>]*))")
_LEADS = frozenset({"action", "background", "data", "formaction", "href", "lowsrc", "poster", "src", "xlink:href"})
_IN_VALUE = re.compile(r"(?<![A-Za-z0-9+.-])(?:[A-Za-z][A-Za-z0-9+.-]*:)?[\\/]{2}[^\s<>]*[^\s<>\"'),;]")
_IN_STYLE = re.compile(r"(?i)(?:url\(|@import)[\s\"']*([^\s<>]*[^\s<>\"'),;}])")
_WORD = re.compile(r"<?([^\s<>]+)")
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n|\Z)")

_Rule: TypeAlias = Callable[[StateInline, bool], bool]
_Found: TypeAlias = Iterator[tuple[int, int, str]]  # where it begins, where it ends, its address


class Target(NamedTuple):
    """Where a link leads or what is loaded; how that is written, and where: exactly there, or the lines it is in."""

    start: int
    end: int
    address: str
    text: str
    is_exact: bool


class Reading(NamedTuple):
    """The targets of a text in order, and where its code is: fences with their lines, and code spans."""

    targets: list[Target]
    code: list[tuple[int, int]]


class _TooMuchError(Exception):
    """The parser would leave something out, or take too long."""


def read_links(text: str) -> Reading:
    """Return the targets and the code of a Markdown text; what leads nowhere but into the text itself is no target."""
    try:
        # Cells cut through links and code spans: with tables a renderer sees other targets than without.
        readings = [_parsed(parser, text) for parser in _PARSERS[: 1 + ("|" in text)]]
    except _TooMuchError:
        guessed = [_target(text, span, address, is_exact=True) for *span, address in _guessed(text)]
        readings = [Reading(guessed, [match.span() for match in _CODE.finditer(text)])]
    targets = {target for reading in readings for target in reading.targets}
    return Reading(sorted(target for target in targets if target.address[:1] not in {"", "#"}), readings[-1].code)


def blanked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return the text with blanks in place of these spans; what is left stays where it was."""
    parts: list[str] = []
    at = 0
    for start, end in sorted(spans):
        parts += [text[at:start], " " * (end - max(at, start))]
        at = max(at, end)
    return "".join([*parts, text[at:]])


def _target(text: str, span: Sequence[int], address: str, *, is_exact: bool) -> Target:
    """Return a target with its address as a browser takes it; without a scheme, on a page that came by https."""
    plain = re.sub(r"[\t\r\n]", "", address).strip("".join(map(chr, range(33))))
    start, end = span
    return Target(start, end, re.sub(r"^[\\/]{2}", "https://", plain), text[start:end], is_exact)


def _guessed(text: str) -> _Found:
    for match in _LOOKS_LINKED.finditer(text):
        number = match.lastindex or 0
        yield *match.span(number), unescapeAll(match[number])
    yield from _in_html(text)


def _in_html(content: str) -> _Found:
    for match in _attributes(content):
        number = match.lastindex or 0
        value = html.unescape(match[number])
        addresses = [value] if match[1].lower() in _LEADS else _IN_VALUE.findall(value)
        yield from ((*match.span(number), address) for address in addresses)


def _attributes(content: str) -> Iterator[re.Match[str]]:
    """Yield what may be an attribute, in a tag or not, and what may be one inside a quoted value."""
    at = 0
    while match := _ATTRIBUTE.search(content, at):
        yield match
        at = match.end() if match[4] else match.start(match.lastindex or 0)


# What the parser finds


class _Parser(MarkdownIt):
    """A CommonMark parser that follows every scheme, and whose tokens know where they stand."""

    def __init__(self, *more_rules: str) -> None:
        super().__init__("commonmark", {"maxNesting": _MAX_NESTING})
        self.enable([*more_rules])
        rules: dict[str, _Rule] = {"autolink": autolink, "html_inline": html_inline, "image": image, "link": link}
        for name, rule in {**rules, "backticks": backtick}.items():
            self.inline.ruler.at(name, _noting(rule))
        self.inline.ruler.before("text", "depth", _check_inline_depth)
        self.block.ruler.before("table", "depth", _check_block_depth)

    def validateLink(self, url: str) -> bool:  # noqa: ARG002, N802 -- the parser asks so
        return True


def _noting(rule: _Rule) -> _Rule:
    """Have a rule of the parser note in the token that it makes where that begins and ends."""

    def noting(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 -- the parser calls it so
        start, before = state.pos, len(state.tokens)
        matched = rule(state, silent)
        for token in state.tokens[before : before + 2]:  # the text before it, perhaps; what is inside has noted its own
            token.meta.setdefault("span", (start, state.pos))
        return matched

    return noting


def _check_inline_depth(state: StateInline, _silent: bool) -> bool:  # noqa: FBT001 -- the parser calls it so
    if state.level >= _MAX_BRACKETS:
        raise _TooMuchError
    return False


def _check_block_depth(state: StateBlock, _start: int, _end: int, _silent: bool) -> bool:  # noqa: FBT001 -- likewise
    if state.level >= _MAX_NESTING - 2:
        raise _TooMuchError
    return False


_PARSERS = (_Parser(), _Parser("table"))


def _parsed(parser: MarkdownIt, text: str) -> Reading:
    if len(text) > _MAX_PARSED_CHARS:
        raise _TooMuchError
    env: dict[str, Any] = {}
    reading = Reading([], [])
    lines = [line.span() for line in _LINE.finditer(text)]
    for token in parser.parse(text, env):
        if token.map and token.type == "fence":
            reading.code.append(_rows(lines, token.map))
        elif token.map and token.type in {"inline", "html_block"}:
            block = _Block(text, lines, token.content, token.map)
            reading.targets.extend(block.target(*found) for found in _in_block(token))
            code = ((start, end) for start, end, part in _parts(token) if part.type == "code_inline")
            reading.code.extend(block.place(*span)[0] for span in code)
    for defined in env.get("references", {}).values():
        reading.targets.append(_defined(text, _rows(lines, defined["map"]), defined["href"]))
    return reading


def _rows(lines: Sequence[tuple[int, int]], between: Sequence[int]) -> tuple[int, int]:
    return lines[between[0]][0], lines[min(between[1], len(lines)) - 1][1]


class _Block:
    """A block's content, which is without the text's indentation and marks of quotes, and its lines in the text."""

    def __init__(self, text: str, lines: Sequence[tuple[int, int]], content: str, between: Sequence[int]) -> None:
        self._text, self._content, self._rows = text, content, _rows(lines, between)
        self._starts: list[int] = []  # of each line in the content
        self._places: list[int] = []  # and in the text
        at = 0
        for line, row in zip(content.split("\n"), range(between[0], len(lines)), strict=False):
            self._starts.append(at)
            self._places.append(max(lines[row][0], text.find(line, *lines[row])))
            at += len(line) + 1

    def place(self, start: int, end: int) -> tuple[tuple[int, int], bool]:
        """Return where in the text a part of the content is, and whether exactly there; otherwise, in which lines."""
        rows = (bisect.bisect_right(self._starts, at) - 1 for at in (start, end))
        begin, stop = (self._places[row] + at - self._starts[row] for row, at in zip(rows, (start, end), strict=True))
        is_exact = self._text[begin:stop] == self._content[start:end]
        return ((begin, stop) if is_exact else self._rows), is_exact

    def target(self, start: int, end: int, address: str) -> Target:
        span, is_exact = self.place(start, end)
        return _target(self._text, span, address, is_exact=is_exact)


def _in_block(token: Token) -> _Found:
    """Yield the targets in a block's content; that of `[text][label]` stands where the label is defined."""
    content = token.content
    if token.type == "html_block":
        yield from _in_html(content)
    if "<style" in content.lower():
        yield from ((*match.span(1), match[1]) for match in _IN_STYLE.finditer(content))
    for start, end, part in _parts(token):
        if part.type == "html_inline":
            yield from ((start + begin, start + stop, address) for begin, stop, address in _in_html(part.content))
        elif part.type in {"link_open", "image"} and content[end - 1] != "]":
            address = str(part.attrGet("href") or part.attrGet("src") or "")
            yield *_destination(content, start, end, address), address


def _parts(token: Token, base: int = 0) -> Iterator[tuple[int, int, Token]]:
    """Yield the tokens inside one, with where they are in the block's content; the text of an image has its own."""
    for part in token.children or []:
        start, end = part.meta.get("span", (0, 0))
        yield base + start, base + end, part
        if part.type == "image":
            yield from _parts(part, base + start + len("!["))


def _destination(content: str, start: int, end: int, address: str) -> tuple[int, int]:
    """Return where in a link its address is written; that the link's own text looks so too must not cost much time."""
    if content[start] == "<":
        return start + 1, end - 1
    at = end
    for _ in range(_TRIES):
        at = content.rfind("](", start, at)
        begin = at + 2 + len(content[at + 2 : end]) - len(content[at + 2 : end].lstrip(" \t\n"))
        found = parseLinkDestination(content, begin, end)
        if at >= 0 and found.ok and _PARSERS[0].normalizeLink(found.str) == address:
            angle = content[begin] == "<"
            return begin + angle, found.pos - angle
    return start, end


def _defined(text: str, rows: tuple[int, int], address: str) -> Target:
    """Return the target of a line `[label]: target`, whether the label is used or not."""
    word = _WORD.search(text, text.find("]:", *rows) + 2, rows[1])
    is_exact = word is not None and _PARSERS[0].normalizeLink(unescapeAll(word[1])) == address
    return _target(text, word.span(1) if word and is_exact else rows, address, is_exact=is_exact)
