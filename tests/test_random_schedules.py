"""Random faults in every call and kills at random writes: whatever happens, a run comes to an honest end.

hypothesis draws which requests of each model go wrong, and at which writes the process and its successors are killed.
`.ci/full` plays 200 schedules; one that fails is printed with the blob that plays it again.
"""

import re
import sqlite3
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.killable import Killable
from tests.model_server import Entry, ModelServer, by_model, judge, panelist, writer
from tests.model_server.wire import Behaviour, Reply, Request

SEATS = ("one", "two", "three")
SETTINGS: dict[str, Any] = {
    "panel": [f"openai:{name}" for name in SEATS],
    "judge": "openai:judge",
    "writer": "openai:writer",
    "panel_timeout_seconds": 20,
}
QUESTION = "When did the bridge open?"
HEALTHY = {"judge": judge(), "writer": writer(), "*": panelist()}
LAST_WRITE = 260  # of an undisturbed run, about
FAULTS: dict[str, Reply | None] = {
    "well": None,
    "500": Reply(status=500),
    "503": Reply(status=503),
    "429": Reply(status=429, headers={"retry-after": "0"}),
    "402": Reply(status=402),
    "404": Reply(status=404),
    "reset": Reply(reset_before=True),
    "reset midway": Reply(text="It opened in nineteen hundred and", reset_after_chunks=2),
    "empty": Reply(empty=True),
    "html": Reply(html=True),
    "half a JSON": Reply(text="It opened in 1932, as they say.", truncated_json=True),
}
Schedule = Mapping[str, Sequence[str]]  # model -> what becomes of its first requests

schedules = st.fixed_dictionaries(
    {name: st.lists(st.sampled_from(sorted(FAULTS)), max_size=4) for name in (*SEATS, "judge", "writer")}
)
kills = st.lists(st.integers(1, LAST_WRITE), max_size=3)


@pytest.fixture
def server(server: ModelServer) -> ModelServer:
    server.settings.behaviour = by_model(HEALTHY)
    return server


def played(schedule: Schedule) -> Behaviour:
    """Return the behaviour in which the n-th request of a model meets the n-th fault of its schedule."""
    seen: Counter[str] = Counter()
    lock = threading.Lock()
    healthy = by_model(HEALTHY)

    def behave(request: Request) -> Reply:
        with lock:
            number = seen[request.model]
            seen[request.model] += 1
        faults = schedule.get(request.model, ())
        fault = FAULTS[faults[number]] if number < len(faults) else None
        return fault or healthy(request)

    return behave


def said(result: Mapping[str, Any]) -> dict[str, str]:
    """What each seat that answered in full said, whatever the run's numbers for its sources."""
    return {r["model"]: re.sub(r"\[[\d, ?]+\]", "[n]", r["content"]) for r in result["responses"] if not r["partial"]}


def check_end(result: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> None:
    assert result["status"] in {"ok", "degraded", "error"}
    assert result["answer"] or result.get("failure_reason")
    assert bool(result["reasons"]) == (result["status"] != "ok")
    assert not re.search(r"Error code|Internal Server|<html|Traceback", result["answer"])
    assert events[-1]["type"] == "finished"
    assert [e["seq"] for e in events] == sorted({e["seq"] for e in events})


def check_ledger(result: Mapping[str, Any], log: Sequence[Entry]) -> None:
    calls = result["usage"]["calls"]
    known = [call for call in calls if call["response_id"]]
    assert len({call["response_id"] for call in known}) == len(known)
    assert {call["response_id"] for call in known} <= {entry.response_id for entry in log}
    listed, received = Counter(c["model"] for c in calls), Counter(f"openai:{e.model}" for e in log)
    in_flight = Counter(call["model"] for call in calls if call["repeated"] and not call["outcome"])
    for model in listed | received:
        # Every request is a line; a line that is no request was written right before the process was killed.
        assert received[model] <= listed[model] <= received[model] + in_flight[model], model
    answered = Counter(c["key"] for c in calls if c["outcome"] in {"answer", "tool_calls"})
    assert max(answered.values(), default=1) == 1, "what was answered was paid for again"


def check_nothing_is_left(db: Path) -> None:
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("SELECT count(*) FROM fusion_leases").fetchone() == (0,)


def play(server: ModelServer, killable: Killable, db: Path, schedule: Schedule, at: Sequence[int]) -> dict[str, Any]:
    """Start a run, kill it and its successors, and return what the last one, which is left alone, came to."""
    server.settings.behaviour = played(schedule)
    told: dict[str, Any] = {}
    for number, kill_at in enumerate([*at, 0]):
        action = "resume" if number else "start"
        told = killable.run(action=action, db=db, settings=SETTINGS, question=QUESTION, kill_at=kill_at, backoff=0.01)
        assert told["killed"] or told["status"] == 0, told
    return told


@pytest.mark.parametrize("examples", [12, pytest.param(200, marks=pytest.mark.full)])
@pytest.mark.timeout(3000)
def test_whatever_goes_wrong_a_run_comes_to_an_honest_end(
    server: ModelServer, killable: Killable, tmp_path: Path, examples: int
) -> None:
    undisturbed = said(play(server, killable, tmp_path / "whole.db", {}, ())["result"])
    databases = iter(range(10**9))

    @settings(
        max_examples=examples,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(schedule=schedules, at=kills)
    def comes_to_an_honest_end(schedule: Schedule, at: list[int]) -> None:
        db, before = tmp_path / f"{next(databases)}.db", len(server.log)

        told = play(server, killable, db, schedule, at)

        log = list(server.log)[before:]
        if not told.get("result"):
            assert at, "only a run that was killed before it was stored may be unknown"
            assert not log, "nothing may be paid for a run that is not stored"
            return
        check_end(told["result"], told["events"])
        check_ledger(told["result"], log)
        check_nothing_is_left(db)
        healthy = {f"openai:{name}" for name in SEATS if not set(schedule[name]) - {"well"}}
        assert {model: text for model, text in undisturbed.items() if model in healthy} == {
            model: text for model, text in said(told["result"]).items() if model in healthy
        }
        db.unlink()

    comes_to_an_honest_end()
