"""The shapes of what can be asked, what it costs and what was asked, for /openapi.json; the tests hold the server to them."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from fusion_graph.schemas import RunState

Problem = Annotated[str, Field(description="Why it cannot work on this server, and the remedy; empty: it can")]
Usd = Annotated[float | None, Field(description="US dollars; null: nothing is known")]
IsLowerBound = Annotated[bool, Field(description="The price of a call is not known, so it is at least that")]
Seconds = Annotated[float, Field(description="Since the epoch")]
ResponseId = Annotated[str, Field(pattern="^resp_")]
Points = Annotated[int | None, Field(description="Points of the comparison; null: there is none")]


class OfferedPreset(TypedDict):
    """A roster to choose from."""

    name: str
    description: str
    seats: Annotated[list[str], Field(description="Models")]
    judge: str
    writer: str
    tools: list[str]
    max_tool_calls: int
    max_cost_usd: Annotated[float, Field(description="Budget in US dollars; 0: none")]
    is_demo: bool
    problem: Problem


class OfferedTool(TypedDict):
    """A tool of the panel."""

    name: Literal["web_search", "web_fetch", "bash"]
    problem: Problem


class Offer(TypedDict):
    """What there is to choose from."""

    object: Literal["fusion"]
    version: str
    default_preset: str
    presets: list[OfferedPreset]
    tools: list[OfferedTool]
    max_seats: int
    max_tool_calls: int
    reasoning: list[str]
    any_model: Annotated[bool, Field(description="Any model may be named, not those of the presets only")]


class NameableModel(TypedDict):
    """A model that may be named, with its prices per million tokens."""

    name: str
    input_usd_per_mtok: Usd
    output_usd_per_mtok: Usd
    context_tokens: int | None


class NameableModels(TypedDict):
    """The models that may be named, best matches first: `matching` fit, of `total`."""

    object: Literal["list"]
    data: list[NameableModel]
    matching: int
    total: int


class Span(TypedDict):
    """From what is usual to what is likely not to be exceeded."""

    low: float
    high: float


class Price(TypedDict):
    """What a run would cost: in words, and in US dollars."""

    object: Literal["fusion.estimate"]
    text: str
    cost_usd: Span | None
    is_lower_bound: IsLowerBound
    unknown_prices: Annotated[list[str], Field(description="Models")]


class RosterSeat(TypedDict):
    """A place on the panel."""

    seat: int
    model: str
    name: str
    max_tool_calls: int
    tools: list[str]


class Roster(TypedDict):
    """Who takes part. `preset` is empty if the panel is not a preset's own."""

    preset: str
    seats: list[RosterSeat]
    judge: str
    writer: str
    tools: list[str]
    max_cost_usd: Annotated[float, Field(description="Budget in US dollars; 0: none")]
    excluded_domains: list[str]
    is_demo: bool
    mode: Literal["always", "auto", "never"]


class RunPrice(Price):
    """What a request would cost, how long half of its owner's runs of that size took, and who would answer."""

    max_cost_usd: Annotated[float, Field(description="Where it stops spending; 0: nowhere")]
    seconds: Span | None
    roster: Roster
    problem: Problem


class PastRun(TypedDict):
    """A run in short."""

    id: ResponseId
    status: RunState
    question: Annotated[str, Field(description="Its beginning, in one line")]
    preset: str
    seats: int
    answered: int
    cost_usd: Usd
    cost_is_lower_bound: IsLowerBound
    created_at: Seconds
    ended_at: Seconds | None
    parent_id: Annotated[ResponseId | None, Field(description="The run whose answers it took over")]
    is_demo: bool


class History(TypedDict):
    """A page of an owner's runs, newest first."""

    object: Literal["list"]
    data: list[PastRun]
    first_id: ResponseId | None
    last_id: ResponseId | None
    has_more: bool


class Side(TypedDict):
    """One of two answers; what only it says is in <mark>."""

    id: ResponseId
    html: str
    judge: str
    writer: str
    agree: Points
    disagree: Points


class Differences(TypedDict):
    """Two answers beside one another."""

    object: Literal["response.differences"]
    a: Side
    b: Side
