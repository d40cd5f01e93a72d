"""The shape of a run whole, for /openapi.json; the tests hold the server to it. Texts that end in `html` are safe to show."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from fusion_graph.schemas import CallEntry, CallError, FailureReason, JudgeFailure, RunState, SeatFile
from fusion_graph.server.docs.room_shapes import IsLowerBound, Points, ResponseId, Roster, Seconds, Usd

Numbers = Annotated[list[int], Field(description="Of the run's sources, or of seats")]


class AnswerText(TypedDict):
    """The answer."""

    text: Annotated[str, Field(description="Markdown")]
    html: str
    words: int


class ClaimHtml(TypedDict):
    """A point of the comparison, the seats that make it, and the sources they give."""

    id: str
    html: str
    note: NotRequired[str]
    seats: Numbers
    sources: Numbers


class StanceHtml(TypedDict):
    """One side of a disagreement."""

    seat: int
    html: str
    sources: Numbers


class Disagreement(TypedDict):
    """A subject on which seats exclude one another; `better` is the seat with the better evidence."""

    id: str
    topic: Annotated[str, Field(description="HTML")]
    stances: list[StanceHtml]
    better: int | None


class BlindSpot(TypedDict):
    """What nobody covers."""

    html: str


class Compared(TypedDict):
    """The judge's comparison."""

    consensus: list[ClaimHtml]
    contradictions: list[Disagreement]
    partial_coverage: list[ClaimHtml]
    unique_insights: list[ClaimHtml]
    blind_spots: list[BlindSpot]


class ToolCalls(TypedDict):
    """How often a seat wanted tools, which of them were run how often, and how many of those calls failed."""

    requested: int
    executed: int
    by_tool: dict[str, int]
    failed: dict[str, int]


class SeatAnswer(TypedDict):
    """What a seat has brought. `waiting`: nothing yet; `stopped`: it was cut, with what it had written."""

    seat: int
    model: str
    name: str
    state: Literal["waiting", "answered", "answered early", "stopped", "failed"]
    text: Annotated[str, Field(description="Markdown, with the run's numbers of sources")]
    html: str
    notes: list[str]
    error: CallError | None
    answered_by: NotRequired[Annotated[str, Field(description="The fallback that answered in its place")]]
    sources: Numbers
    tool_calls: ToolCalls
    files: list[SeatFile]
    more_files: int
    seconds: float | None
    cost_usd: Usd
    cost_is_lower_bound: IsLowerBound


class Page(TypedDict):
    """A source. `read`: it was opened; `seen`: a search listed it."""

    number: int
    url: str
    title: str
    site: str
    published: str
    seats: Numbers
    status: Literal["read", "seen"]
    cited: bool
    retrieved_at: str
    found_by: NotRequired[Literal["provider"]]


class OwnCall(CallEntry):
    """An attempt of a call. Those that are not the run's own are of the run it goes back to."""

    own: bool


class Cost(TypedDict):
    """What the answer cost, and what of it this run paid."""

    cost_usd: Usd
    cost_is_lower_bound: IsLowerBound
    paid_usd: Usd
    paid_is_lower_bound: IsLowerBound
    input_tokens: int
    output_tokens: int


class Approval(TypedDict):
    """What a run waits to be approved: values that may be changed, and the plan."""

    args: dict[str, Any]
    html: str


class Turn(TypedDict):
    """An earlier turn of the conversation."""

    id: ResponseId
    question: str


class Version(TypedDict):
    """A run that answers the same: the first, or a fork of it."""

    id: ResponseId
    status: RunState
    judge: str
    writer: str
    seats: int
    answered: int
    cost_usd: Usd
    cost_is_lower_bound: IsLowerBound
    paid_usd: Usd
    agree: Points
    disagree: Points
    created_at: Seconds


class Details(TypedDict):
    """A run, however far it is."""

    object: Literal["response.details"]
    id: ResponseId
    run_id: str
    parent_id: ResponseId | None
    status: RunState
    is_live: Annotated[bool, Field(description="This server is at work on it")]
    question: str
    created_at: Seconds
    ended_at: Seconds | None
    roster: Roster
    reasons: Annotated[list[str], Field(description="How it came short")]
    notes: list[str]
    failure_reason: FailureReason | None
    judge_failure: JudgeFailure | None
    fused: bool
    answer: AnswerText | None
    comparison: Compared | None
    seats: list[SeatAnswer]
    sources: list[Page]
    doubts: Annotated[list[str], Field(description="What of the answer's citations does not hold")]
    calls: list[OwnCall]
    cost: Cost
    approval: Approval | None
    previous: list[Turn]
    versions: Annotated[list[Version], Field(description="Oldest first; none if it stands alone")]
