"""A model that inspect-ai calls, as one of LangChain's: then its log and its limits hold what our calls cost."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    ModelOutput,
    ResponseSchema,
    get_model,
)
from inspect_ai.util import JSONSchema
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

_KINDS: Mapping[str, type[ChatMessageAssistant | ChatMessageSystem | ChatMessageUser]] = {
    "ai": ChatMessageAssistant,
    "system": ChatMessageSystem,
    "human": ChatMessageUser,
}
_EFFORTS = {
    word for part in get_args(GenerateConfig.model_fields["reasoning_effort"].annotation) for word in get_args(part)
}


class RoleModel(BaseChatModel):
    """The model that an evaluation of inspect-ai has for a role; it is asked for text, without tools."""

    role: str
    temperature: float | None = None
    max_tokens: int | None = None
    reasoning: str | None = None

    @property
    def _llm_type(self) -> str:
        return "inspect"

    def _generate(self, *_args: Any, **_kwargs: Any) -> ChatResult:
        raise NotImplementedError("inspect-ai calls its models from an event loop: use ainvoke")

    async def _agenerate(self, messages: list[BaseMessage], *_args: Any, **options: Any) -> ChatResult:
        config = self._config(options.get("response_format"))
        output = await get_model(role=self.role).generate(_told(messages), config=config)
        return ChatResult(generations=[ChatGeneration(message=_message(output))])

    def _config(self, response_format: Mapping[str, Any] | None) -> GenerateConfig:
        effort: Any = self.reasoning if self.reasoning in _EFFORTS else None
        schema = (response_format or {}).get("json_schema")
        return GenerateConfig(
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            reasoning_effort=effort,
            response_schema=_schema(schema) if schema else None,
        )


def price(_name: str, message: AIMessage) -> tuple[float | None, str | None]:
    """Return what inspect-ai says that a message cost, if it knows."""
    cost = message.response_metadata.get("cost")
    return (cost, "inspect-ai") if isinstance(cost, float) else (None, None)


def _told(messages: Sequence[BaseMessage]) -> list[ChatMessage]:
    return [_KINDS[message.type](content=str(message.text)) for message in messages]


def _schema(given: Mapping[str, Any]) -> ResponseSchema:
    return ResponseSchema(name=given["name"], json_schema=JSONSchema(**given["schema"]), strict=given["strict"])


def _message(output: ModelOutput) -> AIMessage:
    usage = output.usage
    reason = output.stop_reason if output.choices else None
    metadata: dict[str, Any] = {"model_name": output.model, "finish_reason": reason, "id": output.response_id}
    if usage and usage.total_cost is not None:
        metadata["cost"] = usage.total_cost
    counted: Any = None
    if usage:
        cached = usage.input_tokens_cache_read or 0
        read = usage.input_tokens + cached + (usage.input_tokens_cache_write or 0)
        counted = {
            "input_tokens": read,
            "output_tokens": usage.output_tokens,
            "total_tokens": read + usage.output_tokens,
            "input_token_details": {"cache_read": cached},
            "output_token_details": {"reasoning": usage.reasoning_tokens or 0},
        }
    return AIMessage(output.completion, response_metadata=metadata, usage_metadata=counted)
