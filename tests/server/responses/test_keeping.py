"""Responses that are kept, or not: in the background, cancelled, deleted, gone on with after a restart; and silence meanwhile."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest
from fusion_graph.server import keeping, responses
from fusion_graph.server.answers import streams
from tests.commands import wait_until
from tests.server.conftest import Serve, Served, judge_and_writer
from tests.server.contract.asking import SEATS, empty, fails, refused
from tests.server.responses.asking import (
    QUESTION,
    ask,
    asked,
    event_of,
    events,
    fetched,
    replayed,
    shown,
    streaming,
    text_of,
    url,
)
from tests.server.responses.test_requests import ANSWER, cut
from tests.server.talk import held
from tests.server.test_limits import dear
from tests.server.test_sharing import CANCEL, endless

KEYS = ["first-key-of-sixteen", "second-key-of-sixteen"]
ONE, OTHER = ({"authorization": f"Bearer {key}"} for key in KEYS)
RETRY, KEY = {"x-stainless-retry-count": "1"}, {"idempotency-key": "k"}
DAY = 86_400.0


def ended(served: Served, response_id: str) -> dict[str, Any]:
    """Return a response when it is under way no longer."""
    wait_until(lambda: fetched(served, response_id).json()["status"] != "in_progress")
    found: dict[str, Any] = fetched(served, response_id).json()
    return found


def cancelled(served: Served, response_id: str) -> httpx.Response:
    return httpx.post(url(served, response_id, "/cancel"), timeout=30)


def deleted(served: Served, response_id: str) -> httpx.Response:
    return httpx.delete(url(served, response_id), timeout=30)


def age(db: Path, seconds: float) -> None:
    """Let all runs have been touched longer ago."""
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("UPDATE fusion_runs SET updated_at = updated_at - ?", (seconds,))
        connection.commit()


def in_the_middle(serve: Serve, **body: Any) -> tuple[Served, dict[str, Any]]:
    """Return a server whose panel waits for ever for one of its seats, and the response that waits with it."""
    at_work, waits = endless()
    served = serve(east=waits, judge=judge_and_writer)
    begun = asked(served, background=True, **body)
    assert at_work.wait(20)
    return served, begun


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers look after their runs all the time."""
    monkeypatch.setattr(keeping, "EVERY", 0.02)


# In the background


@pytest.mark.contract("4.33")
def test_the_background_answers_at_once_and_the_rest_is_fetched(serve: Serve) -> None:
    _, go, waits = held()
    served = serve(east=waits, judge=judge_and_writer)

    begun = asked(served, background=True)
    go.set()
    stored = ended(served, begun["id"])

    assert (begun["status"], begun["output"], begun["background"]) == ("in_progress", [], True)
    assert (stored["status"], text_of(stored), stored["background"]) == ("completed", ANSWER, True)
    assert shown(replayed(served, begun["id"])).text == ANSWER


@pytest.mark.contract("4.34")
@pytest.mark.parametrize(("body", "field"), [({"store": False}, "store"), (CANCEL, "x_fusion")])
def test_what_nobody_could_fetch_does_not_go_to_the_background(
    served: Served, body: dict[str, Any], field: str
) -> None:
    assert refused(ask(served, background=True, **body))["param"] == field
    assert served.models.requests == []


@pytest.mark.contract("4.35")
@pytest.mark.parametrize("headers", [RETRY, KEY])
def test_a_retry_in_the_background_is_the_same_run(serve: Serve, headers: dict[str, str]) -> None:
    _, go, waits = held()
    served = serve(east=waits, judge=judge_and_writer)

    first, meanwhile = (ask(served, headers=headers, background=True).json() for _ in range(2))
    go.set()
    stored = ended(served, first["id"])
    later = ask(served, headers=headers, background=True).json()

    assert first["id"] == meanwhile["id"] == later["id"]
    assert later == stored
    assert [served.asked().count(seat) for seat in SEATS] == [1, 1, 1]


@pytest.mark.contract("4.35")
def test_the_same_again_is_a_new_run_once_it_has_been_answered(served: Served) -> None:
    first, new = (asked(served, background=True) for _ in range(2))

    assert first["id"] != new["id"]
    assert [ended(served, response["id"])["status"] for response in (first, new)] == ["completed"] * 2
    assert served.asked().count("north") == 2


# Not stored


@pytest.mark.contract("4.31", "4.32")
def test_a_retry_of_what_is_not_stored_is_the_same_run_for_ten_minutes(serve: Serve) -> None:
    served = serve(judge=judge_and_writer)

    first, again = (ask(served, headers=headers, store=False).json() for headers in ({}, RETRY))
    with closing(sqlite3.connect(served.db)) as connection:
        connection.execute("UPDATE fusion_claims SET created_at = created_at - 601")
        connection.commit()
    later = ask(served, headers=RETRY, store=False).json()

    assert first["id"] == again["id"] != later["id"]
    assert (first["store"], text_of(again), text_of(later)) == (False, ANSWER, ANSWER)
    assert served.asked().count("north") == 2


@pytest.mark.contract("4.32")
@pytest.mark.usefixtures("often")
def test_what_is_not_stored_is_deleted_when_no_retry_can_come(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    served = serve(judge=judge_and_writer)
    kept, first = asked(served, "Kept?"), asked(served, store=False)
    before = [f"resp_{row['run_id']}" for row in served.rows()]

    monkeypatch.setattr(keeping, "RETRIED_SECONDS", -60.0)  # as if they had passed
    wait_until(lambda: len(served.rows()) == 1)

    assert before == [kept["id"], first["id"]]
    assert fetched(served, kept["id"]).json() == kept
    assert refused(fetched(served, first["id"]), 404)["code"] == 404


@pytest.mark.contract("4.32")
@pytest.mark.usefixtures("often")
def test_what_is_not_stored_is_deleted_as_well_if_its_server_was_stopped_in_the_middle(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work, waits = endless()
    before = serve(east=waits, judge=judge_and_writer)
    with streaming(before, store=False) as response:
        first = event_of("\n".join(line for _, line in zip(range(2), response.iter_lines(), strict=False)))
        assert at_work.wait(20)
        before.stop()

    monkeypatch.setattr(keeping, "RETRIED_SECONDS", -60.0)
    after = serve(db=before.db)
    wait_until(lambda: after.rows() == [])

    assert first["response"]["store"] is False
    assert refused(fetched(after, first["response"]["id"]), 404)["code"] == 404
    assert after.asked() == []


# Cancelled


@pytest.mark.contract("4.36")
def test_a_run_that_is_cancelled_stays_so(serve: Serve) -> None:
    served, begun = in_the_middle(serve)

    told = cancelled(served, begun["id"]).json()

    assert (told["id"], told["status"], told["error"]) == (begun["id"], "cancelled", None)
    assert fetched(served, begun["id"]).json() == told
    assert cancelled(served, begun["id"]).json() == told
    assert [row["status"] for row in served.rows()] == ["cancelled"]


@pytest.mark.contract("4.36")
@pytest.mark.parametrize("stream", [False, True])
def test_who_waits_for_a_run_is_told_that_it_was_cancelled(serve: Serve, stream: bool) -> None:  # noqa: FBT001
    found = waited(serve, cancelled, stream=stream)

    assert (found["status"], found["error"]) == ("cancelled", None)


@pytest.mark.contract("4.37")
def test_cancelling_what_has_ended_changes_nothing(served: Served) -> None:
    told = asked(served)

    assert cancelled(served, told["id"]).json() == told
    assert fetched(served, told["id"]).json() == told


@pytest.mark.contract("4.36", "4.51")
def test_a_run_that_a_server_left_in_the_middle_may_be_cancelled(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "MOST_STARTS", 1)
    before, begun = in_the_middle(serve)
    before.stop()
    after = serve(db=before.db)

    left = fetched(after, begun["id"]).json()

    assert left["status"] == "in_progress"
    assert cancelled(after, begun["id"]).json()["status"] == "cancelled"
    assert after.asked() == []


@pytest.mark.contract("4.38")
def test_a_run_of_another_process_is_that_ones_to_stop(serve: Serve) -> None:
    served, begun = in_the_middle(serve)
    other = serve(db=served.db)

    refusals = [refused(way(other, begun["id"]), 409) for way in (cancelled, deleted)]

    assert {error["type"] for error in refusals} == {"invalid_request_error"}
    assert fetched(other, begun["id"]).json()["status"] == "in_progress"
    assert cancelled(served, begun["id"]).json()["status"] == "cancelled"


# Deleted


@pytest.mark.contract("4.39")
def test_what_is_deleted_is_gone(served: Served) -> None:
    told = asked(served)

    gone = deleted(served, told["id"]).json()

    assert gone == {"id": told["id"], "object": "response", "deleted": True}
    assert refused(fetched(served, told["id"]), 404)["param"] == "response_id"
    assert refused(deleted(served, told["id"]), 404)["param"] == "response_id"
    assert refused(ask(served, "And?", previous_response_id=told["id"]), 404)["code"] == 404
    assert served.rows() == []


def waited(serve: Serve, way: Callable[[Served, str], httpx.Response], *, stream: bool) -> dict[str, Any]:
    """Return what a client gets whose run another one cancels or deletes."""
    at_work, waits = endless()
    served = serve(east=waits, judge=judge_and_writer)
    answers: list[httpx.Response] = []
    waiting = threading.Thread(target=lambda: answers.append(ask(served, stream=stream)))
    waiting.start()
    assert at_work.wait(20)
    assert way(served, f"resp_{served.rows()[0]['run_id']}").status_code == 200
    waiting.join(30)
    found: dict[str, Any] = events(answers[0])[-1]["response"] if stream else answers[0].json()
    return found


@pytest.mark.contract("4.39")
@pytest.mark.parametrize("stream", [False, True])
def test_a_run_under_way_may_be_deleted_and_who_waits_for_it_is_told(serve: Serve, stream: bool) -> None:  # noqa: FBT001
    found = waited(serve, deleted, stream=stream)

    assert (found["status"], found["error"]) == ("cancelled", None)


@pytest.mark.contract("4.40")
def test_what_a_deleted_response_has_cost_is_spent(serve: Serve) -> None:
    served = serve(limits={"max_usd": 1.0}, north=dear(1.5), judge=judge_and_writer)
    first = asked(served)

    gone = deleted(served, first["id"]).json()
    error = refused(ask(served, "Another?"), 402)

    assert gone["deleted"] is True
    assert "1 US dollars within 24 hours" in error["message"]


@pytest.mark.contract("4.41")
def test_responses_are_kept_for_so_many_days(serve: Serve) -> None:
    before = serve(judge=judge_and_writer)
    old = asked(before, "An old one?")
    age(before.db, 1.5 * DAY)
    young = asked(before, "A young one?")
    before.stop()

    kept = serve(db=before.db, limits={"keep_days": 2.0})
    ids = [fetched(kept, response["id"]).json()["id"] for response in (old, young)]
    kept.stop()
    after = serve(db=before.db, limits={"keep_days": 1.0})
    wait_until(lambda: len(after.rows()) == 1)

    assert ids == [old["id"], young["id"]]
    assert refused(fetched(after, old["id"]), 404)["code"] == 404
    assert fetched(after, young["id"]).json() == young


# Input, owners


@pytest.mark.contract("4.42")
def test_the_input_is_listed_in_pages(served: Served) -> None:
    given: list[dict[str, Any]] = [{"role": "user", "content": f"Question {number}?"} for number in range(4)]
    given += [{"type": "message", "id": None, "role": "user", "content": "The last."}]
    told = asked(served, given)

    whole = items_of(served, told["id"], order="asc")
    newest = items_of(served, told["id"])
    pages = [items_of(served, told["id"], order="asc", limit=2)]
    while pages[-1]["has_more"]:
        pages.append(items_of(served, told["id"], order="asc", limit=2, after=pages[-1]["last_id"]))

    assert [item["content"] for item in whole["data"]] == [item["content"] for item in given]
    assert [item["type"] for item in whole["data"]] == ["message"] * 5
    assert newest["data"] == whole["data"][::-1]
    assert [len(page["data"]) for page in pages] == [2, 2, 1]
    assert [item for page in pages for item in page["data"]] == whole["data"]
    assert (pages[0]["first_id"], pages[-1]["last_id"]) == (whole["first_id"], whole["last_id"])


def items_of(served: Served, response_id: str, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(url(served, response_id, "/input_items"), params=query, timeout=30).json()
    return found


@pytest.mark.contract("7.25")
@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        *(("/input_items", {"limit": limit}, "limit") for limit in (0, 101, "many")),
        *(("/input_items", {"order": order}, "order") for order in ("up", "", "descending")),
        *(("", {"starting_after": number, "stream": "true"}, "starting_after") for number in (-2, "first", 1.5)),
        ("", {"stream": "perhaps"}, "stream"),
    ],
)
def test_a_query_that_cannot_be_is_refused(served: Served, path: str, query: dict[str, Any], field: str) -> None:
    told = asked(served, model="judge", plugins=None)

    response = httpx.get(url(served, told["id"], path), params=query, timeout=30)

    assert refused(response)["param"] == field


ROUTES = [
    ("GET", ""),
    ("GET", "?stream=true"),
    ("POST", "/cancel"),
    ("DELETE", ""),
    ("GET", "/input_items"),
]


@pytest.mark.contract("4.43")
@pytest.mark.parametrize(("method", "rest"), ROUTES)
def test_a_response_is_its_owners_alone(serve: Serve, method: str, rest: str) -> None:
    served = serve(keys=KEYS, judge=judge_and_writer)
    told = ask(served, headers=ONE, model="judge", plugins=None).json()
    place = url(served, told["id"], rest)

    stranger = httpx.request(method, place, timeout=30)
    other, owner = (httpx.request(method, place, headers=headers, timeout=30) for headers in (OTHER, ONE))

    assert refused(stranger, 401)["type"] == "authentication_error"
    assert refused(other, 404)["param"] == "response_id"
    assert owner.status_code == 200
    assert told["id"].removeprefix("resp_") in owner.text


@pytest.mark.contract("4.43")
@pytest.mark.parametrize(("method", "rest"), ROUTES)
@pytest.mark.parametrize("response_id", ["resp_0", "resp_", "%00", "resp_%F0%9F%90%9F", "x" * 5000])
def test_what_is_not_there_is_not_found(served: Served, method: str, rest: str, response_id: str) -> None:
    error = refused(httpx.request(method, url(served, response_id, rest), timeout=30), 404)

    assert error["param"] == "response_id"
    assert len(error["message"]) < 500


def test_the_beginning_of_an_id_is_no_id(served: Served) -> None:
    told = asked(served, model="judge", plugins=None)

    assert refused(fetched(served, told["id"][:20]), 404)["param"] == "response_id"


# Silence


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

    with httpx.stream("POST", url(served), json={**BODY, "stream": False}, timeout=30) as response:
        pieces = response.iter_text()
        blank = next(pieces) + next(pieces)
        go.set()
        rest = "".join(pieces)

    assert blank.strip() == ""
    assert text_of(json.loads(blank + rest)) == ANSWER


BODY = {
    "model": "fusion",
    "plugins": [{"id": "fusion", "analysis_models": SEATS, "model": "judge", "tools": []}],
    "input": QUESTION,
    "stream": True,
}


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


# After a restart


@pytest.mark.contract("4.50")
def test_a_run_that_was_left_in_the_middle_goes_on_by_itself_at_the_next_start(serve: Serve) -> None:
    before, begun = in_the_middle(serve)
    wait_until(lambda: {"north", "south"} <= set(before.asked()))
    before.stop()

    after = serve(db=before.db, judge=judge_and_writer)
    stored = ended(after, begun["id"])

    assert (stored["status"], text_of(stored)) == ("completed", ANSWER)
    assert {*after.asked()} == {"east", "judge"}
    assert after.asked().count("judge") == 2
    assert shown(replayed(after, begun["id"])).text == ANSWER


@pytest.mark.contract("4.50", "4.30")
def test_a_run_that_nobody_could_fetch_is_not_gone_on_with(serve: Serve) -> None:
    at_work, waits = endless()
    before = serve(east=waits, judge=judge_and_writer)
    with streaming(before, **CANCEL):
        assert at_work.wait(20)
    wait_until(lambda: before.rows()[0]["status"] == "cancelled")
    before.stop()

    after = serve(db=before.db, judge=judge_and_writer)
    stored = fetched(after, f"resp_{before.rows()[0]['run_id']}").json()

    assert stored["status"] == "cancelled"
    assert after.asked() == []


@pytest.mark.contract("4.51")
def test_a_run_that_takes_its_server_down_again_and_again_is_left_to_who_asks_for_it(serve: Serve) -> None:
    at_work, waits = endless()
    served = serve(east=waits, judge=judge_and_writer)
    begun = asked(served, "What takes you down?", background=True)
    for _ in range(keeping.MOST_STARTS - 1):
        assert at_work.wait(20)
        served.stop()
        at_work.clear()
        served = serve(db=served.db, east=waits, judge=judge_and_writer)
    assert at_work.wait(20)
    later = asked(served, "And what not?", background=True)
    wait_until(lambda: served.asked().count("east") == 2)
    served.stop()

    last = serve(db=served.db, judge=judge_and_writer)
    other = ended(last, later["id"])  # begun later, so looked after later
    left = fetched(last, begun["id"]).json()
    taken_down = [request for request in last.models.requests if "What takes you down?" in request.text]
    followed = replayed(last, begun["id"])[-1]["response"]

    assert (other["status"], left["status"], followed["status"]) == ("completed", "in_progress", "completed")
    assert taken_down == []


# How it may end


@pytest.mark.contract("4.48", "4.49", "4.52")
@pytest.mark.parametrize(
    ("script", "status", "code", "said"),
    [
        (judge_and_writer, "completed", None, ""),
        (cut, "incomplete", None, ""),
        (fails(500, "it is down"), "failed", "server_error", "it is down"),
        (fails(429, "too many"), "failed", "rate_limit_exceeded", "too many"),
        (fails(402, "no credit"), "failed", "server_error", "no credit"),
        (empty, "failed", "server_error", "judge"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_response_says_how_it_ended(
    serve: Serve,
    script: Any,
    status: str,
    code: str | None,
    said: str,
    stream: bool,  # noqa: FBT001
) -> None:
    served = serve(judge=script)
    body = {"model": "judge", "plugins": None, "max_output_tokens": 99}

    response = ask(served, stream=stream, **body)

    found = events(response)[-1] if stream else {"type": f"response.{status}", "response": response.json()}
    told = found["response"]
    assert (response.status_code, response.headers["x-should-retry"]) == (200, "false")
    assert (found["type"], told["status"]) == (f"response.{status}", status)
    assert (told["error"] or {}).get("code") == code
    assert said in (told["error"] or {"message": ""})["message"]
    assert (told["completed_at"] is None, type(told["usage"]["total_tokens"])) == (False, int)
    assert fetched(served, told["id"]).json() == told
