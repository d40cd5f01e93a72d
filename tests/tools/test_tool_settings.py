"""Tools with limits and rules of their own, and one fetch for all seats of a run."""

import asyncio
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, ToolException

from fusion_graph.errors import SettingsError
from fusion_graph.seats import PanelTool
from fusion_graph.tools import Hit, PanelTools, Place, SearchRequest
from fusion_graph.tools.web.download import Downloader
from fusion_graph.tools.web.network import Endpoint
from fusion_graph.tools.web.pages import Page, Pages


class Recorder:
    """A search backend that answers with twenty-five long hits and keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[SearchRequest] = []

    async def search(self, request: SearchRequest) -> list[Hit]:
        self.requests.append(request)
        return [Hit(f"https://{'ab'[n % 2]}.example/{n}", f"hit {n}", "word " * 2000) for n in range(25)]


async def use(tool: BaseTool, **arguments: Any) -> ToolMessage:
    message = await tool.ainvoke({"type": "tool_call", "id": "1", "name": tool.name, "args": arguments})
    assert isinstance(message, ToolMessage)
    return message


@pytest.mark.parametrize(
    ("limits", "results", "characters"),
    [
        ({}, 5, None),
        ({"max_results": 12}, 12, None),
        ({"max_characters": 77}, 5, 77),
        ({"search_context_size": "low"}, 5, 300),
        ({"search_context_size": "high"}, 5, 3000),
        ({"search_context_size": "high", "max_characters": 90}, 5, 90),
    ],
)
async def test_a_search_lists_as_much_as_its_settings_say(
    limits: dict[str, Any], results: int, characters: int | None
) -> None:
    backend = Recorder()

    (tool,) = PanelTools(backend, Downloader()).bind([{"name": "web_search", **limits}])
    sources = (await use(tool, query="tides")).artifact["sources"]

    assert [(asked.max_results, asked.max_characters) for asked in backend.requests] == [(results, characters)]
    assert len(sources) == results
    assert {len(source["snippet"]) for source in sources} == {characters or 2000}


async def test_a_model_may_ask_for_another_number_of_results_than_the_settings_say() -> None:
    (tool,) = PanelTools(Recorder(), Downloader()).bind([PanelTool(name="web_search", max_results=3)])

    assert len((await use(tool, query="tides", max_results=7)).artifact["sources"]) == 7


async def test_a_tools_own_domains_hold_beside_the_runs() -> None:
    backend = Recorder()
    tools = PanelTools(backend, Downloader())
    both = [{"name": "web_search", "allowed_domains": ["a.example", "c.example"], "max_results": 25}]

    (within,) = tools.bind(both, allowed_domains=["a.example", "b.example"])
    (without,) = tools.bind(
        [{"name": "web_search", "excluded_domains": ["a.example/2"]}], excluded_domains=["b.example"]
    )
    hosts = {source["url"].split("/")[2] for source in (await use(within, query="x")).artifact["sources"]}
    listed = [source["url"] for source in (await use(without, query="x")).artifact["sources"]]

    assert hosts == {"a.example"}
    assert listed == [f"https://a.example/{n}" for n in (0, 4, 6, 8, 10)]
    assert backend.requests[0].allowed_domains == ("a.example", "c.example")
    assert backend.requests[1].excluded_domains == ("b.example", "a.example/2")


@pytest.mark.parametrize(
    ("tool", "field", "said"),
    [
        ({"name": "web_fetch", "max_results": 3}, "tools.max_results", "web_fetch has no max_results"),
        (
            {"name": "web_search", "max_content_tokens": 300},
            "tools.max_content_tokens",
            "web_search has no max_content",
        ),
        ({"name": "community:Wikipedia", "allowed_domains": ["a.example"]}, "tools.allowed_domains", "has no allowed"),
        ({"name": "web_search", "allowed_domains": ["no rule"]}, "allowed_domains", "not a domain rule"),
        ({"name": "websearch"}, "tools", "there is no tool 'websearch'"),
        ({"name": "mcp:nobody"}, "tools", "no MCP server for 'mcp:nobody'"),
    ],
)
def test_a_limit_that_a_tool_does_not_have_is_refused_with_those_it_has(
    tool: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        PanelTools(Recorder(), Downloader()).check([tool])

    assert caught.value.field == field
    assert caught.value.hint


class Site:
    """A site that tells how often it was asked, and answers when it is let."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.asked, self.go = asyncio.Event(), asyncio.Event()
        self.status = "200 OK"
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.requests.append(head.split(" ")[1])
        self.asked.set()
        await self.go.wait()
        writer.write(f"HTTP/1.1 {self.status}\r\ncontent-type: text/plain\r\n\r\n{'text ' * 4000}".encode())
        writer.close()

    def opened(self) -> frozenset[Endpoint]:
        return frozenset({("127.0.0.1", self.port)})


@pytest.fixture
async def site() -> Any:
    found = Site()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    async with server:
        yield found


async def test_one_fetch_of_a_page_serves_all_seats_of_a_run_and_no_other_run(site: Site) -> None:
    tools, url = PanelTools(None, Downloader(opened=site.opened())), f"http://127.0.0.1:{site.port}/a"
    seats = [tools.bind(["web_fetch"], Place("run 1"))[0] for _ in range(3)]
    (other,) = tools.bind(["web_fetch"], Place("run 2"))

    together = [asyncio.create_task(use(seat, url=f"{url}#{number}")) for number, seat in enumerate(seats)]
    await site.asked.wait()
    site.go.set()
    first = await asyncio.gather(*together)
    later = await use(seats[0], url=url, start=10_000)
    assert site.requests == ["/a"]
    await use(other, url=url)

    assert site.requests == ["/a", "/a"]
    assert {message.text for message in first} == {first[0].text}
    assert "this is the end" in later.text


async def test_seats_under_other_rules_do_not_share_a_page(site: Site) -> None:
    site.go.set()
    tools, url = PanelTools(None, Downloader(opened=site.opened())), f"http://127.0.0.1:{site.port}/a"
    (free,), (bound,) = (
        tools.bind(["web_fetch"], Place("run")),
        tools.bind(["web_fetch"], Place("run"), blocked_domains=["127.0.0.1"]),
    )

    await use(free, url=url)
    with pytest.raises(ToolException, match="excluded by the domain rule"):
        await use(bound, url=url)

    assert site.requests == ["/a"]


async def test_a_seat_that_is_cut_while_it_waits_stops_no_other_seats_fetch(site: Site) -> None:
    tools, url = PanelTools(None, Downloader(opened=site.opened())), f"http://127.0.0.1:{site.port}/a"
    first, second = (asyncio.create_task(use(tools.bind(["web_fetch"], Place("run"))[0], url=url)) for _ in range(2))
    await site.asked.wait()

    first.cancel()
    site.go.set()

    assert "text text" in (await second).text
    assert len(site.requests) == 1


async def test_a_failure_is_told_to_all_who_wait_and_then_tried_again(site: Site) -> None:
    site.go.set()
    site.status = "503 Down"
    tools, url = PanelTools(None, Downloader(opened=site.opened())), f"http://127.0.0.1:{site.port}/a"
    (seat,) = tools.bind(["web_fetch"], Place("run"))

    failed = await asyncio.gather(use(seat, url=url), use(seat, url=url), return_exceptions=True)
    site.status = "200 OK"

    assert all("503" in str(error) for error in failed)
    assert len(site.requests) == 1
    assert "text text" in (await use(seat, url=url)).text


async def test_a_page_comes_in_parts_as_long_as_the_settings_say(site: Site) -> None:
    site.go.set()
    tools, url = PanelTools(None, Downloader(opened=site.opened())), f"http://127.0.0.1:{site.port}/a"
    (seat,) = tools.bind([{"name": "web_fetch", "max_content_tokens": 100}])

    assert "[characters 0-400 of 19999; call again with start=400]" in (await use(seat, url=url)).text


async def test_pages_are_kept_up_to_a_number_of_characters_the_oldest_use_dropped_first() -> None:
    pages, loaded = Pages(max_chars=25), list[str]()

    async def get(name: str) -> None:
        async def load() -> Page:
            loaded.append(name)
            return Page(name, name, "x" * 10)

        await pages.get(name, load)

    for name in ("a", "b", "a", "c", "a", "b"):
        await get(name)

    assert loaded == ["a", "b", "c", "b"]
