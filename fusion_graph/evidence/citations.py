"""How an answer cites: `[n]` and links, found in its text, renumbered, and held against the sources of the run.

A seat numbers its sources in its own order; the run numbers them once, across seats, by canonical URL. `renumbered`
turns the one into the other, so that every `[n]` the judge, the writer and the reader see means the same page.

`[1]`, `[1, 2]`, `[1][2]`, `[1-3]` and `[1]-[3]` cite, with or without a space before them, and so do brackets as Chinese
and Japanese have them. A footnote `[^1]`, a link `[1](...)`, an interval `[0, 1]` (sources count from 1), an index
`array[1]` and anything in code do not.

A link is whatever a renderer of Markdown would follow or load, images and HTML too, and every address that is written
out. It is a source if both have the same canonical URL and the link has no parameter, user or password that the
source's own URL lacks: an answer must not carry data to a page that was read, and call that a citation.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from fusion_graph.evidence.links import Target, blanked, read_links
from fusion_graph.evidence.support import add_support
from fusion_graph.schemas import Citation, SeatResult, Source
from fusion_graph.urls import canonical_url, parse_url

_DASH = "[-\u2010-\u2015\u2212]"
_NUMBER = "[1-9\uff11-\uff19][0-9\uff10-\uff19]{0,2}"
_ITEM = rf"{_NUMBER}(?:\s*{_DASH}\s*{_NUMBER})?"
_OPEN, _CLOSE = "[\\[\u3010\u3014\uff3b]", "[\\]\u3011\u3015\uff3d]"
_SEPARATOR = "[,;\u3001\uff0c\uff1b]"
_GROUP = rf"{_OPEN}\s*{_ITEM}(?:\s*{_SEPARATOR}\s*{_ITEM})*\s*{_CLOSE}"
_LINKED_GROUPS = re.compile(rf"{_GROUP}(?:{_DASH}{_GROUP})*", re.ASCII)
# A wide bracket is no link's text, no index and no part of a word.
_CITED = re.compile(rf"(?<!\])(?:{_GROUP}{_DASH}?)*{_GROUP}(?:(?<!\])|(?![(A-Za-z0-9]))", re.ASCII)
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
    for group in _groups(blanked(text, read_links(text).code)):
        numbers = [str(own.get(number) or "?") for number in _numbers_in(group[0])]
        parts += [text[at : group.start()], f"[{', '.join(dict.fromkeys(numbers))}]"]
        at = group.end()
    return "".join([*parts, text[at:]])


def _positions(sources: Sequence[Source]) -> dict[str, int]:
    return {source["key"]: number for number, source in enumerate(sources, 1)}


def _groups(text: str) -> Iterator[re.Match[str]]:
    """Yield each bracket of citations, `[1, 2]`; a range over two, `[1]-[3]`, is one."""
    for cited in _CITED.finditer(text):
        if cited[0][0] != "[" or not _INDEXED.search(text, max(0, cited.start() - _MAX_NAME), cited.start()):
            yield from _LINKED_GROUPS.finditer(text, cited.start(), cited.end())


def _numbers_in(group: str) -> list[int]:
    """Return the numbers that a bracket cites, each once, ranges written out."""
    found: list[int] = []
    for item in re.split(_SEPARATOR, group):
        ends = [int(digits) for digits in re.findall(r"\d+", item)]
        is_range = 0 < ends[-1] - ends[0] < _MAX_RANGE
        found += range(ends[0], ends[-1] + 1) if is_range else ends
    return list(dict.fromkeys(found))


def check_citations(answer: str, sources: Sequence[Source]) -> list[Citation]:
    """Return every `[n]` and link of `answer` in order, with what the tools of this run know of it."""
    targets, code = read_links(answer)
    text = blanked(answer, code)
    found = [*_numbered(text, sources), *_linked(text, targets, sources)]
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


def _linked(text: str, targets: Sequence[Target], sources: Sequence[Source]) -> Iterator[Citation]:
    position = {canonical_url(source["url"]): number for number, source in enumerate(sources, 1)} | _positions(sources)
    for target in targets:
        url = target.text if canonical_url(target.text) == canonical_url(target.address) else target.address
        yield _citation(target.text, target.start, _source_of(target.address, position, sources), sources, link=url)
    plain = blanked(text, [(target.start, target.end) for target in targets if target.is_exact])
    for link in _LINK.finditer(plain):
        if text.startswith("](", link.end()):  # the text of a link, whose target is known
            continue
        # Chinese and Japanese write on without a space: https://example.com/a的 is the page /a, if that is a source.
        spellings = [link[0], *_ASCII.findall(link[0])[:1]]
        url = next((url for url in spellings if canonical_url(url) in position), link[0])
        yield _citation(url, link.start(), _source_of(url, position, sources), sources, link=url)


def _source_of(link: str, position: Mapping[str, int], sources: Sequence[Source]) -> int | None:
    """Return the number of the source that a link leads to, and to which it says no more than the tools did."""
    number = position.get(canonical_url(link))
    return number if number and _carries(link) <= _carries(sources[number - 1]["url"]) else None


def _carries(link: str) -> Counter[str]:
    """Return the parameters of a link, also those that canonical URLs leave out, and its user and password."""
    url = parse_url(link)
    told = [*url.search.removeprefix("?").split("&"), f"{url.username}:{url.password}"] if url else []
    return Counter(word for word in told if word.strip(":"))


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
