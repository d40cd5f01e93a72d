import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, ToolException

from fusion_graph.errors import SettingsError
from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest
from fusion_graph.tools.mcp.config import McpConfig
from fusion_graph.tools.mcp.servers import McpServers, offered_name
from tests.graphs import asked, run, scripted

SCRIPT = str(Path(__file__).parent / "mcp_server.py")
SECRET = "canary-0123456789"
Setup = Callable[..., McpServers]


def stdio(**env: str) -> dict[str, Any]:
    return {"command": sys.executable, "args": [SCRIPT, "stdio"], "env": env}


def saying(code: str, **env: str) -> dict[str, Any]:
    return {"command": sys.executable, "args": ["-c", code], "env": env}


@contextmanager
def listening(mode: str, log: Path | None = None) -> Iterator[str]:
    """Run a server on loopback; the address to connect to is given."""
    environ = os.environ | ({"MCP_SERVER_LOG": str(log)} if log else {})
    with subprocess.Popen(
        [sys.executable, SCRIPT, mode], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ
    ) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        try:
            yield f"http://127.0.0.1:{port}/{'sse' if mode == 'sse' else 'mcp'}"
        finally:
            server.kill()


@pytest.fixture(scope="module")
def http_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with listening("http") as url:
        yield url


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    """Write the file of servers and read it."""

    def write(*, list_seconds: float = 30.0, call_seconds: float = 30.0, **servers: dict[str, Any]) -> McpServers:
        path = tmp_path / "servers.json"
        path.write_text(json.dumps({"mcpServers": servers}), encoding="utf-8")
        config = McpConfig.from_environ({"FUSION_MCP": str(path)})
        return McpServers(config, list_seconds=list_seconds, call_seconds=call_seconds)

    return write


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return tmp_path / "events"


def happened(events: Path, event: str) -> list[int]:
    """Return the processes in which something has happened."""
    lines = events.read_text(encoding="utf-8").splitlines() if events.exists() else []
    return [int(line.split()[1]) for line in lines if line.startswith(event)]


async def until(events: Path, event: str) -> int:
    """Wait until something has happened; return the process."""
    async with asyncio.timeout(30):
        while not happened(events, event):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.02)
    return happened(events, event)[0]


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


async def named(servers: McpServers, name: str) -> BaseTool:
    (tool,) = await servers.tools(name)
    return tool


async def called(servers: McpServers, name: str, **arguments: Any) -> str:
    return str(await (await named(servers, name)).ainvoke(arguments))


class TestConfiguration:
    def test_the_file_in_the_config_folder_is_read_where_no_other_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "mcp.json").write_text('{"mcpServers": {"notes": {"command": "notes"}}}', encoding="utf-8")

        servers = McpServers.from_environ({"FUSION_HOME": str(tmp_path)})

        assert servers.names == ("notes",)
        servers.check("mcp:notes")
        servers.check("mcp:notes/search")

    def test_without_a_file_there_are_no_servers(self, tmp_path: Path) -> None:
        servers = McpServers.from_environ({"FUSION_HOME": str(tmp_path)})

        with pytest.raises(SettingsError, match="no MCP server for 'mcp:notes'") as caught:
            servers.check("mcp:notes")

        assert servers.names == ()
        assert str(tmp_path / "mcp.json") in str(caught.value.hint)

    def test_a_server_that_is_not_configured_is_refused_with_the_nearest_name(self, setup: Setup) -> None:
        servers = setup(notes=stdio(), weather=stdio())

        with pytest.raises(SettingsError) as caught:
            servers.check("mcp:note/search")

        assert (caught.value.field, caught.value.value) == ("tools", "mcp:note/search")
        assert str(caught.value.hint).startswith("did you mean 'notes'?")

    def test_a_server_may_be_called_after_a_path(self, setup: Setup) -> None:
        servers = setup(**{"github.com/notes": stdio(), "github.com": {}})

        servers.check("mcp:github.com/notes")
        servers.check("mcp:github.com/notes/search")

        with pytest.raises(SettingsError, match="neither a command nor a url"):
            servers.check("mcp:github.com/other")

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (None, "there is no such file"),
            (b'{"mcpServers":\n {"notes": }}', "not valid JSON: line 2, column 12"),
            (b"\xff\xfe", "not in UTF-8"),
            (b'{"servers": {}}', "no object of servers under 'mcpServers'"),
            (b'{"mcpServers": {"notes": "npx"}}', "no object of servers under 'mcpServers'"),
            (b"[]", "no object of servers under 'mcpServers'"),
        ],
    )
    def test_a_bad_file_is_named_with_what_is_wrong(
        self, tmp_path: Path, content: bytes | None, complaint: str
    ) -> None:
        path = tmp_path / "servers.json"
        if content is not None:
            path.write_bytes(content)

        with pytest.raises(SettingsError, match=complaint) as caught:
            McpServers.from_environ({"FUSION_MCP": str(path)}).check("mcp:notes")

        assert str(caught.value).startswith(str(path))
        assert (caught.value.field, bool(caught.value.hint)) == ("tools", True)

    def test_a_folder_is_no_file_of_servers(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="cannot be read"):
            McpServers.from_environ({"FUSION_MCP": str(tmp_path)}).check("mcp:notes")

    def test_a_file_that_was_put_right_is_read_again(self, tmp_path: Path) -> None:
        path = tmp_path / "servers.json"
        servers = McpServers.from_environ({"FUSION_MCP": str(path)})
        with pytest.raises(SettingsError):
            servers.check("mcp:notes")

        path.write_text('{"mcpServers": {"notes": {"url": "https://notes.example/mcp"}}}', encoding="utf-8")

        servers.check("mcp:notes")

    @pytest.mark.parametrize(
        ("entry", "complaint"),
        [
            ({}, "neither a command nor a url"),
            ({"command": "notes", "url": "https://notes.example"}, "both a command and a url"),
            ({"command": "notes", "transport": "sse"}, "'sse' does not go with a command"),
            ({"url": "https://notes.example", "type": "stdio"}, "'stdio' does not go with a url"),
            ({"url": "notes.example"}, "not one of http or https"),
            ({"url": "https://notes.example", "type": "websocket"}, "type"),
            ({"command": "notes", "argz": []}, "unknown field 'argz'"),
            ({"command": "notes", "env": {"TOKEN": [SECRET]}}, "env.TOKEN"),
            ({"url": "https://notes.example", "headers": {"Key": f"{SECRET}\nmore"}}, "no header can carry"),
            ({"command": "notes", "env": {"TOKEN": "${NOTES_KEY}"}}, "the environment variable 'NOTES_KEY'"),
        ],
    )
    def test_a_bad_entry_is_refused_without_a_word_of_its_secrets(
        self, setup: Setup, entry: dict[str, Any], complaint: str
    ) -> None:
        servers = setup(notes=entry, weather=stdio())

        with pytest.raises(SettingsError, match=complaint) as caught:
            servers.check("mcp:notes")

        servers.check("mcp:weather")  # another server's fault is not its own
        assert SECRET not in f"{caught.value} {caught.value.hint}"

    def test_variables_are_filled_in_from_the_environment(self, tmp_path: Path) -> None:
        entries = {
            "notes": {
                "url": "https://${HOST}/mcp",
                "headers": {"Authorization": "Bearer ${KEY} "},
                "type": "streamable-http",
            },
            "local": {"command": "local", "args": ["--host=${HOST}", 8080], "env": {"LOCAL_KEY": "${KEY}"}},
        }
        path = tmp_path / "servers.json"
        path.write_text(json.dumps({"mcpServers": entries}), encoding="utf-8")
        environ = {"FUSION_MCP": str(path), "HOST": "notes.example", "KEY": SECRET}

        notes, local = map(McpConfig.from_environ(environ).server, entries)

        assert (notes.url, notes.headers) == ("https://notes.example/mcp", {"Authorization": f"Bearer {SECRET}"})
        assert (local.args, local.env) == (["--host=notes.example", "8080"], {"LOCAL_KEY": SECRET})
        assert SECRET not in f"{notes!r} {local!r}"

    def test_a_missing_package_is_named_with_its_remedy(self, setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
        servers = setup(notes=stdio())
        monkeypatch.setitem(sys.modules, "langchain_mcp_adapters", None)

        with pytest.raises(SettingsError, match="langchain-mcp-adapters") as caught:
            servers.check("mcp:notes")

        assert caught.value.hint == "pip install 'fusion-graph[mcp]'"


class TestListing:
    async def test_a_server_that_is_started_lists_its_tools(
        self, setup: Setup, capfd: pytest.CaptureFixture[str]
    ) -> None:
        servers = setup(notes=stdio())

        tools = {tool.name: tool for tool in await servers.tools("mcp:notes")}

        assert {"notes_echo", "notes_add", "notes_fail"} < set(tools)
        assert tools["notes_add"].args["b"] == {"default": 1, "title": "B", "type": "integer"}
        assert [tool.name for tool in await servers.tools("mcp:notes/add")] == ["notes_add"]
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("mode", ["http", "sse"])
    async def test_a_server_at_an_address_lists_its_tools(self, setup: Setup, mode: str) -> None:
        with listening(mode) as url:
            servers = setup(notes={"url": url, "type": mode})

            tools = {tool.name: tool for tool in await servers.tools("mcp:notes")}

            assert "notes_echo" in tools
            assert await called(servers, "mcp:notes/add", a=2, b=3) == "5"

    async def test_a_tool_that_a_server_does_not_have_is_refused_with_those_it_has(
        self, setup: Setup, http_url: str
    ) -> None:
        servers = setup(notes={"url": http_url})

        with pytest.raises(SettingsError, match="'notes' has no tool 'ad'") as caught:
            await servers.tools("mcp:notes/ad")

        assert str(caught.value.hint).startswith("did you mean 'add'? one of: ")

    async def test_seats_that_ask_at_once_cause_one_connection(self, setup: Setup, events: Path) -> None:
        servers = setup(notes=stdio(MCP_SERVER_LOG=str(events)))

        first, second = await asyncio.gather(servers.tools("mcp:notes"), servers.tools("mcp:notes"))
        third = await servers.tools("mcp:notes")

        assert first == second == third
        assert len(happened(events, "list")) == 1

    def test_seats_in_several_event_loops_cause_one_connection(self, setup: Setup, events: Path) -> None:
        servers = setup(notes=stdio(MCP_SERVER_LOG=str(events), MCP_SERVER_LIST_SECONDS="0.3"))
        found: list[list[BaseTool]] = []
        threads = [
            threading.Thread(target=lambda: found.append(asyncio.run(servers.tools("mcp:notes")))) for _ in range(3)
        ]

        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(happened(events, "list")) == 1
        assert found[0] == found[1] == found[2]
        assert asyncio.run(called(servers, "mcp:notes/echo", text="hello")) == "hello"

    async def test_who_waits_asks_again_when_the_one_who_asked_is_cancelled(self, setup: Setup, events: Path) -> None:
        servers = setup(notes=stdio(MCP_SERVER_LOG=str(events), MCP_SERVER_LIST_SECONDS="0.5"))
        asking = asyncio.create_task(servers.tools("mcp:notes"))
        await until(events, "list")
        waiting = asyncio.create_task(servers.tools("mcp:notes"))
        await asyncio.sleep(0.1)

        asking.cancel()
        tools = await waiting

        assert len(tools) > 5
        assert asking.cancelled()
        assert len(happened(events, "list")) == 2

    async def test_a_failure_is_told_to_all_who_wait_and_not_kept(self, setup: Setup, tmp_path: Path) -> None:
        program = tmp_path / "notes"
        servers = setup(notes={"command": str(program), "args": [SCRIPT, "stdio"]})
        failures = await asyncio.gather(servers.tools("mcp:notes"), servers.tools("mcp:notes"), return_exceptions=True)

        program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
        program.chmod(0o700)

        assert all(isinstance(failure, SettingsError) for failure in failures)
        assert failures[0] is not failures[1]
        assert await servers.tools("mcp:notes/echo")

    @pytest.mark.parametrize(
        ("entry", "complaint"),
        [
            ({"command": "no-such-program"}, "cannot be started: No such file or directory: 'no-such-program'"),
            (saying("import sys; sys.exit('no disk')"), "it ended without an answer; it last said: no disk"),
            (
                saying("import os, sys; sys.exit('no entry for ' + os.environ['TOKEN'])", TOKEN=SECRET),
                r"it last said: no entry for \[redacted\]",
            ),
            ({"command": os.sep}, "cannot be started: Permission denied"),
            ({"url": "http://127.0.0.1:9/mcp"}, "nothing answers at 127.0.0.1"),
            ({"url": f"http://127.0.0.1:port/{SECRET}"}, "InvalidURL: Invalid port: 'port'"),
        ],
    )
    async def test_a_server_that_cannot_be_reached_is_named_with_the_cause(
        self, setup: Setup, entry: dict[str, Any], complaint: str
    ) -> None:
        servers = setup(notes=entry)

        with pytest.raises(SettingsError, match=f"MCP server 'notes': .*{complaint}") as caught:
            await servers.tools("mcp:notes")

        assert "servers.json" in str(caught.value.hint)
        assert SECRET not in str(caught.value)

    async def test_an_address_without_an_mcp_server_is_named_without_its_keys(
        self, setup: Setup, http_url: str
    ) -> None:
        servers = setup(notes={"url": f"{http_url}/nowhere?key={SECRET}"}, gone={"url": http_url, "type": "sse"})

        with pytest.raises(SettingsError, match="no MCP server") as caught:
            await servers.tools("mcp:notes")
        with pytest.raises(SettingsError, match=r"it answered 4\d\d ") as refused:
            await servers.tools("mcp:gone")

        assert SECRET not in str(caught.value)
        assert "127.0.0.1" not in str(refused.value)

    async def test_a_server_that_does_not_answer_is_not_waited_for_and_ended(self, setup: Setup, events: Path) -> None:
        code = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(f'start {os.getpid()}'); time.sleep(60)"
        mute = {"command": sys.executable, "args": ["-c", code, str(events)]}
        servers = setup(list_seconds=3.0, notes=mute)

        with pytest.raises(SettingsError, match="'notes': no answer within 3 s"):
            await servers.tools("mcp:notes")

        assert not is_alive(happened(events, "start")[0])

    async def test_a_package_that_cannot_be_imported_is_named_with_its_remedy(
        self, setup: Setup, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        servers = setup(notes=stdio())
        monkeypatch.setitem(sys.modules, "fusion_graph.tools.mcp.calls", None)

        with pytest.raises(SettingsError, match=r"the package is broken: .*pip install 'fusion-graph\[mcp\]'"):
            await servers.tools("mcp:notes")


class TestNames:
    async def test_models_get_names_that_every_provider_takes(self, setup: Setup, http_url: str) -> None:
        servers = setup(notes={"url": http_url})

        odd = await named(servers, "mcp:notes/bad name.of/a tool")
        long = await named(servers, f"mcp:notes/{'n' * 80}")

        assert odd.name.startswith("notes_bad_name_of_a_tool_")
        assert (len(long.name), await odd.ainvoke({}), await long.ainvoke({})) == (64, "called", "called")

    def test_names_differ_from_one_another_and_from_our_own(self) -> None:
        servers = ("a", "a_b", "web")

        names = {
            offered_name(server, tool, servers)
            for server, tool in [("a", "b_c"), ("a_b", "c"), ("a", "b.c"), ("a", "b c"), ("web", "search")]
        }

        assert len(names) == 5
        assert "a_b_c" in names
        assert "web_search" not in names

    async def test_descriptions_are_cut_and_hold_nothing_invisible(self, setup: Setup, http_url: str) -> None:
        servers = setup(notes={"url": http_url})

        long = await named(servers, "mcp:notes/long")
        echo = await named(servers, "mcp:notes/echo")

        assert (len(long.description), long.description[:22]) == (1000, "Describe at length. De")
        assert echo.args["text"]["description"].startswith("What to say. What")
        assert len(echo.args["text"]["description"]) == 1000


class TestCalls:
    async def test_no_argument_is_kept_from_the_server(self, setup: Setup, http_url: str) -> None:
        servers = setup(notes={"url": http_url})

        text = await called(servers, "mcp:notes/named", config="C", runtime="R", run_manager="M")

        assert text == "C R M"

    async def test_a_server_is_told_that_a_panel_is_at_work_and_secrets_do_not_come_back(
        self, setup: Setup, http_url: str
    ) -> None:
        own = {"X-OpenRouter-Fusion-Depth": "0", "Authorization": f"Bearer {SECRET}", "X-Team": "blue"}
        servers = setup(notes={"url": http_url, "headers": own})

        lines = (await called(servers, "mcp:notes/headers")).splitlines()

        assert [line for line in lines if "fusion-depth" in line.lower()] == ["x-openrouter-fusion-depth: 1"]
        assert {"authorization: [redacted]", "x-team: blue"} < set(lines)

    async def test_only_text_is_passed_on(self, setup: Setup, http_url: str) -> None:
        servers = setup(notes={"url": http_url})

        assert await called(servers, "mcp:notes/picture") == "before\n[image omitted]\nafter"
        assert await called(servers, "mcp:notes/places") == "the notes\na.txt: file:///notes/a.txt"
        assert await called(servers, "mcp:notes/figures") == '{"tea": 3}'

    async def test_a_failure_of_a_tool_is_told_without_secrets(self, setup: Setup) -> None:
        servers = setup(notes=stdio(NOTES_TOKEN=SECRET))

        with pytest.raises(ToolException, match=r"the disk is full, \[redacted\]"):
            await called(servers, "mcp:notes/fail")
        with pytest.raises(ToolException, match="notes_mumble failed and did not say why"):
            await called(servers, "mcp:notes/mumble")

    async def test_a_server_that_dies_during_a_call_is_named(self, setup: Setup) -> None:
        servers = setup(notes=stdio())

        with pytest.raises(ToolException, match="MCP server 'notes': it ended without an answer"):
            await called(servers, "mcp:notes/die")

    async def test_a_server_at_an_address_that_dies_during_a_call_is_named(self, setup: Setup) -> None:
        with listening("http") as url:
            servers = setup(call_seconds=4.0, notes={"url": url})
            tool, echo = await named(servers, "mcp:notes/die"), await named(servers, "mcp:notes/echo")

            with pytest.raises(ToolException, match="MCP server 'notes': "):
                await tool.ainvoke({})
            with pytest.raises(ToolException, match="MCP server 'notes': nothing answers at 127"):
                await echo.ainvoke({"text": "hello"})

    @pytest.mark.parametrize("tool", ["slow", "stuck"])
    async def test_a_cancelled_call_leaves_no_process(self, setup: Setup, events: Path, tool: str) -> None:
        servers = setup(notes=stdio(MCP_SERVER_LOG=str(events)))
        task = asyncio.create_task(called(servers, f"mcp:notes/{tool}"))
        process = await until(events, "call")

        task.cancel()
        await asyncio.wait([task])

        assert task.cancelled()
        assert not is_alive(process)

    async def test_a_call_cancelled_twice_leaves_no_process(self, setup: Setup, events: Path) -> None:
        servers = setup(notes=stdio(MCP_SERVER_LOG=str(events)))
        task = asyncio.create_task(called(servers, "mcp:notes/stuck"))
        process = await until(events, "call")

        task.cancel()
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait([task])

        assert task.cancelled()
        assert not is_alive(process)

    def test_an_event_loop_that_ends_during_a_call_leaves_no_process(self, setup: Setup, events: Path) -> None:
        wrapped = {"command": "sh", "args": ["-c", f"{sys.executable} {SCRIPT} stdio; true"]}
        servers = setup(notes={**wrapped, "env": {"MCP_SERVER_LOG": str(events)}})
        tasks = []

        async def begin() -> None:
            tasks.append(asyncio.create_task(called(servers, "mcp:notes/stuck")))
            await until(events, "call")

        asyncio.run(begin())

        assert tasks[0].cancelled()
        assert not is_alive(happened(events, "call")[0])

    async def test_a_call_that_takes_too_long_is_not_waited_for(self, setup: Setup, http_url: str) -> None:
        servers = setup(call_seconds=1.0, notes={"url": http_url})

        with pytest.raises(ToolException, match="MCP server 'notes': no answer within 1 s"):
            await called(servers, "mcp:notes/slow")

    async def test_a_tool_is_called_with_ainvoke_only(self, setup: Setup, http_url: str) -> None:
        tool = await named(setup(notes={"url": http_url}), "mcp:notes/echo")

        with pytest.raises(NotImplementedError, match="ainvoke"):
            tool.invoke({"text": "hello"})


async def test_results_and_failures_of_a_server_reach_the_model_of_a_seat(setup: Setup, http_url: str) -> None:
    servers = setup(notes={"url": http_url})
    wanted = [("notes_add", {"a": 2, "b": 3}), ("notes_fail", {}), ("notes_long", {})]

    def north(request: ScriptedRequest) -> Any:
        if any(isinstance(message, ToolMessage) for message in request.messages):
            return "Done."
        calls = [{"name": name, "args": args, "id": name} for name, args in wanted]
        return ScriptedReply(tool_calls=calls)

    models = scripted(north=north)

    result = await run(models, panel=["north"], tools=await servers.tools("mcp:notes"))

    told = {m.name: m for m in asked(models, "north")[1].messages if isinstance(m, ToolMessage)}
    assert ("\n5\n" in told["notes_add"].text, told["notes_add"].status) == (True, "success")
    assert "ToolException: Error executing tool fail: the disk is full" in told["notes_fail"].text
    assert told["notes_fail"].status == "error"
    assert "characters more]" in told["notes_long"].text
    assert result["responses"][0]["content"] == "Done."
