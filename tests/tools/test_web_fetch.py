import asyncio
import gzip
import hashlib
import json
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, ToolException

from fusion_graph.tools import Limits, make_panel_tools

Page = Callable[[asyncio.StreamWriter], Awaitable[None]]
HTML = "text/html; charset=utf-8"
SMALL = Limits(connect_seconds=1, total_seconds=0.5, wire_bytes=20_000, decoded_bytes=50_000, page_chars=100)


class Site:
    """A web site on the loopback: paths, what each answers with, and the requests that came."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.requests: list[str] = []
        self.port = 0
        self._busy: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.requests.append(request)
            await self.pages[request.split(" ")[1]](writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        self._busy.discard(task)

    async def finish(self) -> None:
        for task in self._busy:
            task.cancel()
        await asyncio.gather(*self._busy)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def tool(self, limits: Limits | None = None, **rules: Sequence[str]) -> BaseTool:
        hosts = ("127.0.0.1", "pinned.test", "other.test")
        opened = ",".join(f"{host}:{self.port}" for host in hosts)
        environ = {"FUSION_SEARCH": "none", "FUSION_FETCH_ALLOW": opened}
        return make_panel_tools(environ, limits=limits, resolve=loopback).bind(["web_fetch"], **rules)[0]


async def loopback(host: str, _port: int) -> list[str]:
    return {"localhost": ["127.0.0.1"], "private.test": ["10.0.0.1"]}.get(host, ["127.0.0.1"])


def answer(body: bytes | str, content_type: str = HTML, status: str = "200 OK", **headers: str) -> Page:
    sent = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(sent)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + sent)
        await writer.drain()

    return write


def redirect(location: str, status: str = "302 Found", **headers: str) -> Page:
    return answer("moved", status=status, Location=location, **headers)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0)
    site.port = server.sockets[0].getsockname()[1]
    yield site
    server.close()
    await site.finish()
    await server.wait_closed()


async def fetch(tool: BaseTool, url: str, **arguments: Any) -> ToolMessage:
    call = {"type": "tool_call", "id": "1", "name": "web_fetch", "args": {"url": url, **arguments}}
    message = await tool.ainvoke(call)
    assert isinstance(message, ToolMessage)
    return message


async def refusal(tool: BaseTool, url: str, **arguments: Any) -> str:
    with pytest.raises(ToolException) as caught:
        await fetch(tool, url, **arguments)
    assert "Traceback" not in str(caught.value)
    return str(caught.value)


async def test_a_page_comes_as_text_with_its_source(site: Site) -> None:
    site.pages["/tides"] = answer(
        "<title>Tides</title><meta name=date content=2024-05-06><h1>High water</h1><p>Twice a day.</p>"
    )

    message = await fetch(site.tool(), site.url("/tides"))

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

    (source,) = (await fetch(site.tool(), site.url("/"))).artifact["sources"]

    assert before <= datetime.fromisoformat(source["retrieved_at"]) <= datetime.now(UTC)


async def test_the_request_says_little_and_carries_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    site.pages["/1"] = redirect("/2", Set_Cookie="id=1")
    site.pages["/2"] = answer("x", Set_Cookie="id=2")
    tool = site.tool()

    await fetch(tool, site.url("/1", "pinned.test"))
    await fetch(tool, site.url("/2", "pinned.test"))

    assert len(site.requests) == 3
    for request in site.requests:
        assert request.startswith("GET /")
        assert f"Host: pinned.test:{site.port}\r\n" in request
        assert "Accept-Encoding: gzip\r\n" in request
        for name in ("cookie:", "authorization:", "referer:"):
            assert name not in request.lower()


async def test_a_name_is_looked_up_once_for_each_hop(site: Site) -> None:
    looked_up: list[str] = []

    async def changing(host: str, _port: int) -> list[str]:
        looked_up.append(host)
        return ["127.0.0.1"] if looked_up.count(host) == 1 else ["127.0.0.99"]

    site.pages["/1"] = redirect(site.url("/2", "other.test"))
    site.pages["/2"] = answer("arrived")
    opened = f"pinned.test:{site.port},other.test:{site.port}"
    tools = make_panel_tools({"FUSION_SEARCH": "none", "FUSION_FETCH_ALLOW": opened}, resolve=changing)

    message = await fetch(tools.bind(["web_fetch"])[0], site.url("/1", "pinned.test"))

    assert "arrived" in str(message.content)
    assert looked_up == ["pinned.test", "other.test"]


async def test_tls_goes_to_the_checked_address_and_names_the_host() -> None:
    hello = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello.set_result(await reader.read(4096))
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    environ = {"FUSION_SEARCH": "none", "FUSION_FETCH_ALLOW": f"pinned.test:{port}"}
    tool = make_panel_tools(environ, resolve=loopback).bind(["web_fetch"])[0]

    reason = await refusal(tool, f"https://pinned.test:{port}/")
    server.close()
    await server.wait_closed()

    assert "could not be read" in reason
    assert (await hello)[:1] == b"\x16"  # a TLS handshake
    assert b"pinned.test" in await hello


async def test_the_next_address_is_tried_when_one_does_not_answer(site: Site) -> None:
    async def two(_host: str, _port: int) -> list[str]:
        return ["127.0.0.99", "127.0.0.1"]

    site.pages["/"] = answer("second")
    environ = {"FUSION_SEARCH": "none", "FUSION_FETCH_ALLOW": f"pinned.test:{site.port}"}
    tool = make_panel_tools(environ, resolve=two).bind(["web_fetch"])[0]

    assert "second" in str((await fetch(tool, site.url("/", "pinned.test"))).content)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_followed_and_the_source_is_where_it_ends(site: Site, status: str) -> None:
    site.pages["/a/old"] = redirect("../new?x=1#part", status)
    site.pages["/new?x=1"] = answer("<p>here</p>")

    message = await fetch(site.tool(), site.url("/a/old"))

    assert message.artifact["sources"][0]["url"] == site.url("/new?x=1#part")
    assert message.artifact["sources"][0]["key"].endswith("/new?x=1")


@pytest.mark.parametrize(
    "location",
    [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost:8080/",
        "http://[::ffff:127.0.0.1]/",
        "http://private.test/",
        "//0x7f.1/",
        "http://127.0.0.1:1/",
        "file:///etc/passwd",
        "http://user:pass@127.0.0.1/",
        "http://[",
        "",
    ],
)
async def test_a_redirect_away_from_the_public_web_is_refused(site: Site, location: str) -> None:
    site.pages["/"] = redirect(location)

    await refusal(site.tool(SMALL), site.url("/"))


async def test_a_redirect_without_end_is_refused(site: Site) -> None:
    site.pages["/"] = redirect("/")

    assert "redirects more than 5 times" in await refusal(site.tool(), site.url("/"))
    assert len(site.requests) == 6


async def test_domain_rules_hold_at_the_request_and_at_every_hop(site: Site) -> None:
    site.pages["/1"] = redirect(site.url("/2", "other.test"))
    site.pages["/2"] = redirect(site.url("/3", "pinned.test"))
    site.pages["/3"] = answer("arrived")
    start = site.url("/1", "pinned.test")

    assert "'other.test'" in await refusal(site.tool(excluded_domains=["other.test"]), start)
    assert "'pinned.test/3'" in await refusal(site.tool(blocked_domains=["pinned.test/3"]), start)
    assert "pinned.test" in await refusal(site.tool(allowed_domains=["pinned.test"]), start)
    asked = len(site.requests)
    assert "'pinned.test'" in await refusal(site.tool(excluded_domains=["pinned.test"]), start)
    assert len(site.requests) == asked
    assert [request.split()[1] for request in site.requests] == ["/1", "/1", "/2", "/1"]
    await fetch(site.tool(allowed_domains=["pinned.test", "other.test"]), start)


async def test_a_copy_of_an_excluded_page_is_refused_by_its_own_word(site: Site) -> None:
    site.pages["/copy"] = answer('<link rel="canonical" href="https://huggingface.co/x"><p>answers</p>')
    site.pages["/own"] = answer('<link rel="canonical" href="/other"><p>fine</p>')

    assert "huggingface.co" in await refusal(site.tool(excluded_domains=["huggingface.co"]), site.url("/copy"))
    await fetch(site.tool(), site.url("/copy"))
    await fetch(site.tool(excluded_domains=["huggingface.co"]), site.url("/own"))


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden", "500 Oops", "304 Not Modified", "302 Found"])
async def test_an_answer_that_is_no_page_is_told_by_its_status(site: Site, status: str) -> None:
    site.pages["/"] = answer("<p>sorry</p>", status=status)

    assert f"HTTP status {status[:3]}" in await refusal(site.tool(), site.url("/"))


async def test_a_page_too_large_is_refused_before_it_is_all_there(site: Site) -> None:
    sent = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while sent < 100_000_000:
            writer.write(b"x" * 10_000)
            sent += 10_000
            await writer.drain()

    site.pages["/"] = endless

    reason = await refusal(site.tool(SMALL), site.url("/"))

    assert "text/plain" in reason
    assert "20,000 bytes" in reason
    assert sent < 100_000_000


async def test_a_page_a_little_too_large_is_refused_as_well(site: Site) -> None:
    site.pages["/large"] = answer("x" * 20_001, "text/plain")
    site.pages["/full"] = answer("x" * 20_000, "text/plain")

    assert "too large" in await refusal(site.tool(SMALL), site.url("/large"))
    await fetch(site.tool(SMALL), site.url("/full"))


async def test_a_compressed_page_is_unpacked(site: Site) -> None:
    site.pages["/"] = answer(gzip.compress(b"<p>packed</p>"), Content_Encoding="gzip")

    assert "packed" in str((await fetch(site.tool(), site.url("/"))).content)


async def test_a_compressed_bomb_is_refused_without_being_unpacked(site: Site) -> None:
    bomb = zlib.compressobj(9, wbits=31)
    packed = b"".join(bomb.compress(bytes(1_000_000)) for _ in range(15)) + bomb.flush()
    site.pages["/"] = answer(packed, "text/plain", Content_Encoding="gzip")
    assert len(packed) < SMALL.wire_bytes
    await refusal(site.tool(SMALL), site.url("/"))  # what is loaded on first use is not counted

    tracemalloc.start()
    reason = await refusal(site.tool(SMALL), site.url("/"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert "50,000 unpacked" in reason
    assert peak < 5_000_000


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "deflate", "zstd"])
async def test_an_encoding_that_was_not_asked_for_is_refused(site: Site, encoding: str) -> None:
    site.pages["/"] = answer(gzip.compress(gzip.compress(b"x")), Content_Encoding=encoding)

    assert "encoding" in await refusal(site.tool(), site.url("/"))


async def test_a_damaged_compressed_page_is_refused(site: Site) -> None:
    site.pages["/"] = answer(b"not gzip at all", Content_Encoding="gzip")

    assert "damaged" in await refusal(site.tool(), site.url("/"))


async def test_a_page_that_drips_is_given_up_on_time(site: Site) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    site.pages["/"] = drip
    begun = time.perf_counter()

    reason = await refusal(site.tool(SMALL), site.url("/"))

    assert "0.5 s" in reason
    assert time.perf_counter() - begun < 5


async def test_a_server_that_breaks_off_is_no_page(site: Site) -> None:
    async def broken(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    async def nonsense(writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n")

    site.pages["/broken"], site.pages["/nonsense"] = broken, nonsense

    assert "could not be read" in await refusal(site.tool(), site.url("/broken"))
    assert "could not be read" in await refusal(site.tool(), site.url("/nonsense"))


async def test_a_port_nobody_listens_on_is_named_as_such() -> None:
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    environ = {"FUSION_SEARCH": "none", "FUSION_FETCH_ALLOW": f"127.0.0.1:{port}"}

    reason = await refusal(make_panel_tools(environ).bind(["web_fetch"])[0], f"http://127.0.0.1:{port}/")

    assert "could not be read" in reason


@pytest.mark.parametrize(
    ("body", "content_type", "word"),
    [(b"\x89PNG\r\n", "image/png", "PNG"), (b"a\0b", "text/plain", "10")],
)
async def test_what_is_no_text_is_refused_by_type_and_size(
    site: Site, body: bytes, content_type: str, word: str
) -> None:
    site.pages["/"] = answer(body.ljust(10), content_type)

    reason = await refusal(site.tool(), site.url("/"))

    assert word in reason
    assert "10 bytes" in reason


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("<p>Größe</p>".encode("latin-1"), "text/html; charset=iso-8859-1"),
        (b'<meta charset="windows-1252"><p>' + "Größe</p>".encode("cp1252"), "text/html"),
        ("Größe".encode(), "text/plain"),
        (json.dumps({"Größe": 1}, ensure_ascii=False).encode(), "application/json"),
        ("<a>Größe</a>".encode(), "application/xml"),
    ],
)
async def test_texts_of_all_kinds_and_encodings_are_read(site: Site, body: bytes, content_type: str) -> None:
    site.pages["/"] = answer(body, content_type)

    assert "Größe" in str((await fetch(site.tool(), site.url("/"))).content)


async def test_invisible_characters_do_not_reach_the_model(site: Site) -> None:
    site.pages["/"] = answer("<title>a\U000e0041b</title><p>c&#xE0041;d\u202ee</p>")

    assert str((await fetch(site.tool(), site.url("/"))).content).split("\n")[::3] == ["ab", "cde"]


async def test_a_page_without_text_says_so(site: Site) -> None:
    site.pages["/"] = answer("<script>app()</script>")

    assert "no readable text" in await refusal(site.tool(), site.url("/"))


async def test_a_long_page_is_read_in_parts(site: Site) -> None:
    text = "".join(f"{number:09d}\n" for number in range(25)).strip()
    site.pages["/"] = answer(text, "text/plain")
    tool = site.tool(SMALL)

    first = str((await fetch(tool, site.url("/"))).content)
    second = str((await fetch(tool, site.url("/"), start=100)).content)
    last = str((await fetch(tool, site.url("/"), start=200)).content)

    assert first.endswith("[characters 0-100 of 249; call again with start=100]")
    assert second.endswith("[characters 100-200 of 249; call again with start=200]")
    assert last.endswith("[characters 200-249 of 249; this is the end]")
    parts = [part.partition("\n\n")[2].rpartition("\n\n")[0] for part in (first, second, last)]
    assert "".join(parts) == text
    assert "249 characters" in await refusal(tool, site.url("/"), start=249)


async def test_a_secret_in_a_url_is_not_repeated(site: Site) -> None:
    secret = "sk-live-0123456789abcdef"
    site.pages[f"/?api_key={secret}"] = answer("x", status="404 Not Found")

    assert secret not in await refusal(site.tool(), site.url(f"/?api_key={secret}"))


async def test_many_fetches_at_once_keep_their_pages_apart(site: Site) -> None:
    tool = site.tool()
    for number in range(20):
        site.pages[f"/{number}"] = answer(f"<p>page {number}</p>")

    messages = await asyncio.gather(*(fetch(tool, site.url(f"/{number}")) for number in range(20)))

    assert all(str(message.content).endswith(f"page {number}") for number, message in enumerate(messages))


def test_one_tool_works_in_several_event_loops() -> None:
    environ = {"FUSION_SEARCH": "none", "FUSION_FETCH_ALLOW": "127.0.0.1:1"}
    tool = make_panel_tools(environ).bind(["web_fetch"])[0]

    async def once() -> str:
        site = Site()
        server = await asyncio.start_server(site.serve, "127.0.0.1", 0)
        site.port = server.sockets[0].getsockname()[1]
        site.pages["/"] = answer("x")
        reason = await refusal(tool, "http://127.0.0.1:1/")
        server.close()
        await server.wait_closed()
        return reason

    assert asyncio.run(once()) == asyncio.run(once())


async def test_a_local_address_without_local_documents_is_refused(site: Site) -> None:
    assert "no local document" in await refusal(site.tool(), "local://notes.md")
