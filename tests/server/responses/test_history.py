"""Responses that go on from others: conversations by id, items that are sent back or referred to, rounds of functions."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from openai import OpenAI

from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest
from fusion_graph.server import keeping
from tests import graphs
from tests.graphs import texts
from tests.server.conftest import PANEL, Serve, Served, is_judge, judge_and_writer
from tests.server.contract.asking import SEATS, refused
from tests.server.responses.asking import QUESTION, ask, asked, events, fetched, replayed, streaming, text_of
from tests.server.responses.saying import FUNCTION, heard, kinds
from tests.server.talk import endless, held, orders

KEYS = ["first-key-of-sixteen", "second-key-of-sixteen"]
ONE, OTHER = ({"authorization": f"Bearer {key}"} for key in KEYS)
USER = {"role": "user", "content": QUESTION}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "served"}


def parrots(request: ScriptedRequest) -> str:
    """A writer that says what it was asked last."""
    return judge_and_writer(request) if is_judge(request) else f"You asked: {request.text}"


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(judge=parrots)


def spoken(request: ScriptedRequest) -> str:
    return texts(request.messages)


@pytest.mark.contract("4.7", "4.9")
def test_a_chain_of_three_is_one_conversation_and_each_turn_asks_the_panel(served: Served) -> None:
    first = asked(served, "What of Anna?")
    second = asked(served, "What of Bert?", previous_response_id=first["id"])
    third = asked(served, "What of Carl?", previous_response_id=second["id"])

    said = spoken(graphs.asked(served.models, "north")[-1])
    places = [said.find(part) for part in ("What of Anna?", "You asked:", "What of Bert?", "What of Carl?")]
    assert third["previous_response_id"] == second["id"]
    assert "What of Carl?" in text_of(third)
    assert [response["x_fusion"]["fused"] for response in (first, second, third)] == [True] * 3
    assert -1 not in places
    assert places == sorted(places)
    assert [served.asked().count(seat) for seat in SEATS] == [3, 3, 3]


@pytest.mark.contract("4.8")
def test_two_go_on_from_one_and_neither_hears_of_the_other(served: Served) -> None:
    first = asked(served, "What of Anna?")

    asked(served, "What of Bert?", previous_response_id=first["id"])
    carl = asked(served, "What of Carl?", previous_response_id=first["id"])

    assert "What of Carl?" in text_of(carl)
    assert "What of Anna?" in heard(served)
    assert "What of Bert?" not in heard(served) + heard(served, "judge")


@pytest.mark.contract("4.7")
def test_a_deliberation_is_known_to_a_model_that_goes_on_alone(served: Served) -> None:
    first = asked(served, "What of Anna?")

    told = asked(served, "And now?", model="writer", plugins=None, previous_response_id=first["id"])

    assert (told["model"], kinds(told)) == ("writer", ["message"])
    assert "both agree" in heard(served, "writer")
    assert "You asked: " in heard(served, "writer")


@pytest.mark.contract("4.10")
@pytest.mark.parametrize("response_id", ["resp_0", "resp_", "nothing", "resp_" + "f" * 32, "\x00"])
def test_a_response_that_is_not_there_is_not_found(served: Served, response_id: str) -> None:
    error = refused(ask(served, previous_response_id=response_id), 404)

    assert error["type"] == "not_found_error"
    assert served.models.requests == []


@pytest.mark.contract("4.10")
def test_nobody_goes_on_from_the_response_of_another(serve: Serve) -> None:
    served = serve(keys=KEYS, judge=parrots)
    first = ask(served, headers=ONE).json()

    error = refused(ask(served, "And?", headers=OTHER, previous_response_id=first["id"]), 404)
    own = ask(served, "And?", headers=ONE, previous_response_id=first["id"]).json()

    assert first["id"] in error["message"]
    assert own["status"] == "completed"


@pytest.mark.contract("4.10", "4.31")
def test_nobody_goes_on_from_what_was_not_stored(served: Served) -> None:
    first = asked(served, store=False)

    assert refused(ask(served, "And?", previous_response_id=first["id"]), 404)["code"] == 404
    assert refused(fetched(served, first["id"]), 404)["param"] == "response_id"


@pytest.mark.contract("4.11")
def test_a_response_that_has_not_ended_is_not_gone_on_from(serve: Serve) -> None:
    _, go, waits = held()
    served = serve(east=waits, judge=parrots)
    first = asked(served, background=True)

    error = refused(ask(served, "And?", previous_response_id=first["id"]))
    go.set()

    assert error["param"] == "previous_response_id"
    assert f"GET /v1/responses/{first['id']}" in error["message"]
    assert len(served.rows()) == 1


@pytest.mark.contract("4.12")
def test_a_reference_stands_for_an_item_of_a_response_or_of_its_input(served: Served) -> None:
    first = asked(served, "What of Anna?")
    ids = [f"in_{first['id'].removeprefix('resp_')}_0", *(item["id"] for item in first["output"])]

    items = [*({"type": "item_reference", "id": each} for each in ids), {"role": "user", "content": "And now?"}]
    told = asked(served, items, model="writer", plugins=None)

    said = heard(served, "writer")
    assert text_of(told)
    assert [part for part in ("What of Anna?", "both agree", "You asked: ", "And now?") if part not in said] == []


@pytest.mark.contract("4.12")
def test_a_reference_to_an_item_of_another_is_refused(serve: Serve) -> None:
    served = serve(keys=KEYS, judge=parrots)
    first = ask(served, headers=ONE).json()
    items = [{"type": "item_reference", "id": first["output"][-1]["id"]}, USER]

    error = refused(ask(served, items, headers=OTHER))

    assert error["param"] == "input.0.id"
    assert ask(served, items, headers=ONE).json()["status"] == "completed"


def by_id(first: dict[str, Any]) -> dict[str, Any]:
    return {"given": [OUTPUT], "previous_response_id": first["id"]}


def by_echo(first: dict[str, Any]) -> dict[str, Any]:
    return {"given": [USER, *first["output"], OUTPUT]}


def by_panel_alone(first: dict[str, Any]) -> dict[str, Any]:
    """Send the panel's work back, and a call under another id than the one that was handed out."""
    (panel, call) = first["output"]
    return {"given": [USER, panel, call | {"call_id": "mine"}, OUTPUT | {"call_id": "mine"}]}


def by_call(first: dict[str, Any]) -> dict[str, Any]:
    return {"given": [USER, first["output"][-1], OUTPUT]}


def by_references(first: dict[str, Any]) -> dict[str, Any]:
    return {"given": [USER, *({"type": "item_reference", "id": item["id"]} for item in first["output"]), OUTPUT]}


WAYS: Sequence[Callable[[dict[str, Any]], dict[str, Any]]] = (by_id, by_echo, by_panel_alone, by_call, by_references)


@pytest.mark.contract("4.13", "4.14", "4.15", "4.28")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("restarted", [False, True])
def test_a_function_goes_round_and_one_panel_is_paid(serve: Serve, way: Any, restarted: bool) -> None:  # noqa: FBT001
    served = serve(judge=orders)
    first = asked(served, tools=[FUNCTION])
    if restarted:
        served.stop()
        served = serve(db=served.db, judge=orders)
    served.models.requests.clear()

    second = asked(served, tools=[FUNCTION], **way(first))

    assert (kinds(second), text_of(second)) == (["message"], "It was served.")
    assert second["x_fusion"]["fused"] is True
    assert served.asked() == ["judge"]
    assert "north: the answer is 1." in heard(served, "judge")
    assert "served" in heard(served, "judge")


@pytest.mark.contract("4.13")
@pytest.mark.parametrize("way", [by_id, by_call])
def test_a_streamed_call_of_a_plain_client_belongs_to_its_panel_as_well(serve: Serve, way: Any) -> None:
    served = serve(judge=orders)
    with streaming(served, model="fusion:plain", tools=[FUNCTION]) as response:
        first = events(response)[-1]["response"]

    second = asked(served, model="fusion:plain", tools=[FUNCTION], **way(first))

    assert (kinds(first), kinds(second)) == (["function_call"], ["message"])
    assert second["x_fusion"]["fused"] is True
    assert [served.asked().count(seat) for seat in SEATS] == [1, 1, 1]


@pytest.mark.contract("4.13", "4.15")
def test_what_openais_sdk_makes_of_the_items_is_taken_up_as_well(serve: Serve) -> None:
    served = serve(judge=orders)
    tools: Any = [FUNCTION]
    with OpenAI(base_url=f"{served.url}/v1", api_key="none") as client:
        first = client.responses.create(model="fusion", input=QUESTION, tools=tools, extra_body={"plugins": [PANEL]})
    dumped = [item.model_dump(warnings=False) for item in first.output]

    second = asked(served, [USER, *dumped, OUTPUT], tools=[FUNCTION])

    assert [item["type"] for item in dumped] == ["openrouter:fusion", "function_call"]
    assert (text_of(second), second["x_fusion"]["fused"]) == ("It was served.", True)
    assert [served.asked().count(seat) for seat in SEATS] == [1, 1, 1]


@pytest.mark.contract("4.15")
def test_a_panels_work_of_another_server_is_taken_up_from_what_is_sent(serve: Serve) -> None:
    first = asked(serve(judge=orders), tools=[FUNCTION])
    other = serve(judge=orders)

    second = asked(other, tools=[FUNCTION], **by_echo(first))

    assert text_of(second) == "It was served."
    assert other.asked() == ["judge"]
    assert "north: the answer is 1." in heard(other, "judge")


@pytest.mark.contract("4.14")
def test_another_owners_call_is_none_that_was_handed_out(serve: Serve) -> None:
    served = serve(keys=KEYS, judge=orders)
    first = ask(served, headers=ONE, tools=[FUNCTION]).json()

    second = ask(served, headers=OTHER, tools=[FUNCTION], **by_call(first)).json()

    assert (kinds(first)[0], second["x_fusion"]["fused"]) == ("openrouter:fusion", False)
    assert "north: the answer is 1." not in heard(served, "judge")


@pytest.mark.contract("4.13", "4.28")
def test_rounds_of_functions_go_on_as_long_as_the_writer_calls(serve: Serve) -> None:
    def twice(request: ScriptedRequest) -> Any:
        done = sum(message.text == "served" for message in request.messages)
        if is_judge(request) or done == 2 or not request.tools:
            return judge_and_writer(request)
        return ScriptedReply(tool_calls=[{"name": "order", "args": {"n": done}, "id": f"call_{done}"}])

    served = serve(judge=twice)
    told = asked(served, tools=[FUNCTION])
    for number in range(2):
        output = OUTPUT | {"call_id": f"call_{number}"}
        told = asked(served, [output], tools=[FUNCTION], previous_response_id=told["id"])
    later = asked(served, "And tomorrow?", previous_response_id=told["id"])

    assert text_of(told) == "The answer is 1 [1]."
    assert kinds(later)[0] == "openrouter:fusion"
    assert [served.asked().count(seat) for seat in SEATS] == [2, 2, 2]


@pytest.mark.contract("4.14", "4.51")
def test_a_call_of_a_run_that_a_follower_resumed_is_known(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "MOST_STARTS", 1)  # so that nobody but who follows it goes on with the run
    at_work, waits = endless()
    before = serve(east=waits, judge=orders)
    begun = asked(before, background=True, tools=[FUNCTION])
    assert at_work.wait(20)
    before.stop()
    after = serve(db=before.db, judge=orders)

    first = replayed(after, begun["id"])[-1]["response"]
    after.models.requests.clear()
    second = asked(after, tools=[FUNCTION], **by_call(first))

    assert (kinds(first)[-1], second["x_fusion"]["fused"]) == ("function_call", True)
    assert after.asked() == ["judge"]
