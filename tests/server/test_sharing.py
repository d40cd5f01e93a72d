"""One run for requests that are one, also over a restart of the server; and what becomes of runs that nobody waits for."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.commands import wait_until
from tests.ports import answers
from tests.server.conftest import Serve, Served, judge_and_writer
from tests.server.responses.asking import ask, events, streaming, text_of
from tests.server.talk import answered, chunks, endless, held, left_alone, stored

KEY = {"idempotency-key": "k"}
RETRY = {"x-stainless-retry-count": "1"}


def age(db: Path, seconds: float) -> None:
    """Let all that is known of requests be older."""
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("UPDATE fusion_claims SET created_at = created_at - ?", (seconds,))
        connection.commit()


@pytest.mark.contract("3.42")
@pytest.mark.parametrize("headers", [KEY, RETRY])
def test_a_server_that_was_restarted_gives_the_answer_there_is(serve: Serve, headers: dict[str, str]) -> None:
    before = serve(judge=judge_and_writer)
    first = before.chat(headers=KEY)
    before.stop()
    after = serve(db=before.db, judge=judge_and_writer)

    again = after.chat(headers=headers)
    clash = after.chat("Something else?", headers=KEY)

    assert again.json()["id"] == first.json()["id"]
    assert again.json()["choices"][0]["message"] == first.json()["choices"][0]["message"]
    assert after.asked() == []
    assert clash.status_code == 422


def test_a_run_that_a_restart_stopped_goes_on_for_who_asks_again(serve: Serve) -> None:
    asked, waits = endless()
    before = serve(east=waits, judge=judge_and_writer)
    with before.streaming() as response:
        assert asked.wait(20)
        answered(before)
        run_id = response.headers["x-fusion-run-id"]
    before.stop()
    after = serve(db=before.db, judge=judge_and_writer)

    again = after.chat(stream=True)

    assert again.headers.get("x-fusion-run-id") == run_id, again.text
    assert "".join(c["delta"].get("content", "") for part in chunks(again) for c in part["choices"]).endswith("1 [1].")
    assert sorted(after.asked()) == ["east", "judge", "judge"]  # north and south had answered


def test_an_answer_that_nobody_had_is_there_for_who_asks_again(serve: Serve) -> None:
    served, run_id = left_alone(serve)

    again, new = served.chat(stream=True), served.chat(stream=True)

    assert again.headers["x-fusion-run-id"] == run_id
    assert new.headers["x-fusion-run-id"] != run_id
    assert served.asked().count("north") == 2


def test_a_response_that_nobody_had_is_there_for_who_asks_again_and_a_key_is_of_one_body_on_all_routes(
    serve: Serve,
) -> None:
    asked, go, waits = held()
    served = serve(east=waits, judge=judge_and_writer)
    with streaming(served) as response:
        assert asked.wait(20)
        run_id = response.headers["x-fusion-run-id"]
    go.set()
    assert stored(served, run_id) == "ok"

    again, new = ask(served, stream=True), ask(served, headers=KEY, stream=True)
    other_route = served.chat(headers=KEY)

    assert again.headers["x-fusion-run-id"] == run_id != new.headers["x-fusion-run-id"]
    assert text_of(events(again)[-1]["response"]) == text_of(events(new)[-1]["response"]) == "The answer is 1 [1]."
    assert other_route.status_code == 422


@pytest.mark.contract("3.43")
def test_keys_and_retries_are_forgotten_in_time(served: Served) -> None:
    first = served.chat(headers=KEY)
    age(served.db, 601)

    retried, keyed = served.chat(headers=RETRY), served.chat(headers=KEY)
    age(served.db, 86_400)
    later = served.chat("Something else?", headers=KEY)

    assert keyed.json()["id"] == first.json()["id"] != retried.json()["id"]
    assert later.status_code == 200


def test_an_owner_never_gets_the_run_of_another(serve: Serve) -> None:
    keys = ["first-key-of-sixteen", "second-key-of-sixteen"]
    served = serve(keys=keys, judge=judge_and_writer)
    one, other = ({"authorization": f"Bearer {key}", **RETRY} for key in keys)

    ids = [served.chat(headers=headers).json()["id"] for headers in (one, other, one)]

    assert ids[0] == ids[2] != ids[1]


def test_a_request_that_was_refused_is_not_remembered(serve: Serve) -> None:
    served = serve(judge=judge_and_writer)

    refused = served.chat(headers=KEY, plugins=[{"id": "fusion", "preset": "nonsense"}])
    accepted = served.chat(headers=KEY)

    assert refused.status_code == 400
    assert accepted.status_code == 200


@pytest.mark.contract("3.52")
def test_a_key_that_is_too_long_is_refused(served: Served) -> None:
    response = served.chat(headers={"idempotency-key": "k" * 256})

    assert response.status_code == 400
    assert "255" in response.json()["error"]["message"]


CANCEL: dict[str, Any] = {"x_fusion": {"on_disconnect": "cancel"}}


def test_a_client_may_want_its_run_stopped_when_it_goes_and_gets_what_was_paid_when_it_comes_again(
    serve: Serve,
) -> None:
    asked, waits = endless(times=1)
    served = serve(east=waits, judge=judge_and_writer)
    with served.streaming(**CANCEL) as response:
        assert asked.wait(20)
        answered(served)
        run_id = response.headers["x-fusion-run-id"]

    assert stored(served, run_id) == "cancelled"
    again = served.chat(stream=True, **CANCEL)
    assert again.headers["x-fusion-run-id"] == run_id
    assert served.asked().count("north") == 1
    assert chunks(again)[-1]["usage"]["total_tokens"] > 0


def test_a_run_goes_on_while_anybody_waits_for_it(serve: Serve) -> None:
    asked, go, waits = held()
    served = serve(east=waits, judge=judge_and_writer)

    with served.streaming(**CANCEL) as stays:
        with served.streaming(**CANCEL):
            assert asked.wait(20)
        for _ in range(5):  # by then the server has noticed that one has gone
            httpx.get(f"{served.url}/healthz")
        go.set()
        told = chunks(stays)

    assert told[-2]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("wish", [{"on_disconnect": "explode"}, {"colour": "red"}, 5])
def test_a_wish_that_is_not_known_is_refused(served: Served, wish: Any) -> None:
    response = served.chat(x_fusion=wish)

    assert response.status_code == 400
    assert response.json()["error"]["param"].startswith("x_fusion")


@pytest.mark.contract("3.49")
def test_a_run_that_ends_while_a_stopped_server_drains_is_answered(serve: Serve) -> None:
    asked, go, waits = held()
    served = serve(drain=30, east=waits, judge=judge_and_writer)
    stopping = threading.Thread(target=served.stop)

    with served.streaming() as response:
        assert asked.wait(20)
        stopping.start()
        wait_until(lambda: not answers(int(served.url.rpartition(":")[2])))
        go.set()
        told = chunks(response)
    stopping.join(30)

    assert told[-2]["choices"][0]["finish_reason"] == "stop"
    assert [row["status"] for row in served.rows()] == ["ok"]


def test_a_run_that_is_cancelled_is_told_as_a_whole_completion(serve: Serve) -> None:
    asked, waits = endless()
    served = serve(east=waits, judge=judge_and_writer)
    answers: list[httpx.Response] = []
    waiting = threading.Thread(target=lambda: answers.append(served.chat()))
    waiting.start()
    assert asked.wait(20)

    served.stop()
    waiting.join(timeout=30)

    told = answers[0].json() if answers else {}
    assert told["choices"][0]["finish_reason"] == "error"
    assert (told["error"]["code"], told["object"]) == (499, "chat.completion")
