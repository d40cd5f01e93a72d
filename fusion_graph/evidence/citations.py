"""How an answer cites: `[n]` and links, found in its text, renumbered, and held against the sources of the run.

A seat numbers its sources in its own order; the run numbers them once, across seats, by canonical URL. `renumbered`
turns the one into the other, so that every `[n]` the judge, the writer and the reader see means the same page.

`[1]`, `[1, 2]`, `[1][2]`, `[1-3]` and `[1]-[3]` cite, with or without a space before them. A footnote `[^1]`, a link
`[1](...)`, an interval `[0, 1]` (sources count from 1), an index `array[1]` and anything in code do not.
"""

import re
from collections.abc import Iterator, Sequence

from fusion_graph.evidence.support import add_support
from fusion_graph.schemas import Citation, SeatResult, Source
from fusion_graph.urls import canonical_url

# A fence, closed or running to the end, or a code span within one paragraph.
_CODE = re.compile(
    r"^[ \t>]*(?:(?:[-*+]|\d{1,3}[.)])[ \t]+)?(?P<fence>`{3,}(?=[^`\n]*$)|~{3,}).*?"
    r"(?:^[ \t>]*(?P=fence)[`~]*[ \t]*$|\Z)"
    r"|(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n[ \t]*\n).)+?(?<!`)(?P=ticks)(?!`)",
    re.DOTALL | re.MULTILINE,
)
_DASH = "[-\u2010-\u2015\u2212]"
_ITEM = rf"[1-9]\d{{0,2}}(?:\s*{_DASH}\s*[1-9]\d{{0,2}})?"
_GROUP = rf"\[{_ITEM}(?:\s*[,;]\s*{_ITEM})*\]"
_LINKED_GROUPS = re.compile(rf"{_GROUP}(?:{_DASH}{_GROUP})*", re.ASCII)
_CITED = re.compile(rf"(?<!\])(?:{_GROUP}{_DASH}?)*{_GROUP}(?![(A-Za-z0-9])", re.ASCII)
# Many models write `so it is[1].`: only behind a name that prose does not have is a number an index.
_INDEXED = re.compile(r"\b(?:[a-z]|\w*[A-Za-z0-9]_\w*[A-Za-z0-9]|arr|array|vec|tuple|args|argv)\Z", re.ASCII)
_MAX_NAME = 40  # characters before a bracket that are looked at
_MAX_LINKS = 25  # of one result of a tool
_AROUND = 200  # characters on each side of a link
_MAX_RANGE = 20  # sources; what spans more was not meant as a list of them
_LINK_CHAR = (
    r"[^\s<>\"`()\[\]{}|\\\u2018-\u201d\u2026\u3000-\u3002\u3008-\u3011\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f]"
)
_LINK = re.compile(rf"(?i)https?://(?:{_LINK_CHAR}|\({_LINK_CHAR}*\))+(?<![.,;:!?*_~'])")
_ASCII = re.compile(r"[!-~]+")


def renumbered(result: SeatResult, sources: Sequence[Source]) -> str:
    """Return a seat's answer with its own `[n]` turned into the run's; a number it has no source for becomes `[?]`."""
    text = result["content"]
    position = _positions(sources)
    own = dict(enumerate((position.get(key) for key in result["sources"]), 1))
    parts: list[str] = []
    at = 0
    for group in _groups(_without_code(text)):
        numbers = [str(own.get(number) or "?") for number in _numbers_in(group[0])]
        parts += [text[at : group.start()], f"[{', '.join(dict.fromkeys(numbers))}]"]
        at = group.end()
    return "".join([*parts, text[at:]])


def _positions(sources: Sequence[Source]) -> dict[str, int]:
    return {source["key"]: number for number, source in enumerate(sources, 1)}


def _without_code(text: str) -> str:
    """Return the text with blanks in place of its code; what is left stays where it was."""
    return _CODE.sub(lambda code: " " * len(code[0]), text)


def _groups(text: str) -> Iterator[re.Match[str]]:
    """Yield each bracket of citations, `[1, 2]`; a range over two, `[1]-[3]`, is one."""
    for cited in _CITED.finditer(text):
        if not _INDEXED.search(text, max(0, cited.start() - _MAX_NAME), cited.start()):
            yield from _LINKED_GROUPS.finditer(text, cited.start(), cited.end())


def _numbers_in(group: str) -> list[int]:
    """Return the numbers that a bracket cites, each once, ranges written out."""
    found: list[int] = []
    for item in re.split("[,;]", group):
        ends = [int(digits) for digits in re.findall(r"\d+", item)]
        is_range = 0 < ends[-1] - ends[0] < _MAX_RANGE
        found += range(ends[0], ends[-1] + 1) if is_range else ends
    return list(dict.fromkeys(found))


def check_citations(answer: str, sources: Sequence[Source]) -> list[Citation]:
    """Return every `[n]` and link of `answer` in order, with what the tools of this run know of it."""
    text = _without_code(answer)
    found = [*_numbered(text, sources), *_linked(text, sources)]
    return add_support(text, sorted(found, key=lambda citation: citation["start"]), sources)


def links_in(text: str) -> list[tuple[str, str]]:
    """Return the first links of a tool's text, each once, with the text around it in one line."""
    found: dict[str, str] = {}
    for link in _LINK.finditer(text):
        around = text[max(0, link.start() - _AROUND) : link.end() + _AROUND]
        found.setdefault(link[0], " ".join(around.split()))
        if len(found) == _MAX_LINKS:
            break
    return list(found.items())


def _numbered(text: str, sources: Sequence[Source]) -> Iterator[Citation]:
    for group in _groups(text):
        for number in _numbers_in(group[0]):
            yield _citation(group[0], group.start(), number if number <= len(sources) else None, sources)


def _linked(text: str, sources: Sequence[Source]) -> Iterator[Citation]:
    position = _positions(sources)
    for link in _LINK.finditer(text):
        if text.startswith("](", link.end()):  # the text of a link; its target comes next
            continue
        # Chinese and Japanese write on without a space: https://example.com/a的 is the page /a, if that is a source.
        url = next((url for url in (link[0], *_ASCII.findall(link[0])[:1]) if canonical_url(url) in position), link[0])
        number = position.get(canonical_url(url))
        yield _citation(url, link.start(), number, sources, link=url)


def _citation(
    text: str, start: int, number: int | None, sources: Sequence[Source], *, link: str | None = None
) -> Citation:
    source = sources[number - 1] if number else None
    return {
        "text": text,
        "start": start,
        "end": start + len(text),
        "source": number,
        "url": source["url"] if source else link,
        "status": "unverified" if source is None else "read" if source["read"] else "seen",
        "support": None,
        "missing": [],
    }
