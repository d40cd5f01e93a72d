"""Who takes part in a run, as its settings say."""

from collections.abc import Mapping
from typing import Any

from fusion_graph.errors import SettingsError
from fusion_graph.presets import Preset, load_presets, preset_of
from fusion_graph.schemas import is_demo
from fusion_graph.seats import Seat, tools_in
from fusion_graph.settings import FusionSettings

NOBODY: dict[str, Any] = {
    "preset": "",
    "seats": [],
    "judge": "",
    "writer": "",
    "tools": [],
    "max_cost_usd": 0.0,
    "excluded_domains": [],
    "is_demo": False,
    "mode": "always",
}


def known_presets(environ: Mapping[str, str]) -> dict[str, Preset]:
    """Return the presets by name; none if the user's file is broken now: runs of before are to be seen still. Blocks."""
    try:
        return load_presets(environ)
    except SettingsError:
        return {}


def roster_of(settings: FusionSettings, presets: Mapping[str, Preset]) -> dict[str, Any]:
    """Return the roster of complete settings; `preset` is "" if its panel is not the preset's own."""
    models = [seat.model for seat in settings.seats]
    return {
        "preset": preset_of(settings.preset, models, presets),
        "seats": [_seat(number, seat, settings) for number, seat in enumerate(settings.seats, 1)],
        "judge": settings.judge,
        "writer": settings.writer,
        "tools": [tool.name for tool in tools_in(settings.tools)],
        "max_cost_usd": settings.max_cost_usd,
        "excluded_domains": settings.excluded_domains,
        "is_demo": has_demo(settings),
        "mode": settings.mode,
    }


def _seat(number: int, seat: Seat, settings: FusionSettings) -> dict[str, Any]:
    return {
        "seat": number,
        "model": seat.model,
        "name": seat.name or seat.model,
        "max_tool_calls": seat.max_tool_calls or settings.max_tool_calls,
        "tools": [tool.name for tool in tools_in(settings.tools if seat.tools is None else seat.tools)],
    }


def has_demo(settings: FusionSettings) -> bool:
    """Return whether a model of the offline demo takes part."""
    return any(is_demo(name) for name in (*(seat.model for seat in settings.seats), settings.judge, settings.writer))
