"""The items of `fusion check`: what is found, how bad it is, what to do; for the models and tools of one preset."""

import json
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import fusion_graph
from fusion_graph import checks, models
from fusion_graph.checks import Item, exit_code, machine, run_checks, toolbox
from fusion_graph.checks.item import in_thread, made
from fusion_graph.models.providers import SERVERS
from fusion_graph.presets import resolve
from fusion_graph.settings import FusionSettings
from tests.corpus import write_corpus
from tests.model_lists import OPENAI, OPENROUTER, ListServer

CANARY = "sk-canary-0123456789abcdef"
ROUTED = (
    '[mine]\npanel = ["~anthropic/claude-opus-latest", "google/gemma-9b:free"]\njudge = "anthropic/claude-opus-4.8"\n'
)
AT_HOME = '[mine]\npanel = ["openai:one", "openai:gpt-5"]\njudge = "openai:one"\n'


@pytest.fixture
def server() -> Iterator[ListServer]:
    with ListServer() as server:
        yield server


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"FUSION_HOME": str(tmp_path), "FUSION_SEARCH": f"local:{write_corpus(tmp_path / 'pages')}"}


@pytest.fixture(autouse=True)
def _names_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolbox, "KNOWN_HOST", "127.0.0.1")


async def checked(environ: Mapping[str, str], preset: str = "mine", **options: Any) -> dict[str, Item]:
    """Return the items by name, the worst of each."""
    items = await run_checks(preset=preset, environ=environ, **options)
    order = ["ok", "info", "warn", "fail"]
    return {item["name"]: item for item in sorted(items, key=lambda item: order.index(item["level"]))}


def own_preset(environ: Mapping[str, str], text: str) -> None:
    Path(environ["FUSION_HOME"], "presets.toml").write_text(text)


async def test_what_is_all_right_is_told_with_versions_paths_and_counts(
    environ: dict[str, str], server: ListServer, tmp_path: Path
) -> None:
    own_preset(environ, AT_HOME)
    server.answer = lambda _path: (200, OPENAI)

    found = await checked({**environ, "OPENAI_BASE_URL": server.url, "FUSION_BASH": "bashkit"})

    assert {name: item["level"] for name, item in found.items()} == {
        "python": "ok",
        "packages": "ok",
        "folders": "ok",
        "presets": "ok",
        "settings": "ok",
        "openai": "ok",
        "openai models": "ok",
        "search": "ok",
        "fetch": "ok",
        "tools": "ok",
        "sandbox": "ok",
        "database": "ok",
        "demo": "ok",
    }
    assert "langgraph 1." in found["packages"]["found"]
    assert found["presets"]["found"] == f"11 presets, with your own of {tmp_path / 'presets.toml'}"
    assert found["settings"]["found"] == "preset mine: 2 seats, judge openai:one, writer openai:one"
    assert found["openai"]["found"] == f"no key, at {server.url}, for seat 1, seat 2, judge, writer"
    assert found["openai models"]["found"] == f"{server.url} lists all 2 of 2"
    assert found["search"]["found"] == f"3 documents in {tmp_path / 'pages'}, 0 skipped (FUSION_SEARCH)"
    assert found["database"]["found"] == f"{tmp_path / 'runs.db'} will be created by the first run"
    assert found["sandbox"]["found"].startswith("bash runs in bashkit")
    assert not any(item["remedy"] for item in found.values())
    assert exit_code(list(found.values())) == 0
    assert not (tmp_path / "runs.db").exists()


async def test_other_tools_are_told_with_the_servers_there_are_and_what_is_wrong_with_them(
    environ: dict[str, str], tmp_path: Path
) -> None:
    own_preset(environ, AT_HOME + '\ntools = ["web_fetch", "mcp:notes"]')
    nobody = await checked(environ)
    (tmp_path / "mcp.json").write_text('{"mcpServers": {"notes": {"url": "http://127.0.0.1:9/mcp"}}}')
    there = await checked(environ)
    (tmp_path / "mcp.json").write_text('{"mcpServers": ')
    broken = await checked(environ)

    assert (nobody["tools"]["level"], broken["tools"]["level"]) == ("fail", "fail")
    assert nobody["tools"]["found"] == "tools: no MCP server for 'mcp:notes'"
    assert there["tools"] | {"remedy": ""} == {
        "level": "ok",
        "name": "tools",
        "found": "web_fetch, mcp:notes; MCP servers: notes; not tried",
        "remedy": "",
        "is_key": False,
    }
    assert str(tmp_path / "mcp.json") in broken["tools"]["found"]


async def test_a_missing_key_is_named_with_whom_it_is_for_and_exits_with_4(environ: dict[str, str]) -> None:
    found = await checked(environ, preset="quality")

    assert found["openrouter"]["level"] == "fail"
    assert found["openrouter"]["found"] == ("OPENROUTER_API_KEY is not set, for seat 1, seat 2, seat 3, judge, writer")
    assert "export OPENROUTER_API_KEY=..." in found["openrouter"]["remedy"]
    assert "openrouter models" not in found
    assert exit_code(list(found.values())) == 4


async def test_models_that_a_server_does_not_list_are_told_with_the_nearest_name(
    environ: dict[str, str], server: ListServer
) -> None:
    own_preset(environ, AT_HOME.replace("openai:gpt-5", "openai:gpt-6"))
    server.answer = lambda _path: (200, OPENAI)

    found = await checked({**environ, "OPENAI_BASE_URL": server.url})

    item = found["openai models"]
    assert (item["level"], item["found"]) == ("warn", f"{server.url} does not list 'gpt-6'")
    assert item["remedy"] == "did you mean 'gpt-5'? fusion models --provider openai lists them"


async def test_a_refused_key_is_a_failure_of_the_key_and_is_never_printed(
    environ: dict[str, str], server: ListServer
) -> None:
    own_preset(environ, ROUTED)
    server.answer = lambda _path: (401, {"error": {"message": f"bad key {CANARY}"}})

    found = await checked({**environ, "OPENROUTER_BASE_URL": server.url, "OPENROUTER_API_KEY": CANARY})

    assert found["openrouter"]["found"].startswith("OPENROUTER_API_KEY is set, for seat 1, ")
    assert found["openrouter models"]["level"] == "fail"
    assert "the key in OPENROUTER_API_KEY is refused" in found["openrouter models"]["found"]
    assert exit_code(list(found.values())) == 4
    assert CANARY not in json.dumps(found)


class _Official:
    """A server that passes for a provider's own."""

    def __init__(self, key: str, url: str) -> None:
        self.key, self.url, self._base = key, "OPENROUTER_BASE_URL", url

    def base_url(self, _environ: Mapping[str, str]) -> str:
        return self._base

    def is_official(self, _environ: Mapping[str, str]) -> bool:
        return True


@pytest.mark.parametrize(
    ("answer", "level", "words", "code"),
    [
        ((200, {"data": {"limit_remaining": 12.3}}), "ok", "accepted, $12.30 left of its limit", 0),
        ((200, {"data": {"limit_remaining": None}}), "ok", "accepted", 0),
        ((200, {"data": {"limit_remaining": 0}}), "fail", "nothing is left of its limit", 1),
        ((401, {"error": {"code": 401}}), "fail", "the key in OPENROUTER_API_KEY is refused", 4),
        ((500, ""), "warn", "HTTP status 500", 0),
    ],
)
async def test_openrouters_key_is_asked_about_because_its_list_is_public(
    environ: dict[str, str], server: ListServer, monkeypatch: pytest.MonkeyPatch, answer: Any, level: str, words: str,
    code: int,
) -> None:  # fmt: skip
    own_preset(environ, ROUTED)
    monkeypatch.setitem(SERVERS, "openrouter", _Official("OPENROUTER_API_KEY", server.url))
    server.answer = lambda path: answer if path.endswith("/key") else (200, OPENROUTER)

    found = await checked({**environ, "OPENROUTER_API_KEY": CANARY})

    assert found["openrouter models"]["found"] == f"{server.url} lists all 3 of 5"
    assert found["openrouter key"]["level"] == level
    assert words in found["openrouter key"]["found"]
    assert exit_code(list(found.values())) == code


async def test_a_name_the_official_server_does_not_list_fails_an_alias_only_warns(
    environ: dict[str, str], server: ListServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SERVERS, "openrouter", _Official("OPENROUTER_API_KEY", server.url))
    keyed = {**environ, "OPENROUTER_API_KEY": CANARY}
    own_preset(environ, ROUTED.replace("google/gemma-9b:free", "google/gemini-9"))
    wrong = await checked(keyed)
    own_preset(environ, ROUTED.replace("google/gemma-9b:free", "~google/gemini-latest"))
    alias = await checked(keyed)
    own_preset(environ, ROUTED.replace("google/gemma-9b:free", "anthropic/claude-opus-4.8:online"))
    variant = await checked(keyed)

    levels = [found["openrouter models"]["level"] for found in (wrong, alias, variant)]
    assert levels == ["fail", "warn", "ok"]


async def test_a_server_that_is_away_or_hangs_fails_in_time(
    environ: dict[str, str], server: ListServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_preset(environ, AT_HOME)
    away = await checked({**environ, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})
    server.hang = True
    monkeypatch.setattr(checks, "SECONDS", 0.3)
    began = time.monotonic()
    hanging = await checked({**environ, "OPENAI_BASE_URL": server.url})

    assert away["openai models"]["level"] == "fail"
    assert "could not be reached" in away["openai models"]["found"]
    assert (hanging["models"]["level"], hanging["models"]["found"]) == ("warn", "no result within 0.3 s")
    assert hanging["database"]["level"] == "ok"
    assert time.monotonic() - began < 5


async def test_offline_asks_no_server_and_looks_no_name_up(
    environ: dict[str, str], server: ListServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_preset(environ, AT_HOME)
    monkeypatch.setattr("socket.getaddrinfo", lambda *_args, **_named: pytest.fail("looked up"))

    found = await checked({**environ, "OPENAI_BASE_URL": server.url}, offline=True)

    assert server.paths == []
    assert (found["openai models"]["level"], found["fetch"]["level"]) == ("info", "info")


async def test_an_integration_is_checked_for_its_package_and_one_without_a_list_is_not_asked(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own_preset(environ, '[mine]\npanel = ["azure_openai:gpt-5", "groq:llama"]\njudge = "azure_openai:gpt-5"\n')
    monkeypatch.setattr(models.names, "find_spec", lambda name: None if name == "langchain_groq" else name)

    found = await checked(environ)

    assert found["azure_openai"]["found"].startswith("langchain-openai finds its credentials itself, for seat 1, ")
    assert found["azure_openai models"]["level"] == "info"
    assert (found["groq"]["level"], found["groq"]["remedy"]) == ("fail", "pip install langchain-groq")
    assert exit_code(list(found.values())) == 1


@pytest.mark.parametrize(
    ("broken", "item", "words"),
    [
        ({"FUSION_SEARCH": "bogus"}, "search", "FUSION_SEARCH='bogus': not a search backend"),
        ({"FUSION_SEARCH": "local:/not/there"}, "search", "there is no such folder"),
        ({"FUSION_FETCH_ALLOW": "everything"}, "fetch", "'everything' is not a host and a port"),
        ({"FUSION_QUORUM": "many"}, "settings", "environment variable FUSION_QUORUM"),
        ({"FUSION_PANEL": "gpt-5"}, "gpt_5", "'gpt-5' names no provider"),
        ({"FUSION_PANEL": "antropic:claude"}, "antropic", "there is no provider 'antropic'"),
    ],
)
async def test_a_broken_variable_is_an_item_and_everything_else_is_checked_all_the_same(
    environ: dict[str, str], server: ListServer, broken: dict[str, str], item: str, words: str
) -> None:
    at_home = {"FUSION_PANEL": "openai:one", "FUSION_JUDGE": "openai:one"}
    server.answer = lambda _path: (200, OPENAI)
    found = await checked({**environ, "OPENAI_BASE_URL": server.url, **at_home, **broken}, preset="")

    assert found[item]["level"] == "fail"
    assert words in found[item]["found"]
    assert found[item]["remedy"]
    assert found["database"]["level"] == "ok"
    assert exit_code(list(found.values())) == 1


async def test_a_variable_that_nothing_reads_is_told_with_the_nearest_name(environ: dict[str, str]) -> None:
    own_preset(environ, AT_HOME)
    known = {"FUSION_JUDGE": "", "FUSION_SERVER_MODELS": "", "FUSIONABLE": "1"}

    found = await checked({**environ, **known, "FUSION_JUGDE": "x"}, offline=True)
    without = await checked({**environ, **known}, offline=True)

    assert (found["variables"]["level"], found["variables"]["found"]) == ("warn", "nothing reads FUSION_JUGDE")
    assert found["variables"]["remedy"] == "did you mean FUSION_JUDGE?"
    assert "variables" not in without


def test_the_variables_that_are_known_are_those_that_the_package_reads() -> None:
    sources = [path.read_text(encoding="utf-8") for path in Path(fusion_graph.__file__).parent.rglob("*.py")]
    named = {name for text in sources for name in re.findall(r"\bFUSION_([A-Z_]+)\b(?! ?=)", text)}
    settings = {name.upper() for name in FusionSettings.model_fields}

    assert named >= machine.VARIABLES
    assert named - machine.VARIABLES - settings == {"TOOL", "TOOL_NAME"}  # constants


async def test_broken_presets_are_an_item_too_and_an_unknown_preset_gets_the_nearest_name(
    environ: dict[str, str],
) -> None:
    own_preset(environ, "[mine]\npannel = []\n")
    broken = await checked(environ, preset="demo")
    own_preset(environ, AT_HOME)
    unknown = await checked(environ, preset="qualty")

    assert "pannel" in broken["presets"]["found"]
    assert "did you mean 'panel'?" in broken["presets"]["remedy"]
    assert broken["settings"]["level"] == broken["presets"]["level"] == "fail"
    assert unknown["settings"]["found"] == "unknown preset 'qualty'"
    assert "did you mean 'quality'?" in unknown["settings"]["remedy"]
    assert unknown["presets"]["level"] == "ok"


async def test_the_demo_needs_neither_key_nor_network_nor_a_sound_search(environ: dict[str, str]) -> None:
    found = await checked({**environ, "FUSION_SEARCH": "bogus"}, preset="demo")
    lost = await checked({**environ, "FUSION_DEMO_CORPUS": "/not/there"}, preset="demo")

    assert found["demo"]["level"] == "ok"
    assert found["search"]["level"] == "warn"
    assert exit_code(list(found.values())) == 0
    assert lost["demo"]["level"] == "fail"
    assert "FUSION_DEMO_CORPUS" in lost["demo"]["found"]


async def test_search_tells_documents_and_what_it_skipped_and_what_to_set_where_there_is_none(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "pages" / "blob.txt").write_bytes(bytes(range(256)) * 10)
    skipped = await checked(environ)
    (tmp_path / "empty").mkdir()
    empty = await checked({**environ, "FUSION_SEARCH": f"local:{tmp_path / 'empty'}"})
    none = await checked({**environ, "FUSION_SEARCH": "none"}, preset="quality")

    assert "3 documents" in skipped["search"]["found"]
    assert "1 skipped" in skipped["search"]["found"]
    assert (empty["search"]["level"], none["search"]["level"]) == ("warn", "warn")
    assert none["search"]["found"] == "web_search is not offered: FUSION_SEARCH=none"
    assert none["search"]["remedy"].startswith("set FUSION_SEARCH to ")


async def test_hosts_that_fetch_may_open_are_told_and_so_are_names_that_do_not_resolve(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = await checked({**environ, "FUSION_FETCH_ALLOW": "wiki.intranet:8000,127.0.0.1:8765"})
    monkeypatch.setattr(toolbox, "KNOWN_HOST", "nowhere.invalid")
    lost = await checked(environ)

    assert "127.0.0.1:8765, wiki.intranet:8000 (FUSION_FETCH_ALLOW)" in opened["fetch"]["found"]
    assert (lost["fetch"]["level"], exit_code([lost["fetch"]])) == ("warn", 0)
    assert "nowhere.invalid is not found" in lost["fetch"]["found"]


async def test_the_database_is_counted_and_its_permissions_are_looked_at_without_changing_it(
    environ: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "own.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE fusion_runs (run_id TEXT)")
        connection.execute("INSERT INTO fusion_runs VALUES ('a')")
    connection.close()
    path.chmod(0o600)
    before = path.read_bytes()
    closed = await checked(environ, db=path)
    path.chmod(0o644)
    opened = await checked(environ, db=path)

    assert closed["database"]["found"] == f"{path}: 1 run, 0.0 MiB"
    assert closed["database"]["level"] == "ok"
    assert (opened["database"]["level"], opened["database"]["remedy"]) == ("warn", f"chmod 600 {path}")
    assert "(0644)" in opened["database"]["found"]
    assert path.read_bytes() == before


async def test_a_database_that_is_none_or_cannot_be_made_fails(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("these are notes, and no database at all " * 10)

    for path in (tmp_path, tmp_path / "notes.txt", tmp_path / "notes.txt" / "runs.db"):
        found = await checked(environ, db=path)
        assert found["database"]["level"] == "fail"
        assert str(path) in found["database"]["found"]
        assert "--db" in found["database"]["remedy"]
        assert ("restore a backup" in found["database"]["remedy"]) == path.is_file()


async def test_folders_that_cannot_be_written_are_told(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    found = await checked({**environ, "FUSION_HOME": str(tmp_path / "file" / "home")}, preset="demo")

    assert found["folders"]["level"] == "warn"
    assert "FUSION_HOME" in found["folders"]["remedy"]


def test_only_failures_count_and_keys_have_a_code_of_their_own() -> None:
    ok, warn = made("ok", "a", ""), made("warn", "b", "")
    key, other = made("fail", "c", "", is_key=True), made("fail", "d", "")

    assert [exit_code(items) for items in ([ok, warn], [ok, key], [key, other], [other])] == [0, 4, 1, 1]


async def test_what_a_thread_raises_is_raised_where_it_is_awaited() -> None:
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)


def test_the_writer_alone_is_the_roster_of_mode_never() -> None:
    alone = resolve({"preset": "quality", "mode": "never"}, environ={})

    assert alone.roles == {"~anthropic/claude-opus-latest": ["writer"]}
