"""A fork, or a run that was told to go on, whose server is killed: it goes on by itself when the server is there again."""

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.commands import Cli, own_environ, wait_until
from tests.forked import Forked
from tests.model_server import ModelServer, altered, by_model, panelist
from tests.ports import free_port
from tests.server.responses.asking import text_of
from tests.server.responses.test_restarts import OUTER, Server


@pytest.fixture
def serving(database: str | Path, server: ModelServer, forked: Forked, tmp_path: Path) -> Iterator[Server]:
    server.settings.behaviour = by_model(OUTER)
    cli = Cli(forked, tmp_path, own_environ(tmp_path, server.url, OPENAI_API_KEY="k", FUSION_SERVER_MODELS="*"))
    serving = Server(cli, database, free_port())
    serving.start()
    yield serving
    serving.end(signal.SIGTERM)


def posted(serving: Server, path: str, **body: Any) -> dict[str, Any]:
    told: dict[str, Any] = httpx.post(f"{serving.url}/{path}", json=body, timeout=60).json()
    return told


@pytest.mark.parametrize("killed", [signal.SIGKILL, signal.SIGTERM])
def test_a_fork_goes_on_and_pays_no_answer_again(serving: Server, server: ModelServer, killed: signal.Signals) -> None:
    parent = serving.ask()
    before = Counter(entry.model for entry in server.log)
    server.settings.behaviour = by_model({**OUTER, "four": altered(panelist(), hang=60.0)})
    begun = posted(serving, f"{parent['id']}/fork", add_seats=["openai:four"])
    wait_until(lambda: any(entry.model == "four" for entry in server.log))
    server.settings.behaviour = by_model({**OUTER, "four": panelist()})

    serving.end(killed)
    serving.start()

    told = serving.ended(begun["id"])
    again = Counter(entry.model for entry in server.log) - before
    details = httpx.get(f"{serving.url}/{begun['id']}/details", timeout=60).json()
    listed = httpx.get(serving.url, timeout=60).json()["data"]
    assert (begun["status"], told["status"], bool(text_of(told))) == ("in_progress", "completed", True)
    assert set(again) == {"four", "judge"}
    assert (details["status"], details["parent_id"]) == ("ok", parent["id"])
    assert [seat["state"] for seat in details["seats"]] == ["answered"] * 4
    assert [(run["id"], run["parent_id"]) for run in listed] == [(begun["id"], parent["id"]), (parent["id"], None)]
