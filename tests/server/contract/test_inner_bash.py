"""The panel's bash, as its model sees it."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from fusion_graph.models.scripted import ScriptedModels
from tests.server.conftest import Served
from tests.server.contract.asking import plugin, result, running
from tests.server.contract.inner import repeats, seat_with


@pytest.fixture(autouse=True)
def shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_BASH", "bashkit")


def commanding(**arguments: Any) -> ScriptedModels:
    return seat_with(repeats("bash", arguments))


def outcome(served: Served) -> Any:
    """Return what a command came to, as the seat says again what it was told."""
    response = served.chat(**plugin(analysis_models=["north"], tools=[{"type": "openrouter:bash"}]))
    (told,) = result(response)["responses"]
    return json.loads(next(line for line in told["content"].split("\n") if line.startswith("{")))


@pytest.mark.contract("6.14")
@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("echo out; echo err >&2; exit 3", ("out\n", "err\n", 3)),
        ("printf '%s' $((6 * 7))", ("42", "", 0)),
        ("false", ("", "", 1)),
    ],
)
def test_a_command_gives_its_output_and_its_exit_code(db: Path, command: str, expected: tuple[str, str, int]) -> None:
    with running(commanding(command=command), db) as served:
        told = outcome(served)

    assert (told["stdout"], told["stderr"], told["exitCode"]) == expected


@pytest.mark.contract("6.15")
def test_several_commands_give_an_outcome_each(db: Path) -> None:
    with running(commanding(commands=["echo one > kept", "cat kept", "false"]), db) as served:
        told = outcome(served)["results"]

    assert [(each["stdout"], each["exitCode"]) for each in told] == [("", 0), ("one\n", 0), ("", 1)]


@pytest.mark.contract("6.16")
def test_a_command_is_stopped_after_its_time(db: Path) -> None:
    with running(commanding(command="echo begun; sleep 60", timeout_ms=200), db) as served:
        told = outcome(served)

    assert told["timedOut"] is True, told
    assert told["exitCode"] != 0


@pytest.mark.contract("6.17")
def test_output_is_cut_at_its_length(db: Path) -> None:
    with running(
        commanding(command="for i in $(seq 1 2000); do echo line $i; done", max_output_length=500), db
    ) as served:
        told = outcome(served)

    assert told["truncated"] is True
    assert 0 < len(told["stdout"].replace("\n", "")) < 600


@pytest.mark.contract("6.18")
def test_there_is_no_network(db: Path) -> None:
    with running(seat_with(repeats("bash", {"command": "true"})), db) as other:
        host, port = other.url.removeprefix("http://").split(":")
        ways = [f"curl -s {other.url}/healthz", f"wget -q -O- {other.url}/healthz", f"cat < /dev/tcp/{host}/{port}"]
        with running(commanding(commands=ways), db.with_name("own.db")) as served:
            told = outcome(served)["results"]
        is_up = httpx.get(f"{other.url}/healthz").json()["status"] == "ok"

    assert is_up
    assert all(each["exitCode"] != 0 and "ok" not in each["stdout"] for each in told)
