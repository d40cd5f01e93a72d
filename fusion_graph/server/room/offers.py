"""GET /v1/fusion: the presets, tools and limits there are to choose from, and what of it cannot work on this server."""

import asyncio
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, get_args

from fastapi import Request

from fusion_graph.deployment import Parts
from fusion_graph.errors import FusionError, redact
from fusion_graph.presets import load_presets, resolve
from fusion_graph.seats import MAX_TOOL_STEPS, Reasoning, tools_in
from fusion_graph.server.access.owners import Owner
from fusion_graph.server.config import ServerConfig
from fusion_graph.server.room.rosters import has_demo
from fusion_graph.settings import DEFAULT_PRESET, MAX_SEATS, FusionSettings
from fusion_graph.tools import TOOL_NAMES, Place

_ANYWHERE = Place(provider="openrouter")  # which searches by itself, where that is what is set up


async def offer(request: Request, _owner: Owner) -> dict[str, Any]:
    """Answer GET /v1/fusion."""
    state = request.app.state
    return await asyncio.to_thread(_offered, state.config, state.parts)


def problem_of(error: FusionError) -> str:
    """Return an error and its remedy in one line, without secrets."""
    said = f"{error}. {error.hint}" if error.hint else str(error)
    return redact(" ".join(said.split()))


def _offered(config: ServerConfig, parts: Parts) -> dict[str, Any]:
    presets = [
        _preset(name, preset["description"], config.environ, parts)
        for name, preset in load_presets(config.environ).items()
    ]
    return {
        "object": "fusion",
        "version": version("fusion-graph"),
        "default_preset": _default(presets, config.environ),
        "presets": presets,
        "tools": [{"name": name, "problem": _missing(name, parts)} for name in TOOL_NAMES],
        "max_seats": MAX_SEATS,
        "max_tool_calls": MAX_TOOL_STEPS,
        "reasoning": [effort for effort in get_args(Reasoning) if effort],
        "any_model": "*" in config.models,
    }


def _missing(tool: str, parts: Parts) -> str:
    return " ".join(parts.panel_tools.missing([tool], _ANYWHERE))


def _default(presets: list[dict[str, Any]], environ: Mapping[str, str]) -> str:
    """Return the preset that is set up here, if it works; else the first that does: without any key that is the demo."""
    try:
        chosen = resolve(environ=environ).preset
    except FusionError:
        chosen = DEFAULT_PRESET
    working = [preset["name"] for preset in presets if not preset["problem"]]
    return chosen if chosen in working or not working else working[0]


def _preset(name: str, description: str, environ: Mapping[str, str], parts: Parts) -> dict[str, Any]:
    settings, problem = FusionSettings(), ""
    try:
        settings = resolve({"preset": name}, environ=environ)
        parts.settle(settings, stored=None)
    except FusionError as error:
        problem = problem_of(error)
    return {
        "name": name,
        "description": description,
        "seats": [seat.model for seat in settings.seats],
        "judge": settings.judge,
        "writer": settings.writer,
        "tools": [tool.name for tool in tools_in(settings.tools)],
        "max_tool_calls": settings.max_tool_calls,
        "max_cost_usd": settings.max_cost_usd,
        "is_demo": has_demo(settings),
        "problem": problem,
    }
