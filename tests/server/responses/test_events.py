"""Every event of every kind of run is as published, and what a client shows of them is what is stored."""

from typing import Any

import pytest

from fusion_graph.models.scripted import ScriptedError, ScriptedReply, ScriptedRequest
from tests.graphs import researcher
from tests.server.conftest import Serve, Served, is_judge, judge_and_writer
from tests.server.responses.asking import ask, asked, events, fetched, replayed, shown, streaming, text_of
from tests.server.responses.published import check_event, check_response
from tests.server.talk import orders

FUNCTION = {"type": "function", "name": "order", "parameters": {"type": "object", "properties": {}}}
WRITERS = {"id": "fusion", "analysis_models": ["north", "south", "east"], "model": "judge", "tools": []}


def thinks(_request: ScriptedRequest) -> ScriptedReply:
    return ScriptedReply("east: the answer is 2.", reasoning="Let me see.")


def fails(_request: ScriptedRequest) -> ScriptedError:
    return ScriptedError("too many requests", status_code=429)


def breaks(_request: ScriptedRequest) -> ScriptedReply:
    return ScriptedReply("half an answer and more", error=ScriptedError("no", status_code=403), error_after=2)


def no_json(request: ScriptedRequest) -> str:
    return "I cannot." if is_judge(request) else judge_and_writer(request)


def breaks_off(request: ScriptedRequest) -> Any:
    return judge_and_writer(request) if is_judge(request) else breaks(request)


def cut(request: ScriptedRequest) -> Any:
    return judge_and_writer(request) if is_judge(request) else ScriptedReply("The answer", finish_reason="length")


KINDS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a panel that searches": ({"north": researcher()}, {}, "completed"),
    "a model that thinks": ({"east": thinks}, {}, "completed"),
    "a seat that fails": ({"east": fails}, {}, "completed"),
    "a seat that breaks off": ({"east": breaks}, {}, "completed"),
    "no seat that answers": ({"north": fails, "south": fails, "east": fails}, {}, "completed"),
    "a judge that fails": ({"judge": no_json}, {}, "completed"),
    "a writer that breaks off": ({"judge": breaks_off}, {}, "completed"),
    "nobody that answers": (dict.fromkeys(["north", "south", "east", "judge"], fails), {}, "failed"),
    "an answer that is cut": ({"judge": cut}, {"max_output_tokens": 99}, "incomplete"),
    "a call of a function": ({"judge": orders}, {"tools": [FUNCTION]}, "completed"),
    "a model alone": ({}, {"plugins": [WRITERS | {"enabled": False}]}, "completed"),
    "a model that decides": ({}, {"model": "judge", "plugins": [{**WRITERS, "fusion_mode": "auto"}]}, "completed"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_of_any_kind_is_told_as_published(serve: Serve, kind: str) -> None:
    scripts, body, status = KINDS[kind]
    served = serve(**{"judge": judge_and_writer, **scripts})

    with streaming(served, **body) as response:
        found = events(response)

    for event in found:
        check_event(event)
    client = shown(found)
    assert client.response["status"] == status
    assert found[0]["type"] == "response.created"
    assert found[-1]["type"] == f"response.{status}"
    assert client.text == text_of(client.response)
    stored = fetched(served, client.response["id"]).json()
    assert stored == client.response
    check_response(stored)
    for event in replayed(served, stored["id"]):
        check_event(event)


@pytest.mark.parametrize("kind", KINDS)
def test_unstreamed_it_comes_to_the_same(serve: Serve, kind: str) -> None:
    scripts, body, status = KINDS[kind]
    served = serve(**{"judge": judge_and_writer, **scripts})

    response = asked(served, **body)

    check_response(response)
    assert response["status"] == status
    assert (response["error"] is None) == (status != "failed")
    assert fetched(served, response["id"]).json() == response


def of(found: list[dict[str, Any]], word: str) -> list[dict[str, Any]]:
    return [event for event in found if event["type"] == f"response.fusion_call.{word}"]


def streamed(served: Served, **body: Any) -> list[dict[str, Any]]:
    with streaming(served, **body) as response:
        return events(response)


def test_seats_of_one_model_are_told_apart(serve: Serve) -> None:
    panel = {"id": "fusion", "analysis_models": ["north", "north", "east"], "model": "judge", "tools": []}

    found = streamed(serve(judge=judge_and_writer), plugins=[panel])

    assert [(event["panel_index"], event["model"]) for event in of(found, "panel.added")] == [
        (0, "north"),
        (1, "north"),
        (2, "east"),
    ]
    assert {event["panel_index"] for event in of(found, "panel.completed")} == {0, 1, 2}


def test_what_a_seat_thinks_is_told_beside_what_it_says(serve: Serve) -> None:
    found = streamed(serve(judge=judge_and_writer, east=thinks))

    thoughts = of(found, "panel.reasoning.delta")
    assert "".join(event["delta"] for event in thoughts) == "Let me see."
    assert {(event["panel_index"], event["model"]) for event in thoughts} == {(2, "east")}
    assert shown(found).seats[2] == "east: the answer is 2."


def test_a_seat_that_fails_says_why(serve: Serve) -> None:
    found = streamed(serve(judge=judge_and_writer, east=fails))

    (failed,) = of(found, "panel.failed")
    assert (failed["model"], failed["status_code"]) == ("east", 429)
    item = found[-1]["response"]["output"][0]
    assert [entry["model"] for entry in item["failed_models"]] == ["east"]
    assert item["status"] == "completed"


def test_a_panel_without_an_answer_is_told_as_such(serve: Serve) -> None:
    found = streamed(serve(judge=judge_and_writer, north=fails, south=fails, east=fails))

    item = found[-1]["response"]["output"][0]
    assert (item["status"], item["failure_reason"]) == ("incomplete", "rate_limited")
    assert "analysis" not in item
    assert "Written without the panel" in text_of(found[-1]["response"])


def test_a_judge_that_fails_leaves_the_analysis_out(serve: Serve) -> None:
    found = streamed(serve(judge=no_json))

    item = found[-1]["response"]["output"][0]
    assert (item["status"], item["failure_reason"]) == ("completed", "judge_not_valid_json")
    assert len(item["responses"]) == 3
    assert not of(found, "analysis.completed")


def test_text_of_a_writer_that_broke_off_is_not_gone_on_with(serve: Serve) -> None:
    served = serve(judge=breaks_off)

    found = streamed(served)

    client = shown(found)
    messages = [client.items[item] for item in client.order if item.startswith("msg_")]
    assert [message["status"] for message in messages] == ["incomplete", "completed"]
    assert "broke off here" in messages[0]["content"][0]["text"]
    assert [item["type"] for item in client.response["output"]] == ["openrouter:fusion", "message"]
    assert client.text == text_of(client.response) != ""
    assert shown(replayed(served, client.response["id"])).text == client.text


def test_a_client_that_saw_a_lost_answer_begin_is_told_its_end_also_later(serve: Serve) -> None:
    served = serve(judge=breaks_off)
    found = streamed(served)
    cut_at = next(n for n, event in enumerate(found) if event["type"] == "response.output_text.delta")

    client = shown(found[: cut_at + 1])
    rest = replayed(served, found[0]["response"]["id"], client.last)

    client = shown(rest, client)
    assert [client.items[item]["status"] for item in client.order] == ["completed", "incomplete", "completed"]
    assert client.text == text_of(client.response)


def test_calls_of_functions_come_whole(serve: Serve) -> None:
    found = streamed(serve(judge=orders), tools=[FUNCTION])

    (call,) = [item for item in found[-1]["response"]["output"] if item["type"] == "function_call"]
    assert (call["name"], call["arguments"], call["call_id"]) == ("order", '{"n": 1}', "call_1")
    deltas = [event for event in found if event["type"] == "response.function_call_arguments.delta"]
    assert "".join(event["delta"] for event in deltas) == call["arguments"]
    assert not any(item["type"] == "message" for item in found[-1]["response"]["output"])


@pytest.mark.parametrize("by", ["name", "key"])
def test_a_plain_client_gets_openais_own_items_and_events(serve: Serve, by: str) -> None:
    key = "the-key-of-a-plain-client"
    served = serve(judge=judge_and_writer, keys=[f"{key}:plain"] if by == "key" else [])
    headers = {"authorization": f"Bearer {key}"}
    body = {} if by == "key" else {"model": "fusion:plain"}

    whole = ask(served, "One?", headers=headers, **body).json()
    found = events(ask(served, "Two?", headers=headers, stream=True, **body))

    assert [item["type"] for item in whole["output"]] == ["message"]
    assert not [event for event in found if "fusion" in event["type"]]
    assert shown(found).text == text_of(found[-1]["response"]) == "The answer is 1 [1]."
    assert found[-1]["response"]["x_fusion"]["fused"]


def test_where_an_answer_is_from_is_told_with_it(serve: Serve) -> None:
    found = streamed(serve(judge=judge_and_writer, north=researcher()))

    (added,) = [event for event in found if event["type"] == "response.output_text.annotation.added"]
    part = found[-1]["response"]["output"][1]["content"][0]
    assert part["annotations"] == [added["annotation"]]
    assert part["text"][added["annotation"]["start_index"] : added["annotation"]["end_index"]] == "[1]"
    assert found[-1]["response"]["output"][0]["sources"] == [
        {"url": "https://pages.example/north-0", "title": "About north 0"}
    ]
