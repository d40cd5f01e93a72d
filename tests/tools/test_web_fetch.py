import asyncio
import hashlib
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, ToolException

from fusion_graph.tools import Limits, make_panel_tools
from tests.reading.documents import pdf
from tests.site import Site, answer, redirect

SMALL = Limits(wire_bytes=20_000, decoded_bytes=50_000)


def fetch_tool(site: Site, limits: Limits | None = None) -> BaseTool:
    environ = {"FUSION_SEARCH": "none", "FUSION_FETCH_ALLOW": f"127.0.0.1:{site.port}"}
    return make_panel_tools(environ, limits=limits).bind(["web_fetch"])[0]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Site({}).serving() as site:
        yield site


async def fetch(tool: BaseTool, url: str) -> ToolMessage:
    call = {"type": "tool_call", "id": "1", "name": "web_fetch", "args": {"url": url}}
    message = await tool.ainvoke(call)
    assert isinstance(message, ToolMessage)
    return message


async def refusal(tool: BaseTool, url: str) -> str:
    with pytest.raises(ToolException) as caught:
        await fetch(tool, url)
    assert "Traceback" not in str(caught.value)
    return str(caught.value)


async def test_a_page_comes_as_text_with_its_source(site: Site) -> None:
    site.pages["/tides"] = answer(
        "<title>Tides</title><meta name=date content=2024-05-06><h1>High water</h1><p>Twice a day.</p>"
    )

    message = await fetch(fetch_tool(site), site.url("/tides"))

    assert message.content == (f"Tides\n{site.url('/tides')}\nPublished: 2024-05-06\n\n# High water\n\nTwice a day.")
    assert message.artifact == {
        "sources": [
            {
                "key": f"https://127.0.0.1:{site.port}/tides",
                "url": site.url("/tides"),
                "title": "Tides",
                "snippet": "# High water Twice a day.",
                "published": "2024-05-06",
                "read": True,
                "text": "",
                "seats": [],
                "retrieved_at": message.artifact["sources"][0]["retrieved_at"],
                "sha256": hashlib.sha256(b"# High water\n\nTwice a day.").hexdigest(),
            }
        ]
    }


async def test_a_source_says_when_its_page_was_read(site: Site) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    site.pages["/"] = answer("<p>x")

    (source,) = (await fetch(fetch_tool(site), site.url("/"))).artifact["sources"]

    assert before <= datetime.fromisoformat(source["retrieved_at"]) <= datetime.now(UTC)


async def test_the_source_of_a_page_that_moved_is_where_it_is_now(site: Site) -> None:
    site.pages["/a/old"] = redirect("../new?x=1#part")
    site.pages["/new?x=1"] = answer("<p>here</p>")

    (source,) = (await fetch(fetch_tool(site), site.url("/a/old"))).artifact["sources"]

    assert source["url"] == site.url("/new?x=1#part")
    assert source["key"].endswith("/new?x=1")


@pytest.mark.parametrize(
    "page",
    [
        f"<title>Tides\n\n{'tides ' * 999}</title><meta name=date content='2024\n\n{'05 ' * 999}'><p>x",
        pdf("x", title=f"Tides\\n\\n{'tides ' * 999}", created="D:20240506\\n\\nmore"),
    ],
    ids=["HTML", "PDF"],
)
async def test_a_source_has_a_short_title_and_date_of_one_line(site: Site, page: bytes | str) -> None:
    site.pages["/"] = answer(page)

    message = await fetch(fetch_tool(site), site.url("/"))

    (source,) = message.artifact["sources"]
    assert source["title"].startswith("Tides tides")
    assert source["published"].startswith("2024")
    assert "\n" not in source["title"] + source["published"]
    assert (len(source["title"]) <= 300, len(source["published"]) <= 40) == (True, True)
    head = [source["title"], source["url"], f"Published: {source['published']}", "", "x"]
    assert str(message.content).split("\n") == head


async def test_a_compressed_bomb_is_refused_without_being_unpacked(site: Site) -> None:
    bomb = zlib.compressobj(9, wbits=31)
    packed = b"".join(bomb.compress(bytes(1_000_000)) for _ in range(15)) + bomb.flush()
    site.pages["/"] = answer(packed, "text/plain", Content_Encoding="gzip")
    assert len(packed) < SMALL.wire_bytes
    await refusal(fetch_tool(site, SMALL), site.url("/"))  # what is loaded on first use is not counted

    tracemalloc.start()
    reason = await refusal(fetch_tool(site, SMALL), site.url("/"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert "50,000 unpacked" in reason
    assert peak < 5_000_000


async def test_a_port_nobody_listens_on_is_named_as_such() -> None:
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    environ = {"FUSION_SEARCH": "none", "FUSION_FETCH_ALLOW": f"127.0.0.1:{port}"}

    reason = await refusal(make_panel_tools(environ).bind(["web_fetch"])[0], f"http://127.0.0.1:{port}/")

    assert "could not be read" in reason


def test_one_tool_works_in_several_event_loops() -> None:
    environ = {"FUSION_SEARCH": "none", "FUSION_FETCH_ALLOW": "127.0.0.1:1"}
    tool = make_panel_tools(environ).bind(["web_fetch"])[0]

    async def once() -> str:
        return await refusal(tool, "http://127.0.0.1:1/")

    assert asyncio.run(once()) == asyncio.run(once())


async def test_a_local_address_without_local_documents_is_refused(site: Site) -> None:
    assert "no local document" in await refusal(fetch_tool(site), "local://notes.md")
