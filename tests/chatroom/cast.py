"""Models whose speed the test controls, over the pages of `tests.corpus`: what the runs on the page are made of.

A `Gate` is a door that a model waits at until the test opens it, so that "in the middle of an answer" is a state, not a
race. All seats search first, so the numbers of the sources are the same in every run: 1 and 2 tell of opening and span,
3 of the cost.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk

from fusion_graph import prompts
from fusion_graph.demo import load_demo_model
from fusion_graph.models import load_model
from fusion_graph.models.scripted import (
    Outcome,
    Script,
    ScriptedError,
    ScriptedModel,
    ScriptedModels,
    ScriptedReply,
    ScriptedRequest,
)
from fusion_graph.models.scripts import pieces
from fusion_graph.schemas import is_demo

OPENING, SPAN, COST = "https://bridges.example/opening", "https://engineers.example/span", "https://money.example/cost"
NORTH = "The bridge opened in 1932 [1]. Its span is 503 metres [1]."
SOUTH = "The bridge opened in 1932 [2]. Its span is 504 metres, measured between the pylons [2]."
EAST = "The bridge cost ten million pounds [3]."
ANSWER = (
    "The bridge opened in **1932** [1][2].\n\n## The span\n\nSources differ: 503 metres [1] or 504 metres [2].\n\n"
    "It cost ten million pounds [3]."
)


class Gate:
    """A door that models wait at until the test opens it."""

    def __init__(self) -> None:
        self._is_open = False
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._lock = threading.Lock()  # the test opens it in one thread, the server's loop waits in another

    def open(self) -> None:
        """Let everybody through, now and later."""
        with self._lock:
            self._is_open = True
            for loop, event in self._waiting:
                loop.call_soon_threadsafe(event.set)

    async def passed(self) -> None:
        """Wait until it is open."""
        event = asyncio.Event()
        with self._lock:
            if self._is_open:
                return
            self._waiting.append((asyncio.get_running_loop(), event))
        await event.wait()


@dataclass(frozen=True)
class Halting(ScriptedReply):
    """A reply that stops in its middle: `gates` by the number of words that are said before them."""

    gates: Mapping[int, Gate] = field(default_factory=dict)


def halting(*parts: str | Gate, **reply: Any) -> Halting:
    """Return a reply of texts with gates between them."""
    gates: dict[int, Gate] = {}
    said = ""
    for part in parts:
        if isinstance(part, Gate):
            gates[len(said.split())] = part
        else:
            said += part
    return Halting(said, gates=gates, **reply)


class CastModel(ScriptedModel):
    """A scripted model that keeps to the gates of its replies."""

    async def _astream(
        self, messages: list[BaseMessage], *_args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        request, reply = await self._aplay(messages, kwargs)
        if reply.error and not reply.error_after:
            raise reply.error
        for number, piece in enumerate(pieces(reply.message(request))):
            if isinstance(reply, Halting) and number in reply.gates:
                await reply.gates[number].passed()
            if reply.error and number >= reply.error_after:
                raise reply.error
            await asyncio.sleep(reply.pause)
            yield ChatGenerationChunk(message=piece)


class Cast(ScriptedModels):
    """Models by name, each with its script; other names are the real ones, of which only the demo's work without a key."""

    def __init__(self, scripts: Mapping[str, Script]) -> None:
        super().__init__(scripts)
        self.names = tuple(scripts)

    def __call__(self, name: str, **options: Any) -> BaseChatModel:  # type: ignore[override]
        """Return the model of a name."""
        if name in self.names:
            return CastModel(**dict(super().__call__(name, **options)))
        return load_demo_model(name) if is_demo(name) else load_model(name, **options)


def reads(page: str, then: Outcome, *, query: str = "bridge span", gate: Gate | None = None) -> Script:
    """A seat that searches, opens a page, waits at a gate, then answers."""

    async def script(request: ScriptedRequest) -> Outcome:
        done = sum(1 for message in request.messages if message.type == "tool")
        steps = [("web_search", {"query": query}), ("web_fetch", {"url": page})]
        if request.tools and done < len(steps):
            tool, arguments = steps[done]
            call = {"name": tool, "args": arguments, "id": f"call_{done}"}
            return ScriptedReply(tool_calls=[call], cost=0.01)
        if gate:
            await gate.passed()
        return then

    return script


def says(outcome: Outcome, *, gate: Gate | None = None) -> Script:
    """A model that waits at a gate, then says always the same."""

    async def script(_request: ScriptedRequest) -> Outcome:
        if gate:
            await gate.passed()
        return outcome

    return script


def fails(status: int = 429, message: str = "Rate limit reached") -> Script:
    """A model whose provider answers with a status."""
    return says(ScriptedError(message, status_code=status))


def compares(gate: Gate | None = None, cost: float = 0.02, **more: Any) -> Script:
    """A judge that sees the years agree and the spans differ, whichever letters the answers came under."""

    async def script(request: ScriptedRequest) -> Outcome:
        if gate:
            await gate.passed()
        return ScriptedReply(json.dumps(_report(request) | more), cost=cost)

    return script


def _report(request: ScriptedRequest) -> dict[str, Any]:
    bodies = {title: body for title, body in prompts.unfenced(request.text).items() if title.startswith("answer ")}

    def who(words: str) -> list[str]:
        return sorted(title[-1] for title, body in bodies.items() if words in body)

    old, new, money = who("503"), who("504"), who("ten million")
    both = len(who("1932")) > 1
    sides = [
        *({"answer": label, "stance": "The span is 503 metres", "sources": [1]} for label in old),
        *({"answer": label, "stance": "The span is 504 metres", "sources": [2]} for label in new),
    ]
    agreed = {"point": "The bridge opened in 1932", "answers": who("1932"), "sources": [1, 2]}
    clash = {"topic": "The span", "stances": sides, "better_supported": (new or [""])[0]}
    found = [{"insight": "It cost ten million pounds", "answer": label, "sources": [3]} for label in money[:1]]
    return {
        "consensus": [agreed] if both else [],
        "contradictions": [clash] if old and new else [],
        "unique_insights": found,
        "blind_spots": ["Who built the bridge"],
    }


def bridge(**scripts: Script) -> Cast:
    """A panel that finds out about the bridge, its judge and its writer, with what is given in their place."""
    usual: dict[str, Script] = {
        "north": reads(OPENING, ScriptedReply(NORTH, cost=0.05)),
        "south": reads(SPAN, ScriptedReply(SOUTH, cost=0.04)),
        "east": reads(OPENING, ScriptedReply(EAST, cost=0.03)),
        "judge": compares(),
        "writer": says(ScriptedReply(ANSWER, cost=0.03)),
    }
    return Cast(usual | scripts)


def talkers(count: int, words: int, pause: float, *, start: Gate | None = None) -> dict[str, Script]:
    """Seats that all talk for long, `pause` seconds a word."""
    return {
        f"talker{number}": says(ScriptedReply(long_text(words, number), pause=pause), gate=start)
        for number in range(1, count + 1)
    }


def long_text(words: int, number: int = 1) -> str:
    """Return so many words, in paragraphs."""
    said = [f"word{number}-{index}" for index in range(words)]
    paragraphs: Sequence[list[str]] = [said[start : start + 40] for start in range(0, words, 40)]
    return "\n\n".join(" ".join(paragraph) for paragraph in paragraphs)
