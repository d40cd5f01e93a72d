"""The panel's web_search, as requests set it up."""

from pathlib import Path
from typing import Any

import pytest

from tests.server.contract.asking import running
from tests.server.contract.inner import HOSTS, PAGES, asks, searching, urls

pytestmark = pytest.mark.usefixtures("web")


@pytest.mark.parametrize(
    ("parameters", "results"),
    [
        pytest.param({}, 5, marks=pytest.mark.contract("6.1")),
        pytest.param({"max_results": 1}, 1, marks=pytest.mark.contract("6.2", "6.3")),
        pytest.param({"max_results": 25}, 25, marks=pytest.mark.contract("6.2", "6.3")),
    ],
)
def test_a_search_lists_as_many_results_as_it_is_to(db: Path, parameters: dict[str, Any], results: int) -> None:
    with running(searching(), db) as served:
        told = asks(served, "web_search", **parameters)

    assert len(urls(told)) == results
    assert told["usage"]["server_tool_use_details"]["web_search_requests"] == 1


@pytest.mark.contract("6.4")
@pytest.mark.parametrize("uses", [1, 3])
def test_a_tool_may_be_used_so_often(db: Path, uses: int) -> None:
    with running(searching(times=6), db) as served:
        details = asks(served, "web_search", max_uses=uses)["usage"]["server_tool_use_details"]

    assert details == {"tool_calls_requested": 6, "tool_calls_executed": uses, "web_search_requests": uses}


def of(*hosts: str, path: str = "") -> set[str]:
    return {url for url in PAGES if url.startswith(tuple(f"https://{host}/{path}" for host in hosts))}


TIDES = of("tides.example", "low.tides.example", "deep.sea.tides.example")


@pytest.mark.contract("6.12")
@pytest.mark.parametrize(
    ("parameters", "within"),
    [
        pytest.param({"allowed_domains": ["gulls.example"]}, of("gulls.example"), marks=pytest.mark.contract("6.5")),
        pytest.param({"allowed_domains": ["tides.example"]}, TIDES, marks=pytest.mark.contract("6.5")),
        pytest.param(
            {"allowed_domains": ["SEA.tides.example."]}, of("deep.sea.tides.example"), marks=pytest.mark.contract("6.5")
        ),
        pytest.param(
            {"excluded_domains": ["tides.example"]},
            of("nottides.example", "gulls.example"),
            marks=pytest.mark.contract("6.6"),
        ),
        pytest.param(
            {"allowed_domains": ["tides.example", "gulls.example"], "excluded_domains": ["tides.example"]},
            of("gulls.example"),
            marks=pytest.mark.contract("6.5", "6.6"),
        ),
        pytest.param(
            {"allowed_domains": ["gulls.example/a"]},
            {"https://gulls.example/a/1", "https://gulls.example/a/2"},
            marks=pytest.mark.contract("6.13"),
        ),
        pytest.param(
            {"excluded_domains": [*HOSTS[:4], "gulls.example/a"]},
            {f"https://gulls.example/{path}" for path in ("ab/3", "b/4", "5", "6")},
            marks=pytest.mark.contract("6.13"),
        ),
    ],
)
def test_a_search_keeps_to_its_domains(db: Path, parameters: dict[str, Any], within: set[str]) -> None:
    with running(searching(), db) as served:
        told = asks(served, "web_search", max_results=25, **parameters)

    assert set(urls(told)) == within


@pytest.mark.contract("6.7", "6.8")
@pytest.mark.parametrize(
    ("parameters", "characters"),
    [
        ({"search_context_size": "low"}, 300),
        ({"search_context_size": "medium"}, 1000),
        ({"search_context_size": "high"}, 3000),
        ({"max_characters": 120}, 120),
        ({"search_context_size": "high", "max_characters": 120}, 120),
    ],
)
def test_excerpts_are_as_long_as_they_are_to_be(db: Path, parameters: dict[str, Any], characters: int) -> None:
    with running(searching(), db) as served:
        told = asks(served, "web_search", max_results=1, **parameters)

    (source,) = told["x_fusion"]["sources"]
    assert characters * 0.5 < len(source["snippet"]) <= characters
