"""What is kept of runs beside LangGraph's checkpoints, in the same SQLite file: runs, leases, events, attempts.

Attempts are the journal that makes the ledger whole: each is written before it is sent, under the run's lease.
"""

import json
import os
import socket
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import aiosqlite
from langchain_core.messages import AIMessage, messages_from_dict, messages_to_dict
from typing_extensions import TypedDict

from fusion_graph.claims import TABLE as _CLAIMS
from fusion_graph.database import Database
from fusion_graph.errors import LeaseLostError, RunBusyError, RunNotFoundError
from fusion_graph.estimate import CallSize
from fusion_graph.schemas import CallEntry, Event, RunState

LEASE_SECONDS = 30.0
BUSY_SECONDS = 10.0  # how long a writer waits for another process's transaction

_TABLES = """
CREATE TABLE IF NOT EXISTS fusion_runs (
    run_id TEXT PRIMARY KEY, thread_id TEXT NOT NULL, parent_id TEXT, owner TEXT NOT NULL, status TEXT NOT NULL,
    question TEXT NOT NULL, input TEXT NOT NULL, result TEXT, checkpoint_id TEXT, prompts TEXT NOT NULL,
    created_at REAL NOT NULL, updated_at REAL NOT NULL, seq INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS fusion_runs_by_time ON fusion_runs (created_at DESC);
CREATE INDEX IF NOT EXISTS fusion_runs_by_thread ON fusion_runs (thread_id);
CREATE TABLE IF NOT EXISTS fusion_leases (
    thread_id TEXT PRIMARY KEY, token TEXT NOT NULL, holder TEXT NOT NULL, until REAL NOT NULL);
CREATE TABLE IF NOT EXISTS fusion_events (
    run_id TEXT NOT NULL, seq INTEGER NOT NULL, type TEXT NOT NULL, item TEXT, event TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fusion_attempts (
    id TEXT PRIMARY KEY, run_id TEXT NOT NULL, key TEXT NOT NULL, entry TEXT NOT NULL, reply TEXT);
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


Dimension: TypeAlias = Literal["day", "model", "role"]
_ROLE, _SEAT, _MODEL, _INPUT, _OUTPUT, _COST, _STARTED = (
    f"json_extract(entry, '$.{path}')"
    for path in ("role", "seat", "model", "tokens.input", "tokens.output", "cost_usd", "started_at")
)
_DIMENSIONS: dict[Dimension, str] = {
    "day": f"date({_STARTED}, 'unixepoch', 'localtime')",
    "model": _MODEL,
    "role": _ROLE,
}


class Spending(TypedDict, total=False):
    """What the attempts of one group took. `cost_usd` is the sum of the known prices, None if none is known.

    It is a lower bound where `unpriced` counts attempts. `day`, `model` and `role` are there as far as it is grouped by them.
    """

    day: str
    model: str
    role: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    unpriced: int


_IS_HELD = "EXISTS (SELECT 1 FROM fusion_leases WHERE thread_id = ? AND token = ?)"


def lease_lost(run_id: str) -> LeaseLostError:
    """Build the error of a process that comes too late."""
    return LeaseLostError(f"another process took run {run_id!r} over; nothing more is paid for here")


class RunStore(Database):
    """The tables of one database file. Times are seconds since the epoch."""

    async def set_up(self) -> None:
        """Create what is not there yet."""
        await self.db.executescript(_TABLES + _CLAIMS)

    async def add(self, row: RunRow) -> None:
        """Store a new run."""
        values = {
            **row,
            "input": json.dumps(row["input"]),
            "result": json.dumps(row["result"]) if row["result"] else None,
        }
        columns = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        await self.write(f"INSERT INTO fusion_runs ({columns}) VALUES ({marks})", values)  # noqa: S608  (own column names)

    async def get(self, run_id: str) -> RunRow:
        """Return the run of an id or of the beginning of one.

        Raises:
            RunNotFoundError: no run's id begins so, or more than one does.
        """
        rows = await self._rows(
            "SELECT * FROM fusion_runs WHERE substr(run_id, 1, ?) = ? LIMIT 2", (len(run_id), run_id)
        )
        if len(rows) != 1 or not run_id:
            what = f"more than one run begins with {run_id!r}" if rows and run_id else f"there is no run {run_id!r}"
            raise RunNotFoundError(what, hint="fusion runs list shows them")
        return rows[0]

    async def latest(self, *, owner: str | None = None, limit: int = 50) -> list[RunRow]:
        """Return the newest runs first."""
        sql = "SELECT * FROM fusion_runs WHERE (? IS NULL OR owner = ?) ORDER BY created_at DESC, rowid DESC LIMIT ?"
        return await self._rows(sql, (owner, owner, limit))

    async def of_thread(self, thread_id: str) -> list[RunRow]:
        """Return the runs of one thread, oldest first."""
        return await self._rows("SELECT * FROM fusion_runs WHERE thread_id = ? ORDER BY created_at", (thread_id,))

    async def before(self, moment: float) -> list[RunRow]:
        """Return the runs that were last touched before `moment`."""
        return await self._rows("SELECT * FROM fusion_runs WHERE updated_at < ?", (moment,))

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
        sql = f"UPDATE fusion_runs SET {new} WHERE run_id = ? AND {_IS_HELD}"  # noqa: S608  (own words)
        told = json.dumps(result) if result is not None else None
        return await self.write(sql, (status, told, checkpoint_id, time.time(), run_id, thread_id, token)) == 1

    async def delete(self, run_id: str) -> None:
        """Delete a run with its events and attempts."""

        async def work() -> None:
            for table in ("fusion_events", "fusion_attempts", "fusion_claims", "fusion_runs"):
                await self.db.execute(f"DELETE FROM {table} WHERE run_id = ?", (run_id,))  # noqa: S608  (own table names)

        await self.transact(work)

    async def _rows(self, sql: str, values: Any) -> list[RunRow]:
        return [_run_row(row) for row in await self.read(sql, values)]

    # Leases: one owner per thread

    async def acquire(self, thread_id: str, token: str) -> None:
        """Take the lease of a thread for `LEASE_SECONDS`, also over from a process that is gone.

        Raises:
            RunBusyError: a living process holds it.
        """

        async def work() -> None:
            held = await self.one("SELECT holder, until FROM fusion_leases WHERE thread_id = ?", (thread_id,))
            if held and held["until"] > time.time() and _is_alive(held["holder"]):
                raise RunBusyError(
                    f"another process ({held['holder']}) is at work on thread {thread_id!r}",
                    hint="wait for it to end, or stop it",
                )
            sql = "INSERT OR REPLACE INTO fusion_leases (thread_id, token, holder, until) VALUES (?, ?, ?, ?)"
            await self.db.execute(sql, (thread_id, token, _holder(), time.time() + LEASE_SECONDS))

        await self.transact(work)

    async def renew(self, thread_id: str, token: str) -> bool:
        """Prolong a lease; return whether it was still there to prolong."""
        sql = "UPDATE fusion_leases SET until = ? WHERE thread_id = ? AND token = ?"
        return await self.write(sql, (time.time() + LEASE_SECONDS, thread_id, token)) == 1

    async def holds(self, thread_id: str, token: str) -> bool:
        """Return whether a lease is still this token's."""
        return await self.one(f"SELECT 1 WHERE {_IS_HELD}", (thread_id, token)) is not None

    async def release(self, thread_id: str, token: str) -> None:
        """Give a lease back."""
        await self.write("DELETE FROM fusion_leases WHERE thread_id = ? AND token = ?", (thread_id, token))

    async def is_held(self, thread_id: str) -> bool:
        """Return whether a living process is at work on the thread."""
        held = await self.one("SELECT holder, until FROM fusion_leases WHERE thread_id = ?", (thread_id,))
        return held is not None and held["until"] > time.time() and _is_alive(held["holder"])

    # Events

    async def append_events(self, run_id: str, events: Sequence[Event], *, thread_id: str, token: str) -> None:
        """Store events of a run; none if the lease is not this token's any more: their numbers are another's now."""
        sql = f"INSERT OR REPLACE INTO fusion_events (run_id, seq, type, item, event) SELECT ?, ?, ?, ?, ? WHERE {_IS_HELD}"
        own = (thread_id, token)
        rows = [(run_id, e["seq"], e["type"], e.get("item"), json.dumps(e, default=str), *own) for e in events]
        await self.transact(lambda: self.db.executemany(sql, rows))

    async def events(self, run_id: str, after: int = 0) -> list[Event]:
        """Return the stored events of a run with a number above `after`."""
        sql = "SELECT event FROM fusion_events WHERE run_id = ? AND seq > ? ORDER BY seq"
        return [cast("Event", json.loads(row["event"])) for row in await self.read(sql, (run_id, after))]

    async def reserve(self, run_id: str, seq: int) -> None:
        """Note that sequence numbers up to `seq` are given away."""
        await self.write("UPDATE fusion_runs SET seq = max(seq, ?) WHERE run_id = ?", (seq, run_id))

    async def compact(self, run_id: str) -> None:
        """Leave of a finished run only finished items, no deltas, and no answers that its checkpoint holds as well.

        The end of an answer keeps where its text stood at each delta, the end of a lost one when that began: who was
        listening then can be told the rest.
        """
        events = await self.events(run_id)
        lost = {event["item"] for event in events if event["type"] == "item_incomplete"}
        ends = [(json.dumps(event), run_id, event["seq"]) for event in _with_marks(events)]

        async def work() -> None:
            await self.db.executemany("UPDATE fusion_events SET event = ? WHERE run_id = ? AND seq = ?", ends)
            gone = "DELETE FROM fusion_events WHERE run_id = ? AND (type LIKE '%\\_delta' ESCAPE '\\' OR item = ?)"
            kept = " AND NOT (type = 'item_incomplete' AND item LIKE 'answer%')"
            await self.db.executemany(gone + kept, [(run_id, item) for item in ["", *lost]])
            await self.db.execute("UPDATE fusion_attempts SET reply = NULL WHERE run_id = ?", (run_id,))

        await self.transact(work)

    # Attempts: the journal

    async def begin_attempt(self, entry: CallEntry, thread_id: str, token: str) -> None:
        """Note an attempt that is about to be sent.

        Raises:
            LeaseLostError: the thread's lease is not this token's any more.
        """
        sql = f"INSERT INTO fusion_attempts (id, run_id, key, entry) SELECT ?, ?, ?, ? WHERE {_IS_HELD}"
        added = await self.write(sql, (entry["id"], entry["run_id"], entry["key"], json.dumps(entry), thread_id, token))
        if added != 1:
            raise lease_lost(entry["run_id"])

    async def end_attempt(self, entry: CallEntry, message: AIMessage | None) -> None:
        """Note how an attempt ended, with its answer where it is one."""
        reply = json.dumps(messages_to_dict([message]), default=str) if message else None
        await self.write(
            "UPDATE fusion_attempts SET entry = ?, reply = ? WHERE id = ?", (json.dumps(entry), reply, entry["id"])
        )

    async def answered(self, run_id: str, key: str, request: str) -> tuple[list[CallEntry], AIMessage] | None:
        """Return the attempts at one call of a run and its answer, if the same request was answered."""
        sql = "SELECT entry, reply FROM fusion_attempts WHERE run_id = ? AND key = ? ORDER BY rowid"
        rows = await self.read(sql, (run_id, key))
        entries = [cast("CallEntry", json.loads(row["entry"])) for row in rows]
        if not rows or rows[-1]["reply"] is None or entries[-1]["request"] != request:
            return None
        (message,) = messages_from_dict(json.loads(rows[-1]["reply"]))
        # An attempt in flight when an even earlier process died stays out: it is told as repeated.
        closed = [entry for entry in entries if entry["outcome"]]
        return (closed, message) if isinstance(message, AIMessage) else None

    async def attempts(self, run_id: str) -> list[CallEntry]:
        """Return all attempts of a run."""
        rows = await self.read("SELECT entry FROM fusion_attempts WHERE run_id = ? ORDER BY rowid", (run_id,))
        return [cast("CallEntry", json.loads(row["entry"])) for row in rows]

    async def call_sizes(self, limit: int = 5000) -> list[CallSize]:
        """Return the tokens of the newest attempts that have any."""
        sql = (
            f"SELECT run_id, {_ROLE} AS role, {_SEAT} AS seat, {_MODEL} AS model, {_INPUT} AS input, {_OUTPUT} AS output "  # noqa: S608  (own column names)
            f"FROM fusion_attempts WHERE {_INPUT} > 0 ORDER BY rowid DESC LIMIT ?"
        )
        return [cast("CallSize", dict(row)) for row in await self.read(sql, (limit,))]

    async def spending(
        self, by: Sequence[Dimension] = (), *, since: float = 0.0, owner: str | None = None
    ) -> list[Spending]:
        """Return what all attempts since a moment took, one row a group; without groups, one row for all.

        An attempt belongs to the run that paid for it, so that forks count nothing twice. Deleted runs are gone. `owner`
        leaves out what others paid for.
        """
        named = "".join(f"{_DIMENSIONS[name]} AS {name}, " for name in by)
        sums = (
            f"count(*) AS calls, coalesce(sum({_INPUT}), 0) AS input_tokens, coalesce(sum({_OUTPUT}), 0) AS output_tokens, "
            f"sum({_COST}) AS cost_usd, coalesce(sum({_COST} IS NULL), 0) AS unpriced"
        )
        places = ", ".join(str(place) for place in range(1, len(by) + 1))
        mine = " AND run_id IN (SELECT run_id FROM fusion_runs WHERE owner = ?)" if owner is not None else ""
        grouped = f" GROUP BY {places} ORDER BY {places}" if by else ""
        sql = f"SELECT {named}{sums} FROM fusion_attempts WHERE {_STARTED} >= ?{mine}{grouped}"  # noqa: S608  (own column names)
        values = (since,) if owner is None else (since, owner)
        return [cast("Spending", dict(row)) for row in await self.read(sql, values)]


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


def _run_row(row: aiosqlite.Row) -> RunRow:
    values = dict(row)
    values["input"] = json.loads(values["input"])
    values["result"] = json.loads(values["result"]) if values["result"] else None
    return cast("RunRow", values)


def _holder() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _is_alive(holder: str) -> bool:
    """Return whether the process of a lease may be alive; of another machine's only its lease's end tells."""
    host, _, pid = holder.rpartition(":")
    if host != socket.gethostname():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@asynccontextmanager
async def open_store(path: Path) -> AsyncIterator[RunStore]:
    """Open (or create, readable by its owner only) the database file at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    async with aiosqlite.connect(path, timeout=BUSY_SECONDS, isolation_level=None) as connection:
        connection.row_factory = aiosqlite.Row
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute("PRAGMA secure_delete = ON")  # a deleted run leaves no text in free pages
        store = RunStore(connection)
        await store.set_up()
        try:
            yield store
        finally:
            await store.settle()
