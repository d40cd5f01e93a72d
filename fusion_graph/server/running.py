"""From a request to its run: read, checked against what is offered here, and found again or started."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import Request

from fusion_graph.events import LiveRun
from fusion_graph.presets import resolve
from fusion_graph.runs import Runs
from fusion_graph.schemas import DEPTH, is_demo
from fusion_graph.server.asked.turns import Turn
from fusion_graph.server.config import ServerConfig
from fusion_graph.server.deliberations import taken_up
from fusion_graph.server.errors import RefusedError
from fusion_graph.server.offer import preset_models
from fusion_graph.server.sharing import Asked, Run, Start

(_DEPTH,) = DEPTH


def depth_of(request: Request) -> int:
    """Return 1 if a fusion asks, which gets no panel; else 0."""
    return int(request.headers.get(_DEPTH, "0") != "0")


def read_json(raw: bytes) -> dict[str, Any]:
    """Return the JSON object that a body holds. Raises RefusedError."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, f"the body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise RefusedError(400, "the body is no JSON object")
    return body


def check_models(turn: Turn, config: ServerConfig) -> None:
    """Refuse a request that names models which nobody allowed. Blocks."""
    check_offered(_named(turn.settings), config)


def check_offered(names: Iterable[str], config: ServerConfig) -> None:
    """Refuse names of models that nobody allowed. Blocks."""
    if "*" in config.models:
        return
    allowed = config.models | preset_models(config)
    for name in names:
        if name not in allowed and not is_demo(name):
            raise RefusedError(
                404, f"the model {name!r} is not offered here; GET /v1/models lists what is", param="model"
            )


def _named(settings: Mapping[str, Any]) -> list[str]:
    """Return the models that settings name."""
    seats = [seat if isinstance(seat, dict) else {"model": seat} for seat in settings.get("panel", [])]
    of_seats = [seat.get(field) for seat in seats for field in ("model", "fallback")]
    return [name for name in (settings.get("judge"), settings.get("writer"), *of_seats) if name]


def with_rules(settings: Mapping[str, Any], config: ServerConfig) -> dict[str, Any]:
    """Return settings whose excluded domains stand beside those of the preset and of this server. Blocks."""
    own = settings.get("excluded_domains", [])
    rest = {name: value for name, value in settings.items() if name != "excluded_domains"}
    return rest | ({"excluded_domains": [*resolve(rest, environ=config.environ).excluded_domains, *own]} if own else {})


def capped(settings: Mapping[str, Any], config: ServerConfig, cap: float | None) -> dict[str, Any]:
    """Return settings whose budget, whoever set it, is no more than the limit of a key leaves. Blocks."""
    given = with_rules(settings, config)
    if cap is None:
        return given
    return given | {"max_cost_usd": min(cap, resolve(given, environ=config.environ).max_cost_usd or cap)}


async def run_of(request: Request, owner: str, raw: bytes, turn: Turn, client: Mapping[str, Any] | None = None) -> Run:
    """Return the run that a request belongs to, started if there is none. `client` is kept with the run."""
    state = request.app.state
    runs: Runs = state.runs

    async def start(run_id: str) -> LiveRun:
        cap = await state.limits.cap(runs, owner, run_id)
        settings = await asyncio.to_thread(capped, turn.settings, state.config, cap)
        brought: dict[str, Any] = {"caller": turn.caller, "owner": owner, "run_id": run_id}
        if settings["mode"] != "never" and (before := await taken_up(runs, owner, turn.messages)):
            kept = {**client, "is_taken_up": True} if client else None
            brought |= {"parent_id": before.run_id, "client": kept}
            return await runs.start_from(before.panel, turn.messages, settings, **brought)
        return await runs.start(turn.messages, settings, client=client, **brought)

    return await found_or_started(request, owner, raw, start)


async def found_or_started(request: Request, owner: str, raw: bytes, start: Start) -> Run:
    """Return the run that a request with this body belongs to, or the one that `start` starts."""
    headers = request.headers
    is_retry = headers.get("x-stainless-retry-count", "0") != "0"
    body = request.url.path.encode() + b"\n" + raw  # the same words may be another request elsewhere
    asked = Asked(owner, body, headers.get("idempotency-key", ""), is_retry=is_retry)
    found: Run = await request.app.state.sharing.get(asked, start)
    return found
