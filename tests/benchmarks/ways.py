"""Ways to do one and the same run of five model calls: by hand over a client, and with the library in its forms."""

import asyncio
import itertools
import json
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import openai
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from fusion_graph.chat_model import ChatFusion
from fusion_graph.deployment import Parts, build_fusion_graph
from fusion_graph.models import close_clients
from fusion_graph.runs import open_runs
from tests.benchmarks.lean_model import LeanChat
from tests.benchmarks.model_server import TOOL

Run = Callable[[], Awaitable[object]]
Way = AbstractAsyncContextManager[Run]
QUESTION = "When did the bridge open?"
RESULT_CHARS = 50_000
SEATS = ("a", "b", "c")
_STREAMED = {"stream": True, "stream_options": {"include_usage": True}}


def settings(*, delay: int = 0, tools: int = 0) -> dict[str, Any]:
    """Return the settings of a run whose models answer after `delay` ms, and whose seats use a tool so many times."""
    late = f"-{delay}ms" if delay else ""
    rounds = f"-{tools}tools" if tools else ""
    seats = [f"openai:seat-{name}{late}{rounds}" for name in SEATS]
    used: dict[str, Any] = {"max_tool_calls": tools} if tools else {"tools": []}
    return {"panel": seats, "judge": f"openai:judge{late}", "writer": f"openai:writer{late}"} | used


def look_up() -> BaseTool:
    """A tool whose results are long, and never the same."""
    numbers = itertools.count()

    async def run(query: str) -> str:
        line = f"{query}: line {next(numbers)} of what there is to be said about it. "
        return (line * (RESULT_CHARS // len(line) + 1))[:RESULT_CHARS]

    return StructuredTool.from_function(coroutine=run, name=TOOL, description="Look a thing up.")


def use(url: str) -> None:
    """Let models called `openai:...` be those of the server at `url`."""
    os.environ |= {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "of-the-benchmark", "NO_PROXY": "*"}


@asynccontextmanager
async def graph(context: Mapping[str, Any], saver: Any = None, tools: Sequence[BaseTool] = ()) -> AsyncIterator[Run]:
    """`build_fusion_graph().compile()`; its answer is read as it is written."""
    compiled: Any = build_fusion_graph(tools=tools).compile(checkpointer=saver)
    how = {"context": context, "stream_mode": "custom"} | ({"durability": "sync"} if saver else {})
    numbers = itertools.count()

    async def run() -> None:
        config = {"configurable": {"thread_id": str(next(numbers))}}
        async for _part in compiled.astream({"messages": [("user", QUESTION)]}, config, **how):
            pass

    yield run
    await close_clients()


@asynccontextmanager
async def lean(url: str, context: Mapping[str, Any]) -> AsyncIterator[Run]:
    """The same with a chat model of our own: an experiment."""
    async with aiohttp.ClientSession() as client:

        def load(name: str, /, **_options: Any) -> BaseChatModel:
            return LeanChat(model_name=name.partition(":")[2], base_url=url, client=client)

        compiled: Any = build_fusion_graph(load_model=load).compile()

        async def run() -> None:
            question = {"messages": [("user", QUESTION)]}
            async for _part in compiled.astream(question, context=context, stream_mode="custom"):
                pass

        yield run


@asynccontextmanager
async def graph_with_sqlite(
    context: Mapping[str, Any], folder: Path, tools: Sequence[BaseTool] = (), *, is_async: bool = False
) -> AsyncIterator[Run]:
    """The same with LangGraph's checkpointer for SQLite, which is told to be sure."""
    async with AsyncExitStack() as stack:
        if is_async:
            path = str(folder / "checkpoints-async.db")
            saver: Any = await stack.enter_async_context(AsyncSqliteSaver.from_conn_string(path))
        else:
            connection = sqlite3.connect(folder / "checkpoints.db", check_same_thread=False)
            saver = SqliteSaver(stack.enter_context(closing(connection)))
        yield await stack.enter_async_context(graph(context, saver, tools))


@asynccontextmanager
async def stored(context: Mapping[str, Any], folder: Path, tools: Sequence[BaseTool] = ()) -> AsyncIterator[Run]:
    """A run as the command line and the server have it: journal, events, lease, checkpoints; the answer is streamed."""
    async with open_runs(folder / "runs.db", Parts.real(tools=tools)) as runs:

        async def run() -> dict[str, Any]:
            live = await runs.start([QUESTION], dict(context))
            async for _event in live.events():
                pass
            return await live.result()

        yield run
    await close_clients()


@asynccontextmanager
async def chat_model(context: Mapping[str, Any]) -> AsyncIterator[Run]:
    """`ChatFusion`, and `astream`."""
    model = ChatFusion(**context)

    async def run() -> None:
        async for _chunk in model.astream(QUESTION):
            pass

    yield run
    await close_clients()


async def asked_since(url: str) -> list[dict[str, Any]]:
    """Return what the models were asked since this was called last."""
    async with httpx.AsyncClient(timeout=60) as client:
        found: list[dict[str, Any]] = (await client.get(f"{url.removesuffix('/v1')}/bodies")).json()
    return found


async def bodies(url: str, context: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the models are asked in a run of the library: three seats, the judge, the writer."""
    await asked_since(url)
    async with graph(context) as run:
        await run()
    order = {"seat": 0, "judg": 1, "writ": 2}
    return sorted(await asked_since(url), key=lambda body: order[body["model"][:4]])


@asynccontextmanager
async def sdk(asked: Sequence[Mapping[str, Any]]) -> AsyncIterator[Run]:
    """The openai SDK by hand."""
    async with openai.AsyncOpenAI(max_retries=0) as client:
        create: Any = client.chat.completions.create

        async def whole(body: Mapping[str, Any]) -> str:
            return str((await create(**body)).choices[0].message.content)

        async def streamed(body: Mapping[str, Any]) -> str:
            stream = await create(**{**body, **_STREAMED})
            return "".join([part.choices[0].delta.content or "" async for part in stream if part.choices])

        yield _by_hand(asked, whole, streamed)


@asynccontextmanager
async def plain(url: str, asked: Sequence[Mapping[str, Any]]) -> AsyncIterator[Run]:
    """aiohttp by hand."""
    async with aiohttp.ClientSession() as client:

        async def whole(body: Mapping[str, Any]) -> str:
            async with client.post(f"{url}/chat/completions", json=body) as response:
                return str((await response.json())["choices"][0]["message"]["content"])

        async def streamed(body: Mapping[str, Any]) -> str:
            async with client.post(f"{url}/chat/completions", json={**body, **_STREAMED}) as response:
                events = [json.loads(line[6:]) async for line in response.content if line.startswith(b"data: {")]
            return "".join(each["choices"][0]["delta"].get("content", "") for each in events if each["choices"])

        yield _by_hand(asked, whole, streamed)


def _by_hand(asked: Sequence[Mapping[str, Any]], ask: Callable[..., Any], write: Callable[..., Any]) -> Run:
    *seats, judge, writer = asked

    async def run() -> None:
        await asyncio.gather(*map(ask, seats))
        await ask(judge)
        await write(writer)

    return run
