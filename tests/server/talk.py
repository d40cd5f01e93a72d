"""What the tests of the server ask, how they read what it says, and models that wait or call the client's tool."""

import asyncio
import json
import sqlite3
import threading
import time
from contextlib import closing
from itertools import count
from typing import Any

import httpx

from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest
from tests.commands import wait_until
from tests.server.conftest import Serve, Served, is_judge, judge_and_writer

PANELISTS = {"north", "south", "east"}
ORDER: dict[str, Any] = {
    "type": "function",
    "function": {"name": "order", "description": "Order.", "parameters": {"type": "object", "properties": {}}},
}


def orders(request: ScriptedRequest) -> Any:
    """A writer that calls the client's tool once, then answers; as the judge it compares."""
    if is_judge(request):
        return judge_and_writer(request)
    if request.tools and not any(message.type == "tool" for message in request.messages):
        return ScriptedReply(tool_calls=[{"name": "order", "args": {"n": 1}, "id": "call_1"}])
    return "It was served."


def held() -> tuple[threading.Event, threading.Event, Any]:
    """Return when a model is asked, what lets it answer, and the model."""
    asked, go = threading.Event(), threading.Event()

    async def waits(_request: ScriptedRequest) -> str:
        asked.set()
        await asyncio.to_thread(go.wait, 30)
        return "east: late"

    return asked, go, waits


def endless(times: int = 1000) -> tuple[threading.Event, Any]:
    """Return when a model is asked, and the model, whose first answers do not come."""
    asked, calls = threading.Event(), count(1)

    async def waits(_request: ScriptedRequest) -> str:
        asked.set()
        if next(calls) <= times:
            await asyncio.Event().wait()
        return "east: the answer is 1."

    return asked, waits


def dear(usd: float) -> Any:
    """A panelist whose provider tells what its answer cost."""

    def answers(_request: ScriptedRequest) -> ScriptedReply:
        return ScriptedReply("It is 1.", cost=usd)

    return answers


def lines(response: httpx.Response) -> list[str]:
    """Return the lines of a response that are not empty."""
    response.read()
    return [line for line in response.text.split("\n") if line]


def chunks(response: httpx.Response) -> list[dict[str, Any]]:
    """Return the chunks of a stream that ended as it should."""
    data = [line.removeprefix("data: ") for line in lines(response) if line.startswith("data: ")]
    assert data[-1] == "[DONE]"
    return [json.loads(each) for each in data[:-1]]


def stored(served: Served, run_id: str) -> str:
    """Return the status of a run in the database, when it has ended."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with closing(sqlite3.connect(served.db)) as connection:
            (status,) = connection.execute("SELECT status FROM fusion_runs WHERE run_id = ?", (run_id,)).fetchone()
        if status != "running":
            return str(status)
        time.sleep(0.02)
    return "running"


def answered(served: Served, number: int = 2) -> None:
    """Wait until so many answers of models are stored: what a run is stopped before may be paid again."""

    def is_so() -> bool:
        with closing(sqlite3.connect(served.db)) as connection:
            sql = "SELECT count(*) FROM fusion_attempts WHERE reply IS NOT NULL"
            (found,) = connection.execute(sql).fetchone()
        return bool(found >= number)

    wait_until(is_so)


def left_alone(serve: Serve) -> tuple[Served, str]:
    """Return a server, and a run that has ended there after its client went away in the middle."""
    asked, go, waits = held()
    served = serve(east=waits, judge=judge_and_writer)
    with served.streaming() as response:
        assert asked.wait(20)
        run_id = response.headers["x-fusion-run-id"]
    go.set()
    assert stored(served, run_id) == "ok"
    return served, run_id
