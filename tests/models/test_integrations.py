"""Models of LangChain's integrations: what they are asked for, and their answers made uniform."""

import sys
from collections.abc import AsyncIterator, Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import BaseModel, Field

from fusion_graph.errors import MissingPackageError, ModelLoadError
from fusion_graph.models import load_model
from fusion_graph.models.integrations import _options


class ChatUpstage(BaseChatModel):
    """An integration that ends its answers in `reason`, in a place and a word of its own."""

    model: str
    temperature: float | None = None
    num_predict: int | None = None
    thinking_budget: int | None = None
    effort: str | None = None
    retries: int = Field(default=6, alias="max_retries")

    @property
    def _llm_type(self) -> str:
        return "upstage-double"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Runnable[Any, AIMessage]:
        return self.bind(tools=[{"native": each} for each in tools], **kwargs)

    def with_structured_output(self, schema: Any, **_kwargs: Any) -> Runnable[Any, Any]:
        return self.bind(schema=schema)

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        message = AIMessage(repr(kwargs), response_metadata={"stop_reason": self.model})
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        return self._generate(messages, **kwargs)

    def _stream(self, messages: Any, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        yield ChatGenerationChunk(message=AIMessageChunk(content="a"))
        yield ChatGenerationChunk(message=AIMessageChunk(content="b"), generation_info={"finish_reason": self.model})

    async def _astream(self, messages: Any, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._stream(messages):
            yield chunk


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("langchain_upstage")
    module.__spec__ = ModuleSpec("langchain_upstage", None)
    module.ChatUpstage = ChatUpstage
    monkeypatch.setitem(sys.modules, "langchain_upstage", module)
    monkeypatch.setenv("UPSTAGE_API_KEY", "k")


REASONS = [
    ("end_turn", "stop"),
    ("STOP", "stop"),
    ("max_tokens", "length"),
    ("MAX_TOKENS", "length"),
    ("tool_use", "tool_calls"),
    ("refusal", "content_filter"),
    ("SAFETY", "content_filter"),
    ("something_new", "something_new"),
]


@pytest.mark.parametrize(("reason", "uniform"), REASONS)
async def test_a_finish_reason_is_given_in_openais_words(reason: str, uniform: str) -> None:
    model = load_model(f"upstage:{reason}")

    for message in (await model.ainvoke("hi"), model.invoke("hi")):
        assert message.response_metadata["finish_reason"] == uniform
    total = [chunk async for chunk in model.astream("hi")]
    assert [chunk.response_metadata.get("finish_reason") for chunk in total[:2]] == [None, uniform]
    assert "".join(chunk.text for chunk in model.stream("hi")) == "ab"


async def test_a_model_that_cannot_stream_answers_in_one_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_stream", "_astream"):
        monkeypatch.setattr(ChatUpstage, name, getattr(BaseChatModel, name))

    chunks = [chunk async for chunk in load_model("upstage:end_turn").astream("hi")]

    assert [chunk.response_metadata["finish_reason"] for chunk in chunks] == ["stop"]


async def test_tools_and_structured_output_take_the_integrations_own_form() -> None:
    model = load_model("upstage:solar")

    assert "'native': {'name': 'look'}" in (await model.bind_tools([{"name": "look"}]).ainvoke("hi")).text
    assert "'schema': {}" in str(await model.with_structured_output({}).ainvoke("hi"))
    assert model._get_ls_params()["ls_model_type"] == "chat"
    assert model._llm_type == "upstage-double"


def test_a_model_is_asked_only_for_what_its_class_has_a_field_for() -> None:
    model: Any = load_model("upstage:solar", temperature=0.1, max_tokens=50, reasoning="low")

    assert (model.inner.temperature, model.inner.num_predict, model.inner.retries) == (0.1, 50, 0)
    assert (model.inner.effort, model.inner.thinking_budget) == ("low", None)


def test_a_number_as_reasoning_is_a_budget_where_there_is_one() -> None:
    model: Any = load_model("upstage:solar", reasoning="2048")

    assert (model.inner.effort, model.inner.thinking_budget) == (None, 2048)


class Thinking(BaseModel):
    max_tokens: int | None = None
    max_retries: int | None = None
    reasoning: str | None = None
    thinking: dict[str, Any] | None = None


def test_reasoning_takes_whichever_form_the_class_has() -> None:
    chat_class: Any = Thinking

    assert _options(chat_class, None, 5, "low") == {"max_tokens": 5, "max_retries": 0, "reasoning": "low"}
    thinking = {"type": "enabled", "budget_tokens": 9}
    assert _options(chat_class, None, None, "9") == {"max_retries": 0, "thinking": thinking}


def test_googles_single_attempt_is_a_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Thinking, "__module__", "langchain_google_genai.chat_models")
    chat_class: Any = Thinking

    assert _options(chat_class, None, None, None) == {"max_retries": 1}


def test_a_model_the_integration_refuses_to_build_is_a_load_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SECRET", "hunter2hunter2")

    def refuse(self: Any, **_fields: Any) -> None:
        raise ValueError("no such region, hunter2hunter2")

    monkeypatch.setattr(ChatUpstage, "__init__", refuse)
    with pytest.raises(ModelLoadError, match=r"'upstage:solar' cannot be loaded: no such region, \[redacted\]"):
        load_model("upstage:solar")


def test_a_package_that_lacks_one_of_its_own_is_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def lack(self: Any, **_fields: Any) -> None:
        raise ImportError("no tokenizers")

    monkeypatch.setattr(ChatUpstage, "__init__", lack)
    with pytest.raises(MissingPackageError, match="langchain-upstage"):
        load_model("upstage:solar")
