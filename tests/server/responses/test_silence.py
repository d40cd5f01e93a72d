"""What clients hear while nothing is said to them: bytes often enough, under numbers that only grow."""

import json
from collections.abc import Iterator

import httpx
import pytest

from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest
from fusion_graph.server import responses
from fusion_graph.server.answers import streams
from tests.server.conftest import Serve, Served, judge_and_writer
from tests.server.responses.asking import event_of, replayed, request, shown, streaming, text_of, url
from tests.server.responses.saying import ANSWER
from tests.server.talk import held


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said into silence comes sooner than usual."""
    monkeypatch.setattr(streams, "BYTE_EVERY", 0.02)
    monkeypatch.setattr(responses, "BYTE_EVERY", 0.02)
    monkeypatch.setattr(streams, "CHUNK_EVERY", 0.1)


def blocks(response: httpx.Response) -> Iterator[str]:
    """Yield the parts of a stream, which empty lines divide."""
    part: list[str] = []
    for line in response.iter_lines():
        if line:
            part.append(line)
        elif part:
            yield "\n".join(part)
            part = []


def till(parts: Iterator[str], word: str) -> list[str]:
    """Return the parts up to the first that has a word in it."""
    found: list[str] = []
    for part in parts:
        found.append(part)
        if word in part:
            break
    return found


ALIVE = "event: response.in_progress"


@pytest.mark.contract("4.45", "4.47")
@pytest.mark.usefixtures("impatient")
def test_a_silent_stream_has_comments_and_events_whose_numbers_lie_between_those_around(serve: Serve) -> None:
    at_work, go, waits = held()
    served = serve(east=waits, judge=judge_and_writer)

    with streaming(served) as response:
        parts = blocks(response)
        told = till(parts, ALIVE)
        assert at_work.wait(20)
        for _ in range(3):
            told += till(parts, ": keep-alive")
            told += till(parts, ALIVE)
        go.set()
        told += list(parts)

    found = [event_of(part) for part in told[:-1] if not part.startswith(":")]
    numbers = [event["sequence_number"] for event in found]
    alive = [event for event in found if event["type"] == "response.in_progress"]
    assert told.count(": keep-alive") >= 3
    assert len(alive) >= 4
    assert numbers == sorted(set(numbers))
    assert {event["response"]["id"] for event in alive} == {found[-1]["response"]["id"]}
    assert shown(found).text == ANSWER
    assert replayed(served, found[-1]["response"]["id"], alive[-1]["sequence_number"])[-1] == found[-1]


@pytest.mark.contract("4.45")
@pytest.mark.usefixtures("impatient")
def test_a_whole_response_that_is_not_ready_begins_with_blanks(serve: Serve) -> None:
    _, go, waits = held()
    served = serve(east=waits, judge=judge_and_writer)

    with httpx.stream("POST", url(served), json=request(), timeout=30) as response:
        pieces = response.iter_text()
        blank = next(pieces) + next(pieces)
        go.set()
        rest = "".join(pieces)

    assert blank.strip() == ""
    assert text_of(json.loads(blank + rest)) == ANSWER


def chats(_request: ScriptedRequest) -> ScriptedReply:
    """A panelist that goes on talking for half a second, never silent for longer than a moment."""
    return ScriptedReply("and so on " * 50, pause=0.005)


@pytest.fixture
def chatty(serve: Serve, monkeypatch: pytest.MonkeyPatch, impatient: None) -> Served:
    """A server that never takes its panel for silent, so that nothing but the panel's own words wakes it up."""
    monkeypatch.setattr(streams, "_TICK", 1e-9)
    return serve(north=chats, judge=judge_and_writer)


@pytest.mark.contract("4.46")
def test_a_plain_client_hears_something_while_the_panel_talks_of_what_it_is_not_shown(chatty: Served) -> None:
    with streaming(chatty, model="fusion:plain") as response:
        told = list(blocks(response))

    first = next(n for n, part in enumerate(told) if "output_item.added" in part)
    assert ": keep-alive" in told[:first]
    assert len([part for part in told[:first] if part.startswith(ALIVE)]) > 1
    numbers = [event_of(part)["sequence_number"] for part in told[:-1] if not part.startswith(":")]
    assert numbers == sorted(set(numbers))


@pytest.mark.contract("3.53")
def test_a_chat_completion_is_not_silent_while_the_panel_talks(chatty: Served) -> None:
    with chatty.streaming() as response:
        told = list(blocks(response))

    silent = '"delta": {"role": "assistant", "content": ""}'
    first = next(n for n, part in enumerate(told) if part.startswith("data: ") and silent not in part)
    assert ": keep-alive" in told[:first]
    assert len([part for part in told[:first] if silent in part]) > 1


@pytest.mark.contract("4.47", "4.44")
@pytest.mark.usefixtures("impatient")
def test_who_comes_again_after_an_event_that_said_nothing_gets_no_number_twice(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "CHUNK_EVERY", 0.0)
    at_work, go, waits = held()
    served = serve(east=waits, judge=judge_and_writer)
    with streaming(served, model="fusion:plain") as response:
        parts = blocks(response)
        assert at_work.wait(20)
        had = [event_of(part) for _ in range(12) for part in till(parts, ALIVE) if not part.startswith(":")]

    query = {"stream": "true", "starting_after": str(had[-1]["sequence_number"])}
    with httpx.stream("GET", url(served, had[0]["response"]["id"]), params=query, timeout=30) as response:
        parts = blocks(response)
        rest = [next(parts)]
        go.set()
        rest += list(parts)

    numbers = [event_of(part)["sequence_number"] for part in rest[:-1] if not part.startswith(":")]
    assert min(numbers) > had[-1]["sequence_number"]
    assert numbers == sorted(set(numbers))
