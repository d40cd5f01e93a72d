"""The values that cross nodes. All are JSON-plain: they live in checkpoints, events and results."""

from collections.abc import Sequence
from typing import Any, Literal, NotRequired, TypeAlias, get_args

from typing_extensions import TypedDict

Role: TypeAlias = Literal["decide", "panelist", "judge", "writer", "grader"]  # grader: of an evaluation
Status: TypeAlias = Literal["ok", "degraded", "error"]
RunState: TypeAlias = Literal[
    "running",
    "interrupted",  # waits for approval
    "ok",
    "degraded",
    "error",
    "failed",  # an exception ended it; it can be resumed
    "cancelled",  # stopped on purpose; it can be resumed
    "stopped",  # its process is gone; it can be resumed
]
# Sent with every call that a fusion makes, to models and tools: a server of ours that gets it asks no panel.
DEPTH = {"x-openrouter-fusion-depth": "1"}
INSIDE = {"FUSION_INSIDE": "1"}  # the same, in the environment of programs that a panel has for tools
EARLY = "it answered early"  # how a note begins of a seat that did not use all it might have
ENDED: frozenset[str] = frozenset(get_args(Status))  # the other states of a run can be gone on from
Outcome: TypeAlias = Literal[
    "answer",
    "tool_calls",
    "refusal",
    "empty",
    "cut",  # stopped by the output limit; the text so far is there
    "context_overflow",
    "bad_request",
    "unauthorized",  # 401, 403
    "payment_required",  # 402
    "not_found",  # 404
    "rate_limited",  # 429
    "server_error",  # 5xx, and any answer that is not one
    "connection",
    "timeout",
    "error",  # anything the model library raised that none of the above describes
]
FailureReason: TypeAlias = Literal[
    "all_panels_failed",
    "insufficient_credits",
    "rate_limited",
    "fusion_invocation_capped",
    "unexpected_error",
    "invalid_model",
    "cancelled",
]
JudgeFailure: TypeAlias = Literal[
    "judge_not_valid_json",
    "judge_schema_mismatch",
    "judge_upstream_error",
    "judge_empty_completion",
]


class Tokens(TypedDict):
    """Tokens of one attempt. `cached` is part of `input`, `reasoning` part of `output`."""

    input: int
    cached: int
    output: int
    reasoning: int


class CallError(TypedDict):
    """Why a call or a seat failed, in words that hold no secret."""

    kind: Outcome
    message: str
    status_code: NotRequired[int]


class CallEntry(TypedDict):
    """One attempt of one model call: a line of the ledger.

    `key` names the call within its run (`panelist:2:0` is seat 2's first), `request` is a hash of what it asks, `attempt`
    counts from 1. `cost_usd` is None
    when no price is known, never 0 for that reason; `cost_source` says where the price is from. `repeated` marks an
    attempt that was under way when its process died: it may have been paid for, and was made again.
    """

    id: str
    key: str
    request: str
    run_id: str
    role: Role
    seat: int | None
    model: str
    attempt: int
    started_at: float
    duration_seconds: float | None
    outcome: Outcome | None
    finish_reason: str | None
    response_id: str | None
    tokens: Tokens | None
    cost_usd: float | None
    cost_source: str | None
    error: CallError | None
    repeated: bool


class Source(TypedDict):
    """A page some seat listed (`read` false) or opened (`read` true). `key` is its canonical URL.

    `text` is what a model was shown of a page that was read; quotations from it are looked for there. `sha256` is that
    of the page's whole text as it was read; `retrieved_at` (ISO 8601, UTC) when it was read, or listed.
    """

    key: str
    url: str
    title: str
    snippet: str
    published: str
    read: bool
    text: str
    seats: list[int]
    retrieved_at: str
    sha256: str
    found_by: NotRequired[Literal["provider"]]  # by a search of the model's provider: that exclusions held is its word


class SeatFile(TypedDict):
    """A file that a seat's commands left in its workspace: its path in there, and its size in bytes."""

    path: str
    bytes: int


class ToolFailures(TypedDict):
    """How many calls of a tool failed in a seat, and what the last of them said."""

    calls: int
    last: str


class SeatResult(TypedDict):
    """What one seat brought home.

    A seat answered if `content` is not empty; `partial` marks an answer that was cut. `content` cites `[n]`, the n-th of
    `sources` (keys of `Source`, in this seat's own order). `notes` says in words how the answer came short.
    """

    seat: int
    model: str
    name: str
    content: str
    partial: bool
    error: CallError | None
    sources: list[str]
    notes: list[str]
    tool_calls_requested: int
    tool_calls_executed: int
    answered_by: NotRequired[str]  # the fallback that answered in the place of `model`
    tools: NotRequired[dict[str, int]]  # executed calls by the tool's name
    failed_tools: NotRequired[dict[str, ToolFailures]]  # of those executed, by the tool's name; none if none failed
    read: NotRequired[list[str]]  # those of `sources` that this seat opened; not in checkpoints of before
    files: NotRequired[list[SeatFile]]  # what its commands made
    more_files: NotRequired[int]  # that are not listed
    missing_tools: NotRequired[list[str]]  # in words, the tools it was to have that are not there, and the remedy


def seat_state(result: SeatResult) -> str:
    """Return how a seat ended, in the words of every screen."""
    if not result["content"]:
        return "failed"
    if result["partial"]:
        return "stopped"
    return "answered early" if any(note.startswith(EARLY) for note in result["notes"]) else "answered"


class Claim(TypedDict):
    """A point of the analysis with the seats that make it and the run's sources (1-based) they give.

    `note` says what an agreement is worth less for: `same model twice`.
    """

    id: str
    text: str
    seats: list[int]
    sources: list[int]
    note: NotRequired[str]


class Stance(TypedDict):
    """One side of a contradiction."""

    seat: int
    text: str
    sources: list[int]


class Contradiction(TypedDict):
    """A subject on which seats exclude one another; `better` is the seat with the better evidence, if one has it."""

    id: str
    topic: str
    stances: list[Stance]
    better: int | None


class Strongest(TypedDict):
    """The judge's advice to the writer: the answer to start from, and what it lacks or gets wrong."""

    seat: int
    why: str
    missing_or_wrong: list[str]


class Analysis(TypedDict):
    """The judge's comparison, with code's own ids and seat numbers. `wire_analysis` projects it for clients."""

    consensus: list[Claim]
    contradictions: list[Contradiction]
    partial_coverage: list[Claim]
    unique_insights: list[Claim]
    blind_spots: list[str]
    strongest: Strongest | None


class Decision(TypedDict):
    """What the outer model (or the caller) decided for this turn."""

    kind: Literal[
        "fuse",  # ask the panel
        "plain",  # the writer alone: mode never, a tool turn
        "answered",  # the outer model answered, or called the caller's tools
        "failed",  # the outer model failed; the writer tries alone
        "refused",  # the approval was not given
    ]
    tool_call_id: NotRequired[str]
    prompt: NotRequired[str]


class Citation(TypedDict):
    """One `[n]` or link of the answer: its page was read, only seen in a list, or no tool of this run saw it.

    `support` is None where the statement beside it holds no quotation and no number, or no text of the page is known;
    `missing` are the quotations and numbers that none of the pages cited there says.
    """

    text: str
    start: int
    end: int
    source: int | None
    url: str | None
    status: Literal["read", "seen", "unverified"]
    support: Literal["supported", "not_found"] | None
    missing: list[str]


class RunStatus(TypedDict):
    """How the turn ended: `reasons` are the ways it was degraded, in words, `failure_reason` a code when it failed."""

    status: Status
    reasons: list[str]
    failure_reason: FailureReason | None
    judge_failure: JudgeFailure | None
    fused: bool
    citations: list[Citation]


class Caller(TypedDict, total=False):
    """What the caller of the graph brings for the outer model: JSON schemas, never code.

    `tools` are OpenAI-style function schemas. `tool_choice` is auto, none, required, `{"type": "function", ...}`, or
    `fusion`: ask the panel, whatever the mode. `max_tokens` limits what the outer model writes, below the settings' limit;
    `temperature` is the outer model's, the panel's is in the settings. After `max_steps` steps of the server's tools, of
    which the panel is one, the outer model answers without tools.
    """

    tools: list[dict[str, Any]]
    tool_choice: str | dict[str, Any] | None
    response_format: dict[str, Any] | None
    max_tokens: int | None
    temperature: float | None
    max_steps: int


EventType: TypeAlias = Literal[
    "run_started",
    "panelist_started",
    "panelist_delta",
    "panelist_reasoning_delta",
    "tool_called",
    "tool_finished",
    "panelist_finished",
    "panelist_failed",
    "analysis_started",
    "analysis_finished",
    "analysis_absent",
    "answer_started",
    "answer_delta",
    "answer_finished",
    "call_finished",
    "item_incomplete",
    "interrupted",
    "finished",
    "failed",
]


class Event(TypedDict, total=False):
    """One thing that happened in a run. `seq` strictly increases in it; `item` ties a start, its deltas and its end.

    In the log of a finished run, whose deltas are gone, `marks` of an answer's end says how many of its characters had
    been told by the event of each number, and `since` of a lost answer's which event began it.
    """

    type: EventType
    run_id: str
    seq: int
    at: float
    seat: int
    item: str
    model: str
    delta: str
    tool: str
    target: str
    tool_call_id: str
    sources: list[Source]
    result: Any
    analysis: Analysis
    call: CallEntry
    reason: str
    error: CallError
    payload: Any
    marks: Sequence[tuple[int, int]]
    since: int


def is_demo(model: str) -> bool:
    """Return whether a model's name is one of the offline demo's: no surface may pass it off as a language model."""
    return model.casefold().startswith("demo:")
