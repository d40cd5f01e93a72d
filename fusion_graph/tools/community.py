"""Tools of the package langchain-community, by the name `community:ClassName`.

Such names come from settings, which the client of a server may send. So only tools that look things up at one fixed
service can be named: no class that runs code, touches files, sends or writes anything, or opens an address the model gives
(which would go past the network guard of web_fetch). An application that wants another one gives the object.
"""

import importlib
import importlib.util
import warnings
from functools import lru_cache

from langchain_core.tools import BaseTool
from pydantic import BaseModel, ValidationError

from fusion_graph.errors import SettingsError, did_you_mean, redact

PREFIX = "community:"
INSTALL = "pip install 'fusion-graph[community]'"
OFFERED = {
    "ArxivQueryRun": "arxiv.tool",
    "BraveSearch": "brave_search.tool",
    "DuckDuckGoSearchResults": "ddg_search.tool",
    "DuckDuckGoSearchRun": "ddg_search.tool",
    "GoogleBooksQueryRun": "google_books",
    "GoogleScholarQueryRun": "google_scholar.tool",
    "GoogleSerperRun": "google_serper.tool",
    "MerriamWebsterQueryRun": "merriam_webster.tool",
    "MojeekSearch": "mojeek_search.tool",
    "OpenWeatherMapQueryRun": "openweathermap.tool",
    "PubmedQueryRun": "pubmed.tool",
    "SemanticScholarQueryRun": "semanticscholar.tool",
    "StackExchangeTool": "stackexchange.tool",
    "WikidataQueryRun": "wikidata.tool",
    "WikipediaQueryRun": "wikipedia.tool",
    "WolframAlphaQueryRun": "wolfram_alpha.tool",
}
_GIVE_IT = "build it yourself and give the object: build_fusion_graph(tools=[...])"
_SUNSET = "`langchain-community` is being sunset"


def check_community_tool(name: str) -> None:
    """Refuse a name that cannot work, as far as that is known without importing anything.

    Raises:
        SettingsError: the class is not one that can be named, or the package is missing.
    """
    wanted = name.removeprefix(PREFIX)
    if wanted not in OFFERED:
        why = "is not one that can be named: it may act on this machine or open any address"
        raise _unfit(name, why, f"{did_you_mean(wanted, OFFERED)}; or {_GIVE_IT}")
    if importlib.util.find_spec("langchain_community") is None:
        raise _unfit(name, "needs the package langchain-community", INSTALL)


def make_community_tool(name: str) -> BaseTool:
    """Return a tool of the named class, as far as it needs no arguments; keys come from the environment.

    Raises:
        SettingsError: `check_community_tool` fails, or the class needs a package, a key or an argument.
    """
    check_community_tool(name)
    try:
        made = _built(_imported(name.removeprefix(PREFIX)))
    except ImportError as error:
        raise _unfit(name, f"needs another package: {error}", "install it, or leave the tool out") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        why = f"{'.'.join(map(str, first['loc']))} {first['msg'].removeprefix('Value error, ')}".strip()
        raise _unfit(name, f"cannot be made without arguments: {redact(why)}", f"set it up, or {_GIVE_IT}") from None
    return made


@lru_cache(maxsize=len(OFFERED))
def _imported(wanted: str) -> type[BaseTool]:
    with warnings.catch_warnings():
        # Says at import, to whoever starts this program, that the package is no longer kept up.
        warnings.filterwarnings("ignore", message=_SUNSET, category=DeprecationWarning)
        module = importlib.import_module(f"langchain_community.tools.{OFFERED[wanted]}")
    found: type[BaseTool] = getattr(module, wanted)
    return found


def _built(cls: type[BaseTool]) -> BaseTool:
    """Return an object of the class; a wrapper around a service that it requires is made without arguments as well."""
    needed = {name: field.annotation for name, field in cls.model_fields.items() if field.is_required()}
    wrappers = {n: kind() for n, kind in needed.items() if isinstance(kind, type) and issubclass(kind, BaseModel)}
    return cls(**wrappers)


def _unfit(name: str, why: str, hint: str) -> SettingsError:
    return SettingsError(f"tools: {name!r} {why}", field="tools", value=name, hint=hint)
