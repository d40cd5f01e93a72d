"""Two servers on one database, and a balancer that sends each request to the wrong one."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from fusion_graph import elsewhere
from fusion_graph.deployment import Parts
from fusion_graph.errors import FusionError
from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest
from fusion_graph.runs import open_runs
from fusion_graph.server import sharing
from fusion_graph.server.access.limits import Limits
from fusion_graph.server.config import ServerConfig
from fusion_graph.server.sharing import FollowedRun, Sharing
from fusion_graph.store import RunRow, RunStore
from tests.graphs import ROSTER, scripted
from tests.postgres import change
from tests.server.conftest import PANEL, Serve, Served, is_judge, judge_and_writer
from tests.server.contract.asking import refused
from tests.server.responses.asking import asked, events, fetched, replayed, request, shown, text_of, url
from tests.server.responses.saying import ANSWER, answered_now, cancelled, deleted, ended
from tests.server.room.asking import resume
from tests.server.talk import chunks, endless, held

KEY = {"idempotency-key": "k"}
RETRY = {"x-stainless-retry-count": "1"}
HELLO = {"model": "fusion", "messages": [{"role": "user", "content": "Why?"}]}
LONG = " ".join(f"word {number}" for number in range(400))


def in_the_middle(serve: Serve) -> tuple[Served, Served, dict[str, Any]]:
    """Return a server whose panel waits for ever for one of its seats, another on its database, and the response."""
    at_work, waits = endless()
    served = serve(east=waits, judge=judge_and_writer)
    begun = asked(served, background=True)
    assert at_work.wait(20)
    return served, serve(db=served.db, judge=judge_and_writer), begun


@pytest.mark.contract("4.38")
def test_a_run_is_stopped_by_any_server(serve: Serve) -> None:
    served, other, begun = in_the_middle(serve)

    told = cancelled(other, begun["id"])

    assert (told.status_code, told.json()["status"]) == (200, "cancelled")
    assert fetched(served, begun["id"]).json()["status"] == "cancelled"
    assert "judge" not in served.asked() + other.asked()


@pytest.mark.contract("4.38")
def test_a_run_is_deleted_by_any_server(serve: Serve) -> None:
    served, other, begun = in_the_middle(serve)

    told = deleted(other, begun["id"]).json()

    assert told == {"id": begun["id"], "object": "response", "deleted": True}
    assert [refused(fetched(each, begun["id"]), 404)["param"] for each in (served, other)] == ["response_id"] * 2
    assert served.rows() == []


@pytest.mark.contract("4.38")
def test_a_panel_is_told_to_answer_now_by_any_server(serve: Serve) -> None:
    _, other, begun = in_the_middle(serve)

    told = [answered_now(other, begun["id"]) for _ in range(2)]
    stored = ended(other, begun["id"])

    assert [each.status_code for each in told] == [200, 200]
    assert (stored["status"], text_of(stored)) == ("completed", ANSWER)
    assert [failed["model"] for failed in stored["output"][0]["failed_models"]] == ["east"]
    assert other.asked() == []


@pytest.mark.contract("4.38")
@pytest.mark.parametrize("way", [cancelled, deleted, answered_now])
def test_a_server_that_does_not_heed_is_told_of(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, way: Callable[[Served, str], httpx.Response]
) -> None:
    monkeypatch.setattr(elsewhere, "LOOK_SECONDS", 1000.0)
    monkeypatch.setattr(elsewhere, "PATIENCE_SECONDS", 0.3)
    served, other, begun = in_the_middle(serve)

    error = refused(way(other, begun["id"]), 409)

    assert error["message"].startswith("another process is at work on run ")
    assert error["message"].endswith("try again in a moment")
    assert fetched(served, begun["id"]).json()["status"] == "in_progress"


@pytest.mark.contract("4.38", "4.44")
def test_a_run_is_told_by_any_server_as_it_goes_on(serve: Serve) -> None:
    at_work, go, waits = held()
    served = serve(east=waits, judge=judge_and_writer)
    other = serve(db=served.db)
    begun = asked(served, background=True)
    with ThreadPoolExecutor() as threads:
        following = threads.submit(replayed, other, begun["id"])
        assert at_work.wait(20)
        go.set()
        found = following.result()

    assert shown(found).text == ANSWER
    assert found[-1]["type"] == "response.completed"
    assert found[-1]["response"] == fetched(served, begun["id"]).json()
    assert other.asked() == []


@pytest.mark.contract("4.38", "4.44")
@pytest.mark.parametrize("way", [cancelled, deleted])
def test_who_follows_a_run_at_another_server_is_told_that_it_was_stopped(
    serve: Serve, way: Callable[[Served, str], httpx.Response]
) -> None:
    served, other, begun = in_the_middle(serve)
    with httpx.stream("GET", url(other, begun["id"]), params={"stream": "true"}, timeout=30) as response:
        assert way(served, begun["id"]).status_code == 200
        last = events(response)[-1]

    assert (last["type"], last["response"]["status"]) == ("response.incomplete", "cancelled")


@pytest.mark.contract("4.44", "4.50")
def test_who_follows_a_run_whose_server_is_stopped_has_it_gone_on_with_where_it_follows(serve: Serve) -> None:
    at_work, waits = endless(times=1)
    served = serve(east=waits, judge=judge_and_writer)
    begun = asked(served, background=True)
    assert at_work.wait(20)
    other = serve(db=served.db, judge=judge_and_writer)
    with httpx.stream("GET", url(other, begun["id"]), params={"stream": "true"}, timeout=30) as response:
        served.stop()
        found = events(response)

    assert (shown(found).text, found[-1]["type"]) == (ANSWER, "response.completed")
    assert sorted(other.asked()) == ["east", "judge", "judge"]


@pytest.mark.parametrize("headers", [KEY, RETRY])
@pytest.mark.parametrize("stream", [False, True])
def test_a_retry_that_comes_to_another_server_is_the_same_run(
    serve: Serve,
    headers: dict[str, str],
    stream: bool,  # noqa: FBT001
) -> None:
    at_work, go, waits = held()
    served = serve(east=waits, judge=judge_and_writer)
    other = serve(db=served.db)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(served.chat, headers=KEY, stream=stream)
        assert at_work.wait(20)
        again = threads.submit(other.chat, headers=headers, stream=stream)
        go.set()
        answers = [each.result() for each in (first, again)]

    said = [_text(answer, stream=stream) for answer in answers]
    assert said[0] == said[1] != ""
    assert len({answer.headers["x-fusion-run-id"] for answer in answers}) == 1
    assert other.asked() == []


def _text(answer: httpx.Response, *, stream: bool) -> str:
    if not stream:
        return str(answer.json()["choices"][0]["message"]["content"])
    return "".join(part["delta"].get("content") or "" for chunk in chunks(answer) for part in chunk["choices"])


def writes_at_length(request: ScriptedRequest) -> Any:
    """A writer that takes its time; as the judge it compares."""
    return judge_and_writer(request) if is_judge(request) else ScriptedReply(LONG, pause=0.003)


@pytest.mark.contract("3.47", "3.51")
def test_a_stream_that_comes_again_at_another_server_has_all_of_the_text(serve: Serve) -> None:
    served = serve(judge=writes_at_length)
    other = serve(db=served.db)
    with served.streaming() as first:
        assert any("word" in text for text in first.iter_text())  # up to there
        again = other.chat(stream=True, headers=RETRY)

    assert _text(again, stream=True) == LONG
    assert other.asked() == []


@pytest.mark.contract("4.44", "4.47")
def test_the_numbers_of_what_is_told_at_another_server_only_grow(serve: Serve) -> None:
    served = serve(judge=writes_at_length)
    other = serve(db=served.db)

    found = replayed(other, asked(served, background=True)["id"])  # which looks at the numbers

    assert shown(found).text == LONG
    assert "" not in [event["delta"] for event in found if event["type"] == "response.output_text.delta"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_the_same_request_at_two_servers_at_one_moment_is_one_run(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    add = RunStore.add

    async def slowly(store: RunStore, row: RunRow) -> None:
        await asyncio.sleep(0.5)  # claimed already, not yet in the store
        await add(store, row)

    monkeypatch.setattr(RunStore, "add", slowly)
    served = serve(judge=judge_and_writer)
    other = serve(db=served.db, judge=judge_and_writer)
    body = request() if path.endswith("responses") else {**HELLO, "plugins": [PANEL]}

    def ask(whom: Served) -> httpx.Response:
        return httpx.post(f"{whom.url}{path}", json=body, headers=KEY, timeout=30)

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(ask, [served, other, served, other]))

    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(served.asked() + other.asked()) == 5


@pytest.mark.contract("3.41")
def test_a_claim_whose_run_never_came_about_is_taken_over(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "BEGINNING_SECONDS", 0.3)
    served = serve(judge=judge_and_writer)
    first = served.chat(headers=KEY)
    with closing(sqlite3.connect(served.db)) as connection:
        connection.execute("DELETE FROM fusion_runs")
        connection.commit()

    again = served.chat(headers=KEY)

    assert again.json()["choices"][0]["message"]["content"] == ANSWER
    assert again.json()["id"] != first.json()["id"]


@pytest.mark.contract("3.47")
@pytest.mark.parametrize("stream", [False, True])
def test_a_retry_whose_run_is_stopped_at_another_server_is_told_so(serve: Serve, stream: bool) -> None:  # noqa: FBT001
    at_work, waits = endless()
    served = serve(east=waits, judge=judge_and_writer)
    other = serve(db=served.db)
    body = {**HELLO, "plugins": [PANEL], "stream": stream}

    def asking(whom: Served) -> AbstractContextManager[httpx.Response]:
        return httpx.stream("POST", f"{whom.url}/v1/chat/completions", json=body, headers=KEY, timeout=30)

    with asking(served) as first, asking(other) as again:  # both have begun to answer
        assert at_work.wait(20)
        run_id = first.headers["x-fusion-run-id"]
        assert cancelled(served, f"resp_{run_id}").status_code == 200
        first.read()
        again.read()

    assert "the run was stopped; the same request again goes on with it" in first.text
    assert "the run was stopped; the same request again goes on with it" in again.text
    assert again.headers["x-fusion-run-id"] == run_id
    assert other.asked() == []


@pytest.mark.contract("4.35")
def test_a_response_that_is_asked_for_again_at_another_server_is_the_same(serve: Serve) -> None:
    at_work, go, waits = held()
    served = serve(east=waits, judge=judge_and_writer)
    other = serve(db=served.db)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(asked, served)
        assert at_work.wait(20)
        with httpx.stream("POST", url(other), json=request(), timeout=30) as again:  # which has begun to answer
            go.set()
            again.read()
            found = [first.result(), again.json()]

    assert found[0]["id"] == found[1]["id"]
    assert [text_of(each) for each in found] == [ANSWER] * 2
    assert other.asked() == []


def test_who_wants_to_go_on_with_a_run_that_another_server_is_at_work_on_gets_it_as_it_is(serve: Serve) -> None:
    served, other, begun = in_the_middle(serve)

    told = resume(other, begun["id"])

    assert (told.status_code, told.json()["id"], told.json()["status"]) == (200, begun["id"], "in_progress")
    assert cancelled(served, begun["id"]).status_code == 200
    assert other.asked() == []


async def test_who_comes_too_late_to_go_on_with_a_run_follows_it(tmp_path: Path) -> None:
    asked_for, opened = asyncio.Event(), asyncio.Event()

    async def waits(_request: ScriptedRequest) -> str:
        asked_for.set()
        await opened.wait()
        return "late"

    db = tmp_path / "runs.db"
    parts = [Parts.real(load_model=scripted(east=waits)) for _ in range(2)]
    async with open_runs(db, parts[0]) as here, open_runs(db, parts[1]) as there:
        live = await here.start(["What?"], ROSTER)
        await asked_for.wait()

        followed = await Sharing(there, Limits(ServerConfig(db))).resume("", live.run_id)
        opened.set()

        assert isinstance(followed, FollowedRun)
        assert await followed.result() == await live.result()


async def test_a_run_that_fails_at_another_server_is_told_as_failed(tmp_path: Path) -> None:
    async with open_runs(tmp_path / "runs.db", Parts.real(load_model=scripted())) as runs:
        live = await runs.start(["What?"], ROSTER)
        await live.result()
        await change(tmp_path / "runs.db", "UPDATE fusion_runs SET status = 'failed'")

        with pytest.raises(FusionError, match="failed in another process"):
            await FollowedRun(runs, live.run_id).result()
