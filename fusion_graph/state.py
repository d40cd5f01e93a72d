"""The graph's state, its reducers, and what goes in and comes out.

Lists that only grow live in a DeltaChannel: a checkpoint stores what was added, not the list again, so a run's database
grows with its payload and not with its square. Their reducers are pure and give the same for one batch or many.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import reduce
from typing import Annotated, Any, NamedTuple, TypeVar

from langchain_core.messages import (
    AnyMessage,
    BaseMessage,
    MessageLikeRepresentation,
    RemoveMessage,
    convert_to_messages,
    message_chunk_to_message,
)
from langchain_core.tools import BaseTool
from langgraph.channels.binop import BinaryOperatorAggregate
from langgraph.channels.delta import DeltaChannel
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from typing_extensions import TypedDict

from fusion_graph.schemas import Analysis, CallEntry, Caller, Decision, RunStatus, SeatResult, Source

T = TypeVar("T")


def append(current: list[T], writes: Sequence[list[T]]) -> list[T]:
    """Return `current` with all writes appended in order."""
    return [*current, *(item for write in writes for item in write)]


def merge_messages(
    current: Sequence[MessageLikeRepresentation],
    writes: Sequence[MessageLikeRepresentation | Sequence[MessageLikeRepresentation]],
) -> list[BaseMessage]:
    """Return `current` with messages added, replaced (same id) or removed (`RemoveMessage`, of one id or of all).

    Like LangGraph's `add_messages`, but it never invents an id, because a DeltaChannel replays its writes on every read,
    and to remove a message that is not there is no error, because it may have been removed by an earlier batch.
    """
    merged: dict[object, BaseMessage] = {}
    for message in convert_to_messages([*current, *(item for write in writes for item in _as_list(write))]):
        key = message.id or object()
        if not isinstance(message, RemoveMessage):
            merged[key] = message_chunk_to_message(message)
        elif message.id == REMOVE_ALL_MESSAGES:
            merged.clear()
        else:
            merged.pop(key, None)
    return list(merged.values())


def _as_list(write: Any) -> list[Any]:
    return write if isinstance(write, list) else [write]


def merge_results(current: list[SeatResult], new: list[SeatResult]) -> list[SeatResult]:
    """Return one result per seat, in seat order; a newer result of a seat replaces the older."""
    by_seat = {result["seat"]: result for result in [*current, *new]}
    return [by_seat[seat] for seat in sorted(by_seat)]


def merge_sources(current: list[Source], new: list[Source]) -> list[Source]:
    """Return the sources without duplicates, each where its first seat has it: the n-th is cited as `[n]` by the whole run.

    Seats write side by side, and a checkpoint gives their writes back in any order; so no order may change the result.
    """
    merged = {source["key"]: source for source in current}
    for source in new:
        if (old := merged.get(source["key"])) and _first_seat(source) < _first_seat(old):
            del merged[source["key"]]  # to the end, where this seat's other sources are
        merged[source["key"]] = _joined(old, source) if old else source
    return sorted(merged.values(), key=_first_seat)


def _first_seat(source: Source) -> int:
    return min(source["seats"], default=0)


def merge_all_sources(current: list[Source], writes: Sequence[list[Source]]) -> list[Source]:
    """Return the sources with all writes merged in: the batch form of `merge_sources`."""
    return reduce(merge_sources, writes, current)


def _joined(one: Source, two: Source) -> Source:
    shown, other = sorted((one, two), key=_worth)
    return {
        **shown,
        "title": shown["title"] or other["title"],
        "snippet": shown["snippet"] or other["snippet"],
        "published": shown["published"] or other["published"],
        "text": _both(shown.get("text", ""), other.get("text", "")),
        "seats": sorted({*one["seats"], *two["seats"]}),
    }


def _worth(source: Source) -> tuple[bool, str, str, int]:
    """Put the page as it was read before the line it was listed with, and what was seen first before the rest."""
    return not source["read"], source.get("retrieved_at", ""), source.get("sha256", ""), _first_seat(source)


def _both(old: str, new: str) -> str:
    """Return two parts of a page as one text, each once."""
    return old if new in old else new if old in new else f"{old}\n{new}"


def merge_settings(current: dict[str, Any], new: dict[str, Any] | None) -> dict[str, Any]:
    """Return the settings with new values in place of old: who writes one into a thread changes that one."""
    return {**current, **(new or {})}


# Of a type that cannot be made of nothing: a thread has no settings before its first turn.
Settings = Annotated[dict[str, Any], BinaryOperatorAggregate(dict[str, Any] | None, merge_settings)]
Messages = Annotated[list[AnyMessage], DeltaChannel(merge_messages)]
Ledger = Annotated[list[CallEntry], DeltaChannel(append)]
Results = Annotated[list[SeatResult], merge_results]
Sources = Annotated[list[Source], DeltaChannel(merge_all_sources)]


class FusionInput(TypedDict, total=False):
    """What a caller passes in.

    messages: the conversation, in any form LangChain takes; its last user message is the question.
    caller: what the writer is to be given of the caller's own: `tools`, `tool_choice`, `response_format`, ... Optional.
    """

    messages: Messages
    caller: Caller


class PanelState(TypedDict):
    """What a panel has brought, all that a writer needs of it."""

    results: list[SeatResult]
    sources: list[Source]
    analysis: Analysis | None
    status: RunStatus | None


class FusionState(FusionInput, total=False):
    """All the graph knows of a thread. Everything but `messages`, `settings` and `caller` is of the current turn."""

    settings: Settings
    decision: Decision | None
    results: Results
    sources: Sources
    analysis: Analysis | None
    calls: Ledger
    status: RunStatus | None


class FusionOutput(TypedDict, total=False):
    """What `invoke` returns; `run_result` makes the object of the CLI and the servers from the same keys.

    messages: the conversation, the answer last.
    settings: all fields of `FusionSettings` as the turn used them.
    results: one for each seat that has ended: `content`, or `error`; `sources`, `notes`, `tools`.
    sources: the pages that the panel saw, in the order of the answer's numbers (`[1]` is the first).
    analysis: the judge's comparison, None without one: `consensus`, `contradictions`, `partial_coverage`, ...
    calls: the ledger: each attempt to call a model, with `tokens`, `cost_usd` (None: nobody knows), `outcome`.
    status: `status` (ok, degraded, error), `reasons`, `citations`; None while the turn has no end.
    """

    messages: Messages
    settings: Settings
    results: Results
    sources: Sources
    analysis: Analysis | None
    calls: Ledger
    status: RunStatus | None


class Plan(TypedDict):
    """What one seat is asked to do and may spend. JSON-plain: it travels in the Send and stays in the checkpoint."""

    model: str
    name: str
    system_prompt: str
    temperature: float | None
    reasoning: str
    max_tool_calls: int
    max_completion_tokens: int
    timeout_seconds: float
    panel_id: str
    quorum: int
    grace_seconds: float
    max_cost_usd: float | None
    price_ceiling: float
    fallback: str
    tools: list[str | dict[str, Any]]
    only_these_tools: bool
    allowed_domains: list[str]
    excluded_domains: list[str]
    blocked_domains: list[str]


class Offer(NamedTuple):
    """The tools of one seat, and in words which of those it was to have are not there, and what to do about it."""

    tools: list[BaseTool]
    missing: list[str]


# The tools of a seat. The text names where its commands keep their files; "" if it is only asked what there is.
OfferTools = Callable[[Plan, str], Awaitable[Offer]]


class PanelistState(TypedDict, total=False):
    """One seat's own state: its question and tool loop in `messages`, its sources in its own order in `found`."""

    seat: int
    plan: Plan
    messages: Messages
    found: Sources
    elapsed_seconds: float
    results: Results
    sources: Sources
    calls: Ledger


class PanelistOutput(TypedDict, total=False):
    """What a seat hands to the parent graph: channels with reducers only, because seats end in the same superstep.

    Its messages are shown while it works, and stay with it.
    """

    messages: Messages
    results: Results
    sources: Sources
    calls: Ledger
