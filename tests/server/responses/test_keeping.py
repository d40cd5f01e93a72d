"""Responses that are kept, or not: in the background, cancelled, deleted, gone on with after a restart; and silence meanwhile."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI

from fusion_graph.server import keeping
from tests.commands import wait_until
from tests.server.conftest import PANEL, Serve, Served, judge_and_writer
from tests.server.contract.asking import SEATS, empty, fails, refused
from tests.server.responses.asking import (
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
from tests.server.responses.saying import ANSWER, cancelled, cut, deleted, ended
from tests.server.talk import dear, endless, held

KEYS = ["first-key-of-sixteen", "second-key-of-sixteen"]
ONE, OTHER = ({"authorization": f"Bearer {key}"} for key in KEYS)
RETRY, KEY = {"x-stainless-retry-count": "1"}, {"idempotency-key": "k"}
CANCEL: dict[str, Any] = {"x_fusion": {"on_disconnect": "cancel"}}
DAY = 86_400.0


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
    given += [{"role": "assistant", "content": "So many?"}]
    given += [{"type": "message", "id": None, "role": "user", "content": [{"type": "input_text", "text": "The last."}]}]
    told = asked(served, given)

    whole = items_of(served, told["id"], order="asc")
    newest = items_of(served, told["id"])
    pages = [items_of(served, told["id"], order="asc", limit=2)]
    while pages[-1]["has_more"]:
        pages.append(items_of(served, told["id"], order="asc", limit=2, after=pages[-1]["last_id"]))

    parts = [part for item in whole["data"] for part in item["content"]]
    assert [part["text"] for part in parts] == [*(item["content"] for item in given[:-1]), "The last."]
    assert [part["type"] for part in parts] == [*["input_text"] * 4, "output_text", "input_text"]
    assert [item["type"] for item in whole["data"]] == ["message"] * 6
    assert newest["data"] == whole["data"][::-1]
    assert [len(page["data"]) for page in pages] == [2, 2, 2]
    assert [item for page in pages for item in page["data"]] == whole["data"]
    assert (pages[0]["first_id"], pages[-1]["last_id"]) == (whole["first_id"], whole["last_id"])


def items_of(served: Served, response_id: str, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(url(served, response_id, "/input_items"), params=query, timeout=30).json()
    return found


@pytest.mark.contract("4.42", "4.44", "4.33")
def test_openais_sdk_does_all_that_can_be_done_with_a_response(served: Served) -> None:
    given: Any = [{"role": "user", "content": f"Question {number}?"} for number in range(5)]
    with OpenAI(base_url=f"{served.url}/v1", api_key="none") as client:
        begun = client.responses.create(model="fusion", input=given, background=True, extra_body={"plugins": [PANEL]})
        told = ended(served, begun.id)
        stored = client.responses.retrieve(begun.id)
        followed = list(client.responses.retrieve(begun.id, stream=True, starting_after=2000))
        paged: list[Any] = list(client.responses.input_items.list(begun.id, limit=2))
        stopped = client.responses.cancel(begun.id)
        client.responses.delete(begun.id)

    assert (begun.status, stored.status, stopped.status) == ("in_progress", "completed", "completed")
    assert text_of(told) == ANSWER
    assert followed[-1].type == "response.completed"
    assert min(event.sequence_number for event in followed) > 2000
    assert [item.content[0].text for item in paged] == [item["content"] for item in reversed(given)]
    assert served.rows() == []


@pytest.mark.contract("7.25")
@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        *(("/input_items", {"limit": limit}, "limit") for limit in (0, 101, "many")),
        *(("/input_items", {"order": order}, "order") for order in ("up", "", "descending")),
        ("/input_items", {"after": "zz"}, "after"),
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


# After a restart


@pytest.mark.contract("4.50")
def test_a_run_that_was_left_in_the_middle_goes_on_by_itself_at_the_next_start(serve: Serve) -> None:
    before, begun = in_the_middle(serve)
    before.stop()

    after = serve(db=before.db, judge=judge_and_writer)
    stored = ended(after, begun["id"])

    assert (stored["status"], text_of(stored)) == ("completed", ANSWER)
    assert [after.asked().count(model) for model in ("east", "judge")] == [1, 2]
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
