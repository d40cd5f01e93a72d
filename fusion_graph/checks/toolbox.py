"""The panel's tools: search, fetch, and where bash runs."""

import socket
from collections.abc import Mapping

from fusion_graph.checks.item import Item, Level, fault, in_thread, made
from fusion_graph.errors import SettingsError
from fusion_graph.schemas import is_demo
from fusion_graph.seats import tools_in
from fusion_graph.settings import FusionSettings
from fusion_graph.tools.bash.choice import Shells
from fusion_graph.tools.mcp.servers import McpServers
from fusion_graph.tools.panel import PanelTools
from fusion_graph.tools.search.backends import CHOICES, NATIVE_SEARCH, SEARCH_VARIABLE, choose_backend
from fusion_graph.tools.search.local import LocalSearch
from fusion_graph.tools.web.download import Downloader
from fusion_graph.tools.web.network import parse_opened

KNOWN_HOST = "example.com"  # reserved by IANA, always there


async def search(settings: FusionSettings | None, environ: Mapping[str, str]) -> list[Item]:
    """Return which search there is and why; of a folder, how many documents it holds."""
    try:
        chosen = choose_backend(environ)
    except SettingsError as error:
        return [fault("search", error, level=_level(settings))]
    if chosen.name == NATIVE_SEARCH:
        return [made("ok", "search", f"the models' own providers ({chosen.why}); exclusions are the provider's word")]
    if chosen.backend is None:
        what = f"web_search is not offered: {chosen.why}"
        level: Level = "warn" if _wants(settings, "web_search") else "info"
        return [made(level, "search", what, f"set {SEARCH_VARIABLE} to {CHOICES}")]
    if isinstance(chosen.backend, LocalSearch):
        folder = chosen.backend
        return [await in_thread(lambda: _folder(folder))]
    return [made("ok", "search", f"{chosen.name} ({chosen.why}); not tried")]


def _folder(backend: LocalSearch) -> Item:
    found = backend.corpus.snapshot()
    told = f"{len(found.documents)} documents in {backend.corpus.root}, {found.skipped} skipped"
    if not found.documents:
        return made("warn", "search", told, "put .md, .txt, .html or .pdf files there, or name another folder")
    remedy = "skipped are files above 5 MiB (PDF: 20), and those that hold no text" if found.skipped else ""
    return made("warn" if found.skipped else "ok", "search", f"{told} ({SEARCH_VARIABLE})", remedy)


def _level(settings: FusionSettings | None) -> Level:
    """Return how bad a broken variable is: seats of the demo have tools of their own, all others cannot be asked."""
    is_needed = settings is None or not all(is_demo(seat.model) for seat in settings.seats)
    return "fail" if is_needed else "warn"


def _wants(settings: FusionSettings | None, tool: str, *, is_default: bool = True) -> bool:
    if settings is None:
        return is_default
    seats = [seat for seat in settings.seats if not is_demo(seat.model)]
    named = (tools_in(settings.tools if seat.tools is None else seat.tools) for seat in seats)
    return any(each.name == tool for tools in named for each in tools)


async def fetch(settings: FusionSettings | None, environ: Mapping[str, str], *, offline: bool) -> list[Item]:
    """Return what web_fetch may open, and whether names of hosts can be looked up."""
    try:
        opened = sorted(f"{host}:{port}" for host, port in parse_opened(environ))
    except SettingsError as error:
        return [fault("fetch", error, level=_level(settings))]
    told = "public pages" + (f", and {', '.join(opened)} (FUSION_FETCH_ALLOW)" if opened else "")
    if offline:
        return [made("info", "fetch", f"{told}; not tried: --offline")]
    try:
        await in_thread(lambda: socket.getaddrinfo(KNOWN_HOST, 443, type=socket.SOCK_STREAM))
    except OSError as error:
        remedy = "check network and DNS; without them web_fetch reads local documents only"
        return [made("warn", "fetch", f"{told}; but {KNOWN_HOST} is not found: {error}", remedy)]
    return [made("ok", "fetch", f"{told}; names of hosts are found")]


def others(settings: FusionSettings | None, environ: Mapping[str, str]) -> list[Item]:
    """Return which MCP servers are set up, and whether the other tools that the settings name can be made."""
    servers = McpServers.from_environ(environ)
    try:
        names = servers.names
    except SettingsError as error:
        return [fault("tools", error, level=_level(settings))]
    told = f"MCP servers: {', '.join(names)}; not tried" if names else "no MCP server is set up"
    if not settings:
        return [made("info", "tools", told)]
    seats = [seat for seat in settings.seats if not is_demo(seat.model)]
    entries = [tool for seat in seats for tool in tools_in(settings.tools if seat.tools is None else seat.tools)]
    try:
        PanelTools(None, Downloader(), servers=servers).check(entries)
    except SettingsError as error:
        return [fault("tools", error)]
    named = ", ".join(dict.fromkeys(tool.name for tool in entries)) or "none"
    return [made("ok", "tools", f"{named}; {told}")]


def sandbox(settings: FusionSettings | None, environ: Mapping[str, str]) -> list[Item]:
    """Return what the bash tool runs in, tried out, or why there is none."""
    try:
        chosen = Shells(environ).chosen()
    except SettingsError as error:
        return [fault("sandbox", error, level=_level(settings))]
    is_wanted = _wants(settings, "bash", is_default=False)
    if chosen.shell is None:
        return [made("warn" if is_wanted else "info", "sandbox", f"bash is not offered: {chosen.why}", chosen.remedy)]
    if chosen.name == "host":
        remedy = "models can do here what you can; unset FUSION_BASH to get a sandbox"
        return [made("warn", "sandbox", f"bash has none: {chosen.why}", remedy)]
    return [made("ok", "sandbox", f"bash runs in {chosen.name}: {chosen.why}")]
