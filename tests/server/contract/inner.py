"""A panel of one seat with one tool, and the pages it finds."""

from pathlib import Path
from typing import Any

from fusion_graph.models.scripted import Script, ScriptedModels, ScriptedReply, ScriptedRequest
from tests.graphs import scripted
from tests.server.conftest import Served, judge_and_writer
from tests.server.contract.asking import plugin

HOSTS = ["tides.example", "low.tides.example", "deep.sea.tides.example", "nottides.example", "gulls.example"]
PAGES = [f"https://{host}/{path}" for host in HOSTS for path in ("a/1", "a/2", "ab/3", "b/4", "5", "6")]


def repeats(tool: str, *arguments: dict[str, Any]) -> Script:
    """A seat that calls a tool with each of these arguments in turn, then says what it was told."""

    def script(request: ScriptedRequest) -> ScriptedReply | str:
        told = [str(message.text) for message in request.messages if message.type == "tool"]
        if request.tools and len(told) < len(arguments):
            return ScriptedReply(tool_calls=[{"name": tool, "args": arguments[len(told)], "id": f"call_{len(told)}"}])
        return "\n---\n".join(told) or "I was told nothing."

    return script


def seat_with(script: Script) -> ScriptedModels:
    return scripted(north=script, judge=judge_and_writer)


def searching(query: str = "tides", times: int = 1) -> ScriptedModels:
    return seat_with(repeats("web_search", *[{"query": query}] * times))


def fetching(*urls: str) -> ScriptedModels:
    return seat_with(repeats("web_fetch", *({"url": url} for url in urls)))


def asks(served: Served, name: str, **parameters: Any) -> dict[str, Any]:
    """Return what a completion says whose only seat has one tool with these parameters."""
    tools = [{"type": f"openrouter:{name}", "parameters": parameters}]
    told: dict[str, Any] = served.chat(**plugin(analysis_models=["north"], max_tool_calls=16, tools=tools)).json()
    return told


def urls(told: dict[str, Any]) -> list[str]:
    """Return the addresses of a run's sources."""
    return [source["url"] for source in told["x_fusion"]["sources"]]


def write_pages(folder: Path) -> Path:
    """Write the pages into a folder, each of ten thousand characters, and return it."""
    folder.mkdir()
    for number, url in enumerate(PAGES):
        text = f"url: {url}\ntitle: Page {number}\n\n" + "The tides of the sea come and go. " * 300
        (folder / f"{number}.md").write_text(text, encoding="utf-8")
    return folder
