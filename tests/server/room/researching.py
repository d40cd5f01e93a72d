"""A panel that looks pages up, disagrees and partly fails: what there is to be told of a run."""

from typing import Any

from fusion_graph.models.scripted import ScriptedRequest
from tests.graphs import report, researcher
from tests.server.conftest import PANEL, Serve, Served, is_judge
from tests.server.contract.asking import fails
from tests.server.responses.asking import asked

JUDGE: dict[str, Any] = {
    "contradictions": [
        {
            "topic": "which number",
            "stances": [
                {"answer": "A", "stance": "it is *one* [1]", "sources": [1]},
                {"answer": "B", "stance": "it is two", "sources": []},
            ],
            "better_supported": "A",
        }
    ],
    "partial_coverage": [{"point": "some say so", "answers": ["A", "B"], "sources": [1]}],
    "unique_insights": [{"insight": "only one knows <b>this</b>", "answer": "A", "sources": []}],
    "blind_spots": ["nobody asked *why*"],
}
RESEARCH: dict[str, Any] = {"plugins": [{key: PANEL[key] for key in PANEL if key != "tools"}]}  # with tools
WRITTEN = "It is **one** [1], says <i>north</i>; see [9] and https://nobody.example/x."


def compares_and_writes(request: ScriptedRequest) -> Any:
    return report(**JUDGE)(request) if is_judge(request) else WRITTEN


def researched(serve: Serve, **scripts: Any) -> tuple[Served, dict[str, Any]]:
    """Return a server, and a response whose panel looked pages up, disagreed, and partly failed."""
    usual = {"north": researcher(rounds=2), "south": researcher(), "east": fails(401), "judge": compares_and_writes}
    served = serve(**(usual | scripts))
    return served, asked(served, **RESEARCH)
