"""`include` of fusion_call.work: a stream that tells what the panel does, beside what it tells every client."""

from collections.abc import Mapping
from typing import Any, cast

import pytest
from openai import OpenAI

from fusion_graph.models.scripted import ScriptedError, ScriptedReply, ScriptedRequest
from tests.graphs import researcher
from tests.server.conftest import PANEL, Serve, Served, judge_and_writer
from tests.server.responses.asking import ask, events, fetched, text_of
from tests.server.responses.published import check_event
from tests.server.responses.test_events import KINDS

WORK = ["fusion_call.work"]
OWN = "response.fusion_call."
ADDED = {f"{OWN}{word}" for word in ("panel.tool.called", "panel.tool.completed", "ledger")}


def lost(request: ScriptedRequest) -> Any:
    """A seat that calls a tool that is not there, then answers."""
    if any(message.type == "tool" for message in request.messages):
        return "From memory."
    return ScriptedReply(tool_calls=[{"name": "teleport", "args": {"to": "the library"}, "id": "c1"}])


def fails(_request: ScriptedRequest) -> ScriptedError:
    return ScriptedError("no such model", status_code=404)


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(north=researcher(), south=lost, east=fails, judge=judge_and_writer)


def streamed(served: Served, **body: Any) -> list[dict[str, Any]]:
    return events(ask(served, stream=True, **body))


def of(found: list[dict[str, Any]], word: str) -> list[dict[str, Any]]:
    return [event for event in found if event["type"] == f"{OWN}{word}"]


@pytest.mark.contract("4.55")
def test_calls_of_tools_are_told_with_what_they_are_about_and_what_they_found(served: Served) -> None:
    found = streamed(served, include=WORK)

    called, back = of(found, "panel.tool.called"), of(found, "panel.tool.completed")
    assert {(event["panel_index"], event["model"], event["tool"], event["target"]) for event in called} == {
        (0, "north", "look_up", "north 0"),
        (1, "south", "teleport", "the library"),
    }
    assert {event["tool_call_id"]: event["panel_index"] for event in called} == {"call_0": 0, "c1": 1}
    north, south = sorted(back, key=lambda event: int(event["panel_index"]))
    assert (north["tool_call_id"], north["tool"], "error" in north) == ("call_0", "look_up", False)
    assert north["sources"] == [{"url": "https://pages.example/north-0", "title": "About north 0"}]
    assert (south["tool_call_id"], south["sources"]) == ("c1", [])
    assert "teleport" in south["error"]


@pytest.mark.contract("4.55")
def test_every_attempt_is_told_also_the_judges_and_the_writers(served: Served) -> None:
    found = streamed(served, include=WORK)

    told = [event["call"] for event in of(found, "ledger")]
    kept = found[-1]["response"]["x_fusion"]["calls"]
    assert sorted(told, key=lambda call: str(call["id"])) == sorted(kept, key=lambda call: str(call["id"]))
    assert [(call["role"], call["outcome"]) for call in told][-2:] == [("judge", "answer"), ("writer", "answer")]
    assert ("panelist", "not_found") in {(call["role"], call["outcome"]) for call in told}


@pytest.mark.contract("4.55")
def test_fusions_events_say_when_they_were(served: Served) -> None:
    found = streamed(served, include=WORK)

    times = [event["at"] for event in found if event["type"].startswith(OWN)]
    (item,) = {(event["item_id"], event["output_index"]) for event in found if event["type"].startswith(OWN)}
    response = found[-1]["response"]
    assert times == sorted(times)
    assert response["created_at"] <= times[0] <= times[-1] < response["completed_at"] + 1
    assert not [event for event in found if "at" in event and not event["type"].startswith(OWN)]
    assert item == (response["output"][0]["id"], 0)


@pytest.mark.contract("4.56")
def test_who_does_not_ask_for_it_is_told_the_same_events_under_the_same_numbers(served: Served) -> None:
    begun = streamed(served)[0]["response"]["id"]

    plain = events(fetched(served, begun, stream="true"))
    asked_so = [
        events(fetched(served, begun, stream="true", **query))
        for query in ({"include[]": WORK}, {"include": WORK}, {"include": ["reasoning.encrypted_content", *WORK]})
    ]
    others = events(fetched(served, begun, stream="true", include=["message.output_text.logprobs"]))

    for found in asked_so:
        assert {event["type"] for event in found} >= ADDED
        assert [without_work(event) for event in found if event["type"] not in ADDED] == plain == others
    assert not {event["type"] for event in plain} & ADDED
    for event in asked_so[0]:
        if event["type"] not in ADDED:
            check_event(event)


def without_work(event: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "at"}


@pytest.mark.contract("4.55", "4.56")
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_of_any_kind_is_told_with_its_work_live_and_again(serve: Serve, kind: str) -> None:
    scripts, body, _ = KINDS[kind]
    served = serve(**{"judge": judge_and_writer, **scripts})

    live = streamed(served, include=WORK, **body)
    response = live[-1]["response"]
    plain, again = (events(fetched(served, response["id"], stream="true", include=each)) for each in ([], WORK))

    told = [event["call"]["id"] for event in of(again, "ledger")]
    assert [event for event in live if event["type"] in ADDED] == [event for event in again if event["type"] in ADDED]
    assert [without_work(event) for event in again if event["type"] not in ADDED] == plain
    assert set(told) == ({call["id"] for call in response["x_fusion"]["calls"]} if told else set())
    assert bool(told) == ("openrouter:fusion" in {item["type"] for item in response["output"]})


@pytest.mark.contract("4.56")
@pytest.mark.parametrize("given", [None, "fusion_call.work", 5, {}, ["reasoning.encrypted_content"], [["x"]]])
def test_what_else_may_stand_in_include_is_taken_and_not_heeded(served: Served, given: Any) -> None:
    found = streamed(served, include=given)

    assert found[-1]["type"] == "response.completed"
    assert not {event["type"] for event in found} & ADDED


@pytest.mark.contract("4.56")
def test_a_plain_client_is_not_shown_the_work_either(served: Served) -> None:
    found = streamed(served, model="fusion:plain", include=WORK)

    assert not [event for event in found if "fusion" in event["type"]]
    assert text_of(found[-1]["response"]) == "The answer is 1 [1]."


@pytest.mark.contract("4.55", "4.44")
def test_who_was_cut_off_is_told_the_rest_of_the_work(served: Served) -> None:
    whole = streamed(served, include=WORK)
    cut_at = next(number for number, event in enumerate(whole) if event["type"] == f"{OWN}panel.tool.completed")
    last = whole[cut_at]["sequence_number"]

    rest = events(fetched(served, whole[0]["response"]["id"], stream="true", starting_after=last, include=WORK))

    deltas = f"{OWN}panel.delta"
    assert rest == [event for event in whole[cut_at + 1 :] if event["type"] != deltas]


@pytest.mark.contract("4.55")
def test_openais_sdk_asks_for_it_in_its_own_spelling(serve: Serve) -> None:
    served, include = serve(north=researcher(), judge=judge_and_writer), cast("Any", WORK)
    with OpenAI(base_url=f"{served.url}/v1", api_key="none") as client:
        stream = client.responses.create(
            model="fusion", input="What?", stream=True, include=include, extra_body={"plugins": [PANEL]}
        )
        first = list(stream)
        begun: Any = first[0]
        again = list(client.responses.retrieve(begun.response.id, stream=True, include=include))
    stored = fetched(served, begun.response.id).json()

    assert stored["status"] == "completed"
    for found in (first, again):
        assert {str(event.type) for event in found} >= ADDED
