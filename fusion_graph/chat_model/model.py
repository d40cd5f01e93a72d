"""`ChatFusion`: a panel behind LangChain's chat model interface, for applications that swap their model for it."""

import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import cached_property
from operator import itemgetter
from typing import Any, cast

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from fusion_graph import bridge
from fusion_graph.calls import inside_fusion
from fusion_graph.chat_model.asking import (
    caller_of,
    choice_of,
    format_of,
    outside,
    preset_of,
    tracers_of,
)
from fusion_graph.chat_model.telling import told_by, usable
from fusion_graph.deployment import Parts
from fusion_graph.errors import SettingsError, did_you_mean
from fusion_graph.events import LiveRun
from fusion_graph.graph import build_graph
from fusion_graph.nodes.decide import refuse_own_name
from fusion_graph.saying import Saying, stopped
from fusion_graph.schemas import Caller
from fusion_graph.settings import FusionSettings
from fusion_graph.state import FusionInput
from fusion_graph.tools import OwnTool

_OF_OTHER_MODELS = frozenset({"api_key", "max_retries", "streaming"})  # given to any chat model; a run has its own

_NAME_IT = 'give the tool another name: make_fusion_tool(..., name="panel")'


class _Own:
    """The graph of an application's own parts, and a key for them: nothing they say of themselves tells what they do."""

    def __init__(self, load_model: Callable[..., BaseChatModel] | None, tools: Sequence[OwnTool]) -> None:
        self.load_model = load_model
        self.tools = tools
        self.key = "" if load_model is None and not tools else uuid.uuid4().hex

    @cached_property
    def graph(self) -> Any:
        parts = Parts.real(load_model=self.load_model, tools=self.tools)
        return build_graph(**parts.collaborators).compile(checkpointer=False, name="fusion")

    def __getstate__(self) -> dict[str, Any]:
        """Return what can be pickled and copied, which a compiled graph cannot."""
        return {name: value for name, value in vars(self).items() if name != "graph"}


class ChatFusion(BaseChatModel):
    """Ask a panel as one asks a model.

    `ChatFusion()` asks the default preset, `ChatFusion(model="fusion/budget")` another one; every field of
    `FusionSettings` can be given (`panel`, `judge`, `writer`, `tools`, `max_cost_usd`, ...). Tools that are bound, structured
    output, `max_tokens` and `stop` act on the writer: the panel researches first, with tools and limits of its own.
    `panel_tools` are an application's own tools for the seats, `load_model` is its own way to make models; both as in
    `build_fusion_graph`.

    The message's `usage_metadata` counts all calls of the run. Its `response_metadata["fusion"]` is the run's result object
    without the answer: status, reasons, analysis, responses, sources, citations, and what each call cost.

    Raises, when it is made:
        SettingsError: an argument has an unknown name or value.

    Raises, when it is asked:
        SettingsError, ModelLoadError: the run cannot work; nothing was paid.
        FusionError: no answer came about; the message says why.
    """

    model_config = ConfigDict(populate_by_name=True, arbitrary_types_allowed=True)

    model_name: str = Field("fusion", alias="model")
    settings: FusionSettings = Field(default_factory=FusionSettings)
    load_model: Callable[..., BaseChatModel] | None = Field(None, exclude=True)
    panel_tools: Sequence[OwnTool] = Field((), exclude=True)
    stop: list[str] | None = None
    max_tokens: int | None = Field(None, ge=1)

    _made: _Own = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Name the application's own parts, so that copies of this model share the name."""
        super().model_post_init(context)
        self._made = _Own(self.load_model, self.panel_tools)

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
        _refuse_unknown(cls, values)
        named = preset_of(str(values.get("model") or values.get("model_name") or "fusion"))
        values["settings"] = FusionSettings.model_validate({**named, **base, **own})
        return values

    @property
    def _llm_type(self) -> str:
        return "fusion"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        own = {"model_name": self.model_name, "max_tokens": self.max_tokens, "stop": self.stop}
        return {**own, **self.settings.model_dump(include=self.settings.model_fields_set)}

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        return super()._get_invocation_params(stop=stop or self.stop, **kwargs)

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """Return what an answer depends on besides the messages: LangChain's cache finds it by that."""
        settings, caller = self._asked(kwargs)
        given = settings.model_dump(include=settings.model_fields_set)
        return repr([self._llm_type, sorted(given.items()), sorted(caller.items()), stop or self.stop, self._own.key])

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

        Raises:
            SettingsError: a tool is called `fusion`, as the one by which the writer asks for the panel.
        """
        formatted = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        refuse_own_name(formatted, hint=_NAME_IT)
        return self.bind(tools=formatted, tool_choice=choice_of(tool_choice, formatted), **kwargs)

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
        wanted = format_of(schema, method, strict=kwargs.get("strict"))
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
            result = usable(await live.result())
        finally:
            live.cancel_soon()
        text = stopped(result["answer"], stop or self.stop)
        message = AIMessage(text, tool_calls=result["tool_calls"], **told_by(result))
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _chunks(
        self, messages: list[BaseMessage], stop: list[str] | None, manager: Any, kwargs: Mapping[str, Any]
    ) -> AsyncGenerator[ChatGenerationChunk, None]:
        """Yield the writer's text as it comes, then one last chunk with tool calls, usage and what became of the run."""
        live = self._start(messages, manager, kwargs)
        saying = Saying(stop or self.stop)
        try:
            async for event in live.events():
                if text := saying.take(event):
                    yield ChatGenerationChunk(message=AIMessageChunk(content=text))
            result = usable(await live.result())
        finally:
            live.cancel_soon()
        rest = saying.end(result)
        calls = [
            tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
            for index, call in enumerate(result["tool_calls"])
        ]
        last = AIMessageChunk(content=rest, tool_call_chunks=calls, chunk_position="last", **told_by(result))
        yield ChatGenerationChunk(message=last)

    def _start(self, messages: list[BaseMessage], manager: Any, kwargs: Mapping[str, Any]) -> LiveRun:
        """Start the run in a task of its own; who stops listening to a chat model wants it stopped."""
        settings, caller = self._asked(kwargs)
        live = LiveRun(uuid.uuid4().hex, "")
        config: RunnableConfig = {"callbacks": tracers_of(manager), "run_name": "fusion"}
        graph_input: FusionInput = {"messages": cast("list[AnyMessage]", messages), "caller": caller}
        outside().run(live.start, self._own.graph, graph_input, config, settings, durable=False)
        return live

    def _asked(self, kwargs: Mapping[str, Any]) -> tuple[FusionSettings, Caller]:
        """Return the settings of a run and what its writer is given. Raises SettingsError if they cannot be."""
        own = {name: value for name, value in kwargs.items() if name in FusionSettings.model_fields and name != "tools"}
        given = self.settings.model_dump(include=self.settings.model_fields_set) | own
        settings = FusionSettings.model_validate(given | ({"mode": "never"} if inside_fusion.get() else {}))
        if settings.approve:
            hint = "use the graph (build_fusion_graph) with a checkpointer"
            raise SettingsError("a chat model cannot wait for an approval", field="approve", value=True, hint=hint)
        caller = caller_of({"max_tokens": self.max_tokens, **kwargs})
        refuse_own_name(caller.get("tools") or [], hint=_NAME_IT)
        return settings, caller

    @property
    def _own(self) -> _Own:
        if self._made.load_model is not self.load_model or self._made.tools is not self.panel_tools:
            self._made = _Own(self.load_model, self.panel_tools)
        return self._made


def _refuse_unknown(model: type[BaseChatModel], values: dict[str, Any]) -> None:
    """Raise a SettingsError if an argument is nobody's: without its effect a run may cost what nobody wanted."""
    own = {*model.model_fields, *(field.alias for field in model.model_fields.values() if field.alias)}
    for name in _OF_OTHER_MODELS & values.keys():
        del values[name]
    for name in values.keys() - own:
        hint = did_you_mean(name, [*FusionSettings.model_fields, "model", "max_tokens", "stop", "timeout"])
        raise SettingsError(f"unknown argument {name!r}", field=name, value=values[name], hint=hint)
