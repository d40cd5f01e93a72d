"""The four tools: ask a panel, wait for what it comes to, tell the price before, stop it."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fusion_graph.errors import RunBusyError, RunNotFoundError, SettingsError
from fusion_graph.estimate import CallSize, estimate_run
from fusion_graph.events import LiveRun
from fusion_graph.models.listing import make_estimate_price
from fusion_graph.models.names import parse_name
from fusion_graph.presets import resolve
from fusion_graph.runs import Runs
from fusion_graph.schemas import is_demo
from fusion_graph.server.access.limits import Limits
from fusion_graph.server.config import ServerConfig
from fusion_graph.server.errors import RefusedError
from fusion_graph.server.mcp.arguments import (
    MAX_WAIT_SECONDS,
    AskArguments,
    CancelArguments,
    EstimateArguments,
    ResultArguments,
)
from fusion_graph.server.mcp.markdown import render
from fusion_graph.server.mcp.outcomes import DETAILS, WHOLE, outcome_of
from fusion_graph.server.mcp.prices import price_of, render_price
from fusion_graph.server.mcp.progress import Tell
from fusion_graph.server.mcp.shapes import Cancelled, Outcome, Price
from fusion_graph.server.mcp.waiting import HEARTBEAT_SECONDS, Waiting, next_step
from fusion_graph.server.offer import preset_models
from fusion_graph.server.sharing import Asked, Sharing
from fusion_graph.settings import FusionSettings
from fusion_graph.spending import call_sizes
from fusion_graph.store import RunRow


@dataclass(frozen=True, slots=True)
class Asker:
    """Who calls a tool. `is_inside`: a fusion does, which gets no panel of its own."""

    owner: str
    is_inside: bool
    tell: Tell


class Tools:
    """The tools over the runs of one database. A call blocks for `block_seconds` at most."""

    def __init__(
        self,
        runs: Runs,
        config: ServerConfig,
        *,
        block_seconds: float = MAX_WAIT_SECONDS,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._runs = runs
        self._config = config
        self._waiting = Waiting(runs, block_seconds, heartbeat_seconds)
        self._limits = Limits(config)
        self._sharing = Sharing(runs, self._limits)

    async def ask(self, given: AskArguments, asker: Asker) -> tuple[str, Outcome]:
        """Start a run, or find the one that this question has under way or unheard; wait for it.

        Raises:
            SettingsError, ModelLoadError: it could not work; nothing was stored, nothing paid.
            RefusedError: a fusion asks, a model is not offered, or a limit is reached.
        """
        if asker.is_inside:
            raise RefusedError(409, "a panel is at work on this already; answer from what you know")
        settings = given.settings()
        settled = await asyncio.to_thread(self._settled, settings)
        # Started whole or not at all, also if the caller stops waiting in the middle.
        run_id = await asyncio.shield(asyncio.ensure_future(self._begun(given.question, settings, asker.owner)))
        return await self._waiting.for_run(run_id, asker.tell, DETAILS["answer"], seats=len(settled.panel))

    async def result(self, given: ResultArguments, asker: Asker) -> tuple[str, Outcome]:
        """Wait for a run; one that was stopped goes on.

        Raises:
            RunNotFoundError: the caller has no such run.
            RefusedError: a limit is reached.
        """
        row = await self._row(given.run_id, asker.owner)
        if row["status"] == "stopped" and not asker.is_inside:
            await asyncio.shield(asyncio.ensure_future(self._resumed(row)))
        return await self._waiting.for_run(row["run_id"], asker.tell, DETAILS[given.detail], seconds=given.wait_seconds)

    async def estimate(self, given: EstimateArguments, _asker: Asker) -> tuple[str, Price]:
        """Tell what a run would cost. Raises SettingsError, ModelLoadError."""
        history = await call_sizes(self._runs.store.db)
        price = await asyncio.to_thread(self._price, given, history)
        return render_price(price), price

    async def cancel(self, given: CancelArguments, asker: Asker) -> tuple[str, Cancelled]:
        """Stop a run; what is paid stays. One that has ended stays as it is.

        Raises:
            RunNotFoundError: the caller has no such run.
            RunBusyError: another process is at work on it.
        """
        row = await self._row(given.run_id, asker.owner)
        await self._runs.cancel(row["run_id"])
        status = (await self._runs.get(row["run_id"]))["status"]
        told = Cancelled(run_id=row["run_id"], status=status, next=next_step(status, row["run_id"]))
        said = "Nothing was under way." if status == row["status"] else "It is stopped; what was paid is kept."
        return f"{said} Status: {status}." + (f" Next: {told.next}." if told.next else ""), told

    async def whole(self, run_id: str, owner: str) -> str:
        """Return all there is of a run as Markdown. Raises RunNotFoundError."""
        row = await self._row(run_id, owner)
        shown = await self._runs.show(row["run_id"])
        return render(outcome_of(shown, WHOLE, next_step=next_step(row["status"], row["run_id"])))

    async def newest(self, owner: str) -> list[RunRow]:
        """Return the caller's newest runs."""
        return await self._runs.list(owner=owner, limit=20)

    async def _row(self, run_id: str, owner: str) -> RunRow:
        """Return a run of the caller's; of others' it is not told whether they are there."""
        with suppress(RunNotFoundError):
            row = await self._runs.get(run_id)
            if row["owner"] == owner:
                return row
        raise RunNotFoundError(f"there is no run {run_id[:100]!r}", hint="give the run_id that fusion_ask returned")

    def _settled(self, given: Mapping[str, Any]) -> FusionSettings:
        """Return the complete settings of a run that these tools can start. Blocks."""
        settings = resolve(given, environ=self._config.environ)
        if settings.approve:
            hint = "unset FUSION_APPROVE, or choose a preset without approve; fusion_estimate tells the price before"
            raise SettingsError("these tools cannot ask for an approval", field="approve", value=True, hint=hint)
        self._refuse_unoffered([*given.get("panel", []), given.get("judge"), given.get("writer")])
        return settings

    def _refuse_unoffered(self, names: list[str | None]) -> None:
        """Refuse names of models that nobody allowed. Blocks."""
        if "*" in self._config.models:
            return
        allowed = self._config.models | preset_models(self._config)
        for name in names:
            if name and name not in allowed and not is_demo(name):
                hint = "name a preset, or a model of one; the operator allows others in FUSION_SERVER_MODELS"
                raise RefusedError(404, f"the model {name!r} is not offered here; {hint}")

    async def _begun(self, question: str, settings: dict[str, Any], owner: str) -> str:
        """Return the run of a question. Asked again before anybody has had the answer, it is the same run: paid once."""

        async def start(run_id: str) -> LiveRun:
            cap = await self._limits.cap(self._runs, owner, run_id)
            own = settings if cap is None else settings | {"max_cost_usd": min(cap, settings.get("max_cost_usd", cap))}
            return await self._runs.start([question], own, owner=owner, run_id=run_id)

        body = json.dumps(["fusion_ask", question, settings], sort_keys=True).encode()
        return (await self._sharing.get(Asked(owner, body, "", is_retry=False), start)).run_id

    async def _resumed(self, row: RunRow) -> None:
        """Go on with a run; if another process does so meanwhile, let it."""
        with suppress(RunBusyError), self._limits.slot(row["owner"], row["run_id"]) as slot:
            slot.run = await self._runs.resume(row["run_id"])

    def _price(self, given: EstimateArguments, history: list[CallSize]) -> Price:
        """Return what a run would cost whose models can be named; their keys may be missing. Blocks."""
        settings = resolve(given.settings(), environ=self._config.environ)
        for model in settings.roles:
            if not is_demo(model):
                parse_name(model)
        prices = make_estimate_price(self._config.environ)
        return price_of(estimate_run(settings, history, prices, question=given.question), settings)
