"""POST /v1/fusion/estimate: what a request of POST /v1/responses would cost, how long it would take, and who would answer."""

import asyncio
from collections.abc import Mapping, Sequence
from statistics import quantiles
from typing import Any

from fastapi import Request

from fusion_graph import prompts
from fusion_graph.deployment import Parts
from fusion_graph.errors import ModelLoadError
from fusion_graph.estimate import CallSize, Estimate, estimate_run, render_estimate
from fusion_graph.models.listing import make_estimate_price
from fusion_graph.presets import Preset, load_presets, resolve
from fusion_graph.runs import Runs
from fusion_graph.server.access.limits import Limits
from fusion_graph.server.access.owners import Owner
from fusion_graph.server.asked.items import items_in
from fusion_graph.server.asked.payloads import check_payload
from fusion_graph.server.asked.responses import AskedResponse, parse_response
from fusion_graph.server.config import ServerConfig
from fusion_graph.server.errors import RefusedError
from fusion_graph.server.kept import history_of, resolved
from fusion_graph.server.room.offers import problem_of
from fusion_graph.server.room.rosters import has_demo, roster_of
from fusion_graph.server.running import capped, check_models, depth_of, read_json
from fusion_graph.settings import FusionSettings
from fusion_graph.spending import call_sizes

OBJECT = "fusion.estimate"
_ANY_QUESTION = "?"
_FEWEST_RUNS = 3  # less say nothing


async def estimate(request: Request, owner: Owner) -> dict[str, Any]:
    """Answer POST /v1/fusion/estimate."""
    state, runs = request.app.state, request.app.state.runs
    asked = await _asked(request, owner, read_json(await request.body()))
    cap, problem = await _cap(state.limits, runs, owner)
    settings = await asyncio.to_thread(_settings, asked.turn.settings, state.config, cap)
    presets, fault = await asyncio.to_thread(_checked, settings, state.config, state.parts)
    question, history = str(prompts.asked(asked.turn.messages)[-1].text), await call_sizes(runs.store.db)
    found = await asyncio.to_thread(_estimated, settings, history, question, state.config)
    return {
        **estimate_told(found, render_estimate(found)),
        "max_cost_usd": found["max_cost_usd"],
        "seconds": await _seconds(runs, owner, settings),
        "roster": roster_of(settings, presets),
        "problem": problem or fault,
    }


def estimate_told(found: Estimate, text: str) -> dict[str, Any]:
    """Return an estimate as clients are told it."""
    return {
        "object": OBJECT,
        "text": text,
        "cost_usd": found["cost_usd"],
        "is_lower_bound": found["is_lower_bound"],
        "unknown_prices": found["unknown_prices"],
    }


async def _asked(request: Request, owner: str, body: Mapping[str, Any]) -> AskedResponse:
    """Return what a request would ask for; nothing need be asked yet. Raises SettingsError, RefusedError."""
    state = request.app.state
    check_payload(body)
    given = body.get("input")
    is_blank = given is None or (isinstance(given, str) and not given.strip())
    items = await resolved(state.runs, owner, items_in(_ANY_QUESTION if is_blank else given))
    history = await history_of(state.runs, owner, body.get("previous_response_id"))
    asked = await asyncio.to_thread(parse_response, body, items, history, depth=depth_of(request))
    await asyncio.to_thread(check_models, asked.turn, state.config)
    return asked


async def _cap(limits: Limits, runs: Runs, owner: str) -> tuple[float | None, str]:
    """Return what the run might cost by the limits of its key, and why none can be started."""
    try:
        return await limits.share(runs, owner), ""
    except RefusedError as error:
        return None, str(error)


def _settings(given: Mapping[str, Any], config: ServerConfig, cap: float | None) -> FusionSettings:
    return resolve(capped(given, config, cap), environ=config.environ)


def _checked(settings: FusionSettings, config: ServerConfig, parts: Parts) -> tuple[dict[str, Preset], str]:
    """Return the presets, and why the models of this roster cannot be asked. Raises SettingsError."""
    presets = load_presets(config.environ)
    try:
        parts.settle(settings, stored=None)
    except ModelLoadError as error:
        return presets, problem_of(error)
    return presets, ""


def _estimated(settings: FusionSettings, history: Sequence[CallSize], question: str, config: ServerConfig) -> Estimate:
    return estimate_run(settings, history, make_estimate_price(config.environ), question=question)


async def _seconds(runs: Runs, owner: str, settings: FusionSettings) -> dict[str, float] | None:
    """Return how long runs of this size usually take: what half of them stayed between."""
    seats = 0 if settings.mode == "never" else len(settings.panel)
    past = await runs.summaries.seconds(owner, seats, demo=has_demo(settings))
    if len(past) < _FEWEST_RUNS:
        return None
    low, _, high = quantiles(past, n=4, method="inclusive")
    return {"low": round(low, 1), "high": round(high, 1)}
