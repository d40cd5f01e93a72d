"""POST /v1/responses/{id}/answer_now: a panel that its user does not want to wait for."""

import json
from typing import Any

import httpx
import pytest

from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest
from tests import graphs
from tests.commands import wait_until
from tests.server.conftest import Serve, Served, is_judge, judge_and_writer
from tests.server.contract.asking import refused
from tests.server.responses.asking import ask, asked, replayed, text_of, url
from tests.server.responses.saying import ANSWER, answered_now, ended
from tests.server.talk import endless, held

KEYS = ["first-key-of-sixteen", "second-key-of-sixteen"]
WHY_CUT = "cut, because you asked for the answer"


def until(served: Served, response_id: str, *wanted: tuple[str, int]) -> None:
    """Follow a response until it has told these events of the panel: what, and of which seat."""
    left = set(wanted)
    with httpx.stream("GET", url(served, response_id), params={"stream": "true"}, timeout=30) as response:
        for line in response.iter_lines():
            if line.startswith("data: {"):
                event = json.loads(line.removeprefix("data: "))
                left.discard((event["type"].rpartition(".panel.")[2], event.get("panel_index")))
            if not left:
                return
    assert not left


@pytest.mark.contract("4.57", "4.58")
def test_a_seat_that_does_not_come_to_an_end_is_cut_when_it_is_asked_for_twice(serve: Serve) -> None:
    at_work, waits = endless()
    served = serve(east=waits, judge=judge_and_writer)
    begun = asked(served, background=True)
    assert at_work.wait(20)
    until(served, begun["id"], ("completed", 0), ("completed", 1))

    first, second = (answered_now(served, begun["id"]) for _ in range(2))
    stored = ended(served, begun["id"])

    fusion, _ = stored["output"]
    assert [(each.status_code, each.json()["id"]) for each in (first, second)] == [(200, begun["id"])] * 2
    assert first.json()["status"] == "in_progress"
    assert (stored["status"], text_of(stored), stored["x_fusion"]["status"]) == ("completed", ANSWER, "degraded")
    assert [each["model"] for each in fusion["responses"]] == ["north", "south"]
    assert fusion["failed_models"] == [{"seat": 3, "model": "east", "error": WHY_CUT}]


@pytest.mark.contract("4.57")
def test_a_seat_that_has_researched_is_told_to_answer_from_what_it_has(serve: Serve) -> None:
    at_work, go, waits = held()

    async def researches(request: ScriptedRequest) -> Any:
        if not request.tools:
            return "From what I have [1]."
        await waits(request)
        return ScriptedReply(tool_calls=[{"name": "look_up", "args": {"query": "tides"}, "id": "c"}])

    served = serve(north=researches, judge=judge_and_writer)
    begun = asked(served, background=True)
    assert at_work.wait(20)

    told = answered_now(served, begun["id"])
    go.set()
    stored = ended(served, begun["id"])

    said = {each["model"]: each["content"] for each in stored["output"][0]["responses"]}
    last = graphs.asked(served.models, "north")[-1]
    assert (told.status_code, stored["status"]) == (200, "completed")
    assert said["north"] == "From what I have [1]."
    assert "the user wants the answer now" in graphs.texts(last.messages)
    assert len(graphs.asked(served.models, "north")) == 2


@pytest.mark.contract("4.58")
def test_text_that_had_come_when_its_seat_was_cut_is_a_partial_answer(serve: Serve) -> None:
    slow = ScriptedReply("one two three " * 4000, pause=0.01)
    served = serve(east=lambda _request: slow, judge=judge_and_writer)
    begun = asked(served, background=True)

    until(served, begun["id"], ("delta", 2))
    statuses = [answered_now(served, begun["id"]).status_code for _ in range(2)]
    stored = ended(served, begun["id"])

    (cut,) = [event for event in replayed(served, begun["id"]) if event.get("partial")]
    assert statuses == [200, 200]
    assert (cut["model"], cut["error"]) == ("east", WHY_CUT)
    assert cut["content"].startswith("one")
    assert stored["output"][0]["responses"][-1]["content"] == cut["content"]


@pytest.mark.contract("4.59")
def test_a_run_that_has_ended_has_no_panel_to_end(serve: Serve) -> None:
    served = serve(judge=judge_and_writer)
    told = asked(served)

    error = refused(answered_now(served, told["id"]), 409)

    assert "is not under way: it has ended" in error["message"]


@pytest.mark.contract("4.59")
@pytest.mark.parametrize("body", [{}, {"model": "judge", "plugins": None}])
def test_a_run_whose_panel_is_over_or_was_never_asked_is_not_hurried(serve: Serve, body: dict[str, Any]) -> None:
    at_work, go, waits = held()

    async def compares(request: ScriptedRequest) -> str:
        if is_judge(request) or body:
            await waits(request)
        return judge_and_writer(request)

    served = serve(judge=compares)
    begun = asked(served, background=True, **body)
    assert at_work.wait(20)

    wait_until(lambda: answered_now(served, begun["id"]).status_code == 409)
    error = refused(answered_now(served, begun["id"]), 409)
    go.set()

    assert "no panel is at work" in error["message"]
    assert "failed_models" not in ended(served, begun["id"])["output"][0]


@pytest.mark.contract("4.43")
def test_a_panel_is_its_owners_to_end(serve: Serve) -> None:
    at_work, go, waits = held()
    served = serve(keys=KEYS, east=waits, judge=judge_and_writer)
    owner, other = ({"authorization": f"Bearer {key}"} for key in KEYS)
    begun = ask(served, headers=owner, background=True).json()
    assert at_work.wait(20)
    place = url(served, begun["id"], "/answer_now")

    stranger, another, own = (httpx.post(place, headers=headers, timeout=30) for headers in ({}, other, owner))
    go.set()

    assert refused(stranger, 401)["type"] == "authentication_error"
    assert refused(another, 404)["param"] == "response_id"
    assert (own.status_code, own.json()["id"]) == (200, begun["id"])
    assert refused(answered_now(serve(), "resp_0"), 404)["param"] == "response_id"


@pytest.mark.contract("4.57", "4.50")
def test_a_run_that_is_gone_on_with_after_a_restart_waits_for_all_again(serve: Serve) -> None:
    at_work, waits = endless()
    before = serve(east=waits, judge=judge_and_writer)
    begun = asked(before, background=True)
    assert at_work.wait(20)
    until(before, begun["id"], ("completed", 0), ("completed", 1))
    told = answered_now(before, begun["id"])
    before.stop()

    again, go, late = held()
    after = serve(db=before.db, east=late, judge=judge_and_writer)
    assert again.wait(20)
    once_more = answered_now(after, begun["id"])  # the first time here: a second one would cut the seat
    go.set()
    stored = ended(after, begun["id"])

    assert (told.status_code, once_more.status_code) == (200, 200)
    assert [each["content"] for each in stored["output"][0]["responses"]][-1] == "east: late"
    assert stored["x_fusion"]["status"] == "ok"
