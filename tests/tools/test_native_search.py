"""The search of a model's provider: what the provider is sent, and what becomes of what it found."""

from typing import Any

import pytest

from fusion_graph import build_fusion_graph
from fusion_graph.models import close_clients, load_model
from fusion_graph.results import run_result
from fusion_graph.seats import PROVIDER_TOOL
from fusion_graph.tools import Place, make_panel_tools
from tests.model_server import ModelServer, Reply, Request

FOUND = [
    {
        "type": "url_citation",
        "url_citation": {
            "url": "https://tides.example/noon",
            "title": "Tides",
            "content": "High water at noon, 7.2 m.",
            "start_index": 0,
            "end_index": 5,
        },
    },
    {"type": "url_citation", "url_citation": {"url": "https://bad.example/x", "title": "Bad", "content": "No."}},
]
TOOLS = make_panel_tools({"FUSION_SEARCH": "native"})


def sent(provider: str, tool: dict[str, Any] | str = "web_search", **rules: list[str]) -> Any:
    (made,) = TOOLS.bind([tool], Place("", provider), **rules)
    assert made.metadata
    return made.metadata[PROVIDER_TOOL]


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ("openrouter", {"type": "openrouter:web_search", "parameters": {"excluded_domains": ["bad.example"]}}),
        ("openai", {"type": "web_search", "filters": {"blocked_domains": ["bad.example"]}}),
        (
            "anthropic",
            {"type": "web_search_20250305", "name": "web_search", "blocked_domains": ["bad.example"]},
        ),
        ("google_genai", {"google_search": {"exclude_domains": ["bad.example"]}}),
    ],
)
def test_each_provider_is_sent_its_own_tool_with_the_hosts_to_leave_out(
    provider: str, expected: dict[str, Any]
) -> None:
    assert sent(provider, excluded_domains=["bad.example", "big.example/part"]) == expected


def test_limits_go_along_as_far_as_the_provider_knows_them() -> None:
    limits = {"name": "web_search", "max_results": 3, "max_uses": 2, "search_context_size": "low"}

    assert sent("openrouter", limits)["parameters"] == {"max_results": 3, "search_context_size": "low"}
    assert sent("openai", limits) == {"type": "web_search", "search_context_size": "low"}
    assert sent("anthropic", limits)["max_uses"] == 2
    only = {"name": "web_search", "allowed_domains": ["good.example/tides"]}
    assert sent("openai", only, excluded_domains=["bad.example"])["filters"] == {"allowed_domains": ["good.example"]}


def test_a_model_whose_provider_has_no_search_gets_none() -> None:
    assert TOOLS.bind(["web_search"], Place("", "ollama")) == []
    assert [tool.name for tool in TOOLS.bind(["web_search", "web_fetch"], Place("", ""))] == ["web_fetch"]


def test_the_official_openai_api_is_asked_through_responses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    model: Any = load_model("openai:gpt-5.5").bind_tools([sent("openai")])

    payload = model.bound._get_request_payload("hi", **model.kwargs)

    assert payload["tools"] == [{"type": "web_search"}]
    assert "input" in payload
    assert "messages" not in payload


async def test_what_openrouters_search_found_is_the_seats_sources_marked_and_under_the_runs_rules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def behave(request: Request) -> Reply:
        if request.model == "v/seat":
            return Reply(text="High water is at noon ([tides](https://tides.example/noon)).", annotations=FOUND)
        return Reply(text="{}" if request.model == "v/judge" else "Noon, 7.2 m [1].")

    with ModelServer(behave, family="llama.cpp") as server:  # which takes any tool
        monkeypatch.setenv("OPENROUTER_BASE_URL", server.url)
        monkeypatch.setenv("OPENROUTER_API_KEY", "k")
        graph: Any = build_fusion_graph(environ={"FUSION_SEARCH": "native"}).compile()
        settings = {"panel": ["v/seat"], "judge": "v/judge", "writer": "v/writer", "excluded_domains": ["bad.example"]}
        values = await graph.ainvoke({"messages": [("user", "When is high water?")]}, context=settings)
        await close_clients()
        asked = server.requests_of("v/seat")[0].body

    result = run_result("r", "t", values)
    (source,) = result["sources"]
    assert (source["url"], source["title"], source["found_by"]) == ("https://tides.example/noon", "Tides", "provider")
    assert result["citations"][0]["support"] == "supported"
    assert {
        "type": "openrouter:web_search",
        "parameters": {"excluded_domains": ["bad.example"]},
    } in asked["tools"]
    assert [tool["function"]["name"] for tool in asked["tools"] if tool["type"] == "function"] == ["web_fetch"]


async def test_a_server_that_knows_no_such_search_is_asked_without_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    with ModelServer(lambda _request: Reply(text="From memory."), family="openai") as server:
        monkeypatch.setenv("OPENROUTER_BASE_URL", server.url)
        monkeypatch.setenv("OPENROUTER_API_KEY", "k")
        graph: Any = build_fusion_graph(environ={"FUSION_SEARCH": "native"}).compile()
        settings = {"panel": ["v/seat"], "judge": "v/judge", "writer": "v/writer"}
        values = await graph.ainvoke({"messages": [("user", "When is high water?")]}, context=settings)
        await close_clients()

    (seat,) = values["results"]
    assert (seat["content"], seat["notes"]) == ("From memory.", ["it answered early: no tool can be used"])
    assert [entry.status for entry in server.requests_of("v/seat")] == [400, 200]


def test_a_provider_that_has_no_search_is_told_as_missing() -> None:
    (note,) = TOOLS.missing(["web_search"], Place("", "ollama"))

    assert "a provider has no search" in note
    assert TOOLS.bind(["web_search"], Place("", "ollama")) == []
    assert TOOLS.missing(["web_search"], Place("", "openai")) == []
