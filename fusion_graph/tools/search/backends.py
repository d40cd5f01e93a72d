"""Which search there is: the one that FUSION_SEARCH names, else the first whose key or package is there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fusion_graph.errors import SettingsError
from fusion_graph.tools.search import ddgs, exa, tavily
from fusion_graph.tools.search.ddgs import DdgsSearch
from fusion_graph.tools.search.exa import ExaSearch
from fusion_graph.tools.search.local import LocalSearch
from fusion_graph.tools.search.searxng import SearxngSearch
from fusion_graph.tools.search.tavily import TavilySearch
from fusion_graph.tools.search.tool import SearchBackend
from fusion_graph.urls import host_of

SEARCH_VARIABLE = "FUSION_SEARCH"
CHOICES = (
    f"'ddgs' ({ddgs.INSTALL}), 'exa', 'tavily', 'searxng:URL', 'local:DIR' for a folder of documents, "
    "'native' for the search of the model's provider, or 'none'"
)
NATIVE_SEARCH = "native"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The search backend of this machine (None: there is none), what it is, and why it is that one."""

    backend: SearchBackend | None
    name: str
    why: str


def choose_backend(environ: Mapping[str, str]) -> Chosen:
    """Return the search backend that FUSION_SEARCH names; unset, that of Exa, Tavily or ddgs, whichever is set up.

    Raises:
        SettingsError: the value is unknown, or what it names is not there.
    """
    chosen = environ.get(SEARCH_VARIABLE, "").strip()
    if not chosen:
        return _first_set_up(environ)
    why = f"{SEARCH_VARIABLE}={chosen}"
    name, _, rest = chosen.partition(":")
    if chosen in {"none", NATIVE_SEARCH}:
        return Chosen(None, chosen, why)
    if name not in _MAKERS or (rest and name in _SERVICES) or (not rest and name not in _SERVICES):
        raise _unfit(chosen, "not a search backend", CHOICES)
    if name in _SERVICES and (missing := _missing(name, environ)):
        raise _unfit(chosen, *missing)
    return Chosen(_MAKERS[name](environ, rest), name, why)


def _first_set_up(environ: Mapping[str, str]) -> Chosen:
    lacking: list[str] = []
    for name in _SERVICES:
        missing = _missing(name, environ)
        if not missing:
            key = _KEYS.get(name)
            why = f"{key} is set" if key else "it needs no key, and is installed"
            return Chosen(_MAKERS[name](environ, ""), name, "; ".join([*lacking, why]))
        if environ.get(_KEYS.get(name, ""), "").strip():  # whoever has a key wonders why it is not used
            lacking.append(f"{_KEYS[name]} is set, but {missing[0]}: {missing[1]}")
    return Chosen(None, "none", "; ".join([*lacking, "no search backend is set up"]))


def _missing(name: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return what a service lacks here, and what to do about it."""
    module = _SERVICES[name]
    if not module.is_installed():
        return f"the package for {name} is not installed", module.INSTALL
    key = _KEYS.get(name)
    return (f"{key} is not set", f"set {key}") if key and not environ.get(key, "").strip() else None


def _exa(environ: Mapping[str, str], _rest: str) -> SearchBackend:
    return ExaSearch(environ[exa.KEY_VARIABLE].strip(), url=environ.get(exa.URL_VARIABLE, "").strip())


def _tavily(environ: Mapping[str, str], _rest: str) -> SearchBackend:
    url = environ.get(tavily.URL_VARIABLE, "").strip()
    return TavilySearch(environ[tavily.KEY_VARIABLE].strip(), url=url)


def _searxng(_environ: Mapping[str, str], url: str) -> SearchBackend:
    if not host_of(url):
        raise _unfit(f"searxng:{url}", "no http or https URL follows", "such as 'searxng:http://127.0.0.1:8888'")
    return SearxngSearch(url.rstrip("/"))


def _ddgs(_environ: Mapping[str, str], _rest: str) -> SearchBackend:
    return DdgsSearch()


def _local(_environ: Mapping[str, str], name: str) -> SearchBackend:
    folder = Path(name.strip()).expanduser()
    if not name.strip() or not folder.is_dir():
        raise _unfit(f"local:{name}", "there is no such folder", CHOICES)
    return LocalSearch(folder)


def _unfit(value: str, why: str, hint: str) -> SettingsError:
    return SettingsError(f"{SEARCH_VARIABLE}={value!r}: {why}", field=SEARCH_VARIABLE, value=value, hint=hint)


_SERVICES = {"exa": exa, "tavily": tavily, "ddgs": ddgs}  # in the order they are looked for
_KEYS = {"exa": exa.KEY_VARIABLE, "tavily": tavily.KEY_VARIABLE}
_MAKERS: dict[str, Callable[[Mapping[str, str], str], SearchBackend]] = {
    "exa": _exa,
    "tavily": _tavily,
    "ddgs": _ddgs,
    "searxng": _searxng,
    "local": _local,
}
