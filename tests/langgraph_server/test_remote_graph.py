"""The served graph in other programs: RemoteGraph alone, and as a node."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from langchain_core.messages import AnyMessage, HumanMessage, convert_to_messages
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import get_client, get_sync_client

from tests.langgraph_server.asking import asked, models, texts
from tests.langgraph_server.dev import ANSWER, Dev

BRIDGES = ["openai:judge", "openai:north", "openai:south", "openai:writer"]
Parent = CompiledStateGraph[MessagesState, None, MessagesState, MessagesState]


@pytest.fixture
async def remote(dev: Dev) -> AsyncIterator[RemoteGraph]:
    with get_sync_client(url=dev.url) as sync_client:
        async with get_client(url=dev.url) as client:
            yield RemoteGraph("fusion", client=client, sync_client=sync_client)


def parent_of(remote: RemoteGraph) -> Parent:
    """Return a graph that asks the remote one, and says what it is told."""
    told = remote.with_config({"configurable": {"preset": "bridges"}})
    builder = StateGraph(MessagesState)
    builder.add_node("fusion", told)
    builder.add_edge(START, "fusion")
    return builder.compile(checkpointer=InMemorySaver())


def question(text: str) -> MessagesState:
    return {"messages": [HumanMessage(text)]}


def own_thread() -> RunnableConfig:
    return {"configurable": {"thread_id": str(uuid.uuid4())}}


def said(state: Any) -> list[tuple[str, str]]:
    messages: list[AnyMessage] = state["messages"]
    return [(message.type, str(message.text)) for message in convert_to_messages(messages)]


def test_a_thread_keeps_its_settings_for_a_remote_graph(dev: Dev, remote: RemoteGraph) -> None:
    thread = dev.thread()
    config: Any = {"configurable": {"thread_id": thread}}

    first: Any = remote.invoke(asked("When did it open?"), config, context={"preset": "bridges"})
    second: Any = remote.invoke(asked("Who built it?"), config)

    assert texts(first)[-1] == texts(second)[-1] == ("ai", ANSWER)
    assert models(second) == BRIDGES
    assert remote.get_state(config).values["settings"]["preset"] == "bridges"


async def test_a_remote_graph_streams(remote: RemoteGraph) -> None:
    modes: Any = ["updates", "custom"]

    stream = remote.astream(asked("Whose is it?"), context={"preset": "bridges"}, stream_mode=modes, subgraphs=True)
    parts: list[Any] = [(mode, data) async for _, mode, data in stream]

    assert {"prepare", "judge", "write"} <= {node for mode, data in parts if mode == "updates" for node in data}
    seats = {data["seat"] for mode, data in parts if mode == "custom" and data["type"] == "panelist_started"}
    assert seats == {1, 2}


def test_a_remote_graph_is_a_node_of_a_sync_graph_and_shares_its_thread(remote: RemoteGraph) -> None:
    parent, config = parent_of(remote), own_thread()

    first = parent.invoke(question("When did it open?"), config)
    second = parent.invoke(question("Who built it?"), config)

    assert said(first) == [("human", "When did it open?"), ("ai", ANSWER)]
    assert said(second) == [*said(first), ("human", "Who built it?"), ("ai", ANSWER)]
    assert models(remote.get_state(config).values) == BRIDGES


async def test_a_remote_graph_is_a_node_of_an_async_graph(remote: RemoteGraph) -> None:
    parent = parent_of(remote)

    state = await parent.ainvoke(question("When did it open?"), own_thread())

    assert said(state) == [("human", "When did it open?"), ("ai", ANSWER)]


async def test_an_unknown_setting_is_refused_to_a_remote_graph(remote: RemoteGraph) -> None:
    with pytest.raises(httpx.HTTPStatusError, match=r"unknown setting 'presett'.*did you mean 'preset'"):
        await remote.ainvoke(asked("Why?"), context={"presett": "demo"})
