"""What a caller of a chat model brings, as the graph takes it."""

from collections.abc import Mapping, Sequence
from contextvars import Context
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.context import _configure_hooks  # which has no public name
from langchain_core.utils.function_calling import convert_to_json_schema

from fusion_graph import bridge
from fusion_graph.schemas import Caller


def preset_of(model: str) -> dict[str, str]:
    """Return what a model's name says of the preset: `fusion`, `fusion/<preset>`, or a preset's name alone."""
    name = model.removeprefix("openrouter/")
    if name == "fusion":
        return {}
    return {"preset": name.removeprefix("fusion/")}


def choice_of(choice: str | bool | dict[str, Any] | None, tools: Sequence[Mapping[str, Any]]) -> Any:  # noqa: FBT001
    """Return which of the bound tools is to be called, as OpenAI's API says it. Raises ValueError for an unknown name."""
    if choice is True or choice == "any":
        return "required"
    if isinstance(choice, str) and choice not in {"auto", "none", "required"}:
        names = [tool["function"]["name"] for tool in tools]
        if choice not in names:
            raise ValueError(f"tool_choice = {choice!r} is none of the tools: {', '.join(names)}")
        return {"type": "function", "function": {"name": choice}}
    return choice or None


def format_of(schema: dict[str, Any] | type, method: str, *, strict: bool | None) -> dict[str, Any]:
    """Return the shape to answer in, as OpenAI's API says it."""
    if method == "json_mode":
        return {"type": "json_object"}
    parameters = convert_to_json_schema(schema, strict=strict)
    name = str(parameters.get("title") or "answer")
    return {"type": "json_schema", "json_schema": {"name": name, "schema": parameters, "strict": bool(strict)}}


def caller_of(kwargs: Mapping[str, Any]) -> Caller:
    """Return what was bound to the model or given with the call, for the writer."""
    names = Caller.__annotations__.keys() - {"temperature"}  # which is the panel's, as in the settings
    return cast("Caller", {name: kwargs[name] for name in names if kwargs.get(name) is not None})


def tracers_of(manager: Any) -> AsyncCallbackManager | None:
    """Return what makes the run's calls show up below this one in traces.

    Other handlers would count tokens twice: what the calls took is in this model's own message as well.
    """
    if manager is None:
        return None
    handlers: list[BaseCallbackHandler] = [
        handler for handler in manager.inheritable_handlers if isinstance(handler, BaseTracer)
    ]
    return AsyncCallbackManager(
        handlers=handlers,
        inheritable_handlers=handlers,
        parent_run_id=manager.run_id,
        inheritable_tags=manager.inheritable_tags,
        inheritable_metadata=manager.inheritable_metadata,
    )


def outside() -> Context:
    """Return `bridge.outside()` without handlers, but for tracers: a `get_usage_metadata_callback()` would count twice, too."""
    context = bridge.outside()
    for variable, *_ in tuple(_configure_hooks):
        if not isinstance(context.run(variable.get, None), BaseTracer):
            context.run(variable.set, None)
    return context
