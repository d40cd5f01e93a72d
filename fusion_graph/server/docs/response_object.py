"""The shapes of /v1/responses, for /openapi.json; the tests hold the server to them."""

from typing import Annotated, Any, Literal, NotRequired, TypeAlias

from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from fusion_graph.seats import MAX_TEMPERATURE
from fusion_graph.server.asked.fusion_words import SERVER_TOOL, FusionParameters, FusionPlugin, Name
from fusion_graph.server.asked.items import REFERENCE
from fusion_graph.server.asked.messages import MAX_MESSAGES
from fusion_graph.server.asked.own_options import OwnOptions
from fusion_graph.server.asked.responses import MAX_STEPS, WORK, MaxCost, StepCount
from fusion_graph.server.docs.request_shapes import ONCE, NamedFusion, NonEmpty, PlainFormat, Tokens, Unheeded


class SaidPart(TypedDict):
    """A part of a message: text."""

    type: Literal["input_text", "output_text", "text", "summary_text"]
    text: str


class RefusalPart(TypedDict):
    """A part of an earlier answer: what the model would not do."""

    type: Literal["refusal"]
    refusal: str


class ImagePart(TypedDict):
    """A part of a message: an image, by its address or as data."""

    type: Literal["input_image"]
    image_url: str


class FilePart(TypedDict):
    """A part of a message: a file, as data."""

    type: Literal["input_file"]
    file_data: str
    filename: NotRequired[str]


class AudioPart(TypedDict):
    """A part of a message: sound."""

    type: Literal["input_audio"]
    input_audio: dict[str, Any]


Said: TypeAlias = str | list[SaidPart | RefusalPart | ImagePart | FilePart | AudioPart] | None


class InputMessage(TypedDict):
    """What somebody says."""

    type: NotRequired[Literal["message"]]
    role: Literal["user", "system", "developer", "assistant"]
    content: NotRequired[Said]


class InputCall(TypedDict):
    """A call of one of the client's tools."""

    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: NotRequired[Annotated[str | None, Field(description="JSON")]]


class InputResult(TypedDict):
    """What one of the client's tools returned."""

    type: Literal["function_call_output"]
    call_id: str
    output: NotRequired[Said]


class InputPanel(TypedDict):
    """A panel's work, as an earlier response had it: it is taken up again."""

    type: Annotated[str, WithJsonSchema({"const": SERVER_TOOL})]
    id: NotRequired[Any]
    analysis: NotRequired[Any]
    responses: NotRequired[Any]


class InputReasoning(TypedDict):
    """A model's reasoning; it is left out."""

    type: Literal["reasoning"]


class InputReference(TypedDict):
    """An item of an earlier response here, by its id."""

    type: Annotated[str, WithJsonSchema({"const": REFERENCE})]
    id: str


Item = InputMessage | InputCall | InputResult | InputPanel | InputReasoning | InputReference


class FlatTool(TypedDict):
    """A tool that the client runs."""

    type: Literal["function"]
    name: NonEmpty
    description: NotRequired[str | None]
    parameters: NotRequired[Annotated[dict[str, Any] | None, Field(description="JSON schema")]]


class PanelTool(TypedDict):
    """Fusion, as a tool that the model of the request may use."""

    type: Annotated[str, WithJsonSchema({"const": SERVER_TOOL})]
    parameters: NotRequired[FusionParameters | None]


class ChosenFunction(TypedDict):
    """The choice of one of the request's functions."""

    type: Literal["function"]
    name: str


class FlatSchemaFormat(TypedDict):
    """JSON of a schema."""

    type: Literal["json_schema"]
    name: NotRequired[Any]
    schema: dict[str, Any]


class Text(TypedDict):
    """How the answer is written."""

    format: NotRequired[PlainFormat | FlatSchemaFormat | None]


class ResponseRequest(TypedDict):
    """A responses request, with what this server adds; fields that are not listed are not heeded either."""

    model: Annotated[
        Name, Field(description="fusion, openrouter/fusion, fusion/PRESET, or a model's name; :plain after it")
    ]
    input: Name | Annotated[list[Item], Field(min_length=1, max_length=MAX_MESSAGES)]
    instructions: NotRequired[str | None]
    previous_response_id: NotRequired[str | None]
    background: NotRequired[bool | None]
    store: NotRequired[bool | None]
    stream: NotRequired[bool | None]
    plugins: NotRequired[Annotated[list[FusionPlugin] | None, Field(max_length=1)]]
    tools: NotRequired[Annotated[list[FlatTool | PanelTool], Field(json_schema_extra=ONCE)] | None]
    tool_choice: NotRequired[Literal["none", "auto", "required"] | ChosenFunction | NamedFusion | None]
    text: NotRequired[Text | None]
    max_output_tokens: NotRequired[Tokens | None]
    max_tool_calls: NotRequired[Annotated[int, Field(ge=1, le=MAX_STEPS)] | None]
    stop_server_tools_when: NotRequired[Annotated[list[StepCount | MaxCost], Field(min_length=1)] | None]
    temperature: NotRequired[Annotated[float, Field(ge=0, le=MAX_TEMPERATURE)] | None]
    x_fusion: NotRequired[OwnOptions | None]
    metadata: NotRequired[Annotated[dict[str, Any] | None, Field(description="Told again in the response")]]
    parallel_tool_calls: NotRequired[bool | None]
    reasoning: NotRequired[Unheeded]
    include: NotRequired[Annotated[Any, Field(description=f"{WORK}: a stream tells what the panel does, too")]]
    service_tier: NotRequired[Unheeded]
    top_p: NotRequired[Unheeded]
    truncation: NotRequired[Unheeded]
    user: NotRequired[Unheeded]


class ResponseError(TypedDict):
    """Why a run has no answer."""

    code: str
    message: str


class Response(TypedDict):
    """A response: its request, its items, and how it stands."""

    id: str
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: Literal["in_progress", "completed", "incomplete", "failed", "cancelled"]
    model: str
    output: list[dict[str, Any]]
    error: ResponseError | None
    incomplete_details: dict[str, str] | None
    usage: dict[str, Any] | None
    instructions: str | None
    metadata: dict[str, Any]
    previous_response_id: str | None
    background: bool
    store: bool
    tools: list[Any]
    tool_choice: Any
    parallel_tool_calls: bool
    x_fusion: NotRequired[
        Annotated[dict[str, Any], Field(description="The run: id, status, calls, sources; or what is to be approved")]
    ]


class Deleted(TypedDict):
    """That a response is gone."""

    id: str
    object: Literal["response"]
    deleted: Literal[True]


class ItemList(TypedDict):
    """The items that a request brought."""

    object: Literal["list"]
    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool
