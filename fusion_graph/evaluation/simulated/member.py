"""A member of the panel: it searches with the question, opens the pages it needs, and says what it finds on them."""

import re
from collections.abc import Iterable, Sequence

from langchain_core.messages import ToolMessage

from fusion_graph.evaluation.simulated.chances import Chances
from fusion_graph.evaluation.simulated.key import Known, Point
from fusion_graph.evaluation.simulated.texts import composed, is_said
from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest
from fusion_graph.prompts import unfenced

RESULTS = 12
_AT_ONCE = 8  # calls of one step
_SOURCE = re.compile(r"\[(\d+)\] (\S+)")


def researched(chances: Chances, request: ScriptedRequest, known: Known) -> ScriptedReply | str:
    """Search, open pages, answer: the next step after what the messages hold."""
    results = [unfenced(result) for result in _results(request)]
    offered = {tool["function"]["name"] for tool in request.tools}
    found = [point for point in known.points.values() if point.say and chances.finds(request.model, point)]
    if not results and "web_search" in offered:
        return _calls("web_search", [{"query": known.task.problem, "max_results": RESULTS}])
    listed = [url for _, url in _sources(results[0])] if results else []
    if len(results) == 1 and "web_fetch" in offered and listed:
        return _calls("web_fetch", [{"url": url} for url in _needed(found, listed)])
    return _answer(found, results[1:])


def _results(request: ScriptedRequest) -> list[str]:
    """Return what the tools returned, or the notes of it where the answer must come now."""
    told = [str(message.text) for message in request.messages if isinstance(message, ToolMessage)]
    return told or [
        note for title, note in unfenced(request.text).items() if title.startswith("note ") and "<<<" in note
    ]


def _calls(name: str, arguments: Sequence[dict[str, object]]) -> ScriptedReply:
    calls = [{"name": name, "args": each, "id": f"{name}{number}"} for number, each in enumerate(arguments)]
    return ScriptedReply(tool_calls=calls)


def _sources(result: dict[str, str]) -> list[tuple[int, str]]:
    """Return the pages that a result names, with the numbers they are cited by."""
    return [(int(number), url) for number, url in _SOURCE.findall(result.get("sources", ""))]


def _needed(found: Iterable[Point], listed: Sequence[str]) -> list[str]:
    """Return the listed pages that hold what was found; the first of all is opened in any case."""
    pages = {f"https://{point.page}" for point in found}
    return [url for place, url in enumerate(listed) if place == 0 or url in pages][:_AT_ONCE]


def _answer(found: Sequence[Point], results: Sequence[dict[str, str]]) -> str:
    pages = [(number, "\n".join(result.values())) for result in results for number, _ in _sources(result)]
    said: list[tuple[str, list[int]]] = []
    for point in found:
        numbers = [number for number, text in pages if is_said(point.say, text)][:1]
        if not point.form and (numbers or not point.page):
            said.append((point.say, numbers))
    return composed(said, [point.say for point in found if point.form])
