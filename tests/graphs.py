"""Scripted models in the roles of a run, and the run itself: what graph-level tests share."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.checkpoint.base import BaseCheckpointSaver

from fusion_graph.deployment import build_fusion_graph
from fusion_graph.models.scripted import Script, ScriptedModels, ScriptedReply, ScriptedRequest
from fusion_graph.results import run_result

ROSTER: dict[str, Any] = {"panel": ["north", "south", "east"], "judge": "judge", "writer": "writer", "tools": []}


def says(text: str) -> Script:
    return lambda _request: text


def report(**parts: Any) -> Script:
    """A judge that finds what is given, and that A and B agree."""
    found = {"consensus": [{"point": "both agree", "answers": ["A", "B"], "sources": [1]}], **parts}
    return lambda _request: json.dumps(found)


def researcher(tool: str = "look_up", rounds: int = 1) -> Script:
    """A seat that calls a tool some rounds, then answers with a citation."""

    def script(request: ScriptedRequest) -> ScriptedReply | str:
        done = sum(1 for message in request.messages if message.type == "tool")
        if request.tools and done < rounds:
            arguments = {"query": f"{request.model} {done}"}
            return ScriptedReply(tool_calls=[{"name": tool, "args": arguments, "id": f"call_{done}"}])
        return f"{request.model} found it [1]."

    return script


def look_up() -> BaseTool:
    """A tool whose result reports one page it read."""

    async def run(query: str) -> tuple[str, dict[str, Any]]:
        slug = query.replace(" ", "-")
        page = {"url": f"https://pages.example/{slug}", "title": f"About {query}", "read": True}
        return f"All about {query}.", {"sources": [page]}

    return StructuredTool.from_function(
        coroutine=run, name="look_up", description="Look a thing up.", response_format="content_and_artifact"
    )


def scripted(**scripts: Script) -> ScriptedModels:
    """Three seats, a judge and a writer that all do well, with what is given in their place."""
    usual: dict[str, Script] = {
        "north": says("north: the answer is 1."),
        "south": says("south: the answer is 1."),
        "east": says("east: the answer is 2."),
        "judge": report(),
        "writer": says("The answer is 1, though one source says 2."),
    }
    return ScriptedModels(usual | scripts)


async def run(
    models: ScriptedModels,
    question: str | Sequence[Any] = "What is the answer?",
    *,
    tools: Sequence[BaseTool] = (),
    caller: Mapping[str, Any] | None = None,
    checkpointer: BaseCheckpointSaver[str] | None = None,
    thread: str = "t",
    **settings: Any,
) -> dict[str, Any]:
    """Run one turn; return the result object with the state's messages under `messages`."""
    graph: Any = build_fusion_graph(load_model=models, tools=tools).compile(checkpointer=checkpointer)
    messages = [("user", question)] if isinstance(question, str) else list(question)
    values = await graph.ainvoke(
        {"messages": messages} | ({"caller": dict(caller)} if caller else {}),
        {"configurable": {"thread_id": thread}},
        context=ROSTER | settings,
    )
    return run_result("run", thread, values) | {"messages": values["messages"], "state": values}


def asked(models: ScriptedModels, model: str) -> list[ScriptedRequest]:
    """Return what one model was asked, in order."""
    return [request for request in models.requests if request.model == model]


def texts(messages: Sequence[BaseMessage]) -> str:
    """Return all text of some messages."""
    return "\n".join(str(message.text) for message in messages)
