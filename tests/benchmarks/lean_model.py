"""An experiment, not for use: how far an OpenAI-compatible chat model of our own over aiohttp would bring a run down.

It asks and it streams, with tools, usage and finish reasons. To be of use it would have to carry as well what LangChain's
model, the SDK and `models/compatible.py` carry now: refusals, reasoning and its return to the model, costs, audio and
images, errors as types with their status and Retry-After, errors inside a 200, calls without an index, the Responses
API, sync calls, proxies and certificates, time limits of connecting and reading, and what traces show.
"""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict

_ROLES = {"human": "user", "system": "system", "ai": "assistant", "tool": "tool"}


class LeanChat(BaseChatModel):
    """Chat completions, and as little around them as will do."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    model_name: str
    base_url: str
    client: aiohttp.ClientSession

    @property
    def _llm_type(self) -> str:
        return "lean"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(self, *_args: Any, **_kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        async with self.client.post(f"{self.base_url}/chat/completions", json=self._body(messages, kwargs)) as response:
            told = await response.json()
        choice = told["choices"][0]
        calls = [_call(call) for call in choice["message"].get("tool_calls") or []]
        message = AIMessage(
            choice["message"]["content"] or "",
            tool_calls=calls,
            usage_metadata=_usage(told["usage"]),
            response_metadata=_metadata(told, choice),
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _astream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        body = self._body(messages, kwargs) | {"stream": True, "stream_options": {"include_usage": True}}
        async with self.client.post(f"{self.base_url}/chat/completions", json=body) as response:
            async for line in response.content:
                if line.startswith(b"data: {"):
                    yield ChatGenerationChunk(message=_chunk(json.loads(line[6:])))

    def _body(self, messages: Sequence[BaseMessage], options: dict[str, Any]) -> dict[str, Any]:
        return {"model": self.model_name, "messages": [_said(message) for message in messages], **options}


def _said(message: BaseMessage) -> dict[str, Any]:
    said: dict[str, Any] = {"role": _ROLES[message.type], "content": message.content}
    if isinstance(message, AIMessage) and message.tool_calls:
        functions = [(call["id"], call["name"], json.dumps(call["args"])) for call in message.tool_calls]
        said["tool_calls"] = [
            {"id": each, "type": "function", "function": {"name": name, "arguments": arguments}}
            for each, name, arguments in functions
        ]
    return said | ({"tool_call_id": message.tool_call_id} if isinstance(message, ToolMessage) else {})


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    return {"name": function["name"], "args": json.loads(function["arguments"]), "id": call["id"], "type": "tool_call"}


def _chunk(told: dict[str, Any]) -> AIMessageChunk:
    if not told["choices"]:
        return AIMessageChunk(content="", usage_metadata=_usage(told["usage"]))
    choice = told["choices"][0]
    metadata = _metadata(told, choice) if choice["finish_reason"] else {}
    return AIMessageChunk(content=choice["delta"].get("content") or "", response_metadata=metadata)


def _usage(told: dict[str, int]) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=told["prompt_tokens"], output_tokens=told["completion_tokens"], total_tokens=told["total_tokens"]
    )


def _metadata(told: dict[str, Any], choice: dict[str, Any]) -> dict[str, Any]:
    return {"id": told["id"], "model_name": told["model"], "finish_reason": choice["finish_reason"]}
