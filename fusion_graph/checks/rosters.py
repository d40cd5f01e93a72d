"""The models of a preset: keys, packages, and whether their servers are there and list them."""

import asyncio
import difflib
from collections.abc import Mapping, Sequence

from fusion_graph.checks.item import Item, Level, fault, made
from fusion_graph.demo import check_demo_model, demo_tools
from fusion_graph.errors import FusionError, MissingKeyError, ModelLoadError, redact
from fusion_graph.models.names import check_model, split_name
from fusion_graph.models.providers import INTEGRATIONS, SERVERS
from fusion_graph.models.server_lists import ListingError, fetch_credit, fetch_models
from fusion_graph.presets import resolve
from fusion_graph.schemas import is_demo
from fusion_graph.settings import FusionSettings

PRESET = "demo"  # and the provider of its models


async def models(settings: FusionSettings | None, environ: Mapping[str, str], *, offline: bool) -> list[Item]:
    """Return what there is to say of the models of `settings`, provider by provider."""
    if settings is None:
        return []
    by_provider: dict[str, dict[str, list[str]]] = {}
    for model, roles in settings.roles.items():
        by_provider.setdefault(split_name(model).provider, {})[model] = roles
    told = await asyncio.gather(*(_provider(*entry, environ, offline=offline) for entry in by_provider.items()))
    return [item for items in told for item in items]


async def _provider(
    provider: str, roster: Mapping[str, list[str]], environ: Mapping[str, str], *, offline: bool
) -> list[Item]:
    roles = sorted(
        {role for own in roster.values() for role in own}, key=lambda role: (not role.startswith("seat"), role)
    )
    needed = f"for {', '.join(roles)}"
    if faults := _faults(roster, environ):
        return [
            made("fail", provider, f"{what}, {needed}", error.hint or "", is_key=isinstance(error, MissingKeyError))
            for what, error in faults.items()
        ]
    return [
        made("ok", provider, f"{_credentials(provider, environ)}, {needed}"),
        *(await _reached(provider, list(roster), environ, offline=offline)),
    ]


def _faults(names: Sequence[str] | Mapping[str, object], environ: Mapping[str, str]) -> dict[str, ModelLoadError]:
    """Return why models cannot be loaded, each reason once."""
    found: dict[str, ModelLoadError] = {}
    for name in names:
        try:
            check_demo_model(name) if is_demo(name) else check_model(name, environ)
        except ModelLoadError as error:
            found.setdefault(error.what, error)
    return found


def _credentials(provider: str, environ: Mapping[str, str]) -> str:
    if provider in SERVERS:
        server = SERVERS[provider]
        return f"{server.key} is set" if environ.get(server.key) else f"no key, at {server.base_url(environ)}"
    integration = INTEGRATIONS.get(provider)
    if integration is None:
        return "no key needed"
    own = next((key for key in integration.keys if environ.get(key)), None)
    return f"{own} is set" if own else f"{integration.package} finds its credentials itself"


async def _reached(provider: str, names: Sequence[str], environ: Mapping[str, str], *, offline: bool) -> list[Item]:
    name = f"{provider} models"
    if provider == PRESET:
        return []
    if offline or provider not in SERVERS:
        why = "--offline" if offline else "only OpenAI's and OpenRouter's servers are"
        return [made("info", name, f"not asked whether they are there: {why}")]
    try:
        listed = {split_name(row["name"]).model for row in await fetch_models(provider, environ)}
    except ListingError as error:
        return [made("fail", name, str(error), error.hint or "", is_key=error.refused_key)]
    return [*_listed(provider, names, listed, environ), *(await _key(provider, environ))]


def _listed(provider: str, names: Sequence[str], listed: set[str], environ: Mapping[str, str]) -> list[Item]:
    server = SERVERS[provider]
    where, wanted = redact(server.base_url(environ)), [split_name(name).model for name in names]
    missing = [model for model in wanted if not {model, model.partition(":")[0]} & listed]  # `:online` is an option
    if not missing:
        return [made("ok", f"{provider} models", f"{where} lists all {len(wanted)} of {len(listed)}")]
    return [_unlisted(provider, model, where, listed, official=server.is_official(environ)) for model in missing]


def _unlisted(provider: str, model: str, where: str, listed: set[str], *, official: bool) -> Item:
    """Return the item of a model that its server does not list, which servers at home and aliases need not be."""
    level: Level = "fail" if official and not model.startswith("~") else "warn"
    near = difflib.get_close_matches(model, sorted(listed), n=1)
    remedy = (f"did you mean {near[0]!r}? " if near else "") + f"fusion models --provider {provider} lists them"
    return made(level, f"{provider} models", f"{where} does not list {model!r}", remedy)


async def _key(provider: str, environ: Mapping[str, str]) -> list[Item]:
    """Return what OpenRouter says of the key: its list is public, so that having it tells nothing."""
    if provider != "openrouter" or not SERVERS[provider].is_official(environ):
        return []
    name = f"{provider} key"
    try:
        left = await fetch_credit(environ)
    except ListingError as error:
        level: Level = "fail" if error.refused_key else "warn"
        return [made(level, name, str(error), error.hint or "", is_key=error.refused_key)]
    if left == 0:
        return [made("fail", name, "nothing is left of its limit", "raise it at https://openrouter.ai/settings/keys")]
    return [made("ok", name, "accepted" if left is None else f"accepted, ${left:.2f} left of its limit")]


def demo(settings: FusionSettings | None, environ: Mapping[str, str]) -> list[Item]:
    """Return whether the offline demo can be asked."""
    is_chosen = settings is not None and any(is_demo(seat.model) for seat in settings.seats)
    try:
        faults = [*_faults(resolve({"preset": PRESET}, environ=_bare(environ)).roles, environ).values()]
        demo_tools(environ)
    except FusionError as error:
        return [fault("demo", error, level="fail" if is_chosen else "warn")]
    told = [fault("demo", error, level="warn") for error in faults]
    return told or [made("ok", "demo", "fusion demo answers without key and network")]


def _bare(environ: Mapping[str, str]) -> dict[str, str]:
    """Return only what says where one's own presets are: another variable may be broken, and has an item of its own."""
    return {"FUSION_HOME": environ["FUSION_HOME"]} if "FUSION_HOME" in environ else {}
