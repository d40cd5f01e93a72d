"""The tools of the panel: what this machine offers, bound to the rules of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from langchain_core.tools import BaseTool

from fusion_graph.errors import SettingsError, did_you_mean
from fusion_graph.tools import ddgs_search
from fusion_graph.tools.ddgs_search import DdgsSearch
from fusion_graph.tools.domains import DomainRules
from fusion_graph.tools.download import Downloader, Limits
from fusion_graph.tools.fetch import make_fetch_tool
from fusion_graph.tools.local_search import LocalSearch
from fusion_graph.tools.network import Resolver, lookup, parse_opened
from fusion_graph.tools.search import SearchBackend, make_search_tool

SEARCH_VARIABLE = "FUSION_SEARCH"
TOOL_NAMES = ("web_search", "web_fetch")
_CHOICES = f"'local:DIR' for a folder of documents, 'ddgs' ({ddgs_search.INSTALL}), or 'none'"


class PanelTools:
    """What is shared by all runs of this process: the search backend, its index, the way to the web.

    `notes` says in words what is not offered here, why, and what to set.
    """

    def __init__(self, backend: SearchBackend | None, downloader: Downloader, notes: Sequence[str] = ()) -> None:
        self.backend = backend
        self.notes = tuple(notes)
        self._downloader = downloader

    @property
    def offered(self) -> tuple[str, ...]:
        """Return the names of the tools that `bind` can make here."""
        return TOOL_NAMES if self.backend is not None else ("web_fetch",)

    def bind(
        self,
        names: Sequence[str],
        *,
        allowed_domains: Sequence[str] = (),
        excluded_domains: Sequence[str] = (),
        blocked_domains: Sequence[str] = (),
    ) -> list[BaseTool]:
        """Return the named tools under the domain rules of one run, in the order given, less what is not offered.

        Raises:
            SettingsError: a name is no tool's, or a rule is no domain rule.
        """
        rules = DomainRules.parse(allowed=allowed_domains, excluded=excluded_domains, blocked=blocked_domains)
        wanted = dict.fromkeys(map(_known, names))
        return [self._make(name, rules) for name in wanted if name in self.offered]

    def _make(self, name: str, rules: DomainRules) -> BaseTool:
        if name == "web_search" and self.backend is not None:
            return make_search_tool(self.backend, rules)
        corpus = self.backend.corpus if isinstance(self.backend, LocalSearch) else None
        return make_fetch_tool(self._downloader, corpus, rules)


def make_panel_tools(
    environ: Mapping[str, str], *, limits: Limits | None = None, resolve: Resolver = lookup
) -> PanelTools:
    """Return the tools that `environ` configures; nothing is read or connected to yet.

    Raises:
        SettingsError: FUSION_SEARCH or FUSION_FETCH_ALLOW is not what it must be.
    """
    backend = choose_backend(environ)
    downloader = Downloader(limits or Limits(), resolve, parse_opened(environ))
    return PanelTools(backend, downloader, [] if backend else [_why_no_search(environ)])


def choose_backend(environ: Mapping[str, str]) -> SearchBackend | None:
    """Return the search backend that FUSION_SEARCH names; unset, `ddgs` where it is installed.

    Raises:
        SettingsError: the value is unknown, or what it names is not there.
    """
    chosen = environ.get(SEARCH_VARIABLE, "").strip()
    if chosen.startswith("local:"):
        return LocalSearch(_folder(chosen))
    if chosen == "ddgs" and not ddgs_search.is_installed():
        raise _unfit(chosen, "the package ddgs is not installed", ddgs_search.INSTALL)
    if chosen not in {"", "none", "ddgs"}:
        raise _unfit(chosen, "not a search backend", _CHOICES)
    return DdgsSearch() if chosen != "none" and ddgs_search.is_installed() else None


def _folder(chosen: str) -> Path:
    name = chosen.removeprefix("local:").strip()
    folder = Path(name).expanduser()
    if not name or not folder.is_dir():
        raise _unfit(chosen, "there is no such folder", _CHOICES)
    return folder


def _unfit(value: str, why: str, hint: str) -> SettingsError:
    return SettingsError(f"{SEARCH_VARIABLE}={value!r}: {why}", field=SEARCH_VARIABLE, value=value, hint=hint)


def _why_no_search(environ: Mapping[str, str]) -> str:
    why = f"{SEARCH_VARIABLE} is 'none'" if environ.get(SEARCH_VARIABLE, "").strip() else "no search backend is set up"
    return f"web_search is not offered: {why}. Set {SEARCH_VARIABLE} to {_CHOICES}."


def _known(name: str) -> str:
    if name not in TOOL_NAMES:
        message = "the tool 'bash' is not available yet" if name == "bash" else f"there is no tool {name!r}"
        raise SettingsError(f"tools: {message}", field="tools", value=name, hint=did_you_mean(name, TOOL_NAMES))
    return name
