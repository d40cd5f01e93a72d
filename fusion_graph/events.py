"""One run as one stream of typed events, and the task that owns it.

`Narrator` turns what LangGraph streams into `schemas.Event`s; `LiveRun` runs the graph in a task of its own, so that a
client that goes away neither leaks panelists nor loses what is paid for. Whatever a surface shows (terminal, chunks of a
server, a chat model) it makes from these events; not streaming is `LiveRun.result`, a fold over them.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph

from fusion_graph.calls import Closable, Journal, RunScope, error_of, run_scope
from fusion_graph.errors import DatabaseError
from fusion_graph.event_log import DELTAS, EventLog, EventWriter
from fusion_graph.results import panel_result, run_result
from fusion_graph.schemas import CallEntry, CallError, Event, RunState, SeatResult
from fusion_graph.settings import FusionSettings

LAST = frozenset({"interrupted", "finished", "failed"})
_log = logging.getLogger(__name__)
_WHOLE = frozenset({"answer", "tool_calls", "cut", "empty"})  # outcomes whose text stands
_AFTER_PANEL = frozenset({"analysis_started", "analysis_finished", "analysis_absent"})

Graph = CompiledStateGraph[Any, Any, Any, Any]


class Narrator:
    """Give events their numbers, and tie the parts of an item together.

    An item is a seat's work, the comparison or the answer. Text of a failed attempt is never continued: its item is
    closed as incomplete and the next attempt opens a new one. `past` is what an earlier process told of this run.
    """

    def __init__(self, run_id: str, *, after: int = 0, past: Iterable[Event] = ()) -> None:
        self.seq = after
        self._run_id = run_id
        self._open: dict[str, str] = {}  # subject ("seat_1", "analysis", "answer") -> the item under way
        self._attempt: dict[str, str] = {}  # subject -> the attempt its latest text is from
        self._done: set[str] = set()
        self._calls: set[str] = set()
        self._models: dict[str, str] = {}  # subject -> who works on it
        for event in past:
            self._recall(event)

    def _recall(self, event: Event) -> None:
        kind = event["type"]
        if kind == "call_finished":
            self._calls.add(event["call"]["id"])
        elif "item" in event:
            subject = event["item"].rsplit("_", 1)[0]
            if kind.endswith("_started"):
                self._open[subject] = event["item"]
                self._models |= {subject: event["model"]} if "model" in event else {}
            elif kind.endswith(("_finished", "_failed", "_incomplete")) and kind != "tool_finished":
                self._open.pop(subject, None)
                self._done |= set() if kind == "item_incomplete" else {subject}
        elif kind == "analysis_absent":
            self._done.add("analysis")

    def event(self, kind: str, **fields: Any) -> Event:
        """Return a numbered event."""
        self.seq += 1
        told = {"type": kind, "run_id": self._run_id, "seq": self.seq, "at": round(time.time(), 3), **fields}
        return cast("Event", told)

    def resumed(self) -> list[Event]:
        """Return the ends of all that was under way when the earlier process died."""
        return [event for subject in list(self._open) for event in self._torn(subject)]

    def custom(self, data: Mapping[str, Any]) -> list[Event]:
        """Return the events for what a node wrote to the stream."""
        kind, subject = data["type"], _subject(data)
        fields = {key: value for key, value in data.items() if key not in {"type", "item"} and value is not None}
        if kind == "call_finished":
            return self._call(data["call"])
        if subject in self._done:  # an earlier process told of it, and died before it could store what a node wrote
            return []
        if kind.endswith("_started"):
            return self._started(subject, **fields)
        torn: list[Event] = []
        if kind in DELTAS:
            # The answer is one attempt's. A seat speaks in several steps; only a failed one is taken back, by `_call`.
            if subject == "answer" and self._attempt.get(subject, data["item"]) != data["item"]:
                torn = self._torn(subject)
            self._attempt[subject] = data["item"]
        opened = self._started(subject, **{key: fields[key] for key in ("seat",) if key in fields})
        return [*torn, *opened, self.event(kind, item=self._open[subject], **fields)]

    def _started(self, subject: str, **fields: Any) -> list[Event]:
        if subject in self._open:
            return []
        if "model" in fields:
            self._models[subject] = fields["model"]
        elif subject in self._models:  # a seat that goes on where an earlier process left it
            fields["model"] = self._models[subject]
        self._open[subject] = f"{subject}_{uuid.uuid4().hex[:12]}"
        kind = "panelist_started" if subject.startswith("seat") else f"{subject}_started"
        return [self.event(kind, item=self._open[subject], **fields)]

    def _call(self, call: CallEntry) -> list[Event]:
        if call["id"] in self._calls:
            return []
        self._calls.add(call["id"])
        subject = next((subject for subject, attempt in self._attempt.items() if attempt == call["id"]), None)
        finished = self.event("call_finished", call=call, **({"seat": call["seat"]} if call["seat"] else {}))
        return [finished, *(self._torn(subject) if subject and call["outcome"] not in _WHOLE else [])]

    def _torn(self, subject: str) -> list[Event]:
        self._attempt.pop(subject, None)
        item = self._open.pop(subject, None)
        seat = {"seat": int(subject.removeprefix("seat_"))} if subject.startswith("seat_") else {}
        return [self.event("item_incomplete", item=item, **seat)] if item else []

    def update(self, node: str, written: Mapping[str, Any], values: Mapping[str, Any]) -> list[Event]:
        """Return the events for what a node of the root graph wrote into state; `values` is the state before."""
        if node == "judge":
            return self._analysis(written, values)
        if node in {"decide", "write"}:
            return self._answer(written) if written.get("status") else []
        if node.endswith("panelist"):  # or the handler of its faults
            return [event for result in written.get("results") or [] for event in self._seat(result)]
        return []

    def _seat(self, result: SeatResult) -> list[Event]:
        subject = f"seat_{result['seat']}"
        if subject in self._done:
            return []
        told = self._started(subject, seat=result["seat"], model=result["model"])
        self._done.add(subject)
        kind = "panelist_finished" if result["content"] else "panelist_failed"
        fields: dict[str, Any] = {"seat": result["seat"], "model": result["model"], "result": result}
        fields |= {"error": result["error"]} if result["error"] else {}
        return [*told, self.event(kind, item=self._open.pop(subject), **fields)]

    def _analysis(self, written: Mapping[str, Any], values: Mapping[str, Any]) -> list[Event]:
        self._done.add("analysis")
        brought = panel_result(values)
        if analysis := written.get("analysis"):
            told = self._started("analysis", model=values["settings"]["judge"])
            item = self._open.pop("analysis")
            return [*told, self.event("analysis_finished", item=item, analysis=analysis, result=brought)]
        failure = (written.get("status") or {}).get("judge_failure")
        torn, reason = self._torn("analysis"), failure or "too few answers to compare"
        return [*torn, self.event("analysis_absent", reason=reason, result=brought)]

    def _answer(self, written: Mapping[str, Any]) -> list[Event]:
        last = (written.get("messages") or [None])[-1]
        text = str(last.text) if last is not None and last.type == "ai" else ""
        if not text or "answer" in self._done:  # there may be calls of the caller's tools only
            return self._torn("answer")
        told = self._started("answer")
        self._done.add("answer")
        return [*told, self.event("answer_finished", item=self._open.pop("answer"), result=text)]

    def caught_up(self, values: Mapping[str, Any]) -> list[Event]:
        """Return what nobody came to tell of a state that a run starts from: finished seats and the comparison."""
        seats = [event for result in values.get("results") or [] for event in self._seat(result)]
        judged = values.get("analysis") or (values.get("status") or {}).get("judge_failure")
        return [*seats, *(self._analysis(values, values) if judged and "analysis" not in self._done else [])]

    def settled(self, values: Mapping[str, Any], calls: Iterable[CallEntry]) -> list[Event]:
        """Return what a dead process did not come to tell: finished seats, the answer, calls, and loose ends."""
        caught_up = self.caught_up(values)
        answer = [] if "answer" in self._done else self._answer(values)
        ledger = [event for call in calls for event in self._call(call)]
        return [*caught_up, *answer, *ledger, *self.resumed()]


def _subject(data: Mapping[str, Any]) -> str:
    """Return what a node's event is about: a seat, the analysis or the answer."""
    if data.get("seat"):
        return f"seat_{data['seat']}"
    return "analysis" if data["type"].startswith("analysis") else "answer"


class LiveRun:
    """A run under way in this process. Read it with `events`, or wait for `result`; leaving it does not stop it."""

    def __init__(
        self,
        run_id: str,
        thread_id: str,
        *,
        narrator: Narrator | None = None,
        log: EventLog | None = None,
        journal: Journal | None = None,
        reserved: int = 0,
        told: bool = False,
        watch: Callable[[Sequence[Event]], object] = bool,
    ) -> None:
        """`reserved`: see `EventWriter`.

        `told`: text is told as it comes also while nobody listens: whoever comes later reads it in the log.
        `watch` is given every event as it comes about; it must not raise.
        """
        self.run_id = run_id
        self.thread_id = thread_id
        self._narrator = narrator or Narrator(run_id)
        self._writer = EventWriter(log, reserved) if log else None
        self._journal = journal
        self._watch = watch
        self._told: list[Event] = []
        self._changed = asyncio.Event()
        self._listeners = int(told)
        self._panel: Closable | None = None  # that is at work
        self._stopped_as: RunState = "cancelled"
        self._is_stopped = False
        self._task: asyncio.Task[dict[str, Any]] | None = None

    def start(
        self,
        graph: Graph,
        graph_input: Any,
        config: RunnableConfig,
        context: FusionSettings | None,
        *,
        durable: bool,
        on_end: Callable[[], object] = bool,
    ) -> None:
        """Start the task. `graph_input` is None to go on from the checkpoint; `durable`: the graph has a checkpointer."""
        work = self._run(graph, graph_input, config, context, durable=durable)
        self._task = asyncio.create_task(work, name=f"fusion run {self.run_id}")
        self._task.add_done_callback(lambda task: (on_end(), task.cancelled() or task.exception()))

    async def result(self) -> dict[str, Any]:
        """Return the run's result object (`results.run_result`), waiting for its end.

        Raises:
            FusionError: the run could not start (settings, keys), or another process took it over.
            asyncio.CancelledError: it was cancelled; its checkpoints stay.
        """
        if self._task is None:
            raise RuntimeError("the run was not started")
        return await asyncio.shield(self._task)

    @property
    def is_over(self) -> bool:
        """Whether the run has ended, in whatever way."""
        return self._task is not None and self._task.done()

    def cancel_soon(self, status: RunState = "cancelled") -> bool:
        """Stop the run where it is, and store this status. What is done and paid stays in its checkpoints.

        Return whether it was still to be stopped.
        """
        if self._task is None or self._is_stopped:  # a second time, it could not store how the run stands
            return False
        self._is_stopped, self._stopped_as = True, status
        # Soon, not now: a task that has not begun would end without storing that, too.
        asyncio.get_running_loop().call_soon(self._task.cancel)
        return True

    async def cancel(self, status: RunState = "cancelled") -> None:
        """Stop the run and wait until it has stopped."""
        self.cancel_soon(status)
        if self._task is not None:
            await asyncio.wait([self._task])

    def answer_now(self) -> bool:
        """Let the panel answer from what it has, as when its quorum is reached; said again, cut it at once.

        Return whether a panel is at work. Losable as the quorum is: a run that is gone on with knows nothing of it.
        """
        if self._panel is None or self.is_over:
            return False
        self._panel.close()
        return True

    async def events(self, after: int = 0) -> AsyncGenerator[Event, None]:
        """Yield this process's events with a number above `after`, then new ones until the last. Text comes as deltas."""
        index = 0
        self._listeners += 1
        try:
            while True:
                changed = self._changed
                for event in self._told[index:]:
                    index += 1
                    if event["seq"] > after:
                        yield event
                    if event["type"] in LAST:
                        return
                await changed.wait()
        finally:
            self._listeners -= 1

    async def _run(
        self, graph: Graph, graph_input: Any, config: RunnableConfig, context: FusionSettings | None, *, durable: bool
    ) -> dict[str, Any]:
        run_scope.set(RunScope(self.run_id, self._journal, lambda: self._listeners > 0, on_panel=self._begins))
        try:
            await self._tell([*self._narrator.resumed(), self._narrator.event("run_started")])
            if self._writer:  # a run that takes its process down each time is known by how often it began
                await self._writer.flush()
            return await self._follow(graph, graph_input, config, context, durable=durable)
        except asyncio.CancelledError:
            await self._fail(self._stopped_as, {"kind": "error", "message": self._stopped_as})
            raise
        except DatabaseError as gone:
            await self._fail("stopped", error_of(gone))
            raise
        except Exception as exception:
            # Not swallowed: listeners learn of it here, whoever waits for the result gets the exception itself.
            await self._fail("failed", error_of(exception))
            raise

    def _begins(self, panel: Closable) -> None:
        self._panel = panel

    async def _fail(self, status: RunState, error: CallError) -> None:
        """Store how the run stands and tell listeners, who learn of it even if nothing can be stored any more."""
        try:
            if self._writer:
                await self._writer.close(status, None)
        except Exception:  # noqa: BLE001  (the log's fault must not hide the run's own, nor keep listeners waiting)
            _log.exception("how run %s ended could not be stored", self.run_id)
        self._hear([self._narrator.event("failed", reason=status, error=error)])

    async def _follow(
        self, graph: Graph, graph_input: Any, config: RunnableConfig, context: FusionSettings | None, *, durable: bool
    ) -> dict[str, Any]:
        values: Mapping[str, Any] = {}
        interrupts: Sequence[Any] = ()
        durability: dict[str, Any] = {"durability": "sync"} if durable else {}
        async for part in graph.astream(
            graph_input,
            config,
            context=context,
            stream_mode=["custom", "updates", "values"],
            subgraphs=True,
            version="v2",
            **durability,
        ):
            if part["type"] == "custom":
                await self._tell(self._narrator.custom(part["data"]))
            elif not part["ns"] and part["type"] == "values":
                if graph_input is None and not values:
                    await self._tell(self._narrator.caught_up(part["data"]))
                values, interrupts = part["data"], part.get("interrupts") or ()
            elif not part["ns"]:
                await self._tell(self._updates(cast("Mapping[str, Any]", part["data"]), values))
        return await self._end(values, interrupts)

    def _updates(self, data: Mapping[str, Any], values: Mapping[str, Any]) -> list[Event]:
        nodes = ((node, written) for node, written in data.items() if isinstance(written, Mapping))
        return [event for node, written in nodes for event in self._narrator.update(node, written, values)]

    async def _end(self, values: Mapping[str, Any], interrupts: Sequence[Any]) -> dict[str, Any]:
        calls = await self._ledger(values)
        result = run_result(self.run_id, self.thread_id, {**values, "calls": calls})
        if interrupts:
            waits = {"status": "interrupted", "reasons": ["waits for approval"], "failure_reason": None}
            result |= waits | {"approval": interrupts[0].value}
            last = [self._narrator.event("interrupted", payload=interrupts[0].value, result=result)]
        else:
            last = [*self._narrator.settled(values, calls), self._narrator.event("finished", result=result)]
        # Listeners hear of the end when it is stored, so that whoever then asks the store finds it.
        await self._tell(last[:-1])
        if self._writer:
            self._writer.write(last[-1:])
            await self._writer.flush()
            await self._writer.close(result["status"], result)
        self._hear(last[-1:])
        return result

    async def _ledger(self, values: Mapping[str, Any]) -> list[CallEntry]:
        """Return the calls of the state, led by the attempts a dead process left behind: they may have been paid."""
        calls: list[CallEntry] = list(values.get("calls") or [])
        lost = await self._journal.left_behind({call["id"] for call in calls}) if self._journal else []
        return sorted([*calls, *lost], key=lambda call: call["started_at"])

    async def _tell(self, events: Sequence[Event]) -> None:
        if not events:
            return
        if self._writer:
            await self._writer.reserve(events[-1]["seq"])
        self._hear(events)
        if self._writer:
            self._writer.write(events)

    def _hear(self, events: Sequence[Event]) -> None:
        """Give events to whoever listens in this process."""
        self._told += events
        self._watch(events)
        if any(event["type"] in _AFTER_PANEL for event in events):
            self._panel = None
        self._changed.set()
        self._changed = asyncio.Event()
