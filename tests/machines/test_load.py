"""Many runs on one process of `fusion serve`: all at once, more than it takes, in turn, and one after the other for long."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.commands import Cli, own_environ
from tests.faults.stage import compares
from tests.forked import Forked
from tests.machines.conftest import Tell
from tests.machines.figures import Figures, figures
from tests.machines.holding import PANEL, ROLES, number_of, paid, question
from tests.model_server import Entry, ModelServer, Reply, Request
from tests.server.restarting import Server, started

pytestmark = [pytest.mark.machines, pytest.mark.timeout(600)]
AT_ONCE, TOO_MANY = 500, 20
HELD_SECONDS = 40.0  # for which the first seat of each run waits, until all of them are under way
SOAK_SECONDS, BESIDE = 180.0, 8
KEPT_OPEN = 20  # connections to the models: as many as were in use at a time, of which the client lets none go so soon
PLUGIN = {"id": "fusion", "analysis_models": PANEL["panel"], "model": PANEL["judge"], "tools": []}
Start = Callable[..., Server]


def model(request: Request, delay: float = 0.0) -> Reply:
    said = compares()(request) if request.model == "judge" else Reply(text=f"{request.model}: in 1932.")
    return Reply(text=said.text, tool_calls=said.tool_calls, delay=delay)


@pytest.fixture
def models() -> Iterator[ModelServer]:
    with ModelServer(model) as models:
        yield models


@pytest.fixture
def start(forked: Forked, models: ModelServer, tmp_path: Path) -> Iterator[Start]:
    """What starts a server: `start(FUSION_CALLS_PER_PROVIDER="8")`."""
    with ExitStack() as stack:

        def start(**environ: str) -> Server:
            usual = {
                "FUSION_DB": str(tmp_path / "runs.db"),
                "FUSION_SERVER_MODELS": "*",
                "FUSION_SERVER_MAX_RUNS": "10000",
                "OPENAI_API_KEY": "of-the-operator",
            }
            cli = Cli(forked, tmp_path, own_environ(tmp_path, models.url, **usual | environ))
            cli.home.mkdir()
            return stack.enter_context(started(cli))

        yield start


def begin(client: httpx.Client, server: Server, number: int) -> httpx.Response:
    """Ask for a run in the background."""
    body = {"model": "fusion", "background": True, "input": question(number), "plugins": [PLUGIN]}
    return client.post(server.responses, json=body | {"x_fusion": {"writer": PANEL["writer"]}}, timeout=120)


def wait_for_all(server: Server, within: float = 300.0) -> Figures:
    """Wait until no run is under way; return the most memory that was seen, with the last of the rest."""
    end, most = time.monotonic() + within, 0.0
    while (now := figures(server.url)).under_way:
        assert time.monotonic() < end, now
        most = max(most, now.memory)
        time.sleep(1)
    return Figures(max(most, now.memory), now.files, now.tasks, now.under_way, now.ended)


def test_five_hundred_runs_at_once_and_no_more(start: Start, models: ModelServer, tell: Tell) -> None:
    models.settings.behaviour = lambda asked: model(asked, HELD_SECONDS if asked.model == "north" else 0.0)
    server = start(FUSION_CALLS_PER_PROVIDER="2000", FUSION_SERVER_MAX_RUNS_IN_ALL=str(AT_ONCE))
    idle, began = figures(server.url), time.monotonic()

    with httpx.Client() as client, ThreadPoolExecutor(8) as threads:
        told = list(threads.map(lambda number: begin(client, server, number), range(AT_ONCE)))
        begun, all_there = time.monotonic() - began, figures(server.url)
        refused = list(threads.map(lambda number: begin(client, server, AT_ONCE + number), range(TOO_MANY)))
        full = httpx.get(f"{server.url}/readyz").json()
        most = wait_for_all(server)
        took = time.monotonic() - began
        models.settings.behaviour = model
        later = begin(client, server, AT_ONCE + TOO_MANY)
        ends = Counter(threads.map(lambda each: server.fetched(each.json()["id"])["status"], told))
        last = server.ended(later.json()["id"])

    assert {each.status_code for each in told} == {200}
    assert all_there.under_way == full["runs"] == AT_ONCE
    assert {(each.status_code, each.headers["retry-after"]) for each in refused} == {(429, "10")}
    assert ends == {"completed": AT_ONCE}
    assert last["status"] == "completed"
    asked = [*range(AT_ONCE), AT_ONCE + TOO_MANY]
    assert paid(models.log) == Counter({(number, role): 1 for number in asked for role in ROLES})
    a_run = (most.memory - idle.memory) / AT_ONCE
    tell(
        f"{AT_ONCE} runs at once: begun in {begun:.0f} s, {TOO_MANY} more refused with 429, all answered {took:.0f} s after the "
        f"first; memory {idle.memory:.0f} MiB idle, {most.memory:.0f} MiB at most, {a_run * 1024:.0f} KiB a run"
    )
    assert a_run < 4, "MiB"


def overlapping(entries: list[Entry]) -> int:
    """Return how many calls were in flight at a time, at most."""
    steps = [(entry.received_at, 1) for entry in entries] + [(entry.finished_at or 0.0, -1) for entry in entries]
    most = now = 0
    for _, step in sorted(steps):
        now += step
        most = max(most, now)
    return most


def test_seats_have_their_turn_and_a_provider_no_more_than_its_calls(
    start: Start, models: ModelServer, tell: Tell
) -> None:
    runs, at_a_time = 100, 8
    models.settings.behaviour = lambda asked: model(asked, 0.1)
    server = start(FUSION_CALLS_PER_PROVIDER=str(at_a_time))

    with httpx.Client() as client:
        for number in range(runs):
            assert begin(client, server, number).is_success
    wait_for_all(server)

    seats = [number_of(entry.text) for entry in models.log if entry.model in {"north", "south"}]
    late = max(abs(place - 2 * number) for place, number in enumerate(seats))
    tell(
        f"{runs} runs with {at_a_time} calls at a time: at most {overlapping(models.log)} in flight; "
        f"a seat came up to {late} places off its turn among {len(seats)}"
    )
    assert overlapping(models.log) <= at_a_time
    assert late <= 4 * at_a_time
    assert paid(models.log) == Counter({(number, role): 1 for number in range(runs) for role in ROLES})


def test_hours_of_short_runs_leave_nothing_behind(start: Start, tmp_path: Path, tell: Tell) -> None:
    server = start()
    numbers = iter(range(10_000_000))

    def ask(kind: int, end: float) -> None:
        with httpx.Client(timeout=120) as client:
            while time.monotonic() < end:
                one(client, server, next(numbers), kind)

    def rests_after(seconds: float) -> tuple[Figures, float]:
        """Return what the server holds at rest after runs of so many seconds, and the bytes of its database."""
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(BESIDE) as threads:
            for each in [threads.submit(ask, kind, end) for kind in range(BESIDE)]:
                each.result()
        wait_for_all(server)
        return figures(server.url), float(sum(path.stat().st_size for path in tmp_path.glob("runs.db*")))

    # At rest: while runs are under way, what is held goes up and down with the steps they happen to be at.
    (warm, first), (half, middle), (late, last) = [rests_after(SOAK_SECONDS * share) for share in (0.2, 0.4, 0.4)]

    runs = late.ended - warm.ended
    memory, files, tasks = late.memory - warm.memory, late.files - warm.files, late.tasks - warm.tasks
    a_run = ((middle - first) / (half.ended - warm.ended), (last - middle) / (late.ended - half.ended))
    tell(
        f"{late.ended} runs in {SOAK_SECONDS:.0f} s, {BESIDE} at a time; at rest, from a fifth of the time to its end: memory "
        f"{memory:+.1f} MiB ({1024 * memory / runs:+.1f} KiB a run), files {files:+}, tasks {tasks:+}; database in the two "
        f"halves: {a_run[0] / 1024:.1f} and {a_run[1] / 1024:.1f} KiB a run"
    )
    assert memory < 16, "MiB"
    assert files < KEPT_OPEN
    assert tasks <= 0
    assert a_run[1] <= 1.2 * a_run[0]


def one(client: httpx.Client, server: Server, number: int, kind: int) -> None:
    """Ask once, in one of the ways that clients have, and have the answer."""
    chat: dict[str, Any] = {"model": "fusion", "messages": [{"role": "user", "content": question(number)}]}
    chat |= {"plugins": [PLUGIN], "x_fusion": {"writer": PANEL["writer"]}}
    if kind % 3 == 0:
        told = client.post(f"{server.url}/v1/chat/completions", json=chat)
        assert told.json()["choices"][0]["message"]["content"], told.text
    elif kind % 3 == 1:
        with client.stream("POST", f"{server.url}/v1/chat/completions", json=chat | {"stream": True}) as response:
            assert "data: [DONE]" in list(response.iter_lines())
    else:
        assert server.ended(begin(client, server, number).json()["id"])["status"] == "completed"
