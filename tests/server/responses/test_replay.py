"""Whoever was cut off, wherever, is told exactly the rest, from the log or as it comes."""

import copy
from typing import Any

import pytest

from tests.server.conftest import Serve, Served, judge_and_writer
from tests.server.responses.asking import asked, events, fetched, replayed, shown, streaming, text_of
from tests.server.responses.published import check_event
from tests.server.talk import held, lines


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(judge=judge_and_writer)


def streamed(served: Served, **body: Any) -> list[dict[str, Any]]:
    with streaming(served, **body) as response:
        return events(response)


def test_a_client_cut_off_after_any_event_is_told_the_rest_and_shows_the_stored_text(served: Served) -> None:
    whole = streamed(served)
    stored = fetched(served, whole[0]["response"]["id"]).json()

    for number, event in enumerate(whole[:-1], 1):
        had = shown(copy.deepcopy(whole[:number]))
        rest = replayed(served, stored["id"], event["sequence_number"])
        client = shown(rest, had)

        assert client.text == text_of(stored)
        assert client.order == [item["id"] for item in stored["output"]]
        assert client.response == stored
        assert [each["type"] for each in rest if "delta" not in each["type"]] == [
            each["type"] for each in whole[number:] if "delta" not in each["type"]
        ]


def test_a_replay_from_the_beginning_is_the_stream_but_for_what_seats_said_on_the_way(served: Served) -> None:
    whole = streamed(served)

    again = replayed(served, whole[0]["response"]["id"])

    assert again == [event for event in whole if event in again]
    assert {event["type"] for event in whole if event not in again} == {"response.fusion_call.panel.delta"}
    assert again[-1] == whole[-1]


def test_what_is_fetched_is_what_the_stream_ended_with(served: Served) -> None:
    whole = streamed(served)
    unstreamed = asked(served, "Another question?")

    assert fetched(served, whole[-1]["response"]["id"]).json() == whole[-1]["response"]
    assert fetched(served, unstreamed["id"]).json() == unstreamed
    assert shown(replayed(served, unstreamed["id"])).text == text_of(unstreamed)


def test_after_the_last_event_there_is_nothing_more(served: Served) -> None:
    whole = streamed(served)

    assert replayed(served, whole[0]["response"]["id"], whole[-1]["sequence_number"]) == []


def test_a_run_of_chat_completions_is_a_response_as_well_while_it_is_under_way_and_after(serve: Serve) -> None:
    reached, go, waits = held()
    served = serve(east=waits, judge=judge_and_writer)
    with served.streaming() as response:
        assert reached.wait(20)
        response_id = f"resp_{response.headers['x-fusion-run-id']}"
        under_way = fetched(served, response_id).json()
        go.set()
        lines(response)

    ended, followed = fetched(served, response_id).json(), replayed(served, response_id)

    assert (under_way["status"], ended["status"]) == ("in_progress", "completed")
    assert text_of(ended) == shown(followed).text == "The answer is 1 [1]."
    for event in followed:
        check_event(event)
