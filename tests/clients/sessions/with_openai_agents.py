"""Agents of openai-agents, whose models are asked over the Responses API."""

import json
from collections.abc import AsyncIterator
from typing import Any

from agents import (  # type: ignore[import-not-found]
    Agent,
    FunctionTool,
    OpenAIResponsesModel,
    Runner,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

from tests.clients.sessions.shapes import Opening

set_tracing_disabled(True)  # which goes to OpenAI


class Client:
    def __init__(self, url: str, key: str, model: str) -> None:
        self._model = OpenAIResponsesModel(model, AsyncOpenAI(base_url=url, api_key=key))

    async def ask(self, question: str) -> dict[str, Any]:
        return _told(await Runner.run(self._agent(), question))

    async def stream(self, question: str) -> list[str]:
        return [text async for text in _deltas(Runner.run_streamed(self._agent(), question))]

    async def use_tools(self, question: str, tools: list[Any]) -> dict[str, Any]:
        called = list[Any]()

        def made(name: str, description: str, parameters: dict[str, Any]) -> Any:
            async def run(context: Any, arguments: str) -> str:
                called.append([name, json.loads(arguments)])
                return f"{name}: done"

            return FunctionTool(name, description, parameters, run, strict_json_schema=False)

        agent = self._agent(tools=[made(**tool["function"]) for tool in tools])
        return {"called": called, **_told(await Runner.run(agent, question))}

    async def talk(self, *questions: str) -> list[str]:
        said, spoken = list[str](), list[Any]()
        for question in questions:
            told = await Runner.run(self._agent(), [*spoken, {"role": "user", "content": question}])
            said.append(told.final_output)
            spoken = told.to_input_list()
        return said

    async def talk_by_id(self, *questions: str) -> list[str]:
        said, before = list[str](), None
        for question in questions:
            told = await Runner.run(self._agent(), question, previous_response_id=before)
            said.append(told.final_output)
            before = told.last_response_id
        return said

    async def parse(self, question: str) -> dict[str, Any]:
        told: Opening = (await Runner.run(self._agent(output_type=Opening), question)).final_output
        return told.model_dump()

    async def leave(self, question: str) -> str:
        run = Runner.run_streamed(self._agent(), question)
        async for text in _deltas(run):
            run.cancel()
            return text
        return ""

    def _agent(self, **fields: Any) -> Any:
        return Agent(name="guide", model=self._model, **fields)


def _told(run: Any) -> dict[str, Any]:
    return {"text": run.final_output, "tokens": run.context_wrapper.usage.total_tokens}


async def _deltas(run: Any) -> AsyncIterator[str]:
    async for event in run.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            yield event.data.delta
