"""The models a server offers: fusion under its slugs, the presets, and the models that their rosters and its operator name."""

from collections.abc import Collection, Mapping
from typing import Any

from fusion_graph.models.listing import known_models
from fusion_graph.models.price_table import row_of
from fusion_graph.models.server_lists import ListedModel
from fusion_graph.presets import load_presets, resolve
from fusion_graph.server.asked.fusion_words import SLUGS
from fusion_graph.server.config import ServerConfig

_PARAMETERS = ("tools", "tool_choice", "response_format", "max_tokens", "max_completion_tokens", "temperature", "stop")


def preset_models(config: ServerConfig) -> set[str]:
    """Return the models of all presets. Blocks."""
    return {name for names in _rosters(config).values() for name in names}


def listed(config: ServerConfig) -> list[dict[str, Any]]:
    """Return the models this server offers, with every field that some client demands. Blocks."""
    presets, rosters = load_presets(config.environ), _rosters(config)
    slugs = {name: _roster(said, config) for name, said in SLUGS.items()}
    slugs |= {f"fusion/{name}": rosters[name] for name in presets}
    alone = sorted(set().union(*rosters.values()) | (config.models - {"*"}))
    known = known_models({*alone, *slugs["fusion"]}, config.environ)
    abouts = {name: f"the preset {said.get('preset', 'of this server')}" for name, said in SLUGS.items()}
    abouts |= {f"fusion/{name}": preset["description"] for name, preset in presets.items()}
    offered = {**slugs, **{name: {name} for name in alone}}
    return [_model(name, abouts.get(name, ""), models, known) for name, models in offered.items()]


def _rosters(config: ServerConfig) -> dict[str, set[str]]:
    """Return the models of each preset."""
    return {name: _roster({"preset": name}, config) for name in load_presets(config.environ)}


def _roster(said: Mapping[str, Any], config: ServerConfig) -> set[str]:
    return set(resolve({**said, "mode": "always"}, environ=config.environ).roles)


def _model(name: str, about: str, models: Collection[str], known: Mapping[str, ListedModel]) -> dict[str, Any]:
    rows = [known.get(model) or row_of(model, "") for model in models]
    asked, written = [row["input_usd_per_mtok"] for row in rows], [row["output_usd_per_mtok"] for row in rows]
    contexts = [row["context_tokens"] or 0 for row in rows]
    price_known = None not in (*asked, *written)
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": "fusion_graph",
        "name": name,
        "description": about,
        "canonical_slug": name,
        "context_length": min(contexts) or None,
        "architecture": {"input_modalities": ["text"], "modality": "text->text", "output_modalities": ["text"]},
        "pricing": {
            "prompt": _price(asked) if price_known else "0",
            "completion": _price(written) if price_known else "0",
        },
        "supported_parameters": list(_PARAMETERS),
        "default_parameters": {},
        "per_request_limits": None,
        "supported_voices": None,
        "top_provider": {"is_moderated": False},
        "links": {"details": f"/v1/models/{name}"},
        "x_fusion": {"price_known": price_known},
    }


def _price(usd_per_mtok: Collection[float | None]) -> str:
    """Return the highest of some prices, for one token: usage counts the tokens of all models, so it is a bound.

    It is one for contexts that are not so long that a model's price goes up.
    """
    return f"{max(price or 0.0 for price in usd_per_mtok) / 1_000_000:.12f}".rstrip("0").rstrip(".")
