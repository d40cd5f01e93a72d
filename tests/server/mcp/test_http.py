"""`fusion mcp --http`: the same tools over streamable HTTP, behind the guard and the keys of `fusion serve`."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import ClientSession, McpError
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl

from fusion_graph.deployment import Parts
from fusion_graph.schemas import DEPTH
from fusion_graph.server.access.keys import Keys
from fusion_graph.server.config import ServerConfig
from fusion_graph.server.mcp.http import make_mcp_app
from tests.commands import Cli, own_environ, wait_until
from tests.forked import Forked
from tests.graphs import scripted
from tests.ports import answers, free_port
from tests.server.conftest import Served, serving
from tests.server.mcp.agent import QUESTION, Agent, only_grows
from tests.server.talk import held

ALICE, BOB = "the-key-of-alice-1", "the-key-of-bob-123"
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
ACCEPT = {"accept": "application/json, text/event-stream"}
Serve = Callable[..., Served]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """What starts servers: `serve(keys=[...], models=["*"], block=1.0, limits={...}, north=script, ...)`."""
    with ExitStack() as open_ones:

        def start(
            *, keys: Any = (), models: Any = ("*",), block: float = 30.0, limits: Any = None, **scripts: Any
        ) -> Served:
            used, db, own = scripted(**scripts), tmp_path / "runs.db", open_ones.enter_context(ExitStack())
            config = ServerConfig(db, Keys(keys), frozenset(models), **(limits or {}))
            app = make_mcp_app(config, Parts.real(load_model=used), block_seconds=block)
            return Served(own.enter_context(serving(app)), used, db, own.close)

        yield start


@asynccontextmanager
async def over_http(url: str, key: str = "", **headers: str) -> AsyncIterator[Agent]:
    """Connect an agent."""
    own = headers | ({"authorization": f"Bearer {key}"} if key else {})
    async with (
        httpx.AsyncClient(headers=own, timeout=60) as client,
        streamable_http_client(f"{url}/mcp", http_client=client) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield Agent(session)


def post(url: str, **headers: str) -> httpx.Response:
    return httpx.post(f"{url}/mcp", json=PING, headers=ACCEPT | headers, timeout=30)


async def test_an_answer_comes_with_progress_on_the_way(serve: Serve) -> None:
    served = serve()
    async with over_http(served.url) as agent:
        told = await agent.ask()

    assert told.status == "ok"
    assert only_grows(told.progress)
    assert told.progress[0][2].startswith("0 of 3 answered")
    assert told.progress[-1][0] == 5


async def test_a_run_is_fetched_in_another_session(serve: Serve) -> None:
    asked, go, waits = held()
    served = serve(east=waits, block=0.1)
    async with over_http(served.url) as agent:
        first = await agent.ask()
    assert await asyncio.to_thread(asked.wait, 20)
    go.set()
    async with over_http(served.url) as agent:
        told = await agent.result(first.run_id)
        while told.status == "running":
            told = await agent.result(first.run_id)

    assert first.status == "running"
    assert told.status == "ok"
    assert len(served.models.requests) == 5


async def test_who_goes_away_does_not_stop_the_run(serve: Serve) -> None:
    asked, go, waits = held()
    served = serve(east=waits)
    async with over_http(served.url) as agent:
        asking = asyncio.ensure_future(agent.ask())
        assert await asyncio.to_thread(asked.wait, 20)
        run_id = agent.progress[0][2].rpartition(" ")[2]
        asking.cancel()
    go.set()
    async with over_http(served.url) as agent:
        told = await agent.result(run_id)

    assert told.status == "ok"


async def test_a_run_that_was_stopped_with_its_server_goes_on_in_the_next(serve: Serve) -> None:
    asked, go, waits = held()
    served = serve(east=waits, block=0.1)
    async with over_http(served.url) as agent:
        run_id = (await agent.ask()).run_id
    assert await asyncio.to_thread(asked.wait, 20)
    stopping = asyncio.create_task(asyncio.to_thread(served.stop))
    await asyncio.to_thread(wait_until, lambda: [run["status"] for run in served.rows()] == ["stopped"])
    go.set()
    await stopping

    again = serve()
    async with over_http(again.url) as agent:
        told = await agent.result(run_id)

    assert told.status == "ok"
    assert sorted(again.asked()) == ["east", "judge", "writer"]


async def test_runs_are_their_owners_alone(serve: Serve) -> None:
    served = serve(keys=[ALICE, BOB])
    async with over_http(served.url, ALICE) as agent:
        told = await agent.ask()
    async with over_http(served.url, BOB) as agent:
        others = [await agent.result(told.run_id), await agent.call("fusion_cancel", run_id=told.run_id)]
        listed = (await agent.session.list_resources()).resources
        with pytest.raises(McpError, match="there is no run"):
            await agent.session.read_resource(AnyUrl(told.structure["resource"]))

    assert [other.text for other in others] == [
        f"there is no run '{told.run_id}'. give the run_id that fusion_ask returned"
    ] * 2
    assert listed == []
    assert [run["owner"] for run in served.rows()] == [Keys([ALICE]).owner(f"Bearer {ALICE}")]


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", ALICE])
def test_without_a_key_nobody_is_answered(serve: Serve, authorization: str) -> None:
    served = serve(keys=[ALICE])

    refused = post(served.url, **({"authorization": authorization} if authorization else {}))

    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert "give one of this server's API keys" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    "headers", [{"host": "evil.example"}, {"origin": "https://evil.example"}, {"x-forwarded-for": "1.2.3.4"}]
)
def test_pages_and_proxies_are_kept_out_of_an_open_server(serve: Serve, headers: dict[str, str]) -> None:
    served = serve()

    assert post(served.url).status_code == 200
    assert post(served.url, **headers).status_code == 403


def test_requests_of_a_minute_are_limited(serve: Serve) -> None:
    served = serve(limits={"max_requests": 2})

    codes = [post(served.url).status_code for _ in range(3)]

    assert codes == [200, 200, 429]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_there_is_no_stream_beside_the_answers_and_no_session_to_end(serve: Serve, method: str) -> None:
    served = serve()

    assert httpx.request(method, f"{served.url}/mcp", headers=ACCEPT, timeout=30).status_code == 405


async def test_models_that_nobody_allowed_are_refused(serve: Serve) -> None:
    served = serve(models=["north", "judge"])
    async with over_http(served.url) as agent:
        refused = await agent.ask()
        allowed = await agent.ask(panel=["north", "north"], writer="judge")

    assert refused.is_error
    assert refused.text.startswith("the model 'south' is not offered here; name a preset")
    assert not allowed.is_error


async def test_a_panel_within_a_panel_is_not_started(serve: Serve) -> None:
    served = serve()
    async with over_http(served.url, **DEPTH) as agent:
        told = await agent.ask()

    assert told.is_error
    assert told.text == "a panel is at work on this already; answer from what you know"
    assert served.rows() == []


async def test_the_command_serves_until_a_signal_comes(forked: Forked, tmp_path: Path) -> None:
    cli, port = Cli(forked, tmp_path, own_environ(tmp_path, "")), free_port()
    server = cli.start("mcp", "--http", "--port", str(port))
    await asyncio.to_thread(wait_until, lambda: answers(port))
    async with over_http(f"http://127.0.0.1:{port}") as agent:
        told = await agent.call("fusion_ask", question=QUESTION, preset="demo")
    server.send_signal(signal.SIGTERM)
    done = await asyncio.to_thread(server.wait)

    assert told.structure["demo"]
    assert f"fusion serves MCP at http://127.0.0.1:{port}/mcp (no keys: for this machine)" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "environ", "said"),
    [
        (["--host", "0.0.0.0"], {}, "no API key"),  # noqa: S104 - it is refused
        ([], {"FUSION_API_KEYS": "short"}, "too short"),
        ([], {"FUSION_BASH": "unsandboxed-host-shell"}, "refused on a server"),
    ],
)
def test_what_would_not_be_safe_does_not_start(
    forked: Forked, tmp_path: Path, arguments: list[str], environ: dict[str, str], said: str
) -> None:
    cli = Cli(forked, tmp_path, own_environ(tmp_path, ""))

    done = cli("mcp", "--http", *arguments, **environ)

    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert "hint: " in done.stderr
