"""What /openapi.json says of the routes: arguments for their decorators. The routes read the raw body themselves."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from fastapi import FastAPI, Security
from fastapi.security import HTTPBearer
from pydantic import TypeAdapter

from fusion_graph.schemas import DEPTH
from fusion_graph.server.asked.again import ForkRequest, ResumeRequest
from fusion_graph.server.docs.details_shape import Details
from fusion_graph.server.docs.request_shapes import ChatRequest
from fusion_graph.server.docs.response_object import Deleted, ItemList, Response, ResponseRequest
from fusion_graph.server.docs.response_shapes import Chunk, Completion, Error, Health, Model, ModelList, Readiness
from fusion_graph.server.docs.room_shapes import Differences, History, NameableModels, Offer, Price, RunPrice
from fusion_graph.server.sharing import MAX_KEY

(_DEPTH,) = DEPTH
_REFUSALS = {
    400: "The request is not what it must be",
    401: "No API key of this server",
    402: "Nothing is left of what this key may spend",
    403: "A host, an origin or an address that this server does not answer",
    404: "There is no such model",
    408: "The body did not come in time",
    409: "The run is past what is asked for, or the process that is at work on it does not react",
    413: "The body is too long",
    422: "This Idempotency-Key came with another body before",
    429: "Too many requests, or runs under way; nothing was begun, so clients may ask again",
    500: "A fault of this server",
    503: "A key or a package of a provider is missing",
}
_GUARDED, _KEYED = (403, 408, 413), (401, 429)
_CHAT = (400, 402, 404, 409, 422, 500, 503)
_HEADERS = {
    "x-fusion-run-id": {"schema": {"type": "string"}, "description": "The run", "required": True},
    "x-should-retry": {"schema": {"const": "false"}, "description": "A run that failed is not to be paid again"},
}
_WAIT = {"schema": {"type": "string"}, "description": "Seconds until it may be asked again"}
_TOLD_WITH: dict[int, dict[str, Any]] = {429: {"headers": {"retry-after": _WAIT}}}
_EVENTS = {
    "schema": {"type": "string", "description": "Events of the Responses API; the last line of data says [DONE]"}
}
_BEARER = Security(HTTPBearer(scheme_name="key", description="One of the server's API keys", auto_error=False))


def health() -> dict[str, Any]:
    """Return what is said of GET /healthz."""
    return {"response_model": None, "responses": _responses(Health, "The server is there", _GUARDED)}


def readiness() -> dict[str, Any]:
    """Return what is said of GET /readyz."""
    told = _responses(Readiness, "It takes requests", _GUARDED)
    unready = {503: {"description": "It takes none: it is about to stop, or its database is away"}}
    return {"response_model": None, "responses": told | unready}


def metrics(app: FastAPI) -> dict[str, Any]:
    """Return what is said of GET /metrics."""
    text = {"description": "Figures for Prometheus", "content": {"text/plain": {"schema": {"type": "string"}}}}
    return _keyed(app) | {"response_model": None, "responses": _responses(Health, "", (*_GUARDED, 401)) | {200: text}}


def model_list(app: FastAPI) -> dict[str, Any]:
    """Return what is said of GET /v1/models."""
    return _keyed(app) | {"responses": _responses(ModelList, "The models", (*_GUARDED, *_KEYED, 400))}


def one_model(app: FastAPI) -> dict[str, Any]:
    """Return what is said of GET /v1/models/{name}."""
    return _keyed(app) | {"responses": _responses(Model, "The model", (*_GUARDED, *_KEYED, 404))}


def chat(app: FastAPI) -> dict[str, Any]:
    """Return what is said of POST /v1/chat/completions."""
    responses = _responses(Completion, "The completion, or its stream", (*_GUARDED, *_KEYED, *_CHAT))
    lines = {"schema": {"type": "string", "description": "Events with chunks as data; the last says [DONE]"}}
    responses[200] |= {
        "content": {"text/event-stream": lines | {"x-chunk": _inlined(Chunk)}},
        "headers": _HEADERS,
    }
    return _keyed(app) | {
        "responses": responses,
        **_body(_inlined(ChatRequest), parameters=_headers()),
        "summary": "Ask fusion, or a model alone",
    }


def response(app: FastAPI) -> dict[str, Any]:
    """Return what is said of POST /v1/responses."""
    responses = _responses(Response, "The response, or its events", (*_GUARDED, *_KEYED, *_CHAT))
    responses[200] |= {"content": {"text/event-stream": _EVENTS}, "headers": _HEADERS}
    return _keyed(app) | {
        "responses": responses,
        **_body(_inlined(ResponseRequest), parameters=_headers()),
        "summary": "Ask fusion, or a model alone; also in the background",
    }


def one_response(app: FastAPI) -> dict[str, Any]:
    """Return what is said of a response that is fetched, followed or cancelled."""
    responses = _responses(Response, "The response as it stands", (*_GUARDED, *_KEYED, 400, 404, 409))
    responses[200] |= {"content": {"text/event-stream": _EVENTS}}
    return _keyed(app) | {"responses": responses}


def deleted(app: FastAPI) -> dict[str, Any]:
    """Return what is said of DELETE /v1/responses/{response_id}."""
    return _keyed(app) | {"responses": _responses(Deleted, "It is gone", (*_GUARDED, *_KEYED, 404, 409))}


def input_items(app: FastAPI) -> dict[str, Any]:
    """Return what is said of the input of a response."""
    return _keyed(app) | {"responses": _responses(ItemList, "A page of it", (*_GUARDED, *_KEYED, 400, 404))}


def offer(app: FastAPI) -> dict[str, Any]:
    """Return what is said of GET /v1/fusion."""
    return _keyed(app) | {"responses": _responses(Offer, "Presets, tools and limits", (*_GUARDED, *_KEYED, 400))}


def nameable(app: FastAPI) -> dict[str, Any]:
    """Return what is said of GET /v1/fusion/models."""
    return _keyed(app) | {"responses": _responses(NameableModels, "Models", (*_GUARDED, *_KEYED, 400))}


def estimate(app: FastAPI) -> dict[str, Any]:
    """Return what is said of POST /v1/fusion/estimate."""
    schema = _inlined(ResponseRequest)
    asked = {"anyOf": [{"type": ["string", "null"]}, *schema["properties"]["input"]["anyOf"]]}  # whatever it will be
    properties = schema["properties"] | {"input": asked}
    schema = schema | {"required": [name for name in schema["required"] if name != "input"], "properties": properties}
    said = {"responses": _responses(RunPrice, "What it would cost", (*_GUARDED, *_KEYED, 400, 404))}
    return _keyed(app) | said | _body(schema) | {"summary": "Tell what a request of POST /v1/responses would cost"}


def history(app: FastAPI) -> dict[str, Any]:
    """Return what is said of GET /v1/responses."""
    said = {"responses": _responses(History, "A page of it", (*_GUARDED, *_KEYED, 400))}
    return _keyed(app) | said | {"summary": "What was asked, newest first"}


def resume(app: FastAPI) -> dict[str, Any]:
    """Return what is said of POST /v1/responses/{response_id}/resume."""
    responses = _responses(Response, "The response as it stands", (*_GUARDED, *_KEYED, 400, 402, 404, 409))
    responses[200] |= {"headers": _HEADERS}
    body = _body(_inlined(ResumeRequest), required=False)
    return _keyed(app) | {"responses": responses, **body, "summary": "Go on with a run, in the background"}


def fork(app: FastAPI) -> dict[str, Any]:
    """Return what is said of POST /v1/responses/{response_id}/fork."""
    responses = _responses(Response | Price, "The new response, or its price", (*_GUARDED, *_KEYED, *_CHAT))
    body = _body(_inlined(ForkRequest), parameters=_headers())
    summary = "Ask another judge, writer or seat; what does not change is not paid again"
    return _keyed(app) | {"responses": responses, **body, "summary": summary}


def details(app: FastAPI) -> dict[str, Any]:
    """Return what is said of GET /v1/responses/{response_id}/details."""
    responses = _responses(Details, "The run whole", (*_GUARDED, *_KEYED, 400, 404))
    responses[200] |= {"content": {"text/markdown": {"schema": {"type": "string"}}}}
    return _keyed(app) | {"responses": responses}


def differences(app: FastAPI) -> dict[str, Any]:
    """Return what is said of GET /v1/responses/{response_id}/differences/{other}."""
    return _keyed(app) | {"responses": _responses(Differences, "Both answers", (*_GUARDED, *_KEYED, 404))}


def _body(schema: Mapping[str, Any], *, required: bool = True, **more: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    return {"openapi_extra": {"requestBody": {"required": required, "content": content}, **more}}


def _keyed(app: FastAPI) -> dict[str, Any]:
    return {"response_model": None, "dependencies": [_BEARER] if app.state.config.keys else []}


def _responses(shape: Any, description: str, refusals: tuple[int, ...]) -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {200: {"model": shape, "description": description}}
    for status in sorted(refusals):
        found[status] = {"model": Error, "description": _REFUSALS[status], **_TOLD_WITH.get(status, {})}
    # Without a default the framework would promise its own shape for 422.
    return found | {"default": {"model": Error, "description": "Any other"}}


def _headers() -> list[dict[str, Any]]:
    told: Mapping[str, tuple[str, dict[str, Any]]] = {
        "Idempotency-Key": ("One run for all requests that have it", {"maxLength": MAX_KEY}),
        "x-stainless-retry-count": ("Not 0: a retry gets the run it is a retry of", {}),
        _DEPTH: ("There: a fusion asks, and gets no panel", {}),
    }
    return [
        {"in": "header", "name": name, "required": False, "description": about, "schema": {"type": "string", **limits}}
        for name, (about, limits) in told.items()
    ]


@lru_cache
def _inlined(shape: Any) -> dict[str, Any]:
    """Return the JSON schema of a shape without references, which in OpenAPI would be looked for elsewhere."""
    schema = TypeAdapter(shape).json_schema()
    parts = schema.pop("$defs", {})

    def inlined(value: Any) -> Any:
        if isinstance(value, list):
            return [inlined(each) for each in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            value = parts[value["$ref"].rpartition("/")[2]] | {key: value[key] for key in value if key != "$ref"}
        return {key: inlined(each) for key, each in value.items()}

    found: dict[str, Any] = inlined(schema)
    return found
