"""The official inspector, an MCP client of another language, on its command line: over stdio and over HTTP."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.clients import programs
from tests.commands import Cli, own_environ, wait_until
from tests.forked import Forked
from tests.ports import answers, free_port
from tests.system import required

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]
PACKAGE = "@modelcontextprotocol/inspector@0.15"
QUESTION = "What does a panel cost?"
Inspect = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The inspector's command line, installed in a folder of its own."""
    folder, npm = tmp_path_factory.mktemp("inspector"), required("npm", "npm")
    (folder / "package.json").write_text("{}")
    programs._run([npm, "install", "--no-audit", "--no-fund", "--loglevel=error", PACKAGE], folder)
    return folder / "node_modules" / ".bin" / "mcp-inspector"


@pytest.fixture(params=["stdio", "http"])
def inspect(request: pytest.FixtureRequest, inspector: Path, forked: Forked, tmp_path: Path) -> Iterator[Inspect]:
    """What asks a server one thing, as the inspector sees it."""
    cli = Cli(forked, tmp_path, own_environ(tmp_path, ""))
    port = free_port()
    over_stdio = [sys.executable, "-m", "fusion_graph", "mcp", "-e", f"FUSION_HOME={cli.home}"]
    over_http = [f"http://127.0.0.1:{port}/mcp"]  # this version has no way to send a key
    target = over_stdio if request.param == "stdio" else over_http

    def ask(method: str, *options: str) -> dict[str, Any]:
        command = [str(inspector), "--cli", *target, "--method", method, *options]
        told: dict[str, Any] = json.loads(programs._run(command, Path.cwd()))
        return told

    server = None if request.param == "stdio" else cli.start("mcp", "--http", "--port", str(port))
    if server:
        wait_until(lambda: answers(port))
    yield ask
    if server:
        server.send_signal(signal.SIGTERM)
        server.wait()


def call(inspect: Inspect, name: str, **arguments: str) -> dict[str, Any]:
    options = [word for field, value in arguments.items() for word in ("--tool-arg", f"{field}={value}")]
    return inspect("tools/call", "--tool-name", name, *options)


def test_the_inspector_lists_the_tools_and_asks_the_panel(inspect: Inspect) -> None:
    tools = {tool["name"]: tool for tool in inspect("tools/list")["tools"]}
    asked = call(inspect, "fusion_ask", question=QUESTION, preset="demo")
    run_id = asked["structuredContent"]["run_id"]
    fetched = call(inspect, "fusion_result", run_id=run_id, detail="full", wait_seconds="30")
    refused = call(inspect, "fusion_result", run_id="nope")
    (resource,) = inspect("resources/templates/list")["resourceTemplates"]

    assert set(tools) == {"fusion_ask", "fusion_result", "fusion_estimate", "fusion_cancel"}
    jsonschema.validate(asked["structuredContent"], tools["fusion_ask"]["outputSchema"])
    jsonschema.validate(fetched["structuredContent"], tools["fusion_result"]["outputSchema"])
    assert (asked["structuredContent"]["status"], asked["structuredContent"]["demo"]) == ("ok", True)
    assert asked["content"][0]["text"].startswith("Offline demo")
    assert len(fetched["structuredContent"]["responses"]) == 3
    assert (refused["isError"], "there is no run 'nope'" in refused["content"][0]["text"]) == (True, True)
    assert resource["uriTemplate"] == "fusion://runs/{run_id}"
