"""Real, unmodified clients, told a base URL and a key: what they see of this server, and what its models see of them."""

from typing import Any

import pytest

from tests.clients.models import ANSWER, DONE, FOUND, PANEL, SLOWLY, STORIES, STORY, function
from tests.clients.stage import MODEL, ONE_RUN, PROVIDERS_KEY, Stage, fails_at, step
from tests.clients.table import CLIENTS, Known

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]
FUSION = {
    "type": "openrouter:fusion",
    "parameters": {"analysis_models": [f"openai:{name}" for name in PANEL], "model": "openai:judge", "tools": []},
}
SESSION = [
    step("models", "models"),
    step("ask", "ask", "When did it open?"),
    step("stream", "stream", "How was it built?"),
    step("tools", "use_tools", "What shall I eat there?", [function("order_dish", "dish")]),
    step("talk", "talk", "Who planned it?", "Who paid for it?"),
    step("denied", "ask", "May I?", key="the-key-of-nobody"),
    step("unknown", "ask", "Who are you?", model="nobody/knows"),
    step("leave", "leave", f"Please {STORIES}."),
]


def name_of(client: Known) -> str:
    return client.name


@pytest.mark.parametrize("client", CLIENTS, ids=name_of)
def test_a_client_is_served_in_all_it_does(client: Known, stage: Stage) -> None:
    saw = stage.play(client, SESSION if client.lists else SESSION[1:])

    fails_at(saw, "denied", "unknown")
    lists(saw)
    asks_and_streams(saw, stage)
    uses_its_tool(saw, stage)
    talks(saw, stage)
    is_refused(saw, client, stage)
    leaves(saw, stage)
    assert {entry.headers["authorization"] for entry in stage.models.log} == {f"Bearer {PROVIDERS_KEY}"}


def lists(saw: dict[str, Any]) -> None:
    offered = {"fusion", "openrouter/fusion", MODEL, "openai:coder"}
    assert offered <= set(saw.get("models", offered))


def asks_and_streams(saw: dict[str, Any], stage: Stage) -> None:
    assert saw["ask"] == {"text": ANSWER, "tokens": stage.tokens("When did it open?")}
    assert "".join(saw["stream"]) == ANSWER
    assert stage.asked("When did it open?") == stage.asked("How was it built?") == ONE_RUN


def uses_its_tool(saw: dict[str, Any], stage: Stage) -> None:
    """Its function went to the writer alone, the result back to it; one panel was paid, and billed once."""
    assert (saw["tools"]["called"], saw["tools"]["text"]) == ([["order_dish", {"dish": "sample dish"}]], DONE)
    entries = stage.entries("What shall I eat")
    assert stage.asked("What shall I eat") == ONE_RUN | {"writer": 2}
    assert saw["tools"]["tokens"] == stage.tokens("What shall I eat")
    assert {entry.model for entry in entries if "order_dish" in entry.text} == {"writer"}
    assert entries[-1].request.results("order_dish") == ["order_dish: done"]
    assert all(FOUND in entry.text for entry in entries if entry.model == "writer")


def talks(saw: dict[str, Any], stage: Stage) -> None:
    """Each question is a run of its own, in which the panel knows what was said before."""
    assert saw["talk"] == [ANSWER, ANSWER]
    assert stage.asked("Who paid for it?") == ONE_RUN
    panel = [entry.text for entry in stage.entries("Who paid for it?") if entry.model in PANEL]
    assert all("Who planned it?" in text and ANSWER in text for text in panel)


def is_refused(saw: dict[str, Any], client: Known, stage: Stage) -> None:
    assert (saw["denied"]["error"], saw["unknown"]["error"]) == (client.denied, client.unknown)
    assert "give one of this server's API keys" in saw["denied"]["message"]
    assert "'nobody/knows' is not offered here" in saw["unknown"]["message"]
    assert stage.asked("May I?") == stage.asked("Who are you?") == {}


def leaves(saw: dict[str, Any], stage: Stage) -> None:
    """What it heard was a beginning; the run went on without it."""
    assert len(saw["leave"]) < len(STORY)
    assert STORY.startswith(saw["leave"])
    assert [run["status"] for run in stage.runs(STORIES)] == ["ok"]
    assert stage.asked(STORIES) == ONE_RUN


@pytest.mark.parametrize("client", [client for client in CLIENTS if client.is_impatient], ids=name_of)
def test_a_client_that_bears_no_silence_pays_once_for_a_slow_run(client: Known, stage: Stage) -> None:
    questions = {"ask": f"When will it close? {SLOWLY}!", "stream": f"What is it worth? {SLOWLY}!"}

    saw = stage.play(client, [step(name, name, question) for name, question in questions.items()])

    fails_at(saw)
    assert (saw["ask"]["text"], "".join(saw["stream"])) == (ANSWER, ANSWER)
    for question in questions.values():
        assert [run["status"] for run in stage.runs(question)] == ["ok"]
        assert stage.asked(question) == ONE_RUN


@pytest.mark.parametrize("client", [client for client in CLIENTS if client.knows_fusion], ids=name_of)
def test_a_coding_agent_that_asks_the_panel_amid_its_own_tools_pays_for_one(client: Known, stage: Stage) -> None:
    tools = [function("read_file", "path"), FUSION, function("write_file", "path")]

    saw = stage.play(client, [step("work", "use_tools", "Mend it.", tools, model="openai:coder")])

    fails_at(saw)
    assert (saw["work"]["text"], [name for name, _ in saw["work"]["called"]]) == (DONE, ["read_file", "write_file"])
    assert stage.asked("Mend it.") == {**dict.fromkeys(PANEL, 1), "judge": 1, "coder": 4}
    entries = stage.entries("Mend it.")
    assert not any(entry.body.get("tools") for entry in entries if entry.model != "coder")
    offers = ["fusion" in entry.request.tool_names for entry in entries if entry.model == "coder"]
    assert offers == [True, True, False, False]
