"""A PostgreSQL server that goes away in the middle of a run, and comes back: nothing fails, nothing is paid twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from fusion_graph.database import postgres as database
from fusion_graph.deployment import Parts
from fusion_graph.errors import DatabaseError
from fusion_graph.models.scripted import ScriptedModels, ScriptedRequest
from fusion_graph.runs import Runs, open_runs
from tests.graphs import ROSTER, scripted
from tests.postgres import PostgresServer, change

ROLES = ["north", "south", "east", "judge", "writer"]


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of this test's own."""
    with PostgresServer() as server:
        yield server


@asynccontextmanager
async def opened(server: PostgresServer, models: ScriptedModels) -> AsyncIterator[Runs]:
    parts = Parts.real(load_model=models, environ={})
    async with open_runs(server.url(), parts) as runs:
        yield runs


class Slow:
    """Models of which one takes its time when it is asked first."""

    def __init__(self, model: str) -> None:
        self.asked, self.goes_on = asyncio.Event(), asyncio.Event()
        plain = scripted()(model).script

        async def script(request: ScriptedRequest) -> Any:
            if not self.asked.is_set():
                self.asked.set()
                await self.goes_on.wait()
            return plain(request)

        self.models = scripted(**{model: script})

    @property
    def paid(self) -> Counter[str]:
        return Counter(request.model for request in self.models.requests)


@pytest.mark.parametrize("model", ["south", "judge", "writer"])
async def test_a_run_waits_for_a_database_that_comes_back(server: PostgresServer, model: str) -> None:
    slow = Slow(model)
    async with opened(server, slow.models) as runs:
        live = await runs.start(["Why?"], ROSTER)
        await slow.asked.wait()

        await asyncio.to_thread(server.stop)
        slow.goes_on.set()
        await asyncio.sleep(0.5)
        await asyncio.to_thread(server.start)
        result = await live.result()

        assert result["status"] == "ok"
        assert slow.paid == Counter(ROLES)
        assert [call["outcome"] for call in result["usage"]["calls"]] == ["answer"] * 5
        assert (await runs.get(live.run_id))["status"] == "ok"
        kinds = [event["type"] async for event in runs.events(live.run_id)]
        assert kinds.count("call_finished") == 5
        assert (await (await runs.start(["And now?"], ROSTER)).result())["status"] == "ok"


async def test_a_run_whose_database_stays_away_goes_on_when_it_is_back(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "AWAY_SECONDS", 0.5)
    monkeypatch.setattr(database, "CONNECT_SECONDS", 1)
    slow = Slow("judge")
    async with opened(server, slow.models) as runs:
        live = await runs.start(["Why?"], ROSTER)
        await slow.asked.wait()
        await asyncio.to_thread(server.stop)
        slow.goes_on.set()

        with pytest.raises(DatabaseError, match=r"has been away for 0.5 s") as raised:
            await live.result()
        told = [event async for event in live.events()]

        assert raised.value.hint == "runs that were under way can be gone on with when it is back"
        assert (told[-1]["type"], told[-1]["reason"]) == ("failed", "stopped")
        await asyncio.to_thread(server.start)
    await change(server.url(), "UPDATE fusion_leases SET until = 0")  # it could not be given back, so it runs out
    async with opened(server, slow.models) as runs:
        result = await (await runs.resume(live.run_id)).result()

    assert result["status"] == "ok"
    assert slow.paid == Counter(ROLES) + Counter({"judge": 1})
    assert [call["repeated"] for call in result["usage"]["calls"] if call["role"] == "judge"] == [True, False]


@pytest.mark.parametrize("seconds", [0.8, 1.2, 1.8])  # when the seats give up, it is away, about to come back, or back
async def test_a_panel_that_could_store_nothing_is_asked_again(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(database, "AWAY_SECONDS", 0.5)
    monkeypatch.setattr(database, "CONNECT_SECONDS", 1)
    asked, goes_on = asyncio.Event(), asyncio.Event()

    async def answers(request: ScriptedRequest) -> str:
        asked.set()
        await goes_on.wait()
        return f"{request.model}: late"

    models = scripted(north=answers, south=answers, east=answers)
    async with opened(server, models) as runs:
        live = await runs.start(["Why?"], ROSTER)
        await asked.wait()
        await asyncio.to_thread(server.stop)
        goes_on.set()
        await asyncio.sleep(seconds)
        await asyncio.to_thread(server.start)
        with suppress(DatabaseError):  # it may just have been back in time
            await live.result()
    await change(server.url(), "UPDATE fusion_leases SET until = 0")
    async with opened(server, models) as runs:
        result = await (await runs.resume(live.run_id)).result()

    assert (result["status"], len(result["responses"]), result["failed_models"]) == ("ok", 3, [])


async def test_what_the_server_refuses_is_not_tried_again(server: PostgresServer) -> None:
    async with opened(server, scripted()) as runs:
        with pytest.raises(Exception, match="does not exist"):
            await runs.store.db.read("SELECT * FROM nowhere")
