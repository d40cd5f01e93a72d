"""The models a user can name, with prices and context lengths: servers' own lists, else the table of genai-prices."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeAlias

from typing_extensions import TypedDict

from fusion_graph.environment import ENVIRON
from fusion_graph.errors import SettingsError, did_you_mean
from fusion_graph.models.kept_lists import day_of, is_fresh, keep, read_kept
from fusion_graph.models.names import split_name
from fusion_graph.models.price_table import models_in_table, row_of, with_table_prices
from fusion_graph.models.prices import Price, estimate_price
from fusion_graph.models.providers import PROVIDERS, SERVERS
from fusion_graph.models.server_lists import ListedModel, ListingError, fetch_models

EstimatePrice: TypeAlias = Callable[[str, int, int], Price]

_PER_MILLION = 1_000_000
_NAMEABLE = PROVIDERS | {"demo"}


class Listing(TypedDict):
    """The models there are, ordered by name, and in words whatever could not be asked."""

    models: list[ListedModel]
    problems: list[str]


async def list_models(
    environ: Mapping[str, str] = ENVIRON,
    *,
    provider: str | None = None,
    refresh: bool = False,
    also: Collection[str] = (),
) -> Listing:
    """Return the models of one provider or of all; `also` are names to be listed in any case, as presets hold them.

    A list younger than a day is not fetched again unless `refresh` says so; an old one serves if its server is away.

    Raises:
        SettingsError: there is no such provider.
    """
    chosen = [_known(provider)] if provider else sorted(_NAMEABLE)
    servers = [name for name in chosen if name in SERVERS]
    asked = await asyncio.gather(*(_asked(name, environ, refresh=refresh, told=bool(provider)) for name in servers))
    lists = {name: models for name, (models, _) in zip(servers, asked, strict=True) if models is not None}
    found = await asyncio.to_thread(_merged, chosen, lists, also)
    return {"models": [found[name] for name in sorted(found)], "problems": [text for _, text in asked if text]}


def known_models(names: Collection[str], environ: Mapping[str, str] = ENVIRON) -> dict[str, ListedModel]:
    """Return what is known of some models without asking anybody: by their servers' lists as last fetched, else the table."""
    chosen = {split_name(name).provider for name in names} & _NAMEABLE
    kept = {provider: read_kept(provider, environ) for provider in chosen & set(SERVERS)}
    lists = {provider: found["models"] for provider, found in kept.items() if found}
    rows = _merged(chosen, lists, names)
    return {name: rows[name] for name in names if name in rows}


def matching(models: Iterable[ListedModel], text: str) -> list[ListedModel]:
    """Return the models whose names hold every word of `text`, whatever their case."""
    words = text.lower().split()
    return [model for model in models if all(word in model["name"].lower() for word in words)]


def _known(provider: str) -> str:
    name = provider.strip().lower().replace("-", "_")
    if name not in _NAMEABLE:
        hint = did_you_mean(name, _NAMEABLE)
        raise SettingsError(f"there is no provider {provider!r}", field="provider", value=provider, hint=hint)
    return name


async def _asked(
    provider: str, environ: Mapping[str, str], *, refresh: bool, told: bool
) -> tuple[list[ListedModel] | None, str]:
    """Return a server's list, kept or fetched, None if there is none; and what went wrong, '' if nothing did."""
    kept = await asyncio.to_thread(read_kept, provider, environ)
    known = kept["models"] if kept else None
    if kept and is_fresh(kept) and not refresh:
        return known, ""
    if _asks_in_vain(provider, environ):
        return known, f"{SERVERS[provider].key} is not set: {provider} was not asked for its models" if told else ""
    try:
        models = await fetch_models(provider, environ)
    except ListingError as error:
        instead = f"its list of {day_of(kept)}" if kept else "what genai-prices' table has of it"
        return known, f"{error}; shown instead: {instead} ({error.hint})"
    try:
        await asyncio.to_thread(keep, provider, environ, models)
    except OSError as error:
        return models, f"the list of {provider} could not be kept: {error}"
    return models, ""


def _asks_in_vain(provider: str, environ: Mapping[str, str]) -> bool:
    """Tell whether a key is missing: OpenAI answers to nobody without one, OpenRouter and a server at home do."""
    server = SERVERS[provider]
    return provider == "openai" and server.is_official(environ) and not environ.get(server.key)


def _merged(
    chosen: Collection[str], lists: Mapping[str, list[ListedModel]], also: Collection[str]
) -> dict[str, ListedModel]:
    found: dict[str, ListedModel] = {}
    for provider in chosen:
        table = models_in_table(provider)
        rows = with_table_prices(lists[provider], table) if provider in lists else table
        found |= {row["name"]: row for row in rows}
    for row in (row_of(name, "presets") for name in also if name not in found):
        if row["provider"] in chosen:
            found[row["name"]] = row
    return found


def make_estimate_price(environ: Mapping[str, str] = ENVIRON) -> EstimatePrice:
    """Return how to price a call ahead: by the server's own list as last fetched, else by the table; demo models cost 0.

    No network. Reads the cache once, and blocks.
    """
    kept = {provider: read_kept(provider, environ) for provider in SERVERS}
    lists = {
        split_name(row["name"]): (row, f"{provider}'s list of {day_of(known)}")
        for provider, known in kept.items()
        if known
        for row in known["models"]
    }

    def price(name: str, input_tokens: int, output_tokens: int) -> Price:
        asked = split_name(name)
        if asked.provider == "demo":
            return 0.0, "demo"
        row, source = lists.get(asked, (None, ""))
        cost = _cost(row, input_tokens, output_tokens) if row else None
        return (cost, source) if cost is not None else estimate_price(name, input_tokens, output_tokens)

    return price


def _cost(row: ListedModel, input_tokens: int, output_tokens: int) -> float | None:
    asked, written = row["input_usd_per_mtok"], row["output_usd_per_mtok"]
    if asked is None or written is None:
        return None
    return (asked * input_tokens + written * output_tokens) / _PER_MILLION + row["usd_per_call"]
