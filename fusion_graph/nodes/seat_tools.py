"""One round of a seat's tools: its calls side by side, within their limits, and what the model is told of each."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.prebuilt import ToolNode
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.runtime import Runtime
from langgraph.types import Command

from fusion_graph import prompts
from fusion_graph.calls import inside_fusion, run_scope, time_limit
from fusion_graph.errors import redact
from fusion_graph.evidence import sources_in
from fusion_graph.nodes.quorum import panel_of
from fusion_graph.schemas import Source
from fusion_graph.seats import USES
from fusion_graph.settings import FusionSettings
from fusion_graph.state import OfferTools, PanelistState, Plan, merge_sources
from fusion_graph.urls import refusal_reason

MAX_CALLS_PER_STEP = 8
MAX_TOOL_CHARS = 40_000  # of one result: about 10,000 tokens
TOOL_SECONDS = 60.0
HIDDEN = "do-not-render-"  # chat clients show every message of a stream but those with this id prefix
UNREADABLE = "__unreadable__"  # the argument that stands for what was no JSON
SOURCES = "sources"  # the fence round how to cite them
FILES = "files"  # the key of the files a seat has made, in a tool's artifact and in its message
READ = "read"  # the keys of the sources whose text a tool's message is
M = TypeVar("M", bound=BaseMessage)


async def run_tools(
    state: PanelistState, config: RunnableConfig, runtime: Runtime[FusionSettings], *, offer_tools: OfferTools
) -> dict[str, Any]:
    """Run the calls of the last message side by side, at most eight; every call gets a result the model can act on."""
    inside_fusion.set(True)  # of this node's own context; its task ends with it
    started = time.monotonic()
    message = state["messages"][-1]
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    tools, _missing = await offer_tools(state["plan"], workspace_of(state, runtime))
    over = _over_limit(state, calls, tools)
    sound = [call for call in calls if UNREADABLE not in call["args"] and call["id"] not in over][:MAX_CALLS_PER_STEP]
    seconds = min(TOOL_SECONDS, max(seconds_left(state), 1.0))
    watch = _Watch(state, seconds, runtime)
    node = ToolNode(tools, handle_tool_errors=explain, awrap_tool_call=watch)
    ran = await node.ainvoke({"messages": [AIMessage("", tool_calls=sound)]}, config) if sound else {"messages": []}
    results = {result.tool_call_id: result for result in ran["messages"]}
    answers = [results.get(str(call["id"])) or _not_run(call, over.get(call["id"])) for call in calls]
    found: list[Source] = state.get("found") or []
    added: list[Source] = []
    messages = []
    for answer in answers:
        new = _sources(answer, state["seat"], state["plan"])
        found, added = merge_sources(found, new), [*added, *new]
        answer.additional_kwargs |= _files(answer)
        answer.additional_kwargs[READ] = [source["key"] for source in new if source["read"]]
        messages.append(_told(answer, new, found))
    elapsed = state.get("elapsed_seconds", 0.0) + time.monotonic() - started
    return {"messages": hidden(state, messages), "found": added, "elapsed_seconds": elapsed}


def hidden(state: PanelistState, messages: Sequence[M]) -> list[M]:
    """Return a seat's next messages under ids of their own: no other panel, seat or step has them, and no client shows them.

    Call ids would not do: some models give every round the same.
    """
    for place, message in enumerate(messages, len(state["messages"])):
        message.id = f"{HIDDEN}{state['plan']['panel_id']}-{state['seat']}-{place}"
    return list(messages)


def workspace_of(state: PanelistState, runtime: Runtime[FusionSettings]) -> str:
    """Return the name of the place where this seat's commands keep their files: the same after a resume.

    It is made of what the run and its server say, never of what the state holds if there is a thread: a client of a
    LangGraph server writes that.
    """
    run, thread = run_scope.get().run_id, runtime.execution_info and runtime.execution_info.thread_id
    place = f"run-{run}" if run else f"thread-{thread}" if thread else f"panel-{state['plan']['panel_id']}"
    return f"{place}/{state['seat']}"


def seconds_left(state: PanelistState) -> float:
    """Return how much of its time a seat has left."""
    return state["plan"]["timeout_seconds"] - state.get("elapsed_seconds", 0.0)


def explain(error: Exception) -> str:
    """Return what went wrong in a tool, for the model: the tool edge, where any exception becomes a result."""
    return f"{type(error).__name__}: {redact(str(error))[:500]}"


class _Watch:
    """Tell each tool call as it starts and ends, and bound its time and its text."""

    def __init__(self, state: PanelistState, seconds: float, runtime: Runtime[FusionSettings]) -> None:
        self._seat, self._plan, self._seconds = state["seat"], state["plan"], seconds
        self._emit, self._panel = runtime.stream_writer, panel_of(state["plan"], runtime.control)

    async def __call__(self, request: ToolCallRequest, execute: Callable[[ToolCallRequest], Any]) -> Any:
        call = request.tool_call
        told = {"seat": self._seat, "tool": call["name"], "target": _target(call), "tool_call_id": call["id"]}
        self._emit({"type": "tool_called", **told})
        try:
            async with time_limit(self._seconds, self._panel):
                message = await execute(request)
        except TimeoutError:
            message = _failed(call, f"{call['name']} gave no result within {self._seconds:g} s; try something else")
        except SystemExit as exited:  # of code made for a command line
            message = _failed(call, f"{call['name']} gave no result: it exited with {exited.code!r}")
        if isinstance(message, Command):
            message = _answer_in(message, call)
        if isinstance(message, ToolMessage) and request.tool is not None:
            message.additional_kwargs["executed"] = True
        sources = _sources(message, self._seat, self._plan)
        error = {"reason": str(message.text)[:200]} if getattr(message, "status", "") == "error" else {}
        self._emit({"type": "tool_finished", **told, "sources": sources, **error})
        return message


def _answer_in(command: Command[Any], call: ToolCall) -> ToolMessage:
    """Return the message that a Command of a tool holds for its call; the rest is for the state of some other graph."""
    update = command.update if isinstance(command.update, dict) else {}
    held = [message for message in update.get("messages") or [] if isinstance(message, ToolMessage)]
    own = [message for message in held if message.tool_call_id == call["id"]]
    return own[0] if own else ToolMessage("", tool_call_id=str(call["id"]), name=call["name"])


def _target(call: ToolCall) -> str:
    """Return what a call is about, in one short line: its first text argument."""
    texts = (str(value) for value in call["args"].values() if isinstance(value, str))
    return " ".join(next(texts, "").split())[:200]


def _over_limit(state: PanelistState, calls: Sequence[ToolCall], tools: Sequence[BaseTool]) -> dict[str | None, str]:
    """Return what the model is told of calls that are more than a tool's settings allow a seat, by their ids."""
    limits = {tool.name: tool.metadata[USES] for tool in tools if tool.metadata and USES in tool.metadata}
    executed = [m for m in state["messages"] if isinstance(m, ToolMessage) and m.additional_kwargs.get("executed")]
    used = Counter(limits[message.name][0] for message in executed if message.name in limits)
    over: dict[str | None, str] = {}
    for call in calls:
        name, most = limits.get(call["name"], ("", 0))
        used[name] += 1
        if name and used[name] > most:
            over[call["id"]] = f"Not run: all {most} calls of {name} are used. Go on with what you have."
    return over


def _sources(message: Any, seat: int, plan: Plan) -> list[Source]:
    """Return the pages that a tool saw; an error is no sight of a page, and repeats what the model wrote."""
    if getattr(message, "status", "") == "error":
        return []
    return allowed(sources_in(getattr(message, "artifact", None), seat, str(getattr(message, "text", ""))), plan)


def _files(message: ToolMessage) -> dict[str, Any]:
    """Return what a tool says that a seat's files are now."""
    made = message.artifact.get(FILES) if isinstance(message.artifact, dict) else None
    return {FILES: made} if isinstance(made, dict) else {}


def allowed(sources: Sequence[Source], plan: Plan) -> list[Source]:
    """Return the sources under no excluded domain: tools that are not ours know no rules, nor do providers for sure."""
    excluded, only = [*plan["excluded_domains"], *plan["blocked_domains"]], plan["allowed_domains"]
    if not excluded and not only:
        return list(sources)
    return [source for source in sources if not refusal_reason(source["url"], allowed=only, excluded=excluded)]


def _not_run(call: ToolCall, over: str | None) -> ToolMessage:
    if over:
        text = over
    elif UNREADABLE in call["args"]:
        text = f"The arguments were not valid JSON: {str(call['args'][UNREADABLE])[:300]!r}. Send the call again."
    else:
        text = f"Not run: at most {MAX_CALLS_PER_STEP} calls go into one round. Ask again if it is still needed."
    return _failed(call, text)


def _failed(call: ToolCall, text: str) -> ToolMessage:
    return ToolMessage(text, tool_call_id=str(call["id"]), name=call["name"], status="error")


def _told(answer: ToolMessage, new: Sequence[Source], found: Sequence[Source]) -> ToolMessage:
    """Return the result as the model reads it: text within bounds and a fence, and how to cite its sources."""
    text = str(answer.text) or "(no output)"
    if len(text) > MAX_TOOL_CHARS:
        text = f"{text[:MAX_TOOL_CHARS]}\n[cut here: {len(text) - MAX_TOOL_CHARS} characters more]"
    keys = {source["key"] for source in new}
    numbers = {n: source["url"] for n, source in enumerate(found, 1) if source["key"] in keys}
    if answer.additional_kwargs.get("executed"):
        cited = {SOURCES: prompts.render_citations(numbers)} if numbers else {}
        text = prompts.fenced({f"result of {answer.name}": text, **cited})
    return ToolMessage(
        text,
        tool_call_id=answer.tool_call_id,
        name=answer.name,
        status=answer.status,
        additional_kwargs=answer.additional_kwargs,
    )
