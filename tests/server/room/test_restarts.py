"""A fork, or a run that was told to go on, whose server is killed: it goes on by itself when the server is there again."""

import signal
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.commands import wait_until
from tests.model_server import ModelServer, altered, by_model, panelist
from tests.server.responses.asking import text_of
from tests.server.restarting import OUTER, Server


def posted(process: Server, path: str, **body: Any) -> dict[str, Any]:
    told: dict[str, Any] = httpx.post(f"{process.responses}/{path}", json=body, timeout=60).json()
    return told


@pytest.mark.parametrize("killed", [signal.SIGKILL, signal.SIGTERM])
def test_a_fork_goes_on_and_pays_no_answer_again(process: Server, server: ModelServer, killed: signal.Signals) -> None:
    parent = process.ask()
    before = Counter(entry.model for entry in server.log)
    server.settings.behaviour = by_model({**OUTER, "four": altered(panelist(), hang=60.0)})
    begun = posted(process, f"{parent['id']}/fork", add_seats=["openai:four"])
    wait_until(lambda: any(entry.model == "four" for entry in server.log))
    server.settings.behaviour = by_model({**OUTER, "four": panelist()})

    process.end(killed)
    process.start()

    told = process.ended(begun["id"])
    again = Counter(entry.model for entry in server.log) - before
    details = httpx.get(f"{process.responses}/{begun['id']}/details", timeout=60).json()
    listed = httpx.get(process.responses, timeout=60).json()["data"]
    assert (begun["status"], told["status"], bool(text_of(told))) == ("in_progress", "completed", True)
    assert set(again) == {"four", "judge"}
    assert (details["status"], details["parent_id"]) == ("ok", parent["id"])
    assert [seat["state"] for seat in details["seats"]] == ["answered"] * 4
    assert [(run["id"], run["parent_id"]) for run in listed] == [(begun["id"], parent["id"]), (parent["id"], None)]
