"""Targets as runs: the graph and the settings of each, in one database, so that nothing paid is paid again."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusion_graph import prompts
from fusion_graph.deployment import Parts
from fusion_graph.environment import ENVIRON
from fusion_graph.errors import SettingsError
from fusion_graph.evaluation.archive import content_key
from fusion_graph.evaluation.baselines import PICK, build_baseline_graph
from fusion_graph.evaluation.config import EvaluationConfig, Target
from fusion_graph.evaluation.guard import Guard
from fusion_graph.evaluation.shapes import Task
from fusion_graph.graph import build_graph
from fusion_graph.runs import Runs
from fusion_graph.savers import make_saver
from fusion_graph.seats import tools_in
from fusion_graph.settings import FusionSettings
from fusion_graph.spending import call_sizes
from fusion_graph.store import open_store
from fusion_graph.tools.search.backends import NATIVE_SEARCH, SEARCH_VARIABLE, choose_backend

# What the published evaluation kept its models from: the data set, its mirrors, the paper, its publishers.
BLOCKED = [
    "huggingface.co",
    "hf.co",
    "hf-mirror.com",
    "arxiv.org/abs/2602.11685",
    "arxiv.org/pdf/2602.11685",
    "arxiv.org/html/2602.11685",
    "alphaxiv.org",
    "semanticscholar.org",
    "research.perplexity.ai",
    "r2cdn.perplexity.ai",
    "openrouter.ai/blog",
]
_TOOLS_ARE = ("FUSION_SEARCH", "FUSION_BASH", "FUSION_MCP", "FUSION_FETCH_ALLOW")  # they change what tools find


@dataclass(frozen=True, slots=True)
class Settled:
    """A target with complete settings; `digest` is of all that its answers depend on but the question."""

    target: Target
    settings: FusionSettings
    digest: str

    def key(self, task: Task) -> str:
        """Return the key of this target's answer to a task."""
        return content_key(self.digest, task.problem)


def settled(config: EvaluationConfig, target: Target, parts: Parts) -> Settled:
    """Return a target with complete settings. Blocks.

    Raises:
        SettingsError, ModelLoadError: it could not work; nothing is paid.
    """
    settings = parts.settle(given_settings(config, target), stored=None)
    _refuse_unseen_search(settings, parts.environ)
    environ = {name: parts.environ.get(name, "") for name in _TOOLS_ARE}
    simulation = config.simulation.model_dump(mode="json") if config.simulation else None
    own = {name: value for name, value in settings.dump().items() if name not in {"preset", "approve"}}
    return Settled(target, settings, content_key(target.kind, own, prompts.FINGERPRINT, PICK, environ, simulation))


def _refuse_unseen_search(settings: FusionSettings, environ: Mapping[str, str]) -> None:
    """Refuse searches that nobody but the provider sees: the answers to the benchmark could be among what they find."""
    named = [tools_in(settings.tools if seat.tools is None else seat.tools) for seat in settings.seats]
    searched = any(tool.name == "web_search" for tools in named for tool in tools)
    if searched and choose_backend(environ).name == NATIVE_SEARCH:
        message = f"{SEARCH_VARIABLE}={NATIVE_SEARCH} has providers search: what they find cannot be looked through"
        hint = f"set {SEARCH_VARIABLE} to a search of its own, or leave web_search out of tools"
        raise SettingsError(message, field=SEARCH_VARIABLE, value=NATIVE_SEARCH, hint=hint)


def given_settings(config: EvaluationConfig, target: Target) -> FusionSettings:
    """Return what a configuration says of a target's settings. Raises SettingsError."""
    given: dict[str, Any] = {"max_tool_calls": 16, **config.generation, **target.settings}
    given["excluded_domains"] = [*BLOCKED, *given.get("excluded_domains", [])]
    if target.kind != "fusion":
        tries = [target.model] * max(target.tries, 1)
        given |= {"panel": given.get("panel", tries) if target.kind == "best_of" else tries, "mode": "always"}
        given.setdefault("judge", target.model)
        given.setdefault("writer", given["judge"])
    if target.kind == "endpoint":
        given["tools"] = []  # it has its own
    return FusionSettings.model_validate(given)


def make_parts(config: EvaluationConfig, environ: Mapping[str, str] = ENVIRON) -> Parts:
    """Return the real parts of the graph, or those of a simulation."""
    if config.simulation is None:
        return Parts.real(environ=environ)
    simulation = config.simulation
    own = {name: environ[name] for name in ("FUSION_HOME", "PATH") if name in environ}
    searched = {**own, "FUSION_SEARCH": f"local:{simulation.corpus}"}
    return Parts.real(load_model=simulation.load_model, price=simulation.price, environ=searched)


@dataclass(frozen=True, slots=True)
class Benches:
    """The runs of one folder: those of panels, and those of baselines, in one database."""

    fused: Runs
    alone: Runs

    def of(self, target: Target) -> Runs:
        """Return where a target's runs are."""
        return self.fused if target.kind == "fusion" else self.alone


@asynccontextmanager
async def open_benches(db: Path, parts: Parts, guard: Guard) -> AsyncIterator[Benches]:
    """Open the runs of an evaluation; on leaving, those under way are stopped at their last checkpoint.

    Raises:
        OSError, sqlite3.Error: the file cannot be opened.
    """
    collaborators = parts.collaborators | {"offer_tools": guard.watching(parts.offer_tools)}
    async with open_store(db) as store:
        saver = await make_saver(store.db)
        parts.history = lambda: call_sizes(store.db)
        fused = build_graph(**collaborators).compile(checkpointer=saver, name="fusion")
        alone = build_baseline_graph(**collaborators).compile(checkpointer=saver, name="baseline")
        benches = Benches(Runs(store, saver, fused, parts), Runs(store, saver, alone, parts))
        try:
            yield benches
        finally:
            await asyncio.gather(benches.fused.stop(), benches.alone.stop())
