"""What a run starts with: its row in the store, the graph's input, and the config that names its thread."""

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import (
    BaseMessage,
    MessageLikeRepresentation,
    convert_to_messages,
    messages_from_dict,
    messages_to_dict,
)
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import id as checkpoint_ids
from langgraph.types import Command, StateSnapshot

from fusion_graph import prompts
from fusion_graph.event_log import RESERVED
from fusion_graph.records import is_of
from fusion_graph.schemas import Caller
from fusion_graph.settings import FusionSettings
from fusion_graph.store import RunRow

MAX_QUESTION_CHARS = 200  # of the question in lists


def with_ids(messages: Sequence[MessageLikeRepresentation]) -> list[BaseMessage]:
    """Return messages that have ids: without one, each would be new at every restart from the stored input."""
    return [
        message if message.id else message.model_copy(update={"id": uuid.uuid4().hex})
        for message in convert_to_messages(list(messages))
    ]


def run_input(
    spoken: Sequence[BaseMessage],
    settings: FusionSettings,
    caller: Caller | None,
    client: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return what starts a run, as the store keeps it."""
    return {
        "messages": messages_to_dict(spoken),
        "settings": settings.model_dump(mode="json", include=settings.model_fields_set),
        "caller": dict(caller) if caller else None,
        **({"client": dict(client)} if client else {}),
    }


def new_row(
    thread_id: str,
    messages: Sequence[BaseMessage],
    kept: dict[str, Any],
    *,
    owner: str,
    run_id: str = "",
    parent_id: str | None = None,
) -> RunRow:
    """Return the row of a run that begins now; `kept` is its `run_input`."""
    asked = prompts.asked(messages)
    question = " ".join(str(asked[-1].text).split())[:MAX_QUESTION_CHARS] if asked else ""
    return {
        "run_id": run_id or uuid.uuid4().hex,
        "thread_id": thread_id,
        "parent_id": parent_id,
        "owner": owner,
        "status": "running",
        "question": question,
        "input": kept,
        "result": None,
        "checkpoint_id": None,
        "prompts": prompts.FINGERPRINT,
        "created_at": time.time(),
        "updated_at": time.time(),
        "seq": RESERVED,  # noted with the row; its events begin at 1
    }


def graph_input(row: RunRow, snapshot: StateSnapshot, decision: Mapping[str, Any] | None) -> Any:
    """Return what to start the graph with: None goes on from the checkpoint, if this run has one."""
    if decision is not None:
        return Command(resume=dict(decision))
    if is_of(snapshot, row["run_id"]) or row["input"].get("forked"):
        return None
    caller = row["input"]["caller"]
    return {"messages": messages_from_dict(row["input"]["messages"])} | ({"caller": caller} if caller else {})


def graph_config(thread_id: str, checkpoint_id: str | None = None, *, run_id: str | None = None) -> RunnableConfig:
    """Return where the graph reads and writes; its checkpoints are marked as those of `run_id`."""
    configurable = {"thread_id": thread_id} | ({"checkpoint_id": checkpoint_id} if checkpoint_id else {})
    return {"configurable": configurable, "metadata": {"fusion_run": run_id} if run_id else {}}


def continue_ids(snapshot: StateSnapshot) -> None:
    """Let the next checkpoint's id come after the head's: ids are times, and the clock may have been set back since."""
    if head := snapshot.config["configurable"].get("checkpoint_id"):
        ids: Any = checkpoint_ids  # there is no public way to say it
        ids._last_v6_timestamp = max(ids._last_v6_timestamp or 0, ids.UUID(head).time)  # noqa: SLF001
