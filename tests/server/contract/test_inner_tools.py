"""What the tools of the panel may be told, and which there are."""

from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import Serve, Served, judge_and_writer
from tests.server.contract.asking import plugin, refused, result

BAD: list[tuple[str, dict[str, Any], str]] = [
    *(("web_search", {"max_results": value}, "max_results") for value in (0, 26, -1, "ten", 2.5, True)),
    *(("web_search", {"max_uses": value}, "max_uses") for value in (0, -1, "many")),
    *(("web_search", {"max_characters": value}, "max_characters") for value in (0, -5, "all")),
    ("web_search", {"search_context_size": "huge"}, "search_context_size"),
    ("web_search", {"allowed_domains": "tides.example"}, "allowed_domains"),
    ("web_search", {"allowed_domains": [5]}, "allowed_domains"),
    ("web_search", {"excluded_domains": ["https://"]}, "excluded_domains"),
    ("web_fetch", {"max_content_tokens": 0}, "max_content_tokens"),
    ("web_fetch", {"max_content_tokens": "all"}, "max_content_tokens"),
    ("web_fetch", {"blocked_domains": ["not a host"]}, "blocked_domains"),
]
STRANGE: list[tuple[str, dict[str, Any], str]] = [
    ("web_search", {"colour": "red"}, "colour"),
    ("web_search", {"max_content_tokens": 500}, "max_content_tokens"),
    ("web_search", {"blocked_domains": ["a.example"]}, "blocked_domains"),
    ("web_fetch", {"max_results": 5}, "max_results"),
    ("web_fetch", {"excluded_domains": ["a.example"]}, "excluded_domains"),
    ("bash", {"allowed_domains": ["a.example"]}, "allowed_domains"),
]


@pytest.mark.parametrize(
    ("name", "parameters", "field"),
    [
        *(pytest.param(*bad, marks=pytest.mark.contract("6.3", "7.14")) for bad in BAD),
        *(pytest.param(*bad, marks=pytest.mark.contract("6.20")) for bad in STRANGE),
    ],
)
def test_what_a_tool_cannot_be_told_is_refused_by_its_name(
    served: Served, name: str, parameters: dict[str, Any], field: str
) -> None:
    error = refused(served.chat(**plugin(tools=[{"type": f"openrouter:{name}", "parameters": parameters}])))

    assert field in error["param"]
    assert field in error["message"]
    assert served.models.requests == []


@pytest.mark.contract("6.19")
@pytest.mark.parametrize(
    "tool",
    [
        {"type": "openrouter:code"},
        {"type": "mcp:files"},
        {"type": "community:Shell"},
        {"type": "function"},
        {"type": ""},
        {"type": None},
        {},
        "openrouter:web_search",
        5,
        None,
    ],
)
def test_what_is_no_tool_of_the_panel_is_refused(served: Served, tool: Any) -> None:
    error = refused(served.chat(**plugin(tools=[tool])))

    assert "tools" in error["param"]
    assert served.models.requests == []


@pytest.mark.contract("6.21")
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("web_search", {"engine": "exa", "mode": "fast", "max_total_results": 20}),
        ("web_search", {"user_location": {"type": "approximate", "city": "Brest"}}),
        ("web_fetch", {"engine": "native"}),
        ("bash", {"engine": "openrouter", "environment": {"type": "container_auto"}, "sleep_after_seconds": 60}),
    ],
)
def test_parameters_without_a_meaning_here_are_taken(
    serve: Serve, name: str, parameters: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUSION_BASH", "bashkit")
    monkeypatch.setenv("FUSION_SEARCH", f"local:{tmp_path}")
    served = serve(judge=judge_and_writer)

    response = served.chat(**plugin(tools=[{"type": f"openrouter:{name}", "parameters": parameters}]))

    assert result(response)["status"] == "ok"
    assert response.json()["x_fusion"]["notes"] == []
