"""Read a model's name: `provider:model`, or `vendor/model` as OpenRouter writes it. Pure: no network, no client."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import NamedTuple

from fusion_graph.environment import ENVIRON
from fusion_graph.errors import MissingKeyError, MissingPackageError, ModelLoadError, did_you_mean
from fusion_graph.models.providers import INTEGRATIONS, PROVIDERS, SERVERS


class ModelName(NamedTuple):
    """A name in two parts; `model` is what the provider calls it."""

    provider: str
    model: str


def split_name(name: str) -> ModelName:
    """Split a name at its provider, known or not; a name without one is a provider of its own."""
    prefix, colon, rest = name.partition(":")
    if "/" in prefix:  # in `vendor/model:free` the colon belongs to the model
        return ModelName("openrouter", name)
    return ModelName(prefix.lower().replace("-", "_"), rest if colon else name)


def provider_of(name: str) -> str:
    """Return who serves `name` ("openrouter", "openai", "anthropic", ...). Never raises: limits are kept by it."""
    return split_name(name).provider


def search_provider(name: str, environ: Mapping[str, str] = ENVIRON) -> str:
    """Return who serves `name`, if a search of its own may be asked of it: a server of one's own for OpenAI has none."""
    provider = provider_of(name)
    return "" if provider == "openai" and not SERVERS[provider].is_official(environ) else provider


def parse_name(name: str) -> ModelName:
    """Split a name of a provider this package can load.

    Raises:
        ModelLoadError: there is no provider, none of that name, or no model after it.
    """
    found = split_name(name)
    if not {":", "/"} & set(name):
        raise ModelLoadError(
            f"{name!r} names no provider",
            hint=f"write e.g. 'openai:{name}', or 'openai/{name}' to go through OpenRouter",
        )
    if found.provider == "demo":  # `fusion_graph.demo` has them; only the graph's own parts load those
        raise ModelLoadError(f"{name!r} is the offline demo's", hint="name it in a panel, or use the preset 'demo'")
    if found.provider not in PROVIDERS:
        raise ModelLoadError(
            f"{name!r}: there is no provider {name.partition(':')[0]!r}", hint=did_you_mean(found.provider, PROVIDERS)
        )
    if not found.model.strip():
        raise ModelLoadError(f"{name!r} names no model", hint=f"write '{found.provider}:' and the model's name")
    return found


def check_model(name: str, environ: Mapping[str, str] = ENVIRON) -> None:
    """Raise what `load_model` would raise, without building a client or touching the network.

    Raises:
        ModelLoadError: the name cannot be read.
        MissingPackageError: the provider's integration is not installed.
        MissingKeyError: the provider's key is not in `environ`.
    """
    provider, _ = parse_name(name)
    if provider in INTEGRATIONS and find_spec(INTEGRATIONS[provider].module) is None:
        raise missing_package(INTEGRATIONS[provider].package, name)
    keys = _keys(provider, environ)
    if keys and not any(environ.get(key) for key in keys):
        raise MissingKeyError(
            f"{keys[0]} is not set",
            needed_by=repr(name),
            hint=f"export {keys[0]}=..., or name models you can reach (--panel, --judge, --writer), or try: fusion demo",
        )


def missing_package(package: str, name: str) -> MissingPackageError:
    """Build the error for an integration that is not installed."""
    return MissingPackageError(f"{package} is not installed", needed_by=repr(name), hint=f"pip install {package}")


def _keys(provider: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables one of which must be set; a custom server for `openai:` may be a local one without a key."""
    if provider in INTEGRATIONS:
        return INTEGRATIONS[provider].keys
    server = SERVERS[provider]
    return (server.key,) if provider == "openrouter" or server.is_official(environ) else ()
