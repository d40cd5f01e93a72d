"""Models of LangChain's integration packages, their answers made uniform where calls look at them.

These packages keep HTTP clients of their own, which live as long as the first event loop that used them.
"""

from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableBinding

from fusion_graph.errors import ModelLoadError, redact
from fusion_graph.models.names import missing_package, parse_name
from fusion_graph.models.providers import INTEGRATIONS

_REASON_KEYS = ("finish_reason", "stop_reason", "stopReason", "done_reason")
_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_length": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "safety": "content_filter",
    "prohibited_content": "content_filter",
    "blocklist": "content_filter",
    "guardrail_intervened": "content_filter",
}
_EFFORTS = ("reasoning_effort", "thinking_level", "effort")


def load_integration(
    name: str, *, temperature: float | None, max_tokens: int | None, reasoning: str | None
) -> BaseChatModel:
    """Return the chat model of an integration, asked only for what its class has a field for.

    Raises:
        MissingPackageError: the package, or one it needs, cannot be imported.
        ModelLoadError: the integration refuses to build the model.
    """
    provider, model = parse_name(name)
    try:
        options = _options(_chat_class(provider), temperature, max_tokens, reasoning)
        return _uniform_chat(init_chat_model(model, model_provider=provider, **options))
    except ImportError as error:
        raise missing_package(INTEGRATIONS[provider].package, name) from error
    except ValueError as error:
        raise ModelLoadError(f"{name!r} cannot be loaded: {redact(str(error))}") from error


class UniformChat(BaseChatModel):
    """A chat model whose every answer gives its finish reason as OpenAI words it, under `finish_reason`.

    It calls the inner model's own methods, not its public ones: those would open a second trace and count tokens twice.
    """

    inner: BaseChatModel

    @property
    def _llm_type(self) -> str:
        return self.inner._llm_type  # noqa: SLF001  (see the class)

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return self.inner._get_ls_params(stop=stop, **kwargs)  # noqa: SLF001

    def bind_tools(self, tools: Any, **kwargs: Any) -> Runnable[Any, AIMessage]:
        """Bind tools in the form the inner model gives them."""
        bound = self.inner.bind_tools(tools, **kwargs)
        return self.bind(**bound.kwargs) if isinstance(bound, RunnableBinding) else bound

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable[Any, Any]:
        """Return the inner model's own way to a structured answer."""
        return self.inner.with_structured_output(schema, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _uniform(self.inner._generate(messages, stop, run_manager, **kwargs))  # noqa: SLF001

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _uniform(await self.inner._agenerate(messages, stop, run_manager, **kwargs))  # noqa: SLF001

    def _stream(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for chunk in self.inner._stream(messages, *args, **kwargs):  # noqa: SLF001
            _name_finish(chunk)
            yield chunk

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        async for chunk in self.inner._astream(messages, *args, **kwargs):  # noqa: SLF001
            _name_finish(chunk)
            yield chunk


def _chat_class(provider: str) -> type[BaseChatModel]:
    integration = INTEGRATIONS[provider]
    path = f"{integration.module}.{integration.submodule}".rstrip(".")
    found: type[BaseChatModel] = getattr(import_module(path), integration.chat_class)
    return found


def _uniform_chat(inner: BaseChatModel) -> UniformChat:
    """Wrap a model, and tell LangChain if it cannot stream, which the wrapper would hide."""
    streams = any(getattr(type(inner), name) is not getattr(BaseChatModel, name) for name in ("_stream", "_astream"))
    return UniformChat(inner=inner, disable_streaming=inner.disable_streaming if streams else True)


def _options(
    chat_class: type[BaseChatModel], temperature: float | None, max_tokens: int | None, reasoning: str | None
) -> dict[str, Any]:
    fields = {name for key, info in chat_class.model_fields.items() for name in (key, info.alias) if name}
    # To Google's SDK 0 means its own default of retries, and 1 a single attempt.
    retries = 1 if "google" in chat_class.__module__ else 0
    wanted = {"temperature": temperature, "max_retries": retries, "stream_usage": True, **_reasoning(fields, reasoning)}
    wanted["max_tokens" if "max_tokens" in fields else "num_predict"] = max_tokens
    return {key: value for key, value in wanted.items() if value is not None and key in fields}


def _reasoning(fields: set[str], reasoning: str | None) -> dict[str, Any]:
    if not reasoning:
        return {}
    if reasoning.isdecimal():
        return {"thinking_budget": int(reasoning), "thinking": {"type": "enabled", "budget_tokens": int(reasoning)}}
    field = next((name for name in _EFFORTS if name in fields), "reasoning")
    return {field: reasoning}


def _uniform(result: ChatResult) -> ChatResult:
    for generation in result.generations:
        _name_finish(generation, result.llm_output or {})
    return result


def _name_finish(generation: ChatGeneration, shared: dict[str, Any] | None = None) -> None:
    metadata = generation.message.response_metadata
    said = {**(shared or {}), **(generation.generation_info or {}), **metadata}
    reason = next((str(said[key]).lower() for key in _REASON_KEYS if said.get(key)), None)
    if reason:
        metadata["finish_reason"] = _REASONS.get(reason, reason)
