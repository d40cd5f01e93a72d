"""Citations of a text: where they are, and what is shown in their place."""

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Any, NamedTuple, cast

from fusion_graph.characters import visible
from fusion_graph.evidence import check_citations
from fusion_graph.schemas import Citation, Source
from fusion_graph.server.rendering.signs import Place, cited_sign, linked_sign, without_signs

_GROUP = re.compile("[\\[\u3010\u3014\uff3b][^A-Za-z():/]*[\\]\u3011\u3015\uff3d]")
_DEFINITION = re.compile(r":[ \t]*\n?[ \t]*<?[A-Za-z][A-Za-z0-9+.-]*:\S")  # of a link's label, after [1]
_MAX_TITLE = 300  # characters of a tooltip
_UNVERIFIED = "not verified: no tool of this run saw it"
_SEEN = "only found, not read"


class Signed(NamedTuple):
    """A text with a sign at each place where it cites, and these places."""

    text: str
    places: list[Place]


def place_citations(text: str, citations: Sequence[Citation], sources: Sequence[Mapping[str, Any]]) -> Signed:
    """Return a text with its citations signed. `sources` are as result objects have them."""
    pages = {source["number"]: source for source in sources}
    text = without_signs(text)
    signed: list[str] = []
    places: list[Place] = []
    at = 0
    for start, end, found in sorted(_spans(text, citations), key=lambda span: span[:2]):
        signed += [text[at:start], _sign(text[start:end], len(places))]
        places.append(_place(text[start:end], found, pages))
        at = max(at, end)
    return Signed("".join([*signed, text[at:]]), places)


def find_citations(text: str, sources: Sequence[Mapping[str, Any]]) -> list[Citation]:
    """Return the citations of a text that has not been checked: an answer of a seat, with the run's numbers."""
    # Their words are left out: whether a page says what a seat takes from it has not been looked at.
    pages = [
        {"key": source["canonical_url"], "url": source["url"], "read": source["status"] == "read"}
        | {"title": "", "snippet": "", "text": ""}
        for source in sources
    ]
    return check_citations(text, cast("list[Source]", pages))


def _spans(text: str, citations: Sequence[Citation]) -> Iterator[tuple[int, int, list[Citation]]]:
    """Yield what a sign replaces, `[1, 2]`, and the ends of addresses, which one follows; each with its citations."""
    address_end = 0
    pages = (citation for citation in citations if not (citation["url"] or "").startswith("mailto:"))
    for (start, end), found in groupby(pages, key=lambda citation: (citation["start"], citation["end"])):
        written = text[start:end]
        if not _GROUP.fullmatch(written):
            last = start + len(written.rstrip())
            address_end = max(address_end, 0 if re.search(r"\s", written) else last)
            yield last, last, list(found)
        elif start >= address_end and not _is_label(text, start, end):
            yield start, end, list(found)


def _is_label(text: str, start: int, end: int) -> bool:
    """Return whether a `[1]` begins a line that says where links of this label lead."""
    return not text[text.rfind("\n", 0, start) + 1 : start].strip(" >") and bool(_DEFINITION.match(text, end))


def _sign(written: str, number: int) -> str:
    return cited_sign(number, written) if written else linked_sign(number)


def _place(written: str, found: Sequence[Citation], pages: Mapping[int, Mapping[str, Any]]) -> Place:
    unknown = (number for number in map(int, re.findall(r"\d+", written)) if number not in pages)
    labels = [str(citation["source"] or next(unknown, "")) for citation in found]
    shown = [
        "".join(_html(citation, label, pages, is_inert) for citation, label in zip(found, labels, strict=True))
        for is_inert in (False, True)
    ]
    return Place(written, *shown)


def _html(citation: Citation, label: str, pages: Mapping[int, Mapping[str, Any]], is_inert: bool) -> str:  # noqa: FBT001
    number, status = citation["source"], citation["status"]
    attributes = {"class": "cite", "data-status": status}
    if number:
        attributes |= {"data-source": str(number)} | ({} if is_inert else {"href": f"#source-{number}"})
    if citation.get("support") == "not_found":
        attributes["data-support"] = "not_found"
    title = without_signs(visible(_title(citation, pages.get(number or 0))))
    attributes["title"] = " ".join(title.split())[:_MAX_TITLE]
    tag = "a" if "href" in attributes else "span"
    said = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
    return f"<{tag} {said}>[{label}{'' if status == 'read' else '?'}]</{tag}>"


def _title(citation: Citation, page: Mapping[str, Any] | None) -> str:
    if page is None:
        return _UNVERIFIED
    name = page["title"] or page["url"]
    if citation.get("support") == "not_found":
        missing = ", ".join(citation.get("missing") or [])
        return f"not found on the page: {missing} ({name})"
    return f"{_SEEN} ({name})" if citation["status"] == "seen" else str(name)
