"""A question to a grader: asked until its reply can be read, and kept, so that a killed process pays for it only once."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from langchain_core.messages import BaseMessage

from fusion_graph.calls import Ask, Call, Reply
from fusion_graph.errors import FusionError
from fusion_graph.evaluation.archive import content_key
from fusion_graph.evaluation.prompted import Prompted
from fusion_graph.evaluation.replies import read_verdict
from fusion_graph.prompts import render_repair
from fusion_graph.schemas import CallEntry, CallError, Outcome

CONCURRENCY = 16
MAX_RETRIES = 2  # of a reply that cannot be read
MAX_FAILURES = 50  # calls in a row: then the provider is down, and the thousands to come would fail as well
MAX_DOUBLED_TOKENS = 64_000
SECONDS = 300.0  # of one call with the asker's own retries
_SAID: frozenset[Outcome] = frozenset({"answer", "cut", "empty", "tool_calls"})
_ABOUT_CONTENT: frozenset[Outcome] = frozenset({"refusal", "context_overflow"})  # asked again, they come again
_KEPT = "What was graded so far is kept: run the same command again to go on."
_REMEDIES: dict[Outcome, str] = {
    "unauthorized": "check the API key of its provider",
    "payment_required": "add credit at its provider",
    "not_found": "check the grader's name, or name another",
}


class Kept(Protocol):
    """Where verdicts are kept, by the hash of all that they depend on."""

    async def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """Return what is kept, if anything."""
        ...

    async def put(self, kind: str, key: str, value: Mapping[str, Any]) -> None:
        """Keep a value."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """One verdict, a key of the protocol's `words`, or None and `why`; with all the calls that it took."""

    word: str | None
    reason: str = ""
    why: str = ""
    calls: list[CallEntry] = field(default_factory=list)
    is_new: bool = True

    @property
    def new_calls(self) -> list[CallEntry]:
        """The calls that were made now."""
        return self.calls if self.is_new else []


class Asking:
    """Ask one grader by one protocol. `guard` is called before every call and raises where no more may be spent."""

    def __init__(
        self,
        ask: Ask,
        protocol: Prompted,
        kept: Kept,
        *,
        guard: Callable[[], object] = bool,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self._ask = ask
        self._protocol = protocol
        self._kept = kept
        self._guard = guard
        self._places = asyncio.Semaphore(concurrency)
        self._under_way: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._formats: tuple[dict[str, Any] | None, ...] = (protocol.response_format, {"type": "json_object"}, None)
        self._rung = 0  # the first of the formats that the grader does not refuse
        self._failures = 0
        self._stopped: FusionError | None = None

    async def verdict(self, kind: str, about: Sequence[Any], messages: Sequence[BaseMessage], told: str) -> Found:
        """Return the verdict about what `about` names; `told` is the material that the messages show.

        Raises:
            FusionError: the provider takes no call of ours; what was graded before is kept.
        """
        protocol = self._protocol
        key = content_key(protocol.sha256, protocol.model, protocol.temperature, protocol.reasoning, *about)
        async with self._under_way[key], self._places:  # texts may be the same: no verdict is asked for twice
            if kept := await self._kept.get(kind, key):
                return Found(**kept, is_new=False)
            found, is_final = await self._asked(key, messages, told)
            if is_final:
                value = asdict(found)
                del value["is_new"]
                await self._kept.put(kind, key, value)
            return found

    async def _asked(self, key: str, messages: Sequence[BaseMessage], told: str) -> tuple[Found, bool]:
        """Return the verdict, and whether it is to be kept: what an outage prevented is not."""
        call, entries, problem = self._call(key, messages), list[CallEntry](), ""
        for attempt in range(1 + MAX_RETRIES):
            reply = await self._sent(replace(call, key=f"{call.key}:{attempt}"))
            entries += reply.entries
            if reply.outcome not in _SAID:
                return self._failed(reply, entries)
            self._failures = 0
            try:
                # Mending the worst of texts takes seconds, and others wait for this event loop.
                word, reason = await asyncio.to_thread(read_verdict, reply.text, self._protocol, told)
            except ValueError as error:
                problem = f"{'the output limit cut it: be briefer; ' if reply.outcome == 'cut' else ''}{error}"
                call = _again(call, messages, reply, problem)
            else:
                return Found(word, reason, "", entries), True
        return Found(None, "", problem, entries), True

    def _call(self, key: str, messages: Sequence[BaseMessage]) -> Call:
        return Call(
            role="grader",
            key=f"grader:{key[:16]}",
            model=self._protocol.model,
            messages=messages,
            timeout_seconds=SECONDS,
            temperature=self._protocol.temperature,
            reasoning=self._protocol.reasoning,
            max_tokens=self._protocol.max_tokens,
        )

    async def _sent(self, call: Call) -> Reply:
        """Return the reply in the first format that the grader does not refuse."""
        entries: list[CallEntry] = []
        for rung in range(self._rung, len(self._formats)):
            if self._stopped:
                raise self._stopped
            self._guard()
            reply = await self._ask(replace(call, response_format=self._formats[rung]))
            entries += reply.entries
            if reply.outcome != "bad_request":
                break
        if reply.outcome in _SAID:
            self._rung = max(self._rung, rung)
        return replace(reply, entries=entries)

    def _failed(self, reply: Reply, entries: list[CallEntry]) -> tuple[Found, bool]:
        error = reply.error or CallError(kind=reply.outcome, message="it gave no reason")
        if reply.outcome in _ABOUT_CONTENT:
            self._failures = 0
            return Found(None, "", error["message"], entries), True
        self._failures += 1
        remedy = _REMEDIES.get(reply.outcome)
        if remedy or self._failures >= MAX_FAILURES:
            self._stopped = FusionError(
                f"the grader {self._protocol.model!r} cannot be asked: {error['message']}",
                hint=f"{remedy or 'try again later'}. {_KEPT}",
            )
            raise self._stopped
        return Found(None, "", error["message"], entries), False


def _again(call: Call, messages: Sequence[BaseMessage], reply: Reply, problem: str) -> Call:
    """Return the call with what was wrong, and with more room where the output limit cut the reply."""
    room = call.max_tokens
    if reply.outcome == "cut" and room and not reply.at_models_limit:
        room = max(room, min(room * 2, MAX_DOUBLED_TOKENS))
    return replace(call, messages=render_repair(messages, reply.text, problem), max_tokens=room)
