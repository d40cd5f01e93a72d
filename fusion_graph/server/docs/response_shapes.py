"""The shapes of responses, for /openapi.json; the tests hold the server to them."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict


class ErrorDetail(TypedDict):
    """What went wrong. `code` is the HTTP status, `param` the field of the request."""

    message: str
    type: str
    code: int
    param: str | None


class Error(TypedDict):
    """Every response of 400 and above."""

    error: ErrorDetail


class RunError(TypedDict):
    """Why a run has no answer."""

    message: str
    type: str
    code: int


class Called(TypedDict):
    """The function that is called."""

    name: str
    arguments: Annotated[str, Field(description="JSON")]


class ToolCall(TypedDict):
    """A call of one of the client's tools. In streams `index` is its place among them."""

    id: str
    type: Literal["function"]
    function: Called
    index: NotRequired[int]


class Deliberation(TypedDict):
    """The panel's work, to be sent back with the message. `result` is JSON."""

    type: Literal["reasoning.server_tool_call"]
    tool_name: str
    tool_call_id: str
    arguments: str
    result: str
    id: None
    index: int


class UrlCitation(TypedDict):
    """A source, and the part of the text that rests on it."""

    url: str
    title: str
    start_index: int
    end_index: int


class Annotation(TypedDict):
    """A citation."""

    type: Literal["url_citation"]
    url_citation: UrlCitation


class Message(TypedDict):
    """The answer."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    tool_calls: NotRequired[list[ToolCall]]
    reasoning_details: NotRequired[list[Deliberation]]
    annotations: NotRequired[list[Annotation]]


class Delta(TypedDict):
    """A piece of the answer."""

    role: NotRequired[Literal["assistant"]]
    content: NotRequired[str]
    tool_calls: NotRequired[list[ToolCall]]
    reasoning_details: NotRequired[list[Deliberation]]
    annotations: NotRequired[list[Annotation]]


Reason = Literal["stop", "length", "tool_calls", "error"]


class Choice(TypedDict):
    """The only choice there is."""

    index: int
    message: Message
    finish_reason: Reason
    logprobs: None


class ChunkChoice(TypedDict):
    """The only choice there is, as far as it has come."""

    index: int
    delta: Delta
    finish_reason: Reason | None
    logprobs: None


class Usage(TypedDict):
    """The tokens and the cost of all calls of a run. `cost` is in US dollars, and absent where nobody knows it."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: NotRequired[dict[str, int]]
    completion_tokens_details: NotRequired[dict[str, int]]
    cost: NotRequired[float]
    cost_details: NotRequired[dict[str, float]]
    server_tool_use_details: NotRequired[dict[str, int]]


class _Head(TypedDict):
    id: str
    created: int
    model: str
    system_fingerprint: None
    provider: str


class Completion(_Head):
    """A chat completion. A run that failed is told in `error`, with the finish reason error."""

    object: Literal["chat.completion"]
    choices: Annotated[list[Choice], Field(min_length=1, max_length=1)]
    usage: Usage
    error: NotRequired[RunError]
    x_fusion: NotRequired[Annotated[dict[str, Any], Field(description="The run: id, status, calls, sources")]]


class Chunk(_Head):
    """An event of a stream. The last has the usage, and no choices."""

    object: Literal["chat.completion.chunk"]
    choices: Annotated[list[ChunkChoice], Field(max_length=1)]
    usage: NotRequired[Usage]
    error: NotRequired[RunError]
    x_fusion: NotRequired[dict[str, Any]]


class Pricing(TypedDict):
    """US dollars per token."""

    prompt: str
    completion: str


class Architecture(TypedDict):
    """What goes in and what comes out."""

    input_modalities: list[str]
    modality: str
    output_modalities: list[str]


class Model(TypedDict):
    """A model that is offered, or fusion under one of its names."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    name: str
    description: str
    canonical_slug: str
    context_length: int | None
    architecture: Architecture
    pricing: Pricing
    supported_parameters: list[str]
    default_parameters: dict[str, Any] | None
    per_request_limits: dict[str, Any] | None
    supported_voices: list[str] | None
    top_provider: dict[str, Any]
    links: dict[str, str]
    x_fusion: dict[str, Any]


class ModelList(TypedDict):
    """The models that are offered."""

    object: Literal["list"]
    data: list[Model]
    total_count: int
    links: dict[str, str | None]


class Readiness(TypedDict):
    """Whether the server takes requests, and how many runs it has of how many it takes."""

    status: Literal["ready", "unready"]
    runs: int
    most_runs: int
    reason: NotRequired[str]


class Health(TypedDict):
    """That the server is there."""

    status: Literal["ok"]
    version: str
