"""The models a server offers: fusion under its slugs, the presets, and the models that their rosters and its operator name."""

from typing import Any

from fusion_graph.presets import load_presets
from fusion_graph.server.config import ServerConfig


def preset_models(config: ServerConfig) -> set[str]:
    """Return the models of all presets. Blocks."""
    presets = load_presets(config.environ).values()
    rosters = (preset["settings"] for preset in presets)
    found: set[str] = set()
    for roster in rosters:
        seats = [seat if isinstance(seat, str) else seat["model"] for seat in roster.get("panel", [])]
        found |= {name for name in (*seats, roster.get("judge", ""), roster.get("writer", "")) if name}
    return found


def listed(config: ServerConfig) -> list[dict[str, Any]]:
    """Return the models this server offers, with every field that some client demands. Blocks."""
    presets = load_presets(config.environ)
    slugs = {"fusion": "the default preset", "openrouter/fusion": "the default preset"}
    slugs |= {f"fusion/{name}": preset["description"] for name, preset in presets.items()}
    names = sorted(preset_models(config) | (config.models - {"*"}))
    return [_model(name, about) for name, about in [*slugs.items(), *((name, "") for name in names)]]


def _model(name: str, about: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": "fusion_graph",
        "name": name,
        "description": about,
        "canonical_slug": name,
        "context_length": None,
        "architecture": {"input_modalities": ["text"], "modality": "text->text", "output_modalities": ["text"]},
        "pricing": {"prompt": "0", "completion": "0"},
        "supported_parameters": ["tools", "tool_choice", "response_format", "max_tokens", "stop"],
        "default_parameters": {},
        "per_request_limits": None,
        "supported_voices": None,
        "top_provider": {"is_moderated": False},
        "links": {"details": f"/v1/models/{name}"},
        "x_fusion": {"price_known": False},
    }
