import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ValidationError

from fusion_graph.errors import SettingsError
from fusion_graph.tools import Hit, PanelTools, SearchRequest, choose_backend, make_panel_tools
from fusion_graph.tools.search.ddgs import DdgsSearch
from fusion_graph.tools.search.exa import ExaSearch
from fusion_graph.tools.search.local import LocalSearch
from fusion_graph.tools.search.searxng import SearxngSearch
from fusion_graph.tools.search.tavily import TavilySearch
from fusion_graph.tools.web.download import Downloader


class Careless:
    """A search backend that ignores the rules and the number it is given."""

    async def search(self, request: SearchRequest) -> list[Hit]:
        return [
            Hit("https://www.huggingface.co/x", "leak", "the answers"),
            Hit("https://r.jina.ai/https://hf.co/x", "mirror", "the answers"),
            Hit("http://example.org/a", "first\n\n  of\U000e0041 two", "a\nb", "2024"),
            Hit("https://www.example.org/a?utm_source=y", "second of two", "again"),
            Hit("https://example.org/b", "", f"about {request.query}"),
            Hit("https://example.org/c", "c", ""),
        ]


async def listing(tools: PanelTools, rules: dict[str, Any], **arguments: Any) -> ToolMessage:
    tool = tools.bind(["web_search"], **rules)[0]
    message = await tool.ainvoke({"type": "tool_call", "id": "1", "name": "web_search", "args": arguments})
    assert isinstance(message, ToolMessage)
    return message


@pytest.fixture
def careless() -> PanelTools:
    return PanelTools(Careless(), Downloader())


@pytest.mark.parametrize("kind", ["excluded_domains", "blocked_domains"])
async def test_rules_are_applied_to_what_a_backend_brings(careless: PanelTools, kind: str) -> None:
    message = await listing(careless, {kind: ["huggingface.co"]}, query="tides")

    assert "answers" not in str(message.content)
    assert [source["url"] for source in message.artifact["sources"]] == [
        "http://example.org/a",
        "https://example.org/b",
        "https://example.org/c",
    ]


async def test_only_allowed_domains_are_listed(careless: PanelTools) -> None:
    message = await listing(careless, {"allowed_domains": ["example.org/b"]}, query="tides")

    assert message.content == "https://example.org/b\nabout tides"


async def test_one_page_is_listed_once_and_no_more_than_was_asked_for(careless: PanelTools) -> None:
    message = await listing(careless, {"excluded_domains": ["huggingface.co"]}, query="tides", max_results=2)

    assert message.content == (
        "first of two\nhttp://example.org/a\nPublished: 2024\na b\n\nhttps://example.org/b\nabout tides"
    )
    assert message.artifact["sources"][0] == {
        "key": "https://example.org/a",
        "url": "http://example.org/a",
        "title": "first of two",
        "snippet": "a b",
        "published": "2024",
        "read": False,
        "text": "",
        "seats": [],
        "retrieved_at": message.artifact["sources"][0]["retrieved_at"],
        "sha256": "",
    }


async def test_binding_one_run_leaves_the_rules_of_another_alone(careless: PanelTools) -> None:
    free = careless.bind(["web_search"])[0]
    careless.bind(["web_search"], excluded_domains=["huggingface.co"])

    message = await free.ainvoke({"type": "tool_call", "id": "1", "name": "web_search", "args": {"query": "x"}})

    assert "leak" in message.content


@pytest.mark.parametrize(
    "arguments", [{"query": " "}, {"query": "x", "max_results": 0}, {"query": "x", "max_results": 26}, {}]
)
async def test_arguments_out_of_range_are_refused(careless: PanelTools, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        await listing(careless, {}, **arguments)


def test_tools_come_once_each_in_the_order_they_are_named(careless: PanelTools) -> None:
    named = [tool.name for tool in careless.bind(["web_fetch", "web_search", "web_fetch"])]

    assert named == ["web_fetch", "web_search"]
    assert careless.bind([]) == []


def test_the_schemas_say_what_a_model_may_send(careless: PanelTools) -> None:
    search, fetch = (convert_to_openai_tool(tool)["function"] for tool in careless.bind(["web_search", "web_fetch"]))

    assert search["parameters"]["required"] == ["query"]
    assert search["parameters"]["properties"]["max_results"]["maximum"] == 25
    assert fetch["parameters"]["required"] == ["url"]
    assert set(fetch["parameters"]["properties"]) == {"url", "start"}


@pytest.mark.parametrize(("name", "said"), [("web_serch", "web_search"), ("bsh", "bash")])
def test_a_tool_that_does_not_exist_is_refused_by_name(careless: PanelTools, name: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        careless.bind(["web_fetch", name])

    assert (caught.value.field, caught.value.value) == ("tools", name)
    assert said in f"{caught.value} {caught.value.hint}"
    assert "bash, web_fetch, web_search" in str(caught.value.hint)


@pytest.mark.parametrize("kind", ["allowed_domains", "excluded_domains", "blocked_domains"])
def test_a_rule_that_is_none_is_refused_by_its_setting(careless: PanelTools, kind: str) -> None:
    rules: dict[str, list[str]] = {kind: ["no rule"]}

    with pytest.raises(SettingsError) as caught:
        careless.bind(["web_fetch"], **rules)

    assert caught.value.field == kind


def test_without_a_backend_search_is_not_offered_and_it_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    none = make_panel_tools({"FUSION_SEARCH": "none"})
    monkeypatch.setitem(sys.modules, "ddgs", None)
    missing = make_panel_tools({})

    for tools in (none, missing):
        assert [tool.name for tool in tools.bind(["web_search", "web_fetch"])] == ["web_fetch"]
        (note,) = tools.missing(["web_search", "web_fetch"])
        assert "local:DIR" in note
        assert "pip install" in note
    assert none.missing(["web_fetch"]) == []


@pytest.mark.parametrize(
    ("environ", "kind", "why"),
    [
        ({}, DdgsSearch, "needs no key"),
        ({"TAVILY_API_KEY": "t"}, TavilySearch, "TAVILY_API_KEY is set"),
        ({"TAVILY_API_KEY": "t", "EXA_API_KEY": "e"}, ExaSearch, "EXA_API_KEY is set"),
        ({"TAVILY_API_KEY": "t", "FUSION_SEARCH": " ddgs "}, DdgsSearch, "FUSION_SEARCH=ddgs"),
        ({"TAVILY_API_KEY": "t", "EXA_API_KEY": "e", "FUSION_SEARCH": "tavily"}, TavilySearch, "FUSION_SEARCH=tavily"),
        ({"FUSION_SEARCH": "searxng:http://127.0.0.1:8888/"}, SearxngSearch, "FUSION_SEARCH=searxng"),
        ({"FUSION_SEARCH": "local:~"}, LocalSearch, "FUSION_SEARCH=local:~"),
        ({"FUSION_SEARCH": "none"}, type(None), "FUSION_SEARCH=none"),
    ],
)
def test_the_backend_is_what_is_configured_else_what_there_is_a_key_for(
    environ: dict[str, str], kind: type, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    chosen = choose_backend(environ)

    assert isinstance(chosen.backend, kind)
    assert why in chosen.why


def test_a_key_whose_package_is_missing_is_told_beside_what_is_used_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "exa_py", None)

    chosen = choose_backend({"EXA_API_KEY": "e"})

    assert isinstance(chosen.backend, DdgsSearch)
    assert "EXA_API_KEY is set, but the package for exa is not installed: pip install 'fusion-graph[exa]'" in chosen.why


def test_without_key_and_package_there_is_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ddgs", None)

    assert choose_backend({}).backend is None


@pytest.mark.parametrize("name", ["exa", "tavily"])
def test_a_service_without_its_key_is_refused_with_the_remedy(name: str) -> None:
    with pytest.raises(SettingsError, match="_API_KEY is not set") as caught:
        choose_backend({"FUSION_SEARCH": name})

    assert caught.value.hint == f"set {name.upper()}_API_KEY"


@pytest.mark.parametrize(
    "value", ["google", "local", "local:", "local:/no/such/folder", "LOCAL:/", "ddgs,none", "none:", "exa:x", "searxng"]
)
def test_a_backend_that_cannot_be_is_refused_with_what_can(value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        choose_backend({"FUSION_SEARCH": value})

    assert (caught.value.field, caught.value.value) == ("FUSION_SEARCH", value)
    assert repr(value) in str(caught.value)
    assert "'local:DIR'" in str(caught.value.hint)


def test_a_backend_whose_package_is_missing_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ddgs", None)

    with pytest.raises(SettingsError, match="not installed") as caught:
        choose_backend({"FUSION_SEARCH": "ddgs"})

    assert caught.value.hint == "pip install 'fusion-graph[ddgs]'"


def test_importing_and_binding_the_tools_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from fusion_graph.tools import make_panel_tools\n"
        f"make_panel_tools({{'FUSION_SEARCH': 'local:{tmp_path}'}}).bind(['web_search', 'web_fetch'])\n"
        "heavy = 'bm25s numpy ddgs httpx lxml mcp exa_py tavily trafilatura'.split()\n"
        "print([name for name in heavy if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
