"""Search that a model's own provider does: the model is offered it there, and what it found comes with its answer.

That exclusions hold in it is the provider's word. What it reports from an excluded domain is no source here, but nobody
can say what it read: a benchmark must not use it.
"""

from collections.abc import Callable
from typing import Any, NoReturn

from langchain_core.tools import BaseTool

from fusion_graph.seats import PROVIDER_TOOL, PanelTool
from fusion_graph.tools.domains import DomainRules

_MAX_DOMAINS = 100  # of OpenAI's filters


class NativeSearch(BaseTool):
    """What stands for a provider's search among a seat's tools; `metadata` holds what the provider is sent."""

    name: str = "web_search"
    description: str = "Search the web. The provider of the model runs it."

    def _run(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError("the model's provider runs this tool")


def make_native_search(provider: str, rules: DomainRules, limits: PanelTool) -> NativeSearch:
    """Return the search of a provider that has one (`NATIVE`), told the rules and limits as far as it knows them."""
    sent = {name: value for name, value in NATIVE[provider](rules, limits).items() if value}
    return NativeSearch(metadata={PROVIDER_TOOL: sent})


def _openrouter(rules: DomainRules, limits: PanelTool) -> dict[str, Any]:
    parameters = {
        "max_results": limits.max_results,
        "max_characters": limits.max_characters,
        "search_context_size": limits.search_context_size,
        **_domains(rules, "allowed_domains", "excluded_domains"),
    }
    return {"type": "openrouter:web_search", "parameters": {name: value for name, value in parameters.items() if value}}


def _openai(rules: DomainRules, limits: PanelTool) -> dict[str, Any]:
    filters = _domains(rules, "allowed_domains", "blocked_domains")
    return {"type": "web_search", "filters": filters, "search_context_size": limits.search_context_size}


def _anthropic(rules: DomainRules, limits: PanelTool) -> dict[str, Any]:
    domains = _domains(rules, "allowed_domains", "blocked_domains")
    return {"type": "web_search_20250305", "name": "web_search", "max_uses": limits.max_uses, **domains}


def _google(rules: DomainRules, _limits: PanelTool) -> dict[str, Any]:
    return {"google_search": {"exclude_domains": [rule for rule in rules.excluded if "/" not in rule]}}


def _domains(rules: DomainRules, allowed: str, excluded: str) -> dict[str, list[str]]:
    """Return the one list that providers take: where the model may go, else where it may not; hosts only."""
    name, chosen = (allowed, rules.narrowest) if rules.narrowest else (excluded, rules.excluded)
    # A rule with a path excludes part of a host; as a host it would exclude the rest as well.
    hosts = [rule.partition("/")[0] for rule in chosen if name == allowed or "/" not in rule]
    return {name: list(dict.fromkeys(hosts))[:_MAX_DOMAINS]} if hosts else {}


NATIVE: dict[str, Callable[[DomainRules, PanelTool], dict[str, Any]]] = {
    "openrouter": _openrouter,
    "openai": _openai,
    "anthropic": _anthropic,
    "google_genai": _google,
}
