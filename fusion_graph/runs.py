"""Runs that outlive their process: start, resume, fork, list, show, delete.

A run is one user turn on a thread: its last checkpoint, an owner, a lease, an event log. `open_runs` gives a `Runs` over
one SQLite file or one PostgreSQL database, in which LangGraph's checkpoints and the tables of `store` lie side by side.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from langchain_core.messages import MessageLikeRepresentation

from fusion_graph.claims import Claims
from fusion_graph.deployment import Parts
from fusion_graph.elsewhere import Elsewhere
from fusion_graph.errors import SettingsError
from fusion_graph.estimate import Estimate, without_role
from fusion_graph.events import Graph, LiveRun, Narrator
from fusion_graph.forks import ForkPlan, forked_state
from fusion_graph.graph import build_graph
from fusion_graph.records import RunRecord, is_of, so_far
from fusion_graph.retention import Retention
from fusion_graph.savers import FencedSaver, make_saver
from fusion_graph.schemas import Caller, Event
from fusion_graph.seats import Seat
from fusion_graph.settings import FusionSettings, load_settings
from fusion_graph.spending import call_sizes
from fusion_graph.starting import continue_ids, graph_config, graph_input, new_row, run_input, with_ids
from fusion_graph.state import PanelState
from fusion_graph.store import RunRow, RunStore, busy, open_store
from fusion_graph.summaries import Summaries

_UNFINISHED = frozenset({"running", "stopped", "interrupted"})


@asynccontextmanager
async def open_runs(db: str | Path, parts: Parts | None = None) -> AsyncIterator["Runs"]:
    """Open the runs of one database; on leaving, runs still under way are stopped at their last checkpoint.

        async with open_runs("runs.db") as runs:
            live = await runs.start(["When did the bridge open?"], {"preset": "demo"})
            print((await live.result())["answer"])

    `db` is the path of a SQLite file, made if it is not there, or `postgresql://USER@HOST/NAME`. `parts` are models and
    tools of your own: `fusion_graph.deployment.Parts.real(load_model=..., tools=[...])`.

    Raises:
        FusionError: the URL is no database's, or its server cannot be reached.
    """
    async with open_store(db) as store:
        parts, saver = parts or Parts.real(), await make_saver(store.db)
        parts.history = lambda: call_sizes(store.db)
        runs = Runs(store, saver, build_graph(**parts.collaborators).compile(checkpointer=saver, name="fusion"), parts)
        try:
            yield runs
        finally:
            await runs.stop()


class Runs:
    """The runs of one database. Ids may be given by their beginning where it is unique."""

    def __init__(self, store: RunStore, saver: FencedSaver, graph: Graph, parts: Parts) -> None:
        self.store = store
        self.saver = saver
        self.graph = graph
        self.claims = Claims(store.db)
        self.retention = Retention(store.db)
        self.summaries = Summaries(store.db)
        self.watch: Callable[[Sequence[Event]], object] = bool  # is given the events of every run of this process
        self._parts = parts
        self._live: dict[str, LiveRun] = {}
        self._resuming = asyncio.Lock()
        self.elsewhere = Elsewhere(store, self._live)

    async def start(
        self,
        messages: Sequence[MessageLikeRepresentation],
        settings: FusionSettings | Mapping[str, Any] | None = None,
        *,
        caller: Caller | None = None,
        thread_id: str | None = None,
        owner: str = "",
        run_id: str = "",
        client: Mapping[str, Any] | None = None,
    ) -> LiveRun:
        """Start a run with new messages on a new thread, or as the next turn of `thread_id`.

        `client` is what the surface that starts it wants to find with it again, JSON-plain. With `told` in it, text is
        told as it comes also while nobody listens.

        Raises:
            SettingsError, ModelLoadError: it could not work; nothing was stored, nothing paid.
            RunBusyError: the thread has a run under way.
        """
        thread_id = thread_id or uuid.uuid4().hex
        call = settings if isinstance(settings, FusionSettings) else FusionSettings.model_validate(dict(settings or {}))
        snapshot = await self.graph.aget_state(graph_config(thread_id))
        stored = snapshot.values.get("settings")
        await asyncio.to_thread(self._parts.settle, call, stored=stored)
        spoken = with_ids(messages)
        kept = run_input(spoken, call, caller, client)
        return await self._begin(new_row(thread_id, spoken, kept, owner=owner, run_id=run_id), fresh=True)

    async def start_from(
        self,
        panel: PanelState,
        messages: Sequence[MessageLikeRepresentation],
        settings: Mapping[str, Any],
        *,
        caller: Caller | None = None,
        owner: str = "",
        run_id: str = "",
        parent_id: str | None = None,
        client: Mapping[str, Any] | None = None,
    ) -> LiveRun:
        """Start a run on a new thread with what a panel has brought already: only the writer is asked, nothing paid again.

        Raises:
            SettingsError, ModelLoadError: it could not work; nothing was stored, nothing paid.
        """
        call = FusionSettings.model_validate(dict(settings))
        settled = await asyncio.to_thread(self._parts.settle, call, stored=None)
        spoken = with_ids(messages)
        values: dict[str, Any] = {
            "messages": spoken,
            "caller": caller or {},
            "settings": settled.dump(),
            "decision": {"kind": "fuse"},
            "calls": [],
            **panel,
        }
        kept = run_input(spoken, call, caller, client)
        row = new_row(uuid.uuid4().hex, spoken, kept, owner=owner, run_id=run_id, parent_id=parent_id)
        return await self._begin_at("judge", values, row)

    @property
    def under_way(self) -> int:
        """How many runs are under way in this process."""
        return len(self._live)

    def live(self, run_id: str) -> LiveRun | None:
        """Return a run that is under way in this process."""
        return self._live.get(run_id)

    async def state(self, row: RunRow) -> Mapping[str, Any]:
        """Return the graph's state of a run as it was last."""
        # Named, a checkpoint comes without what seats wrote after it: the paid answers of a panel that was stopped.
        snapshot = await self.graph.aget_state(graph_config(row["thread_id"]))
        if not is_of(snapshot, row["run_id"]) and row["checkpoint_id"]:
            snapshot = await self.graph.aget_state(graph_config(row["thread_id"], row["checkpoint_id"]))
        return snapshot.values if is_of(snapshot, row["run_id"]) else {}

    async def resume(self, run_id: str, decision: Mapping[str, Any] | None = None) -> LiveRun:
        """Go on with a run where its last process left it; one that is under way here is returned as it is.

        `decision` answers an approval (`nodes.approve.ApprovalDecisions`).

        Raises:
            RunNotFoundError: there is no such run.
            RunBusyError: another living process is at work on it.
            SettingsError: it does not wait for a decision, or a later message of its thread took its place.
        """
        async with self._resuming:  # who asks for the same run meanwhile gets it as it is
            row = await self.store.get(run_id)
            if live := self._live.get(row["run_id"]):
                return live
            await self._refuse_vain(row, decision)
            return await self._begin(row, decision=decision)

    async def _refuse_vain(self, row: RunRow, decision: Mapping[str, Any] | None) -> None:
        """Refuse to decide what is not asked: LangGraph would take the decision for another run's, or start anew."""
        waits = row["status"] == "interrupted"
        if decision is not None and not waits:
            message = f"run {row['run_id'][:8]} does not wait for approval: it is {row['status']}"
            raise SettingsError(message, field="decision", hint="fusion runs resume RUN goes on without a decision")
        if waits and not is_of(await self.graph.aget_state(graph_config(row["thread_id"])), row["run_id"]):
            message = (
                f"run {row['run_id'][:8]} no longer waits for approval: a later message of its thread took its place"
            )
            raise SettingsError(message, field="decision", hint="ask again")

    async def estimate(self, settings: FusionSettings, seats: Collection[int] | None = None) -> Estimate:
        """Return what a run of complete settings would cost, by this user's past calls; see `estimate.estimate_run`."""
        return await self._parts.estimate(settings, seats)

    async def fork(
        self,
        run_id: str,
        *,
        judge: str = "",
        writer: str = "",
        add_seats: Sequence[str | Seat] = (),
        retry_failed: bool = False,
        owner: str = "",
    ) -> LiveRun:
        """Start a run on a new thread from another's answers: what does not change is not paid again.

        Another writer costs one call, another judge two (judge and writer), an added or retried seat that seat and two.

        Raises:
            SettingsError: nothing is to change, or a model cannot be loaded.
        """
        plan = await self.plan_fork(run_id, judge=judge, writer=writer, add_seats=add_seats, retry_failed=retry_failed)
        return await self.begin_fork(plan, owner=owner)

    async def plan_fork(
        self,
        run_id: str,
        *,
        judge: str = "",
        writer: str = "",
        add_seats: Sequence[str | Seat] = (),
        retry_failed: bool = False,
        cap: float | None = None,
    ) -> ForkPlan:
        """Return what such a fork would do; nothing is stored, nothing paid. Raises what `fork` raises.

        `cap`: its budget is no more US dollars than that.
        """
        row = await self.store.get(run_id)
        before = await self.state(row)
        values, node = forked_state(before, judge, writer, add_seats, retry_failed=retry_failed, cap=cap)
        await asyncio.to_thread(self._parts.settle, load_settings(values["settings"]), stored=None)
        paid = frozenset((call["role"], call["seat"]) for call in before.get("calls") or [])
        return ForkPlan(row, values, node, paid)

    async def paid_again(self, plan: ForkPlan) -> str:
        """Return in one line what a fork pays, what it takes over without paying, and what that will cost."""
        return plan.told(await self.estimate_fork(plan))

    async def estimate_fork(self, plan: ForkPlan) -> Estimate:
        """Return what a fork would cost."""
        cost = await self.estimate(plan.settings, plan.seats)
        return cost if plan.compares else without_role(cost, "judge")

    async def begin_fork(
        self, plan: ForkPlan, *, owner: str = "", run_id: str = "", client: Mapping[str, Any] | None = None
    ) -> LiveRun:
        """Start the run that was planned, on a new thread. `client` as in `start`: the other run's has not asked for it."""
        kept = {name: part for name, part in plan.parent["input"].items() if name != "client"}
        kept |= {"client": dict(client)} if client else {}
        new = new_row(
            uuid.uuid4().hex,
            plan.values["messages"],
            kept,
            owner=owner,
            run_id=run_id,
            parent_id=plan.parent["run_id"],
        )
        return await self._begin_at(plan.node, plan.values, new)

    async def _begin_at(self, node: str, values: dict[str, Any], row: RunRow) -> LiveRun:
        """Start a run from a state, as if `node` had just run."""
        row["input"]["forked"] = True
        config = graph_config(row["thread_id"], run_id=row["run_id"])
        await self.graph.aupdate_state(config, values, as_node=node)
        return await self._begin(row, fresh=True)

    async def get(self, run_id: str) -> RunRow:
        """Return a run as the store keeps it. Raises RunNotFoundError."""
        row = await self.store.get(run_id)
        return {**row, "status": await self.store.status_of(row)}

    async def unfinished(self) -> list[RunRow]:
        """Return the runs that a process left in the middle, or is at work on."""
        rows = await self.store.of_status("running", "stopped")
        return [{**row, "status": await self.store.status_of(row)} for row in rows]

    async def list(self, *, owner: str | None = None, limit: int = 50) -> list[RunRow]:
        """Return the newest runs first; one whose process is gone is told as `stopped`."""
        rows = await self.store.latest(owner=owner, limit=limit)
        return [{**row, "status": await self.store.status_of(row)} for row in rows]

    async def show(self, run_id: str) -> dict[str, Any]:
        """Return the result of a run; of one that has not ended, what its state and its journal hold so far."""
        row = await self.get(run_id)
        return _result(row) or (await self.read(row))[0]

    async def read(self, row: RunRow) -> tuple[dict[str, Any], Mapping[str, Any]]:
        """Return the result of a run as `show` does, and the graph's state that it is from."""
        values = await self.state(row)
        told = _result(row) or await so_far(self.store, values, row["run_id"], row["thread_id"])
        return told | {"status": row["status"]}, values

    async def events(self, run_id: str, after: int = 0, *, seen: int | None = None) -> AsyncGenerator[Event, None]:
        """Yield the events of a run with a number above `after`: the stored ones, then, if it is under way, those to come.

        Of a run that another process is at work on they come as that stores them: text in pieces of some dozen deltas.
        The end of an answer that was lost is told only to who has seen its beginning: `seen` is the last event that the
        caller knows of, if that is not `after`.
        """
        run_id = (await self.store.get(run_id))["run_id"]
        seen = after if seen is None else seen
        while True:
            live = self._live.get(run_id)  # before the store is read: it may have ended while that is passed on
            comes_later = await self.elsewhere.has(run_id)
            for event in await self.store.events(run_id, after):
                after = event["seq"]
                if "since" not in event or event["since"] <= seen:
                    yield event
            if live is not None:
                async for event in live.events(after):
                    after = event["seq"]
                    yield event
            elif comes_later or run_id in self._live:
                await self.elsewhere.pause()
            else:
                return

    async def cancel(self, run_id: str) -> None:
        """Stop a run for good, if it has not ended, in whichever process it is under way: nothing goes on with it by itself.

        Raises:
            RunBusyError: another process is at work on it, and has not stopped it in time.
        """
        row = await self.get(run_id)
        if live := self._live.get(row["run_id"]):
            await live.cancel()
        elif row["status"] in _UNFINISHED:
            if row["status"] == "running":
                await self.elsewhere.stop(row)
            await self.elsewhere.when_free(row, lambda: self._cancel_left(row))

    async def _cancel_left(self, row: RunRow) -> None:
        """Note of a run that no process is at work on that none is to go on with it. Raises RunBusyError."""
        record = self._record(row)
        await record.acquire()
        try:  # it may have come to an end, or been deleted, before the lease was free
            is_over = (await self.store.get(row["run_id"]))["status"] not in _UNFINISHED
        except BaseException:
            await record.let_go()
            raise
        await (record.let_go() if is_over else record.close("cancelled", None))

    async def answer_now(self, run_id: str) -> bool:
        """Let the panel of a run answer from what it has, in whichever process; said again, cut it at once.

        Return whether a panel is at work.

        Raises:
            RunBusyError: another process is at work on it, and has not said so in time.
        """
        row = await self.get(run_id)
        if live := self._live.get(row["run_id"]):
            return live.answer_now()
        return row["status"] == "running" and await self.elsewhere.answer_now(row)

    async def delete(self, run_id: str) -> None:
        """Delete a run with the files its commands left, and with the last run of a thread the thread's checkpoints.

        Raises:
            RunBusyError: a living process is at work on it.
        """
        row, token = await self.get(run_id), uuid.uuid4().hex
        if row["status"] == "running":
            raise busy(f"run {row['run_id'][:8]}")
        await self.elsewhere.when_free(row, lambda: self.store.acquire(row["thread_id"], token))
        try:
            others = [run for run in await self.store.of_thread(row["thread_id"]) if run["run_id"] != row["run_id"]]
            if not others:
                await self.saver.adelete_thread(row["thread_id"])
            await asyncio.to_thread(self._parts.forget, row["run_id"])
            await self.store.delete(row["run_id"])
        finally:
            await self.store.release(row["thread_id"], token)

    async def prune(self, *, older_than_seconds: float) -> int:
        """Delete the runs last touched longer ago than that, running ones aside; return how many."""
        gone = 0
        for row in await self.store.before(time.time() - older_than_seconds):
            if not await self.store.is_held(row["thread_id"]):
                await self.delete(row["run_id"])
                gone += 1
        return gone

    async def stop(self) -> None:
        """Stop what is under way here; every run can be resumed from its last checkpoint."""
        await asyncio.gather(*(live.cancel("stopped") for live in list(self._live.values())))
        await self.elsewhere.close()

    def _record(self, row: RunRow, *, fresh: bool = False) -> RunRecord:
        return RunRecord(self.store, self.saver, self.graph, row["run_id"], row["thread_id"], fresh=fresh)

    async def _begin(self, row: RunRow, *, fresh: bool = False, decision: Mapping[str, Any] | None = None) -> LiveRun:
        """Take the lease and run the graph: from the stored input, from the checkpoint, or with an approver's decision."""
        run_id, thread_id = row["run_id"], row["thread_id"]
        record = self._record(row, fresh=fresh)
        await record.acquire()
        try:
            await (self.store.add(row) if fresh else record.begin_again())
            snapshot = await self.graph.aget_state(graph_config(thread_id))
            past = [] if fresh else await self.store.events(run_id)
        except BaseException:
            await record.let_go()
            raise
        continue_ids(snapshot)
        live = LiveRun(
            run_id,
            thread_id,
            narrator=Narrator(run_id, after=0 if fresh else row["seq"], past=past),
            log=record,
            journal=record,
            reserved=row["seq"],
            told=bool(row["input"].get("client", {}).get("told")),
            watch=self.watch,
        )
        self._live[run_id] = live
        self.elsewhere.heed()
        live.start(
            self.graph,
            graph_input(row, snapshot, decision),
            graph_config(thread_id, run_id=run_id),
            FusionSettings.model_validate(row["input"]["settings"]),
            durable=True,
            on_end=lambda: self._live.pop(run_id, None),
        )
        return live


def _result(row: RunRow) -> dict[str, Any] | None:
    """Return what a run came to; of one that goes on, what it came to before a pause is no result."""
    return row["result"] if row["result"] and row["result"]["status"] == row["status"] else None
