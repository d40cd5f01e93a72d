"""x_fusion.approve: a response that waits until somebody has approved of what its panel would do."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fusion_graph.deployment import Parts
from fusion_graph.runs import open_runs
from tests.graphs import look_up
from tests.server.conftest import Served
from tests.server.contract.asking import SEATS, refused
from tests.server.responses.asking import ask, asked, events, fetched, replayed, shown, text_of
from tests.server.responses.saying import ANSWER, ended

APPROVE: dict[str, Any] = {"x_fusion": {"approve": True}}


def decided(served: Served, response_id: str, **decision: Any) -> None:
    """Give a decision, as another process would, and wait for what comes of it."""

    async def decide(db: Path) -> None:
        async with open_runs(db, Parts.real(load_model=served.models, tools=[look_up()])) as runs:
            live = await runs.resume(response_id.removeprefix("resp_"), {"decisions": [decision]})
            await live.result()

    asyncio.run(decide(served.db))


@pytest.mark.contract("4.60")
@pytest.mark.parametrize("body", [{}, {"background": True}])
def test_a_run_that_is_to_be_approved_waits_before_anybody_is_asked(served: Served, body: dict[str, Any]) -> None:
    begun = asked(served, **APPROVE, **body)

    told = ended(served, begun["id"])
    own, (action,) = told["x_fusion"], told["x_fusion"]["approval"]["action_requests"]
    assert (told["status"], told["incomplete_details"]) == ("incomplete", {"reason": "approval"})
    assert (told["error"], told["completed_at"], told["usage"], told["output"]) == (None, None, None, [])
    assert (own["run_id"], own["status"]) == (begun["id"].removeprefix("resp_"), "interrupted")
    assert (action["name"], action["args"]["panel"]) == ("fusion", ", ".join(SEATS))
    assert begun == told or begun["status"] == "in_progress"
    assert served.models.requests == []


@pytest.mark.contract("4.60")
def test_its_stream_ends_with_what_is_to_be_approved(served: Served) -> None:
    found = events(ask(served, stream=True, **APPROVE))

    last = found[-1]
    assert [event["type"] for event in found] == ["response.created", "response.in_progress", "response.incomplete"]
    assert last["response"]["incomplete_details"] == {"reason": "approval"}
    assert fetched(served, last["response"]["id"]).json() == last["response"]
    assert replayed(served, last["response"]["id"]) == found
    assert replayed(served, last["response"]["id"], last["sequence_number"] - 1) == [last]


@pytest.mark.contract("4.60", "4.44")
def test_once_approved_it_is_a_response_as_any_other_and_followed_from_where_it_waited(served: Served) -> None:
    waiting = shown(events(ask(served, stream=True, **APPROVE)))
    response_id = waiting.response["id"]

    decided(served, response_id, type="approve")
    stored, whole = fetched(served, response_id).json(), replayed(served, response_id)
    client = shown(replayed(served, response_id, waiting.last), waiting)

    assert (stored["status"], stored["incomplete_details"], text_of(stored)) == ("completed", None, ANSWER)
    assert (client.response, client.text) == (stored, ANSWER)
    assert [event["type"] for event in whole if event["type"] == "response.incomplete"] == []
    assert (whole[-1]["response"], shown(whole).text) == (stored, ANSWER)
    assert sorted(served.asked()) == sorted([*SEATS, "judge", "judge"])


@pytest.mark.contract("4.60")
def test_what_is_not_approved_has_failed_and_says_so(served: Served) -> None:
    begun = asked(served, **APPROVE)

    decided(served, begun["id"], type="reject", message="too dear")
    told = fetched(served, begun["id"]).json()

    assert told["status"] == "failed"
    assert "the panel was not approved: too dear" in told["error"]["message"]
    assert served.models.requests == []


@pytest.mark.contract("4.60")
def test_a_plain_call_has_nothing_to_be_approved(served: Served) -> None:
    told = asked(served, model="judge", plugins=None, **APPROVE)

    assert (told["status"], text_of(told)) == ("completed", ANSWER)


@pytest.mark.contract("4.61")
def test_what_is_not_stored_cannot_be_approved(served: Served) -> None:
    error = refused(ask(served, store=False, **APPROVE))

    assert (error["param"], served.models.requests, served.rows()) == ("x_fusion.approve", [], [])


@pytest.mark.contract("4.61")
def test_a_chat_completion_has_nowhere_to_be_approved(served: Served) -> None:
    error = refused(served.chat(**APPROVE))
    taken = served.chat(x_fusion={"approve": False})

    assert error["param"] == "x_fusion.approve"
    assert "/v1/responses" in error["message"]
    assert len(served.rows()) == 1
    assert taken.json()["x_fusion"]["status"] == "ok"
