"""Two sources, one read and one only found, and answers whose citations are checked as those of a run are."""

from typing import Any

from fusion_graph.evidence import check_citations
from fusion_graph.results import run_result
from fusion_graph.schemas import Source
from fusion_graph.server.rendering import render_answer
from tests.samples import source

READ: Source = {**source("opening"), "title": 'The "opening"', "text": "The bridge opened in 1932."}
SEEN: Source = {**source("list?page=2", read=False), "title": "", "snippet": ""}
SOURCES: list[dict[str, Any]] = run_result("run", "thread", {"sources": [READ, SEEN]})["sources"]


def result(answer: str) -> dict[str, Any]:
    """Return of a result object what its answer is rendered from."""
    return {"answer": answer, "citations": check_citations(answer, [READ, SEEN]), "sources": SOURCES}


def rendered(answer: str) -> str:
    """Return an answer as HTML, its citations checked."""
    made = result(answer)
    return render_answer(made["answer"], made["citations"], made["sources"])
