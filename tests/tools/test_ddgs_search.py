import asyncio
import sys
import threading
from collections.abc import Callable
from typing import Any

import ddgs
import pytest
from ddgs.exceptions import DDGSException, RatelimitException
from langchain_core.tools import ToolException

from fusion_graph.tools import Hit, SearchRequest
from fusion_graph.tools.search.ddgs import DdgsSearch

Rows = list[dict[str, Any]]


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Rows]], list[dict[str, Any]]]:
    """Put `answer` in the place of the search engines; the questions they were asked are collected."""

    def install(answer: Callable[[], Rows]) -> list[dict[str, Any]]:
        asked: list[dict[str, Any]] = []

        class Engines:
            def text(self, query: str, **options: Any) -> Rows:
                asked.append({"query": query, **options})
                return answer()

        monkeypatch.setattr(ddgs, "DDGS", Engines)
        return asked

    return install


async def search(backend: DdgsSearch, **arguments: Any) -> list[Hit]:
    return await backend.search(SearchRequest(query="tides", **arguments))


async def test_what_the_engines_find_becomes_hits(engines: Any) -> None:
    rows = [
        {"title": "Tides", "href": "https://example.org/tides", "body": "High water."},
        {"title": "Bad", "href": "javascript:alert(1)", "body": ""},
        {"title": "No address"},
    ]
    asked = engines(lambda: rows)

    hits = await search(DdgsSearch())

    assert hits == [Hit("https://example.org/tides", "Tides", "High water.")]
    assert asked == [{"query": "tides", "max_results": 5}]


async def test_domain_rules_go_to_the_engines_which_are_asked_for_more(engines: Any) -> None:
    asked = engines(list)

    await search(DdgsSearch(), allowed_domains=("a.example", "b.example/x"), excluded_domains=("c.example",))
    await search(DdgsSearch(), max_results=25, excluded_domains=tuple(f"{number}.example" for number in range(20)))

    assert asked[0] == {"query": "tides site:a.example OR site:b.example/x -site:c.example", "max_results": 10}
    assert asked[1]["query"].count("-site:") == 8
    assert asked[1]["max_results"] == 25


async def test_no_results_are_none_and_no_failure(engines: Any) -> None:
    def nothing() -> Rows:
        raise DDGSException("No results found.")

    engines(nothing)

    assert await search(DdgsSearch()) == []


async def test_a_failure_is_told_in_words(engines: Any) -> None:
    def limited() -> Rows:
        raise RatelimitException("202 Ratelimit token=sk-0123456789abcdef")

    engines(limited)

    with pytest.raises(ToolException, match="The search failed: 202 Ratelimit") as caught:
        await search(DdgsSearch())
    assert "sk-0123456789abcdef" not in str(caught.value)


async def test_a_slow_engine_is_not_waited_for(engines: Any) -> None:
    gate = threading.Event()

    def slow() -> Rows:
        gate.wait(20)
        return []

    engines(slow)

    with pytest.raises(ToolException, match=r"0\.05 s"):
        await search(DdgsSearch(timeout_seconds=0.05))

    gate.set()


async def test_a_slow_engine_does_not_hold_up_the_others(engines: Any) -> None:
    gate = threading.Event()

    def slow() -> Rows:
        assert gate.wait(20)
        return []

    engines(slow)
    task = asyncio.create_task(search(DdgsSearch()))

    await asyncio.sleep(0.01)
    gate.set()  # which nobody could do while the engine held up the event loop

    assert await task == []


async def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ddgs", None)

    with pytest.raises(ToolException, match=r"pip install 'fusion-graph\[ddgs\]'"):
        await search(DdgsSearch())
