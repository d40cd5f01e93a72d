"""What is kept of runs beside LangGraph's checkpoints, in the same database: runs, leases, events, attempts.

Attempts are the journal that makes the ledger whole: each is written before it is sent, under the run's lease.
"""

import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from langchain_core.messages import AIMessage, messages_from_dict, messages_to_dict
from typing_extensions import TypedDict

from fusion_graph.claims import TABLE as _CLAIMS
from fusion_graph.database.opening import open_database
from fusion_graph.database.statements import Database, Row, Session, plain_json
from fusion_graph.errors import LeaseLostError, RunBusyError, RunNotFoundError, SettingsError
from fusion_graph.holders import is_alive, this_process
from fusion_graph.retention import TABLES as _RETENTION
from fusion_graph.schemas import CallEntry, Event, RunState
from fusion_graph.signals import TABLE as _SIGNALS
from fusion_graph.summaries import TABLE as _SUMMARIES
from fusion_graph.summaries import ListedRun

LEASE_SECONDS = 30.0
_IS_DELTA = "type LIKE '%\\_delta' ESCAPE '\\'"

_TABLES = """
CREATE TABLE IF NOT EXISTS fusion_runs (
    run_id TEXT PRIMARY KEY, thread_id TEXT NOT NULL, parent_id TEXT, owner TEXT NOT NULL, status TEXT NOT NULL,
    question TEXT NOT NULL, input TEXT NOT NULL, result TEXT, checkpoint_id TEXT, prompts TEXT NOT NULL, {rowid}
    created_at DOUBLE PRECISION NOT NULL, updated_at DOUBLE PRECISION NOT NULL, seq BIGINT NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS fusion_runs_by_time ON fusion_runs (created_at DESC);
CREATE INDEX IF NOT EXISTS fusion_runs_by_thread ON fusion_runs (thread_id);
CREATE INDEX IF NOT EXISTS fusion_runs_by_status ON fusion_runs (status);
CREATE INDEX IF NOT EXISTS fusion_runs_by_parent ON fusion_runs (parent_id);
CREATE TABLE IF NOT EXISTS fusion_leases (
    thread_id TEXT PRIMARY KEY, token TEXT NOT NULL, holder TEXT NOT NULL, until DOUBLE PRECISION NOT NULL);
CREATE TABLE IF NOT EXISTS fusion_events (
    run_id TEXT NOT NULL, seq BIGINT NOT NULL, type TEXT NOT NULL, item TEXT, event TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)) {without_rowid};
CREATE TABLE IF NOT EXISTS fusion_attempts (
    id TEXT PRIMARY KEY, run_id TEXT NOT NULL, key TEXT NOT NULL, entry TEXT NOT NULL, {rowid} reply TEXT);
CREATE INDEX IF NOT EXISTS fusion_attempts_by_run ON fusion_attempts (run_id, key);
"""


class RunRow(TypedDict):
    """One run as the store keeps it. `input` is what started it, `result` what it came to (None before its end)."""

    run_id: str
    thread_id: str
    parent_id: str | None
    owner: str
    status: RunState
    question: str
    input: dict[str, Any]
    result: dict[str, Any] | None
    checkpoint_id: str | None
    prompts: str
    created_at: float
    updated_at: float
    seq: int


_COLUMNS = ", ".join(RunRow.__annotations__)


def lease_lost(run_id: str) -> LeaseLostError:
    """Build the error of a process that comes too late."""
    return LeaseLostError(f"another process took run {run_id!r} over; nothing more is paid for here")


class RunStore:
    """The tables of one database. Times are seconds since the epoch."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._now = db.dialect.now
        lease = "SELECT 1 FROM fusion_leases WHERE thread_id = ? AND token = ?"
        self._is_held = f"EXISTS ({lease} {db.dialect.lock})"

    async def set_up(self) -> None:
        """Create what is not there yet."""
        await self.db.make((_TABLES + _CLAIMS + _RETENTION + _SIGNALS + _SUMMARIES).format(**self.db.dialect.words))

    async def add(self, row: RunRow) -> None:
        """Store a new run."""
        values = {
            **row,
            "input": json.dumps(row["input"]),
            "result": json.dumps(row["result"]) if row["result"] else None,
        }
        marks = ", ".join("?" for _ in values)
        again = "WHERE fusion_runs.thread_id = excluded.thread_id AND fusion_runs.created_at = excluded.created_at"
        sql = (
            f"INSERT INTO fusion_runs ({', '.join(values)}) VALUES ({marks}) "  # noqa: S608  (own column names)
            f"ON CONFLICT (run_id) DO UPDATE SET status = excluded.status {again}"
        )
        if await self.db.write(sql, tuple(values.values())) != 1:
            raise SettingsError(
                f"there is a run {row['run_id']!r}", field="run_id", value=row["run_id"], hint="give a new id"
            )

    async def get(self, run_id: str) -> RunRow:
        """Return the run of an id or of the beginning of one.

        Raises:
            RunNotFoundError: no run's id begins so, or more than one does.
        """
        rows = await self._rows("WHERE substr(run_id, 1, ?) = ? LIMIT 2", (len(run_id), run_id))
        if len(rows) != 1 or not run_id:
            what = f"more than one run begins with {run_id!r}" if rows and run_id else f"there is no run {run_id!r}"
            raise RunNotFoundError(what, hint="fusion runs list shows them")
        return rows[0]

    async def latest(self, *, owner: str | None = None, limit: int = 50) -> list[RunRow]:
        """Return the newest runs first."""
        whose, values = ("", (limit,)) if owner is None else ("WHERE owner = ?", (owner, limit))
        return await self._rows(f"{whose} ORDER BY created_at DESC, rowid DESC LIMIT ?", values)

    async def of_thread(self, thread_id: str) -> list[RunRow]:
        """Return the runs of one thread, oldest first."""
        return await self._rows("WHERE thread_id = ? ORDER BY created_at", (thread_id,))

    async def of_status(self, *statuses: RunState) -> list[RunRow]:
        """Return the runs that stand so, oldest first."""
        marks = ", ".join("?" for _ in statuses)
        return await self._rows(f"WHERE status IN ({marks}) ORDER BY created_at", statuses)

    async def before(self, moment: float) -> list[RunRow]:
        """Return the runs that were last touched before `moment`."""
        return await self._rows("WHERE updated_at < ?", (moment,))

    async def end(
        self,
        run_id: str,
        status: RunState,
        result: dict[str, Any] | None,
        checkpoint_id: str | None,
        *,
        thread_id: str,
        token: str,
    ) -> bool:
        """Store how a run stands now; the result and the checkpoint stay as they were where None is given.

        Return False, and store nothing, if the lease is not this token's any more.
        """
        new = "status = ?, result = coalesce(?, result), checkpoint_id = coalesce(?, checkpoint_id), updated_at = ?"
        sql = f"UPDATE fusion_runs SET {new} WHERE run_id = ? AND {self._is_held}"  # noqa: S608  (own words)
        told = json.dumps(result) if result is not None else None
        return await self.db.write(sql, (status, told, checkpoint_id, time.time(), run_id, thread_id, token)) == 1

    async def delete(self, run_id: str) -> None:
        """Delete a run with its events and attempts; what it cost is noted."""
        number = self.db.dialect.member["number"]
        started, cost = (number("entry", path) for path in ("started_at", "cost_usd"))
        spent = (
            f"INSERT INTO fusion_spent (owner, at, cost_usd) SELECT owner, max({started}), sum({cost}) "  # noqa: S608  (own column names)
            "FROM fusion_attempts JOIN fusion_runs ON fusion_runs.run_id = fusion_attempts.run_id "
            f"WHERE fusion_attempts.run_id = ? GROUP BY owner HAVING sum({cost}) > 0"
        )

        async def work(session: Session) -> None:
            await session.write(spent, (run_id,))
            for name in ("events", "attempts", "claims", "unkept", "summaries", "runs"):
                await session.write(f"DELETE FROM fusion_{name} WHERE run_id = ?", (run_id,))  # noqa: S608  (own table names)

        await self.db.transact(work)

    async def _rows(self, which: str, values: Sequence[Any]) -> list[RunRow]:
        sql = f"SELECT {_COLUMNS} FROM fusion_runs {which}"  # noqa: S608  (own words)
        return [_run_row(row) for row in await self.db.read(sql, values)]

    # Leases: one owner per thread

    async def acquire(self, thread_id: str, token: str) -> None:
        """Take the lease of a thread for `LEASE_SECONDS`, also over from a process that is gone.

        Raises:
            RunBusyError: a living process holds it.
        """
        held = await self._lease(thread_id)
        if held and held["is_valid"] and is_alive(held["holder"]):
            raise busy(f"thread {thread_id!r}")
        new = "token = excluded.token, holder = excluded.holder, until = excluded.until"
        sql = (
            f"INSERT INTO fusion_leases (thread_id, token, holder, until) VALUES (?, ?, ?, {self._now} + ?) "  # noqa: S608  (own words)
            f"ON CONFLICT (thread_id) DO UPDATE SET {new} "
            "WHERE (fusion_leases.token = ? AND fusion_leases.until = ?) OR fusion_leases.token = excluded.token"
        )
        seen = (held["token"], held["until"]) if held else ("", 0.0)
        if await self.db.write(sql, (thread_id, token, this_process(), LEASE_SECONDS, *seen)) != 1:
            raise busy(f"thread {thread_id!r}")

    async def _lease(self, thread_id: str, session: Session | None = None) -> Row | None:
        columns = f"token, holder, until, until > {self._now} AS is_valid"
        sql = f"SELECT {columns} FROM fusion_leases WHERE thread_id = ?"  # noqa: S608  (own words)
        rows = await (session or self.db).read(sql, (thread_id,))
        return rows[0] if rows else None

    async def renew(self, thread_id: str, token: str) -> bool:
        """Prolong a lease; return whether it was still there to prolong."""
        sql = f"UPDATE fusion_leases SET until = {self._now} + ? WHERE thread_id = ? AND token = ?"  # noqa: S608  (own words)
        return await self.db.write(sql, (LEASE_SECONDS, thread_id, token)) == 1

    async def holds(self, thread_id: str, token: str, session: Session | None = None) -> bool:
        """Return whether a lease is still this token's. `session`: look in this transaction."""
        held = await self._lease(thread_id, session)
        return held is not None and held["token"] == token

    async def release(self, thread_id: str, token: str) -> None:
        """Give a lease back."""
        await self.db.write("DELETE FROM fusion_leases WHERE thread_id = ? AND token = ?", (thread_id, token))

    async def is_held(self, thread_id: str) -> bool:
        """Return whether a living process is at work on the thread."""
        return await self.lease_of(thread_id) is not None

    async def lease_of(self, thread_id: str) -> str | None:
        """Return the token of the lease under which a living process is at work on the thread."""
        held = await self._lease(thread_id)
        return str(held["token"]) if held and held["is_valid"] and is_alive(held["holder"]) else None

    async def status_of(self, run: RunRow | ListedRun) -> RunState:
        """Return how a run stands: one whose process is gone is `stopped`."""
        lost = run["status"] == "running" and not await self.is_held(run["thread_id"])
        return "stopped" if lost else run["status"]

    # Events

    async def append_events(self, run_id: str, events: Sequence[Event], *, thread_id: str, token: str) -> None:
        """Store events of a run; none if the lease is not this token's any more: their numbers are another's now."""
        sql = (
            f"INSERT INTO fusion_events (run_id, seq, type, item, event) SELECT ?, ?, ?, ?, ? WHERE {self._is_held} "
            "ON CONFLICT (run_id, seq) DO UPDATE SET type = excluded.type, item = excluded.item, event = excluded.event"
        )
        own = (thread_id, token)
        rows = [(run_id, e["seq"], e["type"], e.get("item"), json.dumps(e, default=str), *own) for e in events]
        await self.db.transact(lambda session: session.write_all(sql, rows))

    async def events(self, run_id: str, after: int = 0, *, deltas: bool = True) -> list[Event]:
        """Return the stored events of a run with a number above `after`; of one under way nearly all are deltas."""
        return await self._events("seq > ?" if deltas else f"seq > ? AND NOT {_IS_DELTA}", run_id, after)

    async def _events(self, which: str, run_id: str, *values: Any) -> list[Event]:
        sql = f"SELECT event FROM fusion_events WHERE run_id = ? AND {which} ORDER BY seq"  # noqa: S608  (own words)
        return [cast("Event", json.loads(row["event"])) for row in await self.db.read(sql, (run_id, *values))]

    async def starts(self, run_id: str) -> int:
        """Return how many processes have worked on a run."""
        sql = "SELECT count(*) AS starts FROM fusion_events WHERE run_id = ? AND type = 'run_started'"
        row = await self.db.one(sql, (run_id,))
        return int(row["starts"]) if row else 0

    async def reserve(self, run_id: str, seq: int) -> None:
        """Note that sequence numbers up to `seq` are given away."""
        await self.db.write("UPDATE fusion_runs SET seq = ? WHERE run_id = ? AND seq < ?", (seq, run_id, seq))

    async def compact(self, run_id: str) -> None:
        """Leave of a finished run only finished items, no deltas, and no answers that its checkpoint holds as well.

        The end of an answer keeps where its text stood at each delta, the end of a lost one when that began: who was
        listening then can be told the rest.
        """
        events = await self._events("(type = 'item_incomplete' OR item LIKE 'answer%')", run_id)
        lost = {event["item"] for event in events if event["type"] == "item_incomplete"}
        ends = [(json.dumps(event), run_id, event["seq"]) for event in _with_marks(events)]

        async def work(session: Session) -> None:
            await session.write_all("UPDATE fusion_events SET event = ? WHERE run_id = ? AND seq = ?", ends)
            gone = f"DELETE FROM fusion_events WHERE run_id = ? AND ({_IS_DELTA} OR item = ?)"  # noqa: S608  (own words)
            kept = " AND NOT (type = 'item_incomplete' AND item LIKE 'answer%')"
            await session.write_all(gone + kept, [(run_id, item) for item in ["", *lost]])
            await session.write("UPDATE fusion_attempts SET reply = NULL WHERE run_id = ?", (run_id,))

        await self.db.transact(work)

    # Attempts: the journal

    async def begin_attempt(self, entry: CallEntry, thread_id: str, token: str) -> None:
        """Note an attempt that is about to be sent.

        Raises:
            LeaseLostError: the thread's lease is not this token's any more.
        """
        sql = f"INSERT INTO fusion_attempts (id, run_id, key, entry) SELECT ?, ?, ?, ? WHERE {self._is_held} "
        sql += "ON CONFLICT (id) DO UPDATE SET entry = excluded.entry"
        values = (entry["id"], entry["run_id"], entry["key"], plain_json(entry), thread_id, token)
        added = await self.db.write(sql, values)
        if added != 1:
            raise lease_lost(entry["run_id"])

    async def end_attempt(self, entry: CallEntry, message: AIMessage | None) -> None:
        """Note how an attempt ended, with its answer where it is one."""
        reply = json.dumps(messages_to_dict([message]), default=str) if message else None
        sql = "UPDATE fusion_attempts SET entry = ?, reply = ? WHERE id = ?"
        await self.db.write(sql, (plain_json(entry), reply, entry["id"]))

    async def answered(self, run_id: str, key: str, request: str) -> tuple[list[CallEntry], AIMessage] | None:
        """Return the attempts at one call of a run and its answer, if the same request was answered."""
        sql = "SELECT entry, reply FROM fusion_attempts WHERE run_id = ? AND key = ? ORDER BY rowid"
        rows = await self.db.read(sql, (run_id, key))
        entries = [cast("CallEntry", json.loads(row["entry"])) for row in rows]
        if not rows or rows[-1]["reply"] is None or entries[-1]["request"] != request:
            return None
        (message,) = messages_from_dict(json.loads(rows[-1]["reply"]))
        # An attempt in flight when an even earlier process died stays out: it is told as repeated.
        closed = [entry for entry in entries if entry["outcome"]]
        return (closed, message) if isinstance(message, AIMessage) else None

    async def attempts(self, run_id: str) -> list[CallEntry]:
        """Return all attempts of a run."""
        rows = await self.db.read("SELECT entry FROM fusion_attempts WHERE run_id = ? ORDER BY rowid", (run_id,))
        return [cast("CallEntry", json.loads(row["entry"])) for row in rows]


def _with_marks(events: Sequence[Event]) -> list[Event]:
    """Return the ends of answers: with how many characters were told by which event, or with when it began."""
    began: dict[str, int] = {}
    marks: dict[str, list[tuple[int, int]]] = defaultdict(list)
    ends: list[Event] = []
    for event in events:
        item = event.get("item", "")
        if event["type"] == "answer_started":
            began[item] = event["seq"]
        elif event["type"] == "answer_delta":
            told = marks[item][-1][1] if marks[item] else 0
            marks[item].append((event["seq"], told + len(event["delta"])))
        elif event["type"] == "answer_finished":
            ends.append({**event, "marks": marks[item]})
        elif event["type"] == "item_incomplete" and item in began:
            ends.append({**event, "since": began[item]})
    return ends


def _run_row(row: Row) -> RunRow:
    result = json.loads(row["result"]) if row["result"] else None
    return cast("RunRow", {**row, "input": json.loads(row["input"]), "result": result})


def busy(what: str) -> RunBusyError:
    """Build the error of a process that finds another at work on a run, or a thread."""
    return RunBusyError(f"another process is at work on {what}", hint="wait for its end, or cancel it")


@asynccontextmanager
async def open_store(db: str | Path) -> AsyncIterator[RunStore]:
    """Open a database by the path of its file or its URL, with all tables. Raises what `open_database` raises."""
    async with open_database(db) as database:
        store = RunStore(database)
        await store.set_up()
        yield store
