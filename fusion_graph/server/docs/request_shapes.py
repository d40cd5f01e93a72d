"""The shapes of requests, for /openapi.json; the tests hold the server to them."""

from typing import Annotated, Any, Literal, NotRequired, TypeAlias

from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from fusion_graph.seats import MAX_TEMPERATURE
from fusion_graph.server.asked.functions import CHOICES
from fusion_graph.server.asked.fusion_words import SERVER_TOOL, FusionParameters, FusionPlugin, Name
from fusion_graph.server.asked.messages import MAX_MESSAGES
from fusion_graph.server.asked.own_options import OwnOptions
from fusion_graph.server.asked.payloads import MAX_INTEGER
from fusion_graph.server.asked.turns import FORMATS

Unheeded = Annotated[Any, Field(description="Taken, and not heeded")]
Tokens = Annotated[int, Field(ge=1, lt=MAX_INTEGER + 1)]  # a power of two is the same as a float
NonEmpty = Annotated[str, Field(min_length=1)]
Named = Annotated[str | None, Field(description="Who speaks")]


class TextPart(TypedDict):
    """A part of a message's content: text."""

    type: Literal["text"]
    text: str


class OtherPart(TypedDict):
    """A part of another kind, such as an image; it is the model's to understand."""

    type: Annotated[str, WithJsonSchema({"type": "string", "not": {"const": "text"}})]


Content: TypeAlias = str | list[TextPart | OtherPart | str] | None


class CallOfFunction(TypedDict):
    """What a tool call calls."""

    name: str
    arguments: NotRequired[Annotated[str | None, Field(description="JSON")]]


class FunctionCall(TypedDict):
    """A call of one of the client's tools."""

    id: str
    type: NotRequired[Unheeded]  # clients that put streams together write it twice
    function: CallOfFunction


class Spoken(TypedDict):
    """A message of the user or of the application."""

    role: Literal["system", "developer", "user"]
    content: NotRequired[Content]
    name: NotRequired[Named]


class AssistantMessage(TypedDict):
    """An earlier answer. Deliberations in `reasoning_details` are taken up again."""

    role: Literal["assistant"]
    content: NotRequired[Content]
    name: NotRequired[Named]
    tool_calls: NotRequired[list[FunctionCall] | None]
    reasoning_details: NotRequired[Any]


class ToolMessage(TypedDict):
    """What one of the client's tools returned."""

    role: Literal["tool"]
    tool_call_id: str
    content: NotRequired[Content]
    name: NotRequired[Named]


class FunctionMessage(TypedDict):
    """What a function returned, in the form that came before tools."""

    role: Literal["function"]
    name: str
    content: NotRequired[Content]


_ANSWERABLE = {"contains": {"properties": {"role": {"const": "user"}}, "required": ["role"]}}
Messages = Annotated[
    list[Spoken | AssistantMessage | ToolMessage | FunctionMessage],
    Field(min_length=1, max_length=MAX_MESSAGES, json_schema_extra=_ANSWERABLE),
]


class Function(TypedDict):
    """A tool of the client's own; each has another name, and beside fusion none is called `fusion`."""

    name: NonEmpty
    description: NotRequired[str | None]
    parameters: NotRequired[Annotated[dict[str, Any] | None, Field(description="JSON schema")]]


class FunctionTool(TypedDict):
    """A tool that the client runs."""

    type: Literal["function"]
    function: Function


class ServerTool(TypedDict):
    """Fusion, as a tool that the model of the request may use."""

    type: Annotated[str, WithJsonSchema({"const": SERVER_TOOL})]
    parameters: NotRequired[FusionParameters | None]


class FunctionName(TypedDict):
    """Which function is meant."""

    name: str


class NamedFunction(TypedDict):
    """The choice of one of the request's functions."""

    type: Literal["function"]
    function: FunctionName


class NamedFusion(TypedDict):
    """The choice of fusion, where it is offered."""

    type: Annotated[str, WithJsonSchema({"const": SERVER_TOOL})]


class PlainFormat(TypedDict):
    """Text, or any JSON object."""

    type: Annotated[str, WithJsonSchema({"enum": [name for name in FORMATS if name != "json_schema"]})]


class SchemaFormat(TypedDict):
    """JSON of a schema."""

    type: Literal["json_schema"]
    json_schema: Annotated[dict[str, Any], Field(description="name, schema, strict")]


ONCE = {"contains": {"properties": {"type": {"const": SERVER_TOOL}}}, "minContains": 0, "maxContains": 1}


class ChatRequest(TypedDict):
    """A chat completion request, with what this server adds; fields that are not listed are not heeded either."""

    model: Annotated[Name, Field(description="fusion, openrouter/fusion, fusion/PRESET, or a model's name")]
    messages: Messages
    stream: NotRequired[bool | None]
    plugins: NotRequired[Annotated[list[FusionPlugin] | None, Field(max_length=1)]]
    tools: NotRequired[
        Annotated[list[FunctionTool | ServerTool], Field(json_schema_extra=ONCE)] | None  # fusion at most once
    ]
    tool_choice: NotRequired[Annotated[str, WithJsonSchema({"enum": CHOICES})] | NamedFunction | NamedFusion | None]
    response_format: NotRequired[PlainFormat | SchemaFormat | None]
    max_completion_tokens: NotRequired[Tokens | None]
    max_tokens: NotRequired[Tokens | None]
    temperature: NotRequired[
        Annotated[Annotated[float, Field(ge=0, le=MAX_TEMPERATURE)] | None, Field(description="Of the writer")]
    ]
    stop: NotRequired[str | list[str] | None]
    x_fusion: NotRequired[OwnOptions | None]
    metadata: NotRequired[Annotated[Any, Field(description="A `task` that ends in _generation gets a plain call")]]
    stream_options: NotRequired[Unheeded]
    parallel_tool_calls: NotRequired[Unheeded]
    service_tier: NotRequired[Unheeded]
    top_p: NotRequired[Unheeded]
    store: NotRequired[Unheeded]
    user: NotRequired[Unheeded]
    seed: NotRequired[Unheeded]
