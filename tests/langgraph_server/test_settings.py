"""Settings that no run would take are refused before one starts: the server itself passes over names it does not know."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from langgraph_sdk.client import SyncLangGraphClient

from fusion_graph import SettingsError, build_fusion_graph
from tests.langgraph_server.asking import asked

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"preset": "demo", "pannel": ["demo:careful"]}, "unknown setting 'pannel'.*did you mean 'panel'"),
    ({"preset": "demo", "max_tool_calls": "many"}, "max_tool_calls = 'many'"),
    ({"panel": [{"model": "demo:careful", "temprature": 1}]}, "unknown setting 'temprature'"),
]


@contextmanager
def refused(told: str) -> Iterator[None]:
    """Expect a refusal that says so."""
    with pytest.raises(httpx.HTTPStatusError) as refusal:
        yield
    assert refusal.value.response.status_code == 422
    assert re.search(told, str(refusal.value) + "".join(getattr(refusal.value, "__notes__", [])))


@pytest.mark.parametrize(("context", "told"), WRONG, ids=["name", "value", "seat"])
def test_a_run_is_refused_and_leaves_nothing(client: SyncLangGraphClient, context: Any, told: str) -> None:
    thread = client.threads.create()["thread_id"]

    for ask in (client.runs.wait, client.runs.create, client.runs.stream):
        with refused(told):
            list(ask(thread, "fusion", input=asked("Why?"), context=context))

    assert client.runs.list(thread) == []


@pytest.mark.parametrize(("context", "told"), WRONG, ids=["name", "value", "seat"])
def test_an_assistant_is_refused(client: SyncLangGraphClient, context: Any, told: str) -> None:
    assistant = client.assistants.create("fusion", context={"preset": "demo"})["assistant_id"]

    with refused(told):
        client.assistants.create("fusion", context=context)
    with refused(told):
        client.assistants.update(assistant, context=context)

    assert client.assistants.get(assistant)["context"] == {"preset": "demo"}


def test_a_cron_is_refused(client: SyncLangGraphClient) -> None:
    with refused("unknown setting 'pannel'"):
        client.crons.create("fusion", schedule="0 0 1 1 *", input=asked("Why?"), context={"pannel": []})


def test_of_what_is_configurable_only_values_are_refused_for_names_may_be_anothers(client: SyncLangGraphClient) -> None:
    anothers: Any = {"configurable": {"preset": "demo", "tone": "dry"}}
    wrong: Any = {"configurable": {"mode": "sometimes"}}

    ended: Any = client.runs.wait(None, "fusion", input=asked("What does a panel of models cost?"), config=anothers)
    with refused("mode = 'sometimes'"):
        client.runs.wait(None, "fusion", input=asked("Why?"), config=wrong)

    assert ended["settings"]["preset"] == "demo"


async def test_a_graph_of_this_process_refuses_them_itself() -> None:
    graph = build_fusion_graph().compile()
    question: Any = {"messages": [("user", "Why?")]}
    unknown: Any = {"preset": "demo", "pannel": ["demo:careful"]}

    with pytest.raises(SettingsError, match="unknown setting 'pannel'") as refused:
        await graph.ainvoke(question, context=unknown)

    assert "did you mean 'panel'" in str(refused.value.hint)
