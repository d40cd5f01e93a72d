"""The reducers of the graph's state, alone and in a graph whose checkpoints are read back from disk."""

import copy
import itertools
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.types import Overwrite, Send
from typing_extensions import TypedDict

from fusion_graph.schemas import CallEntry, SeatResult, Source
from fusion_graph.state import (
    FusionState,
    Ledger,
    Messages,
    PanelistOutput,
    PanelistState,
    append,
    merge_all_sources,
    merge_messages,
    merge_results,
    merge_sources,
)


def said(messages: Sequence[BaseMessage]) -> list[tuple[str | None, str]]:
    return [(message.id, str(message.text)) for message in messages]


def result(seat: int, content: str = "") -> SeatResult:
    return {
        "seat": seat,
        "model": "m",
        "name": "m",
        "content": content,
        "partial": False,
        "error": None,
        "sources": [],
        "notes": [],
        "tool_calls_requested": 0,
        "tool_calls_executed": 0,
    }


def source(key: str, *seats: int, **fields: Any) -> Source:
    known: Source = {
        "key": key,
        "url": f"https://{key}",
        "title": "",
        "snippet": "",
        "published": "",
        "read": False,
        "text": "",
        "seats": list(seats) or [1],
        "retrieved_at": "",
        "sha256": "",
    }
    return known | fields  # type: ignore[return-value]  # fields are a Source's own


def call(number: int, **fields: Any) -> CallEntry:
    entry = dict.fromkeys(CallEntry.__annotations__) | {"id": str(number), "key": f"judge:{number}", "attempt": 1}
    return entry | fields  # type: ignore[return-value]  # the reducers look at none of the fields


# What is true of all reducers

_IDS = st.sampled_from("abc")
_TEXTS = st.sampled_from(["one", "two", ""])
_MESSAGES = st.one_of(
    st.builds(lambda text, own: HumanMessage(text, id=own), _TEXTS, _IDS | st.none()),
    st.builds(lambda text, own: AIMessage(text, id=own), _TEXTS, _IDS | st.none()),
    (_IDS | st.just(REMOVE_ALL_MESSAGES)).map(RemoveMessage),
    st.tuples(st.just("user"), _TEXTS),
    st.fixed_dictionaries({"role": st.just("assistant"), "content": _TEXTS, "id": _IDS}),
    _TEXTS,
)
_SOURCES = st.builds(
    source,
    st.sampled_from(["a", "b", "c"]),
    st.integers(1, 3),
    title=_TEXTS,
    snippet=_TEXTS,
    published=_TEXTS,
    read=st.booleans(),
    text=_TEXTS,
)
_BATCHES: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "append": (append, st.lists(st.integers(), max_size=3)),
    "merge_messages": (merge_messages, _MESSAGES | st.lists(_MESSAGES, max_size=3)),
    "merge_all_sources": (merge_all_sources, st.lists(_SOURCES, max_size=3)),
}


@pytest.mark.parametrize("name", _BATCHES)
@given(data=st.data())
def test_one_batch_of_writes_gives_the_same_as_several(name: str, data: st.DataObject) -> None:
    reducer, write = _BATCHES[name]
    writes = st.lists(write, max_size=4)
    start = reducer([], data.draw(writes))
    first, second = data.draw(writes), data.draw(writes)
    before = copy.deepcopy((start, first, second))

    together = reducer(start, [*first, *second])

    assert together == reducer(reducer(start, first), second)
    assert together == reducer(start, [*first, *second])
    assert (start, first, second) == before


@given(st.lists(st.lists(_SOURCES, max_size=3), max_size=4))
def test_sources_written_again_change_nothing(writes: list[list[Source]]) -> None:
    found = merge_all_sources([], writes)

    assert merge_sources(found, found) == found
    assert merge_sources(found, [item for write in writes for item in write]) == found


# Messages


@pytest.mark.parametrize(
    "write",
    ["hi", ("user", "hi"), {"role": "user", "content": "hi"}, HumanMessage("hi"), ["hi"], [("human", "hi")]],
)
def test_a_write_may_be_anything_langchain_takes_for_a_message(write: Any) -> None:
    assert merge_messages([SystemMessage("rules")], [write]) == [SystemMessage("rules"), HumanMessage("hi")]


def test_a_message_with_a_known_id_takes_the_place_of_the_old_one() -> None:
    current = [HumanMessage("one", id="a"), AIMessage("two", id="b")]

    merged = merge_messages(current, [[AIMessage("three", id="c")], HumanMessage("changed", id="a")])

    assert said(merged) == [("a", "changed"), ("b", "two"), ("c", "three")]


def test_messages_without_an_id_are_all_kept_and_get_none() -> None:
    merged = merge_messages([HumanMessage("same")], [HumanMessage("same"), [HumanMessage("same")]])

    assert said(merged) == [(None, "same")] * 3


def test_a_message_is_removed_by_its_id_and_may_come_back_at_the_end() -> None:
    current = [HumanMessage("one", id="a"), AIMessage("two", id="b")]

    merged = merge_messages(current, [RemoveMessage("a"), [HumanMessage("again", id="a")]])

    assert said(merged) == [("b", "two"), ("a", "again")]


def test_to_remove_what_is_not_there_is_no_error() -> None:
    assert merge_messages([HumanMessage("one", id="a")], [RemoveMessage("z")]) == [HumanMessage("one", id="a")]


def test_all_messages_are_removed_at_once_and_later_ones_stay() -> None:
    current = [HumanMessage("one", id="a"), AIMessage("two")]

    merged = merge_messages(current, [["dropped", RemoveMessage(REMOVE_ALL_MESSAGES), "kept"]])

    assert said(merged) == [(None, "kept")]


def test_a_streamed_chunk_is_kept_as_a_whole_message() -> None:
    (message,) = merge_messages([], [AIMessageChunk(content="hello", id="a")])

    assert type(message) is AIMessage
    assert said([message]) == [("a", "hello")]


def test_messages_that_were_json_are_read_as_messages() -> None:
    current: list[Any] = [{"type": "human", "content": "one", "id": "a"}]

    merged = merge_messages(current, [ToolMessage("found", tool_call_id="c1", id="b")])

    assert [type(message) for message in merged] == [HumanMessage, ToolMessage]


# Results


def test_results_stand_in_the_order_of_seats_in_whatever_order_they_come() -> None:
    merged = merge_results(merge_results([], [result(3), result(1)]), [result(2)])

    assert [item["seat"] for item in merged] == [1, 2, 3]


def test_a_newer_result_of_a_seat_replaces_the_older() -> None:
    merged = merge_results([result(1, "old"), result(2, "kept")], [result(1, "new")])

    assert [(item["seat"], item["content"]) for item in merged] == [(1, "new"), (2, "kept")]


@given(st.lists(st.builds(result, st.integers(1, 8), _TEXTS)), st.lists(st.builds(result, st.integers(1, 8), _TEXTS)))
def test_there_is_one_result_of_each_seat_that_answered(old: list[SeatResult], new: list[SeatResult]) -> None:
    merged = merge_results(merge_results([], old), new)

    assert [item["seat"] for item in merged] == sorted({item["seat"] for item in [*old, *new]})
    assert merged == merge_results([], [*old, *new])


# Sources


@given(st.lists(_SOURCES), st.lists(_SOURCES))
def test_a_number_once_given_stays_when_seats_are_added_later(old: list[Source], new: list[Source]) -> None:
    before = merge_sources([], old)
    later = [{**item, "seats": [seat + 8 for seat in item["seats"]]} for item in new]

    after = merge_sources(before, later)  # type: ignore[arg-type]  # they are the sources of other seats

    assert [item["key"] for item in after[: len(before)]] == [item["key"] for item in before]
    assert len({item["key"] for item in after}) == len(after)
    assert {item["key"] for item in after} == {item["key"] for item in [*old, *new]}


def test_a_page_that_was_read_is_shown_as_it_was_read_and_keeps_what_only_the_list_knew() -> None:
    listed = source("a", 1, title="Listed", snippet="from the list", published="2024-05-01")
    read = source("a", 2, url="https://a/full", title="As read", read=True)

    for first, second in ((listed, read), (read, listed)):
        (merged,) = merge_sources([first], [second])

        assert merged == source(
            "a",
            1,
            2,
            url="https://a/full",
            title="As read",
            snippet="from the list",
            published="2024-05-01",
            read=True,
        )


def test_of_two_listings_that_of_the_first_seat_is_shown_and_every_seat_is_named_once() -> None:
    first = [source("a", 8, title="Eighth"), source("b", 1)]

    merged = merge_sources(first, [source("a", 1, title="First", snippet="more"), source("a", 8)])

    assert merged == [source("b", 1), source("a", 1, 8, title="First", snippet="more")]
    assert first == [source("a", 8, title="Eighth"), source("b", 1)]


def test_of_two_readings_the_first_is_shown_with_the_title_only_the_second_had() -> None:
    first = source("a", 1, snippet="first", read=True)

    (merged,) = merge_sources([first], [source("a", 2, title="Title", snippet="second", read=True)])

    assert merged == source("a", 1, 2, title="Title", snippet="first", read=True)


# In a graph, on disk

PAYLOAD = 4_000


class _Loop(TypedDict, total=False):
    messages: Messages
    calls: Ledger
    left: int


def _step(state: _Loop) -> dict[str, Any]:
    number = state["left"]
    message = AIMessage(f"{number}:" + "x" * PAYLOAD, id=f"m{number}")
    return {"messages": [message], "calls": [call(number)], "left": number - 1}


def _loop() -> StateGraph[_Loop]:
    builder = StateGraph(_Loop)
    builder.add_node("step", _step)
    builder.add_edge(START, "step")
    builder.add_conditional_edges("step", lambda state: "step" if state["left"] else "__end__", ["step", "__end__"])
    return builder


async def _run(path: Path, steps: int) -> int:
    """Run a loop of some steps with its checkpoints in a file; return how many bytes they take."""
    async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
        graph = _loop().compile(checkpointer=saver)
        start: _Loop = {"messages": [HumanMessage("go", id="go")], "left": steps}
        await graph.ainvoke(start, {"configurable": {"thread_id": "t"}}, durability="sync")
    with closing(sqlite3.connect(path)) as database:
        stored = "SELECT (SELECT sum(length(checkpoint)) FROM checkpoints) + (SELECT sum(length(value)) FROM writes)"
        return int(database.execute(stored).fetchone()[0])


async def test_lists_are_read_back_whole_from_the_file_by_another_process(tmp_path: Path) -> None:
    await _run(tmp_path / "runs.db", 12)

    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "runs.db")) as saver:
        snapshot = await _loop().compile(checkpointer=saver).aget_state({"configurable": {"thread_id": "t"}})

    assert [message.id for message in snapshot.values["messages"]] == ["go", *(f"m{n}" for n in range(12, 0, -1))]
    assert {type(message) for message in snapshot.values["messages"]} == {HumanMessage, AIMessage}
    assert snapshot.values["calls"] == [call(n) for n in range(12, 0, -1)]


async def test_twice_the_steps_take_about_twice_the_room(tmp_path: Path) -> None:
    once = await _run(tmp_path / "once.db", 20)
    twice = await _run(tmp_path / "twice.db", 40)

    assert once > 20 * PAYLOAD
    assert twice < 2.5 * once
    assert twice < 2 * 40 * PAYLOAD


async def test_a_reused_thread_can_be_cleared_and_goes_on_from_there(tmp_path: Path) -> None:
    config: Any = {"configurable": {"thread_id": "t"}}
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "runs.db")) as saver:
        graph = _loop().compile(checkpointer=saver)
        await graph.ainvoke({"messages": [HumanMessage("go", id="go")], "left": 2}, config)
        await graph.aupdate_state(config, {"calls": Overwrite([]), "messages": [RemoveMessage("m2")]}, as_node="step")
        await graph.ainvoke({"left": 1}, config)
        snapshot = await graph.aget_state(config)

    assert [message.id for message in snapshot.values["messages"]] == ["go", "m1"]
    assert snapshot.values["calls"] == [call(1)]


async def test_seats_that_end_in_one_step_all_hand_over_what_they_have() -> None:
    def seat(state: PanelistState) -> PanelistOutput:
        number = state["seat"]
        return {"results": [result(number)], "sources": [source("a", number)], "calls": [call(number)]}

    builder = StateGraph(FusionState)
    builder.add_node("panelist", seat, input_schema=PanelistState)
    builder.add_conditional_edges(START, lambda _: [Send("panelist", {"seat": n}) for n in (2, 1, 3)], ["panelist"])

    values = await builder.compile().ainvoke({"results": [], "sources": [], "calls": []})

    assert [item["seat"] for item in values["results"]] == [1, 2, 3]
    assert values["sources"] == [source("a", 1, 2, 3)]
    assert values["calls"] == [call(2), call(1), call(3)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_sources_come_out_the_same_in_whatever_order_seats_write(order: tuple[int, ...]) -> None:
    writes = [
        [source("a", 1, read=True, retrieved_at="1"), source("b", 1)],
        [source("c", 2), source("b", 2, read=True, retrieved_at="2"), source("a", 2, read=True, retrieved_at="3")],
        [source("b", 3, read=True, retrieved_at="4"), source("d", 3), source("c", 3), source("a", 3)],
    ]

    found = merge_all_sources([], [writes[index] for index in order])

    assert [item["key"] for item in found] == ["a", "b", "c", "d"]
    assert found == merge_all_sources([], writes)
    assert [item["retrieved_at"] for item in found[:2]] == ["1", "2"]
