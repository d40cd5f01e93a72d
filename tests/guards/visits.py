"""How a case of a server is run: the site, the tool, the rest of the world, and what is checked of every case."""

import os
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from unittest.mock import patch

from langchain_core.tools import BaseTool

from fusion_graph.tools import Limits, PanelTools, Place, make_panel_tools
from fusion_graph.tools.web import download
from tests.guards.documents import WORDS
from tests.guards.wire import Names, Wire, say, watched
from tests.site import Page, Site, authority

HERE, THERE = "http://pinned.test:{port}", "http://other.test:{port}"
SECRET = "hunter2"
MUTE = "127.0.0.66"  # an address that never answers
OPENED = ("127.0.0.1", "pinned.test", "other.test", "xn--bcher-kva.test")
NAMES: dict[str, list[str]] = {
    **{name: ["127.0.0.1"] for name in OPENED[1:]},
    "private.test": ["10.0.0.1"],
    "half.test": ["93.184.215.14 10.0.0.1"],
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What the tool said, and whether that was a refusal."""

    said: str
    refused: bool


@dataclass(slots=True)
class Visit:
    """One case while it runs."""

    site: Site
    names: Names
    tools: PanelTools
    base: str
    wire: Wire

    def tool(self, run: str = "", /, **rules: Sequence[str]) -> BaseTool:
        """Return the tool of a seat; those of one run, if it has a name, share what they read."""
        return self.tools.bind(["web_fetch"], Place(run), **rules)[0]

    async def fetch(self, tool: BaseTool, place: str, /, **arguments: Any) -> Reply:
        url = self.site.fill(place if place.startswith("http") else self.base + place)
        return Reply(*await say(tool, {"url": url, **arguments}))


Check: TypeAlias = Callable[[Visit], None]
Steps: TypeAlias = Callable[[Visit, BaseTool], Awaitable[Reply]]


async def _once(visit: Visit, tool: BaseTool) -> Reply:
    return await visit.fetch(tool, "/")


def at(place: str, /, **arguments: Any) -> Steps:
    """Return the step that asks for a path, or a URL, instead of `/`."""

    async def ask(visit: Visit, tool: BaseTool) -> Reply:
        return await visit.fetch(tool, place, **arguments)

    return ask


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCase:
    """Pages, and what is said of them: `shows` if they are read, `says` if they are refused, None if either will do."""

    guard: str
    name: str
    pages: Mapping[str, Page]
    shows: str | None = None
    says: str | None = None
    lacks: Sequence[str] = ()  # what is not said
    requests: int | None = None  # how many, exactly
    seconds: float | None = None  # it takes at most
    steps: Steps = _once
    check: Check | None = None
    limits: Limits | None = None
    rules: Mapping[str, Sequence[str]] = field(default_factory=dict)
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    tls: Callable[[], ssl.SSLContext] | None = None

    def __str__(self) -> str:
        return f"{self.guard}-{self.name}"


Pages: TypeAlias = Page | Mapping[str, Page]


def _case(guard: str, name: str, pages: Pages, **more: Any) -> ServerCase:
    return ServerCase(guard=guard, name=name, pages=pages if isinstance(pages, Mapping) else {"/": pages}, **more)


def shown(guard: str, name: str, pages: Pages, shows: str = WORDS, **more: Any) -> ServerCase:
    """Return a case of a page that must be read."""
    return _case(guard, name, pages, shows=shows, **more)


def refused(guard: str, name: str, pages: Pages, says: str = "", **more: Any) -> ServerCase:
    """Return a case of a page that must be refused."""
    return _case(guard, name, pages, says=says, **more)


def harmless(guard: str, name: str, pages: Pages, *lacks: str, **more: Any) -> ServerCase:
    """Return a case of a page that may be read or refused, as long as something is not said."""
    return _case(guard, name, pages, lacks=lacks, **more)


def expects(condition: Callable[[Visit], bool], otherwise: str) -> Check:
    def check(visit: Visit) -> None:
        assert condition(visit), f"{otherwise}: {visit.site.requests}, {visit.names.asked}, {visit.wire}"

    return check


def has_header(line: str) -> Check:
    """Return the check that the last request had this header, once."""

    def check(visit: Visit) -> None:
        name, wanted = line.partition(":")[0].lower(), visit.site.fill(line)
        _, *given = visit.site.requests[-1].split("\r\n")
        got = [header for header in given if header.lower().startswith(f"{name}:")]
        assert got == [wanted], f"the request says {got}, not {wanted!r}"

    return check


async def holds(case: ServerCase) -> None:
    """Raise an AssertionError unless the site is treated as the case says."""
    names = Names({**NAMES, **case.names})
    async with Site(case.pages, case.tls() if case.tls else None).serving() as site:
        with _surroundings(case, site), watched(opened="127.0.0.1", mute=MUTE) as wire:
            opened = ",".join(f"{host}:{site.port}" for host in OPENED)
            environ = {"FUSION_SEARCH": "none", "FUSION_FETCH_ALLOW": opened}
            tools = make_panel_tools(environ, limits=case.limits, resolve=names.resolve)
            visit = Visit(site, names, tools, site.fill(HERE.replace("http:", "https:") if case.tls else HERE), wire)
            begun = time.perf_counter()
            reply = await case.steps(visit, visit.tool(**case.rules))
            took = time.perf_counter() - begun
    _check_reply(case, reply)
    _check_wire(case, visit)
    assert took < (case.seconds or 60), f"{case}: it took {took:.1f} s"


@contextmanager
def _surroundings(case: ServerCase, site: Site) -> Iterator[None]:
    environ = {name: site.fill(value) for name, value in case.environ.items()}
    trusting = patch.object(download, "_tls", authority("trusted").client) if case.tls else nullcontext()
    with patch.dict(os.environ, environ), trusting:
        yield


def _check_reply(case: ServerCase, reply: Reply) -> None:
    told = f"{'refused' if reply.refused else 'shown'}: {reply.said[:300]!r}"
    if case.shows is not None:
        assert not reply.refused, f"{case}: {told}"
        assert case.shows in reply.said, f"{case}: {case.shows!r} is not {told}"
    if case.says is not None:
        assert reply.refused, f"{case}: {told}"
        assert case.says in reply.said, f"{case}: {case.says!r} is not {told}"
        assert len(reply.said) < 1000, f"{case}: the refusal has {len(reply.said)} characters"
    for words in [*case.lacks, SECRET, "Traceback"]:
        assert words not in reply.said, f"{case}: {words!r} is {told}"


def _check_wire(case: ServerCase, visit: Visit) -> None:
    assert not visit.wire.strays, f"{case}: connected to {visit.wire.strays}"
    assert not visit.wire.lookups, f"{case}: the system was asked for {visit.wire.lookups}"
    many = len(visit.site.requests)
    assert case.requests is None or many == case.requests, f"{case}: {many} requests: {visit.site.paths}"
    for request in visit.site.requests:
        assert request.startswith("GET /"), f"{case}: {request.splitlines()[0]!r} was asked"
        for name in ("cookie", "authorization", "referer", "content-length", "transfer-encoding"):
            assert f"\r\n{name}:" not in request.lower(), f"{case}: the request has a header {name}"
    if case.check:
        case.check(visit)
