"""Every row of the fault table happens as it says, through the real clients, over real HTTP, into a real database."""

import asyncio
import contextlib
import re
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from fusion_graph.models import close_clients
from tests.faults.fault import STRUCK, Fault
from tests.faults.stage import SEATS, USUAL, Stage
from tests.faults.table import FAULTS
from tests.model_server import Entry, ModelServer, by_model

_UNDISTURBED: dict[bool, dict[int, str]] = {}


@pytest.fixture(autouse=True)
async def _cleared(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Keep a proxy out of the way, and end what a failed row leaves behind."""
    monkeypatch.setenv("NO_PROXY", "*")
    yield
    await close_clients()
    for task in others():
        task.cancel()
    await asyncio.gather(*others(), return_exceptions=True)


def others() -> set[asyncio.Task[Any]]:
    """Return all tasks but the running one."""
    return asyncio.all_tasks() - {cast("asyncio.Task[Any]", asyncio.current_task())}


async def undisturbed(*, tools: bool, folder: Path, patch: pytest.MonkeyPatch) -> dict[int, str]:
    """Return what each seat answers in a run without a fault, with the panel's tools or without."""
    if tools not in _UNDISTURBED:
        with ModelServer(by_model(USUAL)) as server, patch.context() as own:
            own.setenv("OPENAI_BASE_URL", server.url)
            stage = Stage(server, folder)
            stage.settings["tools"] = ["web_search", "web_fetch"] if tools else []
            result = await stage.play()
            assert (result["status"], len(result["responses"])) == ("ok", 3), result["reasons"]
            _UNDISTURBED[tools] = {response["seat"]: response["content"] for response in result["responses"]}
    return _UNDISTURBED[tools]


async def played(fault: Fault, stage: Stage) -> dict[str, Any] | None:
    """Return the result of the row's run."""
    stage.heard = fault.heard
    stage.settings |= fault.settings
    if fault.plays:
        struck = dict.fromkeys(STRUCK[fault.at], fault.plays())
        stage.server.settings.behaviour = by_model(struck, by_model(USUAL))
    return await (fault.story(stage) if fault.story else stage.play())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_fault_has_the_consequences_its_row_names(
    fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ModelServer(by_model(USUAL), **fault.server) as server:
        for name, value in {"OPENAI_BASE_URL": server.url, **fault.environ}.items():
            monkeypatch.setenv(name, value)
        stage = Stage(server, tmp_path, fault.tools)
        result = await played(fault, stage)
        log = server.log

    await close_clients()
    assert not others()
    if result is None:
        assert fault.status is None
        assert not log
        return
    check_outcome(fault, result, stage)
    check_ledger(result, log)
    check_no_error_is_an_answer(result, log)
    seats = await undisturbed(
        tools=bool(fault.settings.get("tools")), folder=tmp_path / "undisturbed", patch=monkeypatch
    )
    check_answers(fault, result, seats)
    if stage.db.exists():  # else the story had a database of its own
        check_no_lease_is_left(stage.db)


def check_outcome(fault: Fault, result: dict[str, Any], stage: Stage) -> None:
    told = (result["status"], result.get("failure_reason"), result.get("judge_failure"))
    assert told == (fault.status, fault.failure_reason, fault.judge_failure), result["reasons"]
    assert outcomes(fault, result) == fault.ledger.split()
    failed = {failure["seat"]: failure["error"] for failure in result["failed_models"]}
    assert failed.keys() == fault.failed.keys(), failed
    for seat, pattern in fault.failed.items():
        assert re.search(pattern, failed[seat]), failed[seat]
    assert re.search(fault.answer, result["answer"]), result["answer"]
    assert re.search(fault.reasons, "; ".join(result["reasons"])), result["reasons"]
    assert bool(result["reasons"]) == (result["status"] != "ok")
    if fault.waited is not None:
        # A date is told in seconds, some time before it is read.
        assert max(stage.waits, default=0.0) == pytest.approx(fault.waited, abs=5.0)


def outcomes(fault: Fault, result: dict[str, Any]) -> list[str]:
    """Return the outcomes of all attempts of the struck role, of each seat alike where it is the panel."""
    calls = result["usage"]["calls"]
    if fault.at in {"judge", "writer"}:
        return [outcome(call) for call in calls if call["role"] == fault.at]
    if fault.at == "store":
        return [outcome(call) for call in calls]
    seats = SEATS if fault.at == "panel" else (2,)
    of_each = [[outcome(call) for call in calls if call["seat"] == seat] for seat in seats]
    assert all(each == of_each[0] for each in of_each), of_each
    return of_each[0]


def outcome(call: dict[str, Any]) -> str:
    return "repeated" if call["repeated"] else str(call["outcome"])


def check_ledger(result: dict[str, Any], log: list[Entry]) -> None:
    """Hold the ledger against the server's own log: each request once, with its response's id and tokens."""
    calls = [call for call in result["usage"]["calls"] if call["model"].startswith("openai:")]
    assert Counter(call["model"] for call in calls) == Counter(f"openai:{entry.model}" for entry in log)
    by_id = {entry.response_id: entry for entry in log}
    by_id |= {f"raw-{entry.model}-{entry.model_ordinal}": entry for entry in log}
    for call in calls:
        if call["response_id"]:
            entry = by_id.pop(call["response_id"])
            assert call["model"] == f"openai:{entry.model}"
            if entry.usage and entry.state == "sent" and call["tokens"]:
                assert call["tokens"]["input"] == entry.usage["prompt_tokens"]
                assert call["tokens"]["output"] == entry.usage["completion_tokens"]


def check_no_error_is_an_answer(result: dict[str, Any], log: list[Entry]) -> None:
    errors = [call["error"]["message"] for call in result["usage"]["calls"] if call["error"]]
    words = [str(detail["error"]["message"]) for entry in log if isinstance(detail := entry.detail, dict)]
    for text in (result["answer"], *(response["content"] for response in result["responses"])):
        assert not [error for error in (*errors, *words, "Traceback", "<html") if error in text], text


def check_answers(fault: Fault, result: dict[str, Any], seats: dict[int, str]) -> None:
    """Hold the seats' answers against those of a run without a fault."""
    responses = {response["seat"]: response for response in result["responses"]}
    lost = fault.failed.keys() - fault.answers.keys()
    assert responses.keys() == SEATS.keys() - lost
    for seat, response in responses.items():
        if seat in fault.answers:
            assert re.search(fault.answers[seat], response["content"]), response["content"][:500]
        else:
            assert response["content"] == seats[seat]
    assert {seat for seat, response in responses.items() if response["partial"]} == set(fault.partial)


def check_no_lease_is_left(db: Path) -> None:
    with contextlib.closing(sqlite3.connect(db)) as connection:
        assert connection.execute("SELECT * FROM fusion_leases").fetchall() == []
