"""What a target makes of a task: asked once, kept by the hash of all that the answer depends on."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

from langchain_core.messages import HumanMessage

from fusion_graph.calls import Ask, Call
from fusion_graph.errors import RunNotFoundError
from fusion_graph.evaluation.archive import Archive
from fusion_graph.evaluation.guard import Guard
from fusion_graph.evaluation.purse import Purse
from fusion_graph.evaluation.shapes import Costs, Ending, Generation, Member, Task
from fusion_graph.evaluation.targets import Benches, Settled
from fusion_graph.evidence import check_citations, renumbered
from fusion_graph.ledger import spent
from fusion_graph.runs import Runs
from fusion_graph.schemas import CallEntry, Event, Outcome, SeatResult, Source
from fusion_graph.store import RunRow

GENERATIONS, RUNS = "generation", "run"  # kinds of what is kept
_ANSWERED = frozenset({"answered", "unverified"})
_ENDINGS: dict[Outcome, Ending] = {"refusal": "refused", "timeout": "timed_out"}


class Generator:
    """Asks targets, and keeps what they answer. What failed is asked again the next time; a refusal is an answer."""

    def __init__(self, benches: Benches, ask: Ask, archive: Archive, guard: Guard, purse: Purse) -> None:
        self._benches, self._ask, self._archive = benches, ask, archive
        self._guard, self._purse = guard, purse
        self._under_way: defaultdict[str, asyncio.Lock] = defaultdict(
            asyncio.Lock
        )  # targets may be the same but in name

    async def kept(self, settled: Settled, task: Task) -> Generation | None:
        """Return a target's answer to a task if it is there."""
        found = await self._archive.get(GENERATIONS, settled.key(task))
        return cast("Generation", {**found, "target": settled.target.name, "task": task.id}) if found else None

    async def generate(self, settled: Settled, task: Task) -> Generation:
        """Return a target's answer to a task; it is asked if the answer is not there, or failed.

        Raises:
            BudgetSpentError: nothing more may be begun.
            FusionError: the run could not start.
        """
        key = settled.key(task)
        async with self._under_way[key]:
            if (kept := await self.kept(settled, task)) and kept["ending"] != "failed":
                return kept
            self._purse.check()
            is_endpoint = settled.target.kind == "endpoint"
            made = await (self._called(settled, task) if is_endpoint else self._run(settled, task))
            await self._archive.put(GENERATIONS, key, made)
            return made

    async def _run(self, settled: Settled, task: Task) -> Generation:
        runs = self._benches.of(settled.target)
        run_id = await self._finished(runs, settled, task)
        told, values = await runs.read(await runs.get(run_id))
        calls = [call for call in told["usage"]["calls"] if not call["repeated"]]
        self._purse.add(calls)
        sources: list[Source] = values.get("sources") or []
        results: list[SeatResult] = values.get("results") or []
        is_panel = settled.target.kind == "fusion"
        ending = _ending(told, results, is_panel=is_panel)
        return {
            "key": settled.key(task),
            "target": settled.target.name,
            "task": task.id,
            "run_id": run_id,
            "ending": ending,
            "text": with_sources(told["answer"], sources) if ending in _ANSWERED else "",
            "reasons": told["reasons"],
            "members": [_member(result, sources, calls) for result in results] if is_panel else [],
            "seconds": wall_seconds(await runs.store.events(run_id, deltas=False)),
            **_costs(calls),
            "leaks": await self._guard.leaks(run_id),
        }

    async def _finished(self, runs: Runs, settled: Settled, task: Task) -> str:
        """Return the id of a run that has ended: of an earlier process, gone on with, or new."""
        key = settled.key(task)
        noted = await self._archive.get(RUNS, key)
        row = await _row(runs, str(noted["run_id"])) if noted else None
        if row and row["status"] in {"ok", "degraded"}:
            return row["run_id"]
        if row and row["status"] != "error":
            live = await runs.resume(row["run_id"])
        else:
            run_id = uuid.uuid4().hex
            await self._archive.put(RUNS, key, {"run_id": run_id})  # before it is begun, so that a kill loses none
            live = await runs.start([task.problem], settled.settings, run_id=run_id)
        await live.result()
        return live.run_id

    async def _called(self, settled: Settled, task: Task) -> Generation:
        """Ask an endpoint: one call, without tools of ours."""
        settings = settled.settings
        call = Call(
            role="writer",
            key="endpoint",
            model=settled.target.model,
            messages=[HumanMessage(task.problem)],
            timeout_seconds=settings.panel_timeout_seconds,
            temperature=settings.temperature,
            reasoning=settings.reasoning,
            max_tokens=settings.max_completion_tokens,
        )
        reply = await self._ask(call)
        is_answer = reply.outcome in {"answer", "cut"} and bool(reply.text)
        return {
            "key": settled.key(task),
            "target": settled.target.name,
            "task": task.id,
            "run_id": "",
            "ending": "answered" if is_answer else _ENDINGS.get(reply.outcome, "failed"),
            "text": reply.text if is_answer else "",
            "reasons": [reply.error["message"]] if reply.error else [],
            "members": [],
            "seconds": round(sum(entry["duration_seconds"] or 0.0 for entry in reply.entries), 3),
            **_costs(reply.entries),
            "leaks": [f"the answer: {leak}" for leak in self._guard.found_in(reply.text)],
        }


async def _row(runs: Runs, run_id: str) -> RunRow | None:
    with suppress(RunNotFoundError):
        return await runs.get(run_id)
    return None  # the process was killed before the run was stored


def _ending(told: Mapping[str, Any], results: Sequence[SeatResult], *, is_panel: bool) -> Ending:
    """Return how a run ended: an answer that was written without the panel is no answer of the panel."""
    without = is_panel and told.get("failure_reason") is not None
    if told["answer"] and not without:
        return _answered(told["citations"])
    endings = {_ENDINGS.get(result["error"]["kind"], "failed") for result in results if result["error"]}
    return endings.pop() if len(endings) == 1 else "failed"


def _answered(citations: Iterable[Mapping[str, Any]]) -> Ending:
    return "unverified" if any(citation["status"] == "unverified" for citation in citations) else "answered"


def _member(result: SeatResult, sources: Sequence[Source], calls: Sequence[CallEntry]) -> Member:
    text = renumbered(result, sources)
    failed = _ENDINGS.get(result["error"]["kind"], "failed") if result["error"] else "failed"
    cost = spent(call for call in calls if call["seat"] == result["seat"])
    return {
        "seat": result["seat"],
        "model": result["model"],
        "text": with_sources(text, sources) if text else "",
        "ending": _answered(check_citations(text, sources)) if text else failed,
        "cost_usd": cost["cost_usd"],
        "cost_is_lower_bound": cost["cost_is_lower_bound"],
    }


def with_sources(text: str, sources: Sequence[Source]) -> str:
    """Return an answer with the pages it cites below it, as every surface shows them."""
    cited = {citation["source"] for citation in check_citations(text, sources)} - {None}
    lines = [f"[{n}] {source['title']} {source['url']}" for n, source in enumerate(sources, 1) if n in cited]
    return "\n\n".join([text, "Sources:\n" + "\n".join(lines)]) if lines else text


def wall_seconds(events: Iterable[Event]) -> float | None:
    """Return how long a run was at work; the time between a kill and the going on is not counted."""
    total, began, last = 0.0, None, 0.0
    for event in events:
        if event["type"] == "run_started":
            total += last - began if began is not None else 0.0
            began = event["at"]
        last = event["at"]
    return round(total + last - began, 3) if began is not None else None


def _costs(calls: Sequence[CallEntry]) -> Costs:
    total = spent(calls)
    roles = dict.fromkeys(call["role"] for call in calls)
    return {
        "cost_usd": total["cost_usd"],
        "cost_is_lower_bound": total["cost_is_lower_bound"],
        "cost_by_role": {role: spent([c for c in calls if c["role"] == role])["cost_usd"] for role in roles},
        "tokens": {name: total[f"{name}_tokens"] for name in ("input", "cached", "output", "reasoning")},  # type: ignore[literal-required]
    }
