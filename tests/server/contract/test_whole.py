"""A whole completion: its fields, and what goes beside the text."""

import json
from typing import Any

import pytest

from tests.graphs import researcher
from tests.server.conftest import Serve, Served, judge_and_writer
from tests.server.contract.asking import FORCED, empty, fails, message, plugin, result

PLAIN = plugin(fusion_mode="never")


@pytest.mark.contract("8.1", "8.2", "8.3", "8.4", "8.6")
@pytest.mark.parametrize("asks", [{}, PLAIN, FORCED])
def test_a_completion_has_every_field_that_clients_need(served: Served, asks: dict[str, Any]) -> None:
    response = served.chat(**asks)

    told = json.loads(response.content.decode("utf-8"))
    (choice,) = told["choices"]
    assert response.headers["content-type"].startswith("application/json")
    assert isinstance(told["id"], str)
    assert told["id"]
    assert (told["object"], told["model"]) == ("chat.completion", asks.get("model", "judge"))
    assert isinstance(told["created"], int)
    assert told["created"] > 1_700_000_000
    assert told["system_fingerprint"] is None
    assert (choice["index"], choice["finish_reason"]) == (0, "stop")
    assert choice["message"]["role"] == "assistant"
    assert isinstance(choice["message"]["content"], str)


@pytest.mark.contract("8.6")
def test_a_completion_is_utf_8(serve: Serve) -> None:
    served = serve(writer=lambda _request: "Zwölf Brücken, 橋 🌉.")

    response = served.chat(model="writer", plugins=None)

    assert json.loads(response.content.decode("utf-8"))["choices"][0]["message"]["content"] == "Zwölf Brücken, 橋 🌉."


@pytest.mark.contract("3.28", "3.29", "3.30", "3.31")
def test_the_deliberation_is_beside_the_text(served: Served) -> None:
    (detail,) = message(served.chat("What is the ünswer?"))["reasoning_details"]

    assert (detail["type"], detail["tool_name"]) == ("reasoning.server_tool_call", "openrouter:fusion")
    assert isinstance(detail["tool_call_id"], str)
    assert detail["tool_call_id"]
    assert json.loads(detail["arguments"])["prompt"] == "What is the ünswer?"
    assert json.loads(detail["result"])["analysis"]["consensus"] == ["both agree"]
    assert (detail["id"], detail["index"]) == (None, 0)


@pytest.mark.contract("3.28", "3.30")
def test_each_deliberation_has_an_id_of_its_own(served: Served) -> None:
    ids = [message(served.chat())["reasoning_details"][0]["tool_call_id"] for _ in range(2)]

    assert len(set(ids)) == 2


@pytest.mark.contract("3.33")
def test_a_plain_call_has_no_deliberation(served: Served) -> None:
    told = message(served.chat(**PLAIN))

    assert told["content"] == "The answer is 1 [1]."
    assert "reasoning_details" not in told


@pytest.mark.contract("3.36", "3.37")
def test_annotations_enclose_the_citations(serve: Serve) -> None:
    served = serve(north=researcher(), writer=lambda _request: "Ä: it is 1 [1], so 🌉 they say [1].")

    told = message(served.chat(**FORCED))

    notes = [note["url_citation"] for note in told["annotations"]]
    assert {note["type"] for note in told["annotations"]} == {"url_citation"}
    assert {(note["url"], note["title"]) for note in notes} == {("https://pages.example/north-0", "About north 0")}
    assert [told["content"][note["start_index"] : note["end_index"]] for note in notes] == ["[1]", "[1]"]
    assert notes[0]["end_index"] < notes[1]["start_index"]


@pytest.mark.contract("3.36")
def test_an_answer_without_sources_has_no_annotations(served: Served) -> None:
    told = message(served.chat(**FORCED))

    assert told.get("annotations", []) == []


@pytest.mark.contract("3.39", "3.40", "5.9")
def test_our_own_field_tells_the_run(serve: Serve) -> None:
    served = serve(north=researcher(), judge=judge_and_writer)

    response = served.chat()

    own = response.json()["x_fusion"]
    assert own["run_id"] == response.headers["x-fusion-run-id"]
    assert own["status"] == "ok"
    assert [source["url"] for source in own["sources"]] == ["https://pages.example/north-0"]
    assert sorted(call["role"] for call in own["calls"]) == ["judge", *["panelist"] * 4, "writer"]
    assert sorted(call["model"] for call in own["calls"]) == sorted(served.asked())
    assert all(call["tokens"]["input"] > 0 and call["outcome"] for call in own["calls"])


@pytest.mark.contract("3.12")
@pytest.mark.parametrize("asks", [{}, PLAIN, {"model": ""}, {"messages": []}])
def test_nothing_is_worth_a_retry(served: Served, asks: dict[str, Any]) -> None:
    response = served.chat(**asks)

    assert response.headers["x-should-retry"] == "false"
    assert ("choices" in response.json()) is (response.status_code == 200)


@pytest.mark.contract("3.10", "3.11", "3.12", "5.11")
@pytest.mark.parametrize(("status", "code"), [(402, 402), (429, 429), (403, 502), (404, 404)])
def test_a_plain_call_that_fails_is_a_completion_with_an_error(serve: Serve, status: int, code: int) -> None:
    served = serve(judge=fails(status, "the words of its server"))

    response = served.chat(**PLAIN)

    told = response.json()
    assert (response.status_code, response.headers["x-should-retry"]) == (200, "false")
    assert told["error"]["code"] == code
    assert "the words of its server" in told["error"]["message"]
    assert told["choices"][0]["finish_reason"] == "error"
    assert told["choices"][0]["message"] | {"role": "assistant", "content": ""} == told["choices"][0]["message"]
    assert isinstance(told["usage"]["total_tokens"], int)


@pytest.mark.contract("3.50")
@pytest.mark.parametrize("text", ["", " \n"])
def test_another_answer_stands_in_for_a_writer_that_says_nothing(serve: Serve, text: str) -> None:
    served = serve(writer=lambda _request: text)

    response = served.chat(**FORCED)

    assert message(response)["content"].strip()
    assert response.json()["choices"][0]["finish_reason"] == "stop"
    assert response.json()["x_fusion"]["status"] == "degraded"


@pytest.mark.contract("3.50", "3.11")
def test_a_plain_call_that_says_nothing_is_an_error_not_an_empty_answer(serve: Serve) -> None:
    served = serve(judge=empty)

    told = served.chat(**PLAIN).json()

    assert told["choices"][0]["finish_reason"] == "error"
    assert told["error"]["message"]


@pytest.mark.contract("2.13", "3.30")
def test_a_deliberation_without_a_comparison_is_told(serve: Serve) -> None:
    served = serve(judge=empty)

    assert "analysis" not in result(served.chat(**FORCED))
