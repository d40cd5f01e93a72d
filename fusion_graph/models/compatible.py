"""`CompatibleChat`: LangChain's OpenAI model, mended for OpenRouter and for servers that only resemble OpenAI's."""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import openai
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_openai import ChatOpenAI

from fusion_graph.models.redacting import redact_error
from fusion_graph.models.replies import (
    KEPT_FIELDS,
    BadReplyError,
    check_completion,
    check_error,
    error_in,
    kept_fields,
    metadata_of,
)
from fusion_graph.models.streams import StreamTail


class CompatibleChat(ChatOpenAI):
    """A chat model behind any server that speaks OpenAI's chat completions.

    `server` decides what is sent: `openai` alone knows `max_completion_tokens`; `openrouter` gets the reasoning of its
    own earlier tool calls back, without which some models refuse the next turn. What comes back is uniform, see
    `replies`.
    """

    server: Literal["openai", "openrouter", "other"] = "other"
    max_retries: int | None = 0
    stream_usage: bool | None = True
    stream_chunk_timeout: float | None = None  # whoever calls keeps the deadline
    openai_proxy: str | None = None  # the clients read HTTPS_PROXY; LangChain accepts no clients beside a proxy
    http_socket_options: Sequence[tuple[int, int, int]] | None = ()  # None would look for proxies at each construction

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        payload: dict[str, Any] = super()._get_request_payload(input_, stop=stop, **kwargs)
        if "messages" not in payload:  # the Responses API, which only the official server is asked for
            return payload
        if self.server != "openai" and "max_completion_tokens" in payload:
            payload["max_tokens"] = payload.pop("max_completion_tokens")
        if self.server == "openrouter":
            _return_reasoning(self._convert_input(input_).to_messages(), payload["messages"])
        if isinstance(payload.get("response_format"), dict):
            # Left in place it sends LangChain down a path of its own, which raises when the output limit cuts the JSON.
            payload["extra_body"] = {
                **(payload.get("extra_body") or {}),
                "response_format": payload.pop("response_format"),
            }
        return payload

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools; those that OpenRouter runs itself, `openrouter:...`, go as they are: LangChain knows none of them."""
        theirs = [tool for tool in tools if isinstance(tool, dict) and str(tool.get("type")).startswith("openrouter:")]
        others = [tool for tool in tools if tool not in theirs]
        if not theirs:
            return super().bind_tools(tools, **kwargs)
        bound = super().bind_tools(others, **kwargs) if others else self
        given = getattr(bound, "kwargs", {})
        return super().bind(**{**given, "tools": [*given.get("tools", ()), *theirs]})

    def _create_chat_result(
        self, response: dict[str, Any] | openai.BaseModel, generation_info: dict[str, Any] | None = None
    ) -> ChatResult:
        body = response.model_dump(warnings=False) if isinstance(response, openai.BaseModel) else response
        check_completion(body)
        result = super()._create_chat_result(response, generation_info)
        for generation, choice in zip(result.generations, body["choices"], strict=True):
            generation.message.additional_kwargs.pop("refusal", None)  # None unless it is among the kept fields
            generation.message.additional_kwargs.update(kept_fields(choice["message"]))
            said = {**(result.llm_output or {}), **(generation.generation_info or {})}
            native = {"native_finish_reason": choice.get("native_finish_reason")}
            generation.message.response_metadata = metadata_of(said | native)
            generation.generation_info = {k: v for k, v in (generation.generation_info or {}).items() if v is not None}
        return result

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        body = chunk.get("chunk") or chunk  # the SDK's own stream, for a pydantic class as response_format, wraps them
        check_error(body)
        choice = (body.get("choices") or [{}])[0]
        delta = choice.setdefault("delta", {}) or {}
        for index, call in enumerate(delta.get("tool_calls") or []):
            if call.get("index") is None:  # some servers leave it out, and LangChain then drops the call
                call["index"] = index
        result = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        if result is not None:
            result.message.additional_kwargs.update(kept_fields(delta))
            said = {"id": body.get("id"), "model_name": body.get("model"), "token_usage": body.get("usage")}
            said["native_finish_reason"] = choice.get("native_finish_reason")
            result.generation_info = {**(result.generation_info or {}), **said}
        return result

    def _get_generation_chunk_from_completion(self, completion: openai.BaseModel) -> ChatGenerationChunk:
        chunk = super()._get_generation_chunk_from_completion(completion)
        for key in KEPT_FIELDS:  # the deltas said it already
            chunk.message.additional_kwargs.pop(key, None)
        return chunk

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        with _upstream_errors():
            return _with_finish_reason(super()._generate(*args, **kwargs))

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        with _upstream_errors():
            return _with_finish_reason(await super()._agenerate(*args, **kwargs))

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        tail = StreamTail()
        with _upstream_errors():
            for chunk in super()._stream(*args, **kwargs):
                yield tail.take(chunk)
        yield tail.last()

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        tail = StreamTail()
        with _upstream_errors():
            async for chunk in super()._astream(*args, **kwargs):
                yield tail.take(chunk)
        yield tail.last()


def _return_reasoning(messages: list[BaseMessage], sent: list[dict[str, Any]]) -> None:
    for message, out in zip(messages, sent, strict=True):
        details = message.additional_kwargs.get("reasoning_details")
        if isinstance(message, AIMessage) and message.tool_calls and details:
            out["reasoning_details"] = details


def _with_finish_reason(result: ChatResult) -> ChatResult:
    """Mend what came over the Responses API, which does not pass through `_create_chat_result`."""
    for generation in result.generations:
        generation.message.response_metadata = metadata_of(generation.message.response_metadata)
    return result


@contextmanager
def _upstream_errors() -> Iterator[None]:
    """Turn what the libraries make of a broken 200 into BadReplyError; what they know a kind of error for passes."""
    try:
        yield
    except json.JSONDecodeError as error:
        raise BadReplyError(f"the server sent broken JSON: {error}") from error
    except openai.APIError as error:
        redact_error(error)
        if type(error) is not openai.APIError:
            raise
        raise error_in(error.body or error.message) from error
