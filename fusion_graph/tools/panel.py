"""The tools of the panel: what this machine offers, bound to the rules of a run."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from langchain_core.tools import BaseTool

from fusion_graph.errors import SettingsError, did_you_mean
from fusion_graph.seats import USES, PanelTool, tools_in
from fusion_graph.tools import community
from fusion_graph.tools.bash.choice import Shells
from fusion_graph.tools.bash.tool import make_bash_tool
from fusion_graph.tools.community import make_community_tool
from fusion_graph.tools.domains import DomainRules
from fusion_graph.tools.mcp import servers as mcp_servers
from fusion_graph.tools.mcp.servers import McpServers
from fusion_graph.tools.search.backends import CHOICES, NATIVE_SEARCH, SEARCH_VARIABLE, choose_backend
from fusion_graph.tools.search.local import LocalSearch
from fusion_graph.tools.search.native import NATIVE, make_native_search
from fusion_graph.tools.search.tool import SearchBackend, make_search_tool
from fusion_graph.tools.web.download import Downloader, Limits
from fusion_graph.tools.web.fetch import Library, make_fetch_tool
from fusion_graph.tools.web.network import Resolver, lookup, parse_opened
from fusion_graph.tools.web.pages import Pages

TOOL_NAMES = ("web_search", "web_fetch", "bash")
_CHARS_OF_TOKEN = 4
_MAX_PAGE_CHARS = 39_000  # with its head a page then fits into what a seat is shown of one result

Named = Sequence[str | PanelTool | Mapping[str, Any]]


class Place(NamedTuple):
    """Whom tools are for: the run, whose pages are fetched once; who serves the model; where its commands work.

    `provider` is "" if the provider has no search of its own, `workspace` "" if nothing is going to be run.
    """

    run: str = ""
    provider: str = ""
    workspace: str = ""


NOWHERE = Place()


class PanelTools:
    """What is shared by all runs of this process: the search backend, its index, the way to the web, servers, a shell.

    `no_search` says in words why there is no search, and what to set.
    """

    def __init__(
        self,
        backend: SearchBackend | None,
        downloader: Downloader,
        no_search: str = "",
        *,
        servers: McpServers | None = None,
        shells: Shells | None = None,
        is_native: bool = False,
    ) -> None:
        self.backend = backend
        self.is_native = is_native
        self.shells = shells or Shells({})
        self._no_search = no_search
        self._downloader = downloader
        self._servers = servers or McpServers.from_environ({})
        self._pages = Pages()
        self._community: dict[str, BaseTool] = {}

    def check(self, names: Named, own: Sequence[str] = (), /, **rules: Sequence[str]) -> None:
        """Refuse tools, limits and rules that cannot work, as far as that is known without connecting.

        `own` are the names of the application's tools, which others make.

        Raises:
            SettingsError: a name is no tool's, or a rule is no domain rule.
        """
        DomainRules.parse(**rules)
        for tool in tools_in(names):
            tool.check_limits()
            _rules_of(tool)
            if tool.name.startswith(mcp_servers.PREFIX):
                self._servers.check(tool.name)
            elif tool.name.startswith(community.PREFIX):
                self._community_tool(tool.name)
            elif tool.name not in (*own, *TOOL_NAMES):
                raise _unknown(tool.name, own)

    def missing(self, names: Named, place: Place = NOWHERE) -> list[str]:
        """Return in words which of the named tools of our own are not offered, why, and what to do. Blocks."""
        wanted = {tool.name for tool in tools_in(names)}
        found = [self._missing_search(place.provider)] if "web_search" in wanted else []
        found += [self.shells.chosen().missing] if "bash" in wanted else []
        return [note for note in found if note]

    def bind(self, names: Named, place: Place = NOWHERE, /, **rules: Sequence[str]) -> list[BaseTool]:
        """Return the named tools of our own under the rules of one run, in the order given, less what is missing. Blocks.

        Raises:
            SettingsError: `check` fails.
        """
        self.check(names, **rules)
        base = DomainRules.parse(**rules)
        wanted = {tool.name: tool for tool in tools_in(names) if not tool.name.startswith(mcp_servers.PREFIX)}
        made = (self._make(tool, base.joined(_rules_of(tool)), place) for tool in wanted.values())
        return [tool for tool in made if tool is not None]

    async def offer(
        self, names: Named, place: Place = NOWHERE, /, **rules: Sequence[str]
    ) -> tuple[list[BaseTool], list[str]]:
        """Return all the named tools, those of MCP servers too, which are asked for them once, and what is missing.

        Raises:
            SettingsError: `check` fails, or a server cannot be reached.
        """
        if not names:
            return [], []
        found, missing = await asyncio.to_thread(lambda: (self.bind(names, place, **rules), self.missing(names, place)))
        for tool in tools_in(names):
            if tool.name.startswith(mcp_servers.PREFIX):
                found += [limited(each, tool) for each in await self._servers.tools(tool.name)]
        return list({id(each): each for each in found}.values()), missing

    def _missing_search(self, provider: str) -> str:
        if self.is_native and provider not in NATIVE:
            return f"web_search is not offered to every seat: {SEARCH_VARIABLE}=native, and a provider has no search"
        return self._no_search if self.backend is None and not self.is_native else ""

    def _community_tool(self, name: str) -> BaseTool:
        if name not in self._community:
            self._community[name] = make_community_tool(name)
        return self._community[name]

    def _bash(self, tool: PanelTool, place: Place) -> BaseTool | None:
        shell = self.shells.chosen().shell
        return limited(make_bash_tool(shell, self.shells.workspaces, place.workspace), tool) if shell else None

    def _make(self, tool: PanelTool, rules: DomainRules, place: Place) -> BaseTool | None:
        if tool.name.startswith(community.PREFIX):
            return limited(self._community_tool(tool.name), tool)
        if tool.name == "web_search" and self.backend is not None:
            return limited(make_search_tool(self.backend, rules, tool), tool)
        if tool.name == "web_search":
            return (
                make_native_search(place.provider, rules, tool) if self.is_native and place.provider in NATIVE else None
            )
        if tool.name == "bash":
            return self._bash(tool, place)
        corpus = self.backend.corpus if isinstance(self.backend, LocalSearch) else None
        chars = min(tool.max_content_tokens * _CHARS_OF_TOKEN, _MAX_PAGE_CHARS) if tool.max_content_tokens else None
        library = Library(self._downloader, corpus, self._pages, place.run)
        return limited(make_fetch_tool(library, rules, chars), tool)


def make_panel_tools(
    environ: Mapping[str, str], *, limits: Limits | None = None, resolve: Resolver = lookup
) -> PanelTools:
    """Return the tools that `environ` configures; nothing is read or connected to yet.

    Raises:
        SettingsError: FUSION_SEARCH, FUSION_FETCH_ALLOW or FUSION_BASH is not what it must be.
    """
    chosen = choose_backend(environ)
    downloader = Downloader(limits or Limits(), resolve, parse_opened(environ))
    why = f"web_search is not offered: {chosen.why}. Set {SEARCH_VARIABLE} to {CHOICES}."
    is_native = chosen.name == NATIVE_SEARCH
    no_search = "" if chosen.backend or is_native else why
    servers, shells = McpServers.from_environ(environ), Shells(environ)
    return PanelTools(chosen.backend, downloader, no_search, servers=servers, shells=shells, is_native=is_native)


def limited(made: BaseTool, tool: PanelTool | None) -> BaseTool:
    """Return the tool with the number of its uses noted on it: a seat counts its own calls."""
    if tool is None or tool.max_uses is None:
        return made
    return made.model_copy(update={"metadata": {**(made.metadata or {}), USES: [tool.name, tool.max_uses]}})


def _rules_of(tool: PanelTool) -> DomainRules:
    return DomainRules.parse(
        allowed_domains=tool.allowed_domains,
        excluded_domains=tool.excluded_domains,
        blocked_domains=tool.blocked_domains,
    )


def _unknown(name: str, own: Sequence[str]) -> SettingsError:
    hint = f"{did_you_mean(name, (*own, *TOOL_NAMES))}; or mcp:SERVER, community:CLASS"
    return SettingsError(f"tools: there is no tool {name!r}", field="tools", value=name, hint=hint)
