"""The published schemas: OpenAI's events and objects as its SDK has them, fusion's own as JSON schemas."""

import json
from pathlib import Path
from typing import Any

import jsonschema
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

_FUSION = json.loads((Path(__file__).parent / "fusion_schemas.json").read_text(encoding="utf-8"))
_OF_TYPE = {
    schema["properties"]["type"]["enum"][0]: name
    for name, schema in _FUSION["$defs"].items()
    if name.startswith("FusionCall")
}
_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
_RESPONSE: TypeAdapter[Any] = TypeAdapter(Response)
_PANEL = "openrouter:fusion"


def check_event(event: dict[str, Any]) -> None:
    """Raise if an event is not what is published of its type."""
    if event["type"] in _OF_TYPE:
        _check(event, _OF_TYPE[event["type"]])
    elif event.get("item", {}).get("type") == _PANEL:  # an item that OpenAI's union does not know
        _check(event["item"], "OutputFusionServerToolItem")
        _EVENT.validate_python({**event, "item": {"type": "message", **_MESSAGE}})
    elif "response" in event:
        check_response(event["response"])
        _EVENT.validate_python({**event, "response": _openai_only(event["response"])})
    else:
        _EVENT.validate_python(event)


def check_response(response: dict[str, Any]) -> None:
    """Raise if a response is not what is published."""
    for item in response["output"]:
        if item["type"] == _PANEL:
            _check(item, "OutputFusionServerToolItem")
    _RESPONSE.validate_python(_openai_only(response))


_MESSAGE = {"id": "msg", "role": "assistant", "status": "in_progress", "content": []}


def _openai_only(response: dict[str, Any]) -> dict[str, Any]:
    """Return a response with what OpenAI's SDK has a type for."""
    tools = [tool for tool in response["tools"] if tool["type"] == "function"]
    return {
        **response,
        "output": [item for item in response["output"] if item["type"] != _PANEL],
        "tools": [{"parameters": None, "strict": None, **tool} for tool in tools],
        "tool_choice": response["tool_choice"] if isinstance(response["tool_choice"], str) else "auto",
    }


def _check(value: Any, name: str) -> None:
    jsonschema.validate(value, {"$ref": f"#/$defs/{name}", **_FUSION})
