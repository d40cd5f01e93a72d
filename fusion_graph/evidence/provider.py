"""The pages that a model's provider says it found, by a search of its own."""

from collections.abc import Iterator, Mapping
from typing import Any

from langchain_core.messages import AIMessage

from fusion_graph.evidence.sources import sources_in
from fusion_graph.schemas import Source

_SAID = ("content", "cited_text", "snippet")  # what providers call the words a citation stands for


def sources_told(message: AIMessage, seat: int) -> list[Source]:
    """Return the pages in a message's annotations (OpenAI, OpenRouter) or citations (Anthropic), as this seat's."""
    blocks = (
        [block for block in message.content if isinstance(block, Mapping)] if isinstance(message.content, list) else []
    )
    listed = [message.additional_kwargs.get("annotations"), *(block.get("annotations") for block in blocks)]
    listed += [block.get("citations") for block in blocks]
    found = [page for each in listed if isinstance(each, list) for page in _pages(each)]
    return [{**source, "found_by": "provider"} for source in sources_in({"sources": found}, seat)]


def _pages(annotations: list[Any]) -> Iterator[dict[str, Any]]:
    for annotation in annotations:
        said = annotation.get("url_citation", annotation) if isinstance(annotation, Mapping) else None
        if isinstance(said, Mapping) and isinstance(said.get("url"), str):
            snippet = next((said[name] for name in _SAID if isinstance(said.get(name), str)), "")
            yield {"url": said["url"], "title": said.get("title"), "snippet": snippet[:2000]}
