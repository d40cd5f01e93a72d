"""Agents of pydantic-ai."""

from typing import Any

from pydantic_ai import Agent, Tool  # type: ignore[import-not-found]
from pydantic_ai.models.openai import OpenAIChatModel  # type: ignore[import-not-found]
from pydantic_ai.providers.openai import OpenAIProvider  # type: ignore[import-not-found]

from tests.clients.sessions.shapes import Opening


class Agents:
    def __init__(self, model: Any) -> None:
        self._model = model

    async def ask(self, question: str) -> dict[str, Any]:
        told = await Agent(self._model).run(question)
        return {"text": told.output, "tokens": told.usage.total_tokens}

    async def stream(self, question: str) -> list[str]:
        async with Agent(self._model).run_stream(question) as told:
            return [text async for text in told.stream_text(delta=True, debounce_by=None)]

    async def use_tools(self, question: str, tools: list[Any]) -> dict[str, Any]:
        called = []

        def made(name: str, description: str, parameters: dict[str, Any]) -> Any:
            def run(**arguments: Any) -> str:
                called.append([name, arguments])
                return f"{name}: done"

            return Tool.from_schema(run, name, description, parameters)

        agent = Agent(self._model, tools=[made(**tool["function"]) for tool in tools])
        told = await agent.run(question)
        return {"called": called, "text": told.output, "tokens": told.usage.total_tokens}

    async def talk(self, *questions: str, **settings: Any) -> list[str]:
        said, history = [], None
        for question in questions:
            told = await Agent(self._model, model_settings=settings).run(question, message_history=history)
            said.append(told.output)
            history = told.all_messages()
        return said

    async def parse(self, question: str) -> dict[str, Any]:
        found: Opening = (await Agent(self._model, output_type=Opening).run(question)).output
        return found.model_dump()

    async def leave(self, question: str) -> str:
        async with Agent(self._model).run_stream(question) as told:
            async for text in told.stream_text(delta=True, debounce_by=None):
                return str(text)
        return ""


class Client(Agents):
    def __init__(self, url: str, key: str, model: str) -> None:
        super().__init__(OpenAIChatModel(model, provider=OpenAIProvider(base_url=url, api_key=key)))
