"""`ChatFusion`: a panel behind LangChain's chat model interface, for applications that swap their model for it."""

import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from contextvars import copy_context
from operator import itemgetter
from typing import Any, cast

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForLLMRun,
    BaseCallbackHandler,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig, RunnableMap, RunnablePassthrough
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import BaseTool
from langchain_core.tracers.base import BaseTracer
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from fusion_graph import bridge
from fusion_graph.calls import inside_fusion
from fusion_graph.deployment import Parts
from fusion_graph.errors import FusionError, SettingsError
from fusion_graph.events import LiveRun
from fusion_graph.graph import build_graph
from fusion_graph.schemas import Caller
from fusion_graph.settings import FusionSettings
from fusion_graph.state import FusionInput

_CUT = "\n\n[the writer broke off here; what follows was written anew]\n\n"


class ChatFusion(BaseChatModel):
    """Ask a panel as one asks a model.

    `ChatFusion()` asks the default preset, `ChatFusion(model="fusion/budget")` another one; every field of
    `FusionSettings` can be given (`panel`, `judge`, `writer`, `tools`, `max_cost_usd`, ...). Tools that are bound, structured
    output, `max_tokens` and `stop` act on the writer: the panel researches first, with tools and limits of its own.

    The message's `usage_metadata` counts all calls of the run. Its `response_metadata["fusion"]` is the run's result object
    without the answer: status, reasons, analysis, responses, sources, citations, and what each call cost.

    Raises, when it is asked:
        SettingsError, ModelLoadError: the run cannot work; nothing was paid.
        FusionError: no answer came about; the message says why.
    """

    model_config = ConfigDict(populate_by_name=True, arbitrary_types_allowed=True)

    model_name: str = Field("fusion", alias="model")
    settings: FusionSettings = Field(default_factory=FusionSettings)
    load_model: Callable[..., BaseChatModel] | None = Field(None, exclude=True)
    panel_tools: Sequence[BaseTool] = Field((), exclude=True)
    stop: list[str] | None = None
    max_tokens: int | None = Field(None, ge=1)

    _graph: Any = PrivateAttr(None)

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, given: Any) -> Any:
        """Take the fields of FusionSettings among the arguments as settings, and the usual names of chat models."""
        if not isinstance(given, Mapping):
            return given
        values = dict(given)
        if values.get("timeout") is not None:
            values.setdefault("panel_timeout_seconds", values.pop("timeout"))
        own = {name: values.pop(name) for name in FusionSettings.model_fields if name in values}
        settings = values.get("settings") or {}
        base = (
            settings.model_dump(include=settings.model_fields_set) if isinstance(settings, FusionSettings) else settings
        )
        named = _preset_of(str(values.get("model") or values.get("model_name") or "fusion"))
        values["settings"] = FusionSettings.model_validate({**named, **base, **own})
        return values

    @property
    def _llm_type(self) -> str:
        return "fusion"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, **self.settings.model_dump(include=self.settings.model_fields_set)}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        found = super()._get_ls_params(stop=stop, **kwargs)
        own: dict[str, Any] = {"ls_provider": "fusion", "ls_model_name": kwargs.get("model") or self.model_name}
        if self.settings.temperature is not None:
            own["ls_temperature"] = self.settings.temperature
        if self.max_tokens is not None:
            own["ls_max_tokens"] = self.max_tokens
        return cast("LangSmithParams", {**found, **own})

    def bind_tools(
        self,
        tools: Sequence[Mapping[str, Any] | type | Any],
        *,
        tool_choice: str | bool | dict[str, Any] | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Give the writer tools of the caller's. `tool_choice`: a tool's name, auto, none, any or required, or True.

        The panel never gets them: it has tools of its own (`settings.tools`).
        """
        formatted = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        return self.bind(tools=formatted, tool_choice=_choice(tool_choice, formatted), **kwargs)

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, method: str = "json_schema", **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """Have the writer answer in a shape: by `json_schema` or `json_mode`, or as a tool's arguments (`function_calling`)."""
        if method == "function_calling":
            return super().with_structured_output(schema, include_raw=include_raw, **kwargs)
        if method not in {"json_schema", "json_mode"}:
            hint = "use json_schema, json_mode or function_calling"
            raise SettingsError(f"method = {method!r} is not known", field="method", value=method, hint=hint)
        traced = {"kwargs": {"method": method, **kwargs}, "schema": convert_to_json_schema(schema)}
        wanted = _format(schema, method, strict=kwargs.get("strict"))
        asked = self.bind(response_format=wanted, ls_structured_output_format=traced)
        is_model = isinstance(schema, type) and is_basemodel_subclass(schema)
        parser: Any = PydanticOutputParser(pydantic_object=schema) if is_model else JsonOutputParser()
        if not include_raw:
            plain: Runnable[LanguageModelInput, Any] = asked | parser
            return plain
        parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
        unparsed = RunnablePassthrough.assign(parsed=lambda _: None)
        raw: Any = RunnableMap(raw=asked)
        whole: Runnable[LanguageModelInput, Any] = raw | parsed.with_fallbacks(
            [unparsed], exception_key="parsing_error"
        )
        return whole

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return bridge.wait_for(lambda: self._answer(messages, stop, run_manager, kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await self._answer(messages, stop, run_manager, kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in bridge.iterate(lambda: self._chunks(messages, stop, run_manager, kwargs)):
            if run_manager and chunk.text:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with aclosing(self._chunks(messages, stop, run_manager, kwargs)) as chunks:
            async for chunk in chunks:
                if run_manager and chunk.text:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    async def _answer(
        self, messages: list[BaseMessage], stop: list[str] | None, manager: Any, kwargs: Mapping[str, Any]
    ) -> ChatResult:
        live = self._start(messages, manager, kwargs)
        try:
            result = _usable(await live.result())
        finally:
            live.cancel_soon()
        text = _stopped(result["answer"], stop or self.stop)
        message = AIMessage(text, tool_calls=result["tool_calls"], **_told(result))
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _chunks(
        self, messages: list[BaseMessage], stop: list[str] | None, manager: Any, kwargs: Mapping[str, Any]
    ) -> AsyncGenerator[ChatGenerationChunk, None]:
        """Yield the writer's text as it comes, then one last chunk with tool calls, usage and what became of the run."""
        live = self._start(messages, manager, kwargs)
        said, kept = "", _Stopper(stop or self.stop)
        try:
            async for event in live.events():
                if event["type"] == "answer_delta":
                    said += event["delta"]
                    if text := kept.take(event["delta"]):
                        yield ChatGenerationChunk(message=AIMessageChunk(content=text))
                elif event["type"] == "item_incomplete" and event["item"].startswith("answer") and said:
                    yield ChatGenerationChunk(message=AIMessageChunk(content=_CUT))
            result = _usable(await live.result())
        finally:
            live.cancel_soon()
        rest = kept.take(result["answer"] if not said else "") + kept.end()
        calls = [
            tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
            for index, call in enumerate(result["tool_calls"])
        ]
        last = AIMessageChunk(content=rest, tool_call_chunks=calls, chunk_position="last", **_told(result))
        yield ChatGenerationChunk(message=last)

    def _start(self, messages: list[BaseMessage], manager: Any, kwargs: Mapping[str, Any]) -> LiveRun:
        """Start the run in a task of its own; who stops listening to a chat model wants it stopped."""
        own = {name: value for name, value in kwargs.items() if name in FusionSettings.model_fields and name != "tools"}
        given = self.settings.model_dump(include=self.settings.model_fields_set) | own
        settings = FusionSettings.model_validate(given | ({"mode": "never"} if inside_fusion.get() else {}))
        if settings.approve:
            hint = "use the graph (build_fusion_graph) with a checkpointer"
            raise SettingsError("a chat model cannot wait for an approval", field="approve", value=True, hint=hint)
        live = LiveRun(uuid.uuid4().hex, "")
        config: RunnableConfig = {"callbacks": _tracers(manager), "run_name": "fusion"}
        caller = _caller({"max_tokens": self.max_tokens, **kwargs})
        graph_input: FusionInput = {"messages": cast("list[AnyMessage]", messages), "caller": caller}

        def start() -> None:
            # Or LangGraph takes this for a subgraph of whatever graph it is called in, and hands on all its handlers.
            var_child_runnable_config.set(None)
            live.start(self._compiled, graph_input, config, settings, durable=False)

        copy_context().run(start)
        return live

    @property
    def _compiled(self) -> Any:
        if self._graph is None:
            parts = Parts.real(load_model=self.load_model, tools=self.panel_tools)
            self._graph = build_graph(**parts.collaborators).compile(checkpointer=False, name="fusion")
        return self._graph


def _preset_of(model: str) -> dict[str, str]:
    """Return what a model's name says of the preset: `fusion`, `fusion/<preset>`, or a preset's name alone."""
    name = model.removeprefix("openrouter/")
    if name == "fusion":
        return {}
    return {"preset": name.removeprefix("fusion/")}


def _choice(choice: str | bool | dict[str, Any] | None, tools: Sequence[Mapping[str, Any]]) -> Any:  # noqa: FBT001
    if choice in {True, "any"} if isinstance(choice, (bool, str)) else False:
        return "required"
    if isinstance(choice, str) and choice not in {"auto", "none", "required"}:
        names = [tool["function"]["name"] for tool in tools]
        if choice not in names:
            raise ValueError(f"tool_choice = {choice!r} is none of the tools: {', '.join(names)}")
        return {"type": "function", "function": {"name": choice}}
    return choice or None


def _format(schema: dict[str, Any] | type, method: str, *, strict: bool | None) -> dict[str, Any]:
    if method == "json_mode":
        return {"type": "json_object"}
    parameters = convert_to_json_schema(schema, strict=strict)
    name = str(parameters.get("title") or "answer")
    return {"type": "json_schema", "json_schema": {"name": name, "schema": parameters, "strict": bool(strict)}}


def _caller(kwargs: Mapping[str, Any]) -> Caller:
    return cast("Caller", {name: kwargs[name] for name in Caller.__annotations__ if kwargs.get(name) is not None})


def _tracers(manager: Any) -> AsyncCallbackManager | None:
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


def _usable(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result that holds an answer or calls of the caller's tools. Raises FusionError if it holds neither."""
    if not result["answer"] and not result["tool_calls"]:
        raise FusionError("; ".join(result["reasons"]) or f"no answer: {result.get('failure_reason')}")
    return result


def _told(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a message says beside its text: tokens of all calls, the model that wrote it, and the run."""
    tokens, writer = result["usage"]["total"], (result["settings"] or {}).get("writer") or "fusion"
    told = {name: value for name, value in result.items() if name not in {"answer", "tool_calls"}}
    return {
        "usage_metadata": UsageMetadata(
            input_tokens=tokens["input_tokens"],
            output_tokens=tokens["output_tokens"],
            total_tokens=tokens["input_tokens"] + tokens["output_tokens"],
            input_token_details={"cache_read": tokens["cached_tokens"]},
            output_token_details={"reasoning": tokens["reasoning_tokens"]},
        ),
        "response_metadata": {
            "model_name": writer,
            "model_provider": "fusion",
            "finish_reason": "tool_calls" if result["tool_calls"] else "stop",
            "fusion": told,
        },
    }


def _stopped(text: str, stop: Sequence[str] | None) -> str:
    stopper = _Stopper(stop)
    return stopper.take(text) + stopper.end()


class _Stopper:
    """Text up to the first of some words, also where one comes in two pieces."""

    def __init__(self, words: Sequence[str] | None) -> None:
        self._words = [word for word in words or () if word]
        self._held = ""
        self._is_over = False

    def take(self, text: str) -> str:
        """Return what can be said now."""
        if self._is_over or not self._words:
            return "" if self._is_over else text
        self._held += text
        places = [place for word in self._words if (place := self._held.find(word)) >= 0]
        if places:
            said, self._held, self._is_over = self._held[: min(places)], "", True
            return said
        keep = max(len(word) for word in self._words) - 1
        cut = max(len(self._held) - keep, 0)
        said, self._held = self._held[:cut], self._held[cut:]
        return said

    def end(self) -> str:
        """Return what was held back."""
        held, self._held = self._held, ""
        return held
