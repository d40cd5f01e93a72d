"""Answers as HTML: Markdown with citations and differences. Nothing that a model writes becomes markup of ours.

What comes out holds the tags and attributes that `cleaning` lists; links lead to pages and mailboxes, and say where to.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fusion_graph.schemas import Citation
from fusion_graph.server.rendering.blocks import html_of
from fusion_graph.server.rendering.cites import find_citations, place_citations
from fusion_graph.server.rendering.differences import mark_differences
from fusion_graph.server.rendering.reading import read_line, read_markdown

__all__ = ["render_answer", "render_differences", "render_line", "render_text"]

_Sources = Sequence[Mapping[str, Any]]


def render_answer(text: str, citations: Sequence[Citation], sources: _Sources, *, top: int = 3) -> str:
    """Return an answer as HTML with its citations, all as its result object has them; its highest heading is `top`."""
    return html_of(read_markdown(place_citations(text, citations, sources)), top)


def render_text(text: str, sources: _Sources = (), *, top: int = 4) -> str:
    """Return a seat's answer, which has the run's numbers of sources, as HTML."""
    return render_answer(text, find_citations(text, sources), sources, top=top)


def render_line(text: str, sources: _Sources = ()) -> str:
    """Return a claim or a stance as HTML that stands in a line; without sources, `[1]` stays as it is."""
    found = find_citations(text, sources) if sources else []
    return html_of(read_line(place_citations(text, found, sources)), 3)


def render_differences(a: Mapping[str, Any], b: Mapping[str, Any], *, top: int = 3) -> tuple[str, str]:
    """Return the answers of two result objects as HTML; what one of them says and the other does not is in <mark>."""
    one, other = (
        read_markdown(place_citations(result["answer"], result["citations"], result["sources"])) for result in (a, b)
    )
    mark_differences(one, other)
    return html_of(one, top), html_of(other, top)
