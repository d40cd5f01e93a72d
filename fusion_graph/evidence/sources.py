"""What tools report of the pages they listed and opened."""

from collections.abc import Mapping
from typing import Any

from fusion_graph.evidence.citations import links_in
from fusion_graph.schemas import Source
from fusion_graph.urls import canonical_url


def sources_in(artifact: Any, seat: int, text: str = "") -> list[Source]:
    """Return the sources a tool reported in its message's artifact, as this seat's.

    A tool that reports none may still have seen pages: the links in the text it gave are sources it listed.
    """
    listed = artifact.get("sources") if isinstance(artifact, Mapping) else None
    if isinstance(listed, list):
        found = [item for item in listed if isinstance(item, Mapping)]
    else:
        found = [{"url": url, "snippet": around} for url, around in links_in(text)]
    return [_source(item, seat) for item in found if _text(item, "url")]


def _source(item: Mapping[str, Any], seat: int) -> Source:
    url = _text(item, "url")
    return {
        "key": _text(item, "key") or canonical_url(url),
        "url": url,
        "title": _text(item, "title"),
        "snippet": _text(item, "snippet"),
        "published": _text(item, "published"),
        "read": item.get("read") is True,
        "text": "",
        "seats": [seat],
        "retrieved_at": _text(item, "retrieved_at"),
        "sha256": _text(item, "sha256"),
    }


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    return value.strip() if isinstance(value, str) else ""
