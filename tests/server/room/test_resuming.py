"""POST .../resume: a run goes on in the background, with an approver's decision where it waits for one."""

import asyncio
import json
import threading
from typing import Any

import httpx
import pytest

from fusion_graph.deployment import Parts
from fusion_graph.runs import open_runs
from tests.commands import wait_until
from tests.graphs import ROSTER
from tests.server.conftest import PANEL, Serve, Served, judge_and_writer
from tests.server.contract.asking import refused
from tests.server.responses.asking import asked, fetched, replayed, shown, text_of
from tests.server.responses.saying import ANSWER, cancelled, ended
from tests.server.room.asking import at_rest, decide, details, resume
from tests.server.talk import answered, dear, endless, held

KEYS = ["first-key-of-sixteen", "second-key-of-sixteen"]
ONE, OTHER = ({"authorization": f"Bearer {key}"} for key in KEYS)
WAITS: dict[str, Any] = {"x_fusion": {"approve": True}, "background": True}
EDIT = {"name": "fusion", "args": {"panel": ["north", "south"], "judge": "judge", "max_cost_usd": ""}}


def waiting(served: Served, **body: Any) -> str:
    """Return the id of a response that waits for approval."""
    begun = asked(served, **WAITS, **body)
    wait_until(lambda: fetched(served, begun["id"]).json()["status"] == "incomplete")
    return str(begun["id"])


def stopped_by_hand(served: Served, at_work: threading.Event) -> str:
    """Return the id of a run that began outside the server and was cancelled there, with its last seat at work."""

    async def ask() -> str:
        async with open_runs(served.db, Parts.real(load_model=served.models)) as runs:
            live = await runs.start(["By hand?"], ROSTER)
            assert await asyncio.to_thread(at_work.wait, 20)
            await asyncio.to_thread(answered, served)
            await live.cancel()
            return live.run_id

    return asyncio.run(ask())


def stopped(serve: Serve) -> tuple[Served, str]:
    """Return a server and the id of a response that was cancelled while its last seat was at work."""
    at_work, waits = endless(times=1)
    served = serve(east=waits, judge=judge_and_writer)
    begun = asked(served, background=True)
    assert at_work.wait(20)
    answered(served)
    cancelled(served, begun["id"])
    return served, str(begun["id"])


def test_a_cancelled_run_goes_on_where_it_was(serve: Serve) -> None:
    served, response_id = stopped(serve)
    before = served.asked()

    response = resume(served, response_id)

    told = ended(served, response_id)
    assert (response.status_code, response.json()["status"]) == (200, "in_progress")
    assert response.headers["x-fusion-run-id"] == response_id.removeprefix("resp_")
    assert (told["status"], text_of(told)) == ("completed", ANSWER)
    assert served.asked()[len(before) :] == ["east", "judge", "judge"]
    assert shown(replayed(served, response_id)).text == ANSWER


def test_a_run_of_the_command_line_goes_on_here_and_is_followed(serve: Serve) -> None:
    at_work, waits = endless(times=1)
    served = serve(east=waits)
    run_id = stopped_by_hand(served, at_work)

    response = resume(served, run_id, {})

    assert response.json()["id"] == f"resp_{run_id}"
    assert shown(replayed(served, run_id)).text.startswith("The answer is 1")
    assert at_rest(served, run_id, "ok")["answer"]["text"].startswith("The answer is 1")


def test_who_asks_twice_gets_the_run_that_is_under_way(serve: Serve) -> None:
    at_work, go, waits = held()
    served = serve(east=waits, judge=judge_and_writer)
    begun = asked(served, background=True)
    assert at_work.wait(20)

    again = [resume(served, begun["id"]) for _ in range(2)]
    go.set()

    assert [response.json()["status"] for response in again] == ["in_progress", "in_progress"]
    assert ended(served, begun["id"])["status"] == "completed"
    assert served.asked().count("east") == 1


def test_what_has_ended_does_not_go_on(served: Served) -> None:
    told = asked(served)
    before = served.asked()

    error = refused(resume(served, told["id"]), 409)

    assert "has ended: it is ok" in error["message"]
    assert served.asked() == before


def test_an_approval_starts_the_panel(served: Served) -> None:
    response_id = waiting(served)
    nobody = served.asked()

    response = decide(served, response_id, "approve")

    assert nobody == []
    assert response.json()["status"] == "in_progress"
    assert text_of(ended(served, response_id)) == ANSWER
    assert sorted(served.asked()[:3]) == ["east", "north", "south"]


def test_an_edit_changes_panel_and_budget(served: Served) -> None:
    response_id = waiting(served)
    args = EDIT["args"] | {"max_cost_usd": "$1.50", "estimate": "cost unknown"}  # type: ignore[operator]

    decide(served, response_id, "edit", edited_action=EDIT | {"args": args})

    ended(served, response_id)
    roster = details(served, response_id)["roster"]
    assert [seat["model"] for seat in roster["seats"]] == ["north", "south"]
    assert roster["max_cost_usd"] == 1.5
    assert "east" not in served.asked()


def test_a_rejection_ends_the_run_and_nobody_is_paid(served: Served) -> None:
    response_id = waiting(served)

    decide(served, response_id, "reject", message="too dear")

    told = at_rest(served, response_id, "error")
    assert (told["reasons"], told["failure_reason"]) == (["the panel was not approved: too dear"], "cancelled")
    assert (told["seats"], told["answer"]) == ([], None)
    assert served.models.requests == []


def test_an_edit_that_cannot_be_followed_leaves_the_run_waiting_and_says_why(served: Served) -> None:
    response_id = waiting(served)

    decide(served, response_id, "edit", edited_action={"name": "fusion", "args": {"panel": "north," * 9}})

    wait_until(lambda: details(served, response_id)["approval"] is not None)
    told = at_rest(served, response_id, "interrupted")
    assert "could not be followed" in told["approval"]["html"]
    assert decide(served, response_id, "approve").status_code == 200
    assert ended(served, response_id)["status"] == "completed"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"decision": 1}, "decision"),
        ({"decision": {}}, "decision.decisions"),
        ({"decision": {"decisions": []}}, "decision.decisions"),
        ({"decision": {"decisions": [{"type": "approve"}, {"type": "approve"}]}}, "decision.decisions"),
        ({"decision": {"decisions": [{"type": "perhaps"}]}}, "decision.decisions.0.type"),
        ({"decision": {"decisions": [{"type": "approve", "why": 1}]}}, "decision.decisions.0.why"),
        ({"decision": {"decisions": [{"type": "edit"}]}}, "decision.decisions.0"),
        ({"decision": {"decisions": [{"type": "approve", "edited_action": EDIT}]}}, "decision.decisions.0"),
        ({"decisions": []}, "decisions"),
        ({}, "decision"),
    ],
)
def test_a_decision_that_is_none_is_refused_naming_the_field(served: Served, body: Any, param: str) -> None:
    response_id = waiting(served)

    error = refused(resume(served, response_id, body))

    assert error["param"] == param
    assert details(served, response_id)["status"] == "interrupted"


@pytest.mark.parametrize("body", [{}, {"decision": None}, {"decision": "yes"}, {"decision": [{"type": "approve"}]}])
def test_who_gives_no_decision_is_told_what_to_send(served: Served, body: Any) -> None:
    response_id = waiting(served)
    message = refused(resume(served, response_id, body))["message"]

    _, _, told = message.partition("send ")
    sent, _ = json.JSONDecoder().raw_decode(told)

    assert "instance of" not in message
    assert resume(served, response_id, sent).status_code == 200
    assert text_of(ended(served, response_id)) == ANSWER


@pytest.mark.parametrize(
    ("args", "field"),
    [
        ({"tools": []}, "tools"),
        ({"max_cost_usd": "much"}, "max_cost_usd"),
        ({"max_cost_usd": -1}, "max_cost_usd"),
        ({"max_cost_usd": "inf"}, "max_cost_usd"),
        ({"panel": 5}, "panel"),
        ({"judge": ["judge"]}, "judge"),
    ],
)
def test_an_edit_of_what_cannot_be_edited_is_refused(served: Served, args: dict[str, Any], field: str) -> None:
    response_id = waiting(served)

    error = refused(decide(served, response_id, "edit", edited_action={"name": "fusion", "args": args}))

    assert error["param"].startswith(f"decision.decisions.0.edited_action.args.{field}")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"decision": NaN}', b"\xff"])
def test_a_body_that_is_no_object_of_json_is_refused(served: Served, body: bytes) -> None:
    response_id = waiting(served)

    response = httpx.post(f"{served.url}/v1/responses/{response_id}/resume", content=body)

    assert refused(response)["type"] == "invalid_request_error"


def test_a_decision_that_nobody_waits_for_is_refused(serve: Serve) -> None:
    served, response_id = stopped(serve)

    error = refused(decide(served, response_id, "approve"), 409)

    assert "does not wait for approval: it is cancelled" in error["message"]


def test_an_edit_names_no_model_that_is_not_offered(serve: Serve) -> None:
    served = serve(models=["north", "south", "east", "judge"], judge=judge_and_writer)
    response_id = waiting(served)

    for args in ({"panel": "north, writer"}, {"judge": "writer"}, {"writer": "writer"}):
        error = refused(decide(served, response_id, "edit", edited_action={"name": "fusion", "args": args}), 404)
        assert "'writer' is not offered here" in error["message"]
    assert details(served, response_id)["status"] == "interrupted"


def test_runs_of_others_are_not_there(serve: Serve) -> None:
    served = serve(keys=KEYS, judge=judge_and_writer)
    told = asked(served, headers=ONE)

    assert refused(resume(served, told["id"], headers=OTHER), 404)["param"] == "response_id"


# Limits


def test_a_run_that_goes_on_has_a_place_as_a_new_one_does(serve: Serve) -> None:
    at_work, waits = endless()
    served = serve(limits={"max_runs": 1}, east=waits, judge=judge_and_writer)
    first = asked(served, background=True)
    assert at_work.wait(20)
    cancelled(served, first["id"])
    second = asked(served, "Another?", background=True)

    error = refused(resume(served, first["id"]), 429)
    cancelled(served, second["id"])

    assert "1 runs are under way" in error["message"]
    assert resume(served, first["id"]).status_code == 200


def test_what_a_key_has_spent_keeps_its_runs_from_going_on(serve: Serve) -> None:
    at_work, waits = endless()
    served = serve(limits={"max_usd": 1.0}, north=dear(1.5), east=waits, judge=judge_and_writer)
    begun = asked(served, background=True)
    assert at_work.wait(20)
    wait_until(lambda: details(served, begun["id"])["cost"]["cost_usd"] == 1.5)
    cancelled(served, begun["id"])

    error = refused(resume(served, begun["id"]), 402)

    assert "1 US dollars within 24 hours" in error["message"]


@pytest.mark.parametrize(
    "decision",
    [
        {"kind": "approve"},
        {"kind": "edit", "edited_action": {"name": "fusion", "args": {"max_cost_usd": 1000}}},
        {"kind": "edit", "edited_action": {"name": "fusion", "args": {"max_cost_usd": 0}}},
    ],
)
def test_no_decision_lifts_the_limit_of_a_key(serve: Serve, decision: dict[str, Any]) -> None:
    served = serve(limits={"max_usd": 1.0, "max_runs": 2}, judge=judge_and_writer)
    response_id = waiting(served)

    decide(served, response_id, **decision)

    ended(served, response_id)
    (row,) = served.rows()
    assert json.loads(row["result"])["settings"]["max_cost_usd"] == 0.5


def test_a_smaller_budget_than_the_limit_stays(serve: Serve) -> None:
    served = serve(limits={"max_usd": 1.0, "max_runs": 2}, judge=judge_and_writer)
    response_id = waiting(served, plugins=[PANEL])

    decide(served, response_id, "edit", edited_action={"name": "fusion", "args": {"max_cost_usd": "0.1"}})

    ended(served, response_id)
    assert details(served, response_id)["roster"]["max_cost_usd"] == 0.1
