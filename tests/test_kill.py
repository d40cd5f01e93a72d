"""SIGKILL at every write to a socket or the database: the run goes on elsewhere, and nothing finished is paid twice."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.killable import Killable
from tests.model_server import Entry, ModelServer, by_model, judge, panelist, writer

SETTINGS: dict[str, Any] = {
    "panel": ["openai:one", "openai:two", "openai:three"],
    "judge": "openai:judge",
    "writer": "openai:writer",
}
QUESTION = "When did the bridge open?"


@pytest.fixture
def server(server: ModelServer) -> ModelServer:
    server.settings.behaviour = by_model({"judge": judge(), "writer": writer(), "*": panelist()})
    return server


def check_ledger(result: dict[str, Any], log: list[Entry]) -> None:
    """Hold the run's ledger against the model server's own log, entry by entry."""
    calls = result["usage"]["calls"]
    answered = {entry.response_id: entry for entry in log}
    known = [call for call in calls if call["response_id"]]
    in_flight = [call for call in calls if not call["response_id"]]
    assert len({call["response_id"] for call in known}) == len(known)
    for call in known:
        assert call["model"] == f"openai:{answered[call['response_id']].model}"
        assert call["tokens"]["output"] == answered[call["response_id"]].usage["completion_tokens"]  # type: ignore[index]
    assert all(call["repeated"] for call in in_flight)
    # An answer that arrived was written down at once, so only what had not arrived is ever asked again.
    assert not [call["key"] for call in known if call["repeated"]]
    # What the server saw and the ledger cannot name must be calls in flight at the kill; those may not have got there.
    unnamed = Counter(f"openai:{e.model}" for e in log if e.response_id not in {call["response_id"] for call in known})
    pending = Counter(call["model"] for call in in_flight)
    assert unnamed <= pending
    # A call is made again only if it was under way: one per seat, or the judge's or the writer's.
    again = Counter(call["model"] for call in calls if call["repeated"])
    assert all(count == 1 for count in again.values())
    assert len(again) <= len(SETTINGS["panel"])
    settled = Counter(call["key"] for call in calls if not call["repeated"])
    assert all(count == 1 for count in settled.values())


def the_same(result: dict[str, Any], undisturbed: dict[str, Any]) -> None:
    for part in ("status", "answer", "responses", "analysis", "citations", "failed_models"):
        assert result[part] == undisturbed[part], part
    assert [source["url"] for source in result["sources"]] == [source["url"] for source in undisturbed["sources"]]


def matrix(server: ModelServer, killable: Killable, tmp_path: Path, step: int) -> int:
    """Kill at every `step`-th write until a run ends unkilled; return how many kills there were."""
    undisturbed = killable.run(action="start", db=tmp_path / "whole.db", settings=SETTINGS, question=QUESTION)
    assert undisturbed["result"]["status"] == "ok", undisturbed["result"]["reasons"]
    check_ledger(undisturbed["result"], list(server.log))
    kills = 0
    for kill_at in range(1, undisturbed["writes"] + 1, step):
        seen = len(server.log)
        db = tmp_path / f"{kill_at}.db"
        first = killable.run(action="start", db=db, settings=SETTINGS, question=QUESTION, kill_at=kill_at)
        kills += first["killed"]
        second = killable.run(action="resume", db=db)
        if not second.get("result"):
            assert first["killed"], "only a run that was killed before it was stored may be unknown"
            assert len(server.log) == seen, "nothing may be paid for a run that is not stored"
            continue
        the_same(second["result"], undisturbed["result"])
        check_ledger(second["result"], list(server.log)[seen:])
        assert second["events"][-1]["type"] == "finished"
        assert [e["seq"] for e in second["events"]] == sorted({e["seq"] for e in second["events"]})
        db.unlink()
    return kills


@pytest.mark.timeout(600)
def test_a_run_killed_anywhere_goes_on_elsewhere_and_pays_only_calls_in_flight_again(
    server: ModelServer, killable: Killable, tmp_path: Path
) -> None:
    assert matrix(server, killable, tmp_path, step=3) > 20


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_run_killed_at_any_single_write_goes_on_elsewhere(
    server: ModelServer, killable: Killable, tmp_path: Path
) -> None:
    assert matrix(server, killable, tmp_path, step=1) > 60
