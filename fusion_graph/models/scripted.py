"""A chat model that says what a function tells it to: the double for tests, and for trying a graph without a key.

The function sees the request and nothing else, so that parallel seats cannot race for its answers:

    >>> from fusion_graph.models.scripted import ScriptedModels, ScriptedReply
    >>> def panelist(request):
    ...     return f"{request.model} was asked: {request.text}"
    >>> def judge(request):
    ...     if request.tools:
    ...         return ScriptedReply(tool_calls=[{"name": "search", "args": {"query": request.text}, "id": "call_1"}])
    ...     return '{"consensus": []}'
    >>> load_model = ScriptedModels({"alpha": panelist, "omega": judge})
    >>> load_model("alpha").invoke("Why?").content
    'alpha was asked: Why?'
    >>> load_model("omega", temperature=0.0).invoke("Why?").content
    '{"consensus": []}'
    >>> [(request.model, request.temperature) for request in load_model.requests]
    [('alpha', None), ('omega', 0.0)]

A function may be `async`; it returns a string, a `ScriptedReply`, an `AIMessage`, or an exception to be raised.
"""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_function, convert_to_openai_tool
from pydantic import BaseModel

from fusion_graph.errors import ModelLoadError, did_you_mean
from fusion_graph.models.scripts import Outcome, Script, ScriptedError, ScriptedReply, ScriptedRequest, as_reply, pieces

__all__ = ["Outcome", "Script", "ScriptedError", "ScriptedModel", "ScriptedModels", "ScriptedReply", "ScriptedRequest"]


class ScriptedModel(BaseChatModel):
    """A chat model that plays a script: whole or in words, with tools and structured output, sync and async."""

    script: Script
    model_name: str = "scripted"
    temperature: float | None = None
    max_tokens: int | None = None
    reasoning: str | None = None
    record: Callable[[ScriptedRequest], None] | None = None

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | bool | dict[str, Any] | None = None, **kwargs: Any
    ) -> Runnable[Any, AIMessage]:
        """Bind tools as OpenAI's schemas, and a choice in its words: `any` and True are `required`."""
        schemas = [convert_to_openai_tool(tool) for tool in tools]
        if tool_choice in ("any", True):
            tool_choice = "required"
        if tool_choice in [schema["function"]["name"] for schema in schemas]:
            tool_choice = {"type": "function", "function": {"name": tool_choice}}
        choice = {"tool_choice": tool_choice} if tool_choice else {}
        return self.bind(tools=schemas, **choice, **kwargs)

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **_kwargs: Any
    ) -> Runnable[Any, Any]:
        """Ask by `response_format` for JSON of this schema, and parse it: into an object of a pydantic class, or a dict."""
        if include_raw:
            raise NotImplementedError("a scripted model has no include_raw: bind response_format, and parse its text")
        function = convert_to_openai_function(schema)
        json_schema = {"name": function["name"], "schema": function["parameters"]}
        is_class = isinstance(schema, type) and issubclass(schema, BaseModel)
        parser: Runnable[Any, Any] = PydanticOutputParser(pydantic_object=schema) if is_class else JsonOutputParser()
        return self.bind(response_format={"type": "json_schema", "json_schema": json_schema}) | parser

    def _generate(self, messages: list[BaseMessage], *_args: Any, **kwargs: Any) -> ChatResult:
        return _whole(*self._play(messages, kwargs))

    async def _agenerate(self, messages: list[BaseMessage], *_args: Any, **kwargs: Any) -> ChatResult:
        return _whole(*await self._aplay(messages, kwargs))

    def _stream(self, messages: list[BaseMessage], *_args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        request, reply = self._play(messages, kwargs)
        for chunk in _chunks(request, reply):
            time.sleep(reply.pause)
            yield chunk

    async def _astream(
        self, messages: list[BaseMessage], *_args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        request, reply = await self._aplay(messages, kwargs)
        for chunk in _chunks(request, reply):
            await asyncio.sleep(reply.pause)
            yield chunk

    def _play(self, messages: list[BaseMessage], options: dict[str, Any]) -> tuple[ScriptedRequest, ScriptedReply]:
        if inspect.iscoroutinefunction(self.script):
            raise TypeError(f"the script of {self.model_name!r} is async: call the model with ainvoke or astream")
        request = self._request(messages, options)
        reply = as_reply(cast("Outcome", self.script(request)))
        time.sleep(reply.delay)
        return request, reply

    async def _aplay(
        self, messages: list[BaseMessage], options: dict[str, Any]
    ) -> tuple[ScriptedRequest, ScriptedReply]:
        request = self._request(messages, options)
        outcome = self.script(request)
        reply = as_reply(await outcome if inspect.isawaitable(outcome) else outcome)
        await asyncio.sleep(reply.delay)
        return request, reply

    def _request(self, messages: list[BaseMessage], options: dict[str, Any]) -> ScriptedRequest:
        request = ScriptedRequest(
            model=self.model_name,
            messages=messages,
            tools=options.get("tools", []),
            tool_choice=options.get("tool_choice"),
            response_format=options.get("response_format"),
            temperature=options.get("temperature", self.temperature),
            max_tokens=options.get("max_tokens", self.max_tokens),
            reasoning=options.get("reasoning", self.reasoning),
        )
        if self.record:
            self.record(request)
        return request


class ScriptedModels:
    """Stand in for `load_model`: models by name, each with its script. `requests` are all they were asked, in order."""

    def __init__(self, scripts: Mapping[str, Script]) -> None:
        self._scripts = dict(scripts)
        self.requests: list[ScriptedRequest] = []

    def __call__(
        self,
        name: str,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        reasoning: str | None = None,
    ) -> ScriptedModel:
        """Return the model of a name. Raises ModelLoadError if no script has it."""
        if name not in self._scripts:
            raise ModelLoadError(f"there is no scripted model {name!r}", hint=did_you_mean(name, self._scripts))
        return ScriptedModel(
            script=self._scripts[name],
            model_name=name,
            temperature=temperature,
            max_tokens=max_tokens,
            reasoning=reasoning,
            record=self.requests.append,
        )


def _whole(request: ScriptedRequest, reply: ScriptedReply) -> ChatResult:
    if reply.error:
        raise reply.error
    return ChatResult(generations=[ChatGeneration(message=reply.message(request))])


def _chunks(request: ScriptedRequest, reply: ScriptedReply) -> Iterator[ChatGenerationChunk]:
    """Yield a reply in chunks, up to its error if it has one."""
    for index, piece in enumerate(pieces(reply.message(request))):
        if reply.error and index >= reply.error_after:
            raise reply.error
        yield ChatGenerationChunk(message=piece)
    if reply.error:
        raise reply.error
