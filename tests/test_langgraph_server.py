"""langgraph.json as its users use it: `langgraph dev` without a key, driven by the LangGraph SDK."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient

from tests.ports import free_port

REPOSITORY = Path(__file__).parent.parent
QUESTION = "Does a panel of models beat one model asked twice?"
STARTING_SECONDS = 90


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncLangGraphClient]:
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    # It keeps its state where it is started, which is not to be this repository.
    for name in ("langgraph.json", "fusion_graph"):
        (folder / name).symlink_to(REPOSITORY / name)
    command = [
        str(Path(sys.executable).parent / "langgraph"),
        "dev",
        "--no-browser",
        "--no-reload",
        "--port",
        str(port),
    ]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("LANG", "FUSION_", "OPEN"))}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--n-jobs-per-worker", "2"],
            cwd=folder,
            env=environ | {"FUSION_HOME": str(folder), "LANGSMITH_TRACING": "false"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait(server, f"http://127.0.0.1:{port}", folder / "log")
        with get_sync_client(url=f"http://127.0.0.1:{port}") as found:
            yield found
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            if httpx.get(f"{url}/ok").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(f"langgraph dev did not start:\n{log.read_text()[-3000:]}")


def asked(question: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}]}


def test_a_thread_answers_and_its_second_turn_keeps_the_settings(client: SyncLangGraphClient) -> None:
    thread = client.threads.create()["thread_id"]

    first: Any = client.runs.wait(thread, "fusion", input=asked(QUESTION), context={"preset": "demo"})
    second: Any = client.runs.wait(thread, "fusion", input=asked("What does a panel of models cost?"))

    assert first["status"]["status"] == second["status"]["status"] == "ok"
    assert first["messages"][-1]["content"].startswith("Offline demo: no language model.")
    assert len(first["results"]) == 3
    assert first["analysis"]["contradictions"]
    assert "4.9 times" in second["messages"][-1]["content"]
    assert [message["type"] for message in second["messages"]] == ["human", "ai", "human", "ai"]


def test_a_run_waits_for_approval_on_every_turn_and_goes_on_as_the_approver_said(client: SyncLangGraphClient) -> None:
    thread = client.threads.create()["thread_id"]
    asking: Any = {"preset": "demo", "approve": True}

    for turn, decision in enumerate(["approve", "reject"], 1):
        waiting: Any = client.runs.wait(thread, "fusion", input=asked(QUESTION), context=asking)
        (pause,) = waiting["__interrupt__"]
        state: Any = client.threads.get_state(thread)
        assert state["next"] == ["approve"]
        assert pause["value"]["action_requests"][0]["args"]["panel"] == "demo:careful, demo:brisk, demo:sceptic"
        assert "3 seats" in waiting["messages"][-1]["content"]

        ended: Any = client.runs.wait(thread, "fusion", command={"resume": {"decisions": [{"type": decision}]}})

        assert ended["status"]["status"] == {1: "ok", 2: "error"}[turn]
    assert ended["status"]["failure_reason"] == "cancelled"
    assert [message["type"] for message in ended["messages"]] == ["human", "ai", "human"]


def test_one_seat_can_be_run_alone(client: SyncLangGraphClient) -> None:
    thread = client.threads.create()["thread_id"]
    run: Any = client.runs.wait(thread, "fusion", input=asked(QUESTION), context={"preset": "demo"})
    assert run["status"]["status"] == "ok"
    settings = run["settings"]
    plan: Any = {
        **{name: settings[name] for name in ("max_tool_calls", "max_completion_tokens", "grace_seconds", "tools")},
        **{name: settings[name] for name in ("allowed_domains", "excluded_domains", "blocked_domains")},
        "model": "demo:careful",
        "name": "demo:careful",
        "system_prompt": "",
        "temperature": None,
        "reasoning": "",
        "timeout_seconds": 60,
        "panel_id": "alone",
        "quorum": 0,
        "max_cost_usd": None,
    }
    system = "You are one of several experts who answer the same question independently."
    opening: Any = [{"role": "system", "content": system}, {"role": "user", "content": QUESTION}]

    alone: Any = client.runs.wait(None, "panelist", input={"seat": 1, "plan": plan, "messages": opening})

    (result,) = alone["results"]
    assert result["model"] == "demo:careful"
    assert result["error"] is None


def test_studio_sees_the_graphs_their_seats_and_every_setting(client: SyncLangGraphClient) -> None:
    assistants = {assistant["graph_id"]: assistant for assistant in client.assistants.search()}
    drawn = client.assistants.get_graph(assistants["fusion"]["assistant_id"], xray=True)
    schemas: Any = client.assistants.get_schemas(assistants["fusion"]["assistant_id"])

    assert set(assistants) == {"fusion", "panelist"}
    assert "panel" in str(assistants["fusion"].get("description"))
    assert {"panelist:call_model", "panelist:run_tools", "judge", "write"} <= {node["id"] for node in drawn["nodes"]}
    assert {"preset", "panel", "judge", "max_cost_usd"} <= set(schemas["context_schema"]["properties"])


def test_what_cannot_work_is_refused_in_words_and_nothing_is_called(client: SyncLangGraphClient) -> None:
    thread = client.threads.create()["thread_id"]

    ended: Any = client.runs.wait(
        thread, "fusion", input=asked("Why?"), context={"preset": "qualty"}, raise_error=False
    )

    assert "unknown preset 'qualty'" in json.dumps(ended)


def test_every_path_of_the_file_exists() -> None:
    config = json.loads((REPOSITORY / "langgraph.json").read_text())

    assert all((REPOSITORY / graph["path"].partition(":")[0]).is_file() for graph in config["graphs"].values())
