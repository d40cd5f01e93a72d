"""Turns of several requests: the client's functions, one deliberation a turn, deliberations that are sent back."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from fusion_graph.deployment import Parts
from fusion_graph.models.scripted import ScriptedModels, ScriptedReply, ScriptedRequest
from fusion_graph.runs import open_runs
from tests.graphs import asked, scripted, texts
from tests.server.conftest import Serve, Served, judge_and_writer
from tests.server.contract.asking import SEATS, message, offered, plugin, result, running, user
from tests.server.talk import ORDER

QUESTION = user("What shall I eat?")
ANSWERS = ["north: the answer is 1.", "south: the answer is 1.", "east: the answer is 2."]


def calls(*names: str) -> ScriptedReply:
    """Return a reply that calls tools of these names."""
    return ScriptedReply(
        tool_calls=[
            {"name": name, "args": {"prompt": "Which?"}, "id": f"call_{name}_{n}"} for n, name in enumerate(names)
        ]
    )


def has_called(request: ScriptedRequest, name: str) -> bool:
    return any(call["name"] == name for m in request.messages for call in getattr(m, "tool_calls", []))


def orders(request: ScriptedRequest) -> ScriptedReply | str:
    """A model that calls the client's function once, if it is offered, then answers."""
    return calls("order") if "order" in offered(request) and not has_called(request, "order") else "It was served."


def orders_then_fuses(request: ScriptedRequest) -> ScriptedReply | str:
    """A model that calls the client's function, then fusion if it is offered, then answers."""
    if not has_called(request, "order"):
        return calls("order")
    return calls("fusion") if "fusion" in offered(request) else "It was served."


def fuses_and_orders(request: ScriptedRequest) -> ScriptedReply | str:
    """A model that calls fusion and the client's function at once; after the panel the function; then answers."""
    if "fusion" in offered(request):
        return calls("fusion", "order")
    return orders(request)


def goes_on(first: Any, *, echo: bool = False) -> list[dict[str, Any]]:
    """Return the conversation with the results of the calls in a completion's message."""
    back = {name: first[name] for name in ("content", "tool_calls")}
    back |= {"reasoning_details": first["reasoning_details"]} if echo else {}
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "served"} for call in first["tool_calls"]]
    return [QUESTION, {"role": "assistant", **back}, *results]


@pytest.mark.contract("1.24", "8.5")
def test_a_call_of_the_clients_function_goes_to_the_client(serve: Serve) -> None:
    served = serve(writer=orders)

    told = served.post({"model": "writer", "messages": [QUESTION], "tools": [ORDER]}).json()

    (choice,) = told["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls"
    assert (call["type"], call["function"]["name"]) == ("function", "order")
    assert json.loads(call["function"]["arguments"]) == {"prompt": "Which?"}
    assert isinstance(call["id"], str)
    assert call["id"]
    assert choice["message"]["content"] is None


@pytest.mark.contract("1.26", "1.24")
def test_panel_and_judge_never_have_the_clients_functions(serve: Serve) -> None:
    served = serve(judge=judge_and_writer)

    told = served.chat(tools=[ORDER], tool_choice={"type": "openrouter:fusion"}).json()

    others = [request for request in served.models.requests if "order" not in offered(request)]
    assert told["x_fusion"]["fused"] is True
    assert [request.model for request in others] == [request.model for request in served.models.requests[:-1]]
    assert served.asked()[-2:] == ["judge", "judge"]


@pytest.mark.contract("1.25", "1.31", "1.32", "1.12")
def test_fusion_is_offered_until_it_has_run_in_the_turn(serve: Serve) -> None:
    served = serve(writer=orders_then_fuses)
    first = served.post({"model": "writer", "messages": [QUESTION], "tools": [ORDER]})

    second = served.post({"model": "writer", "messages": goes_on(message(first)), "tools": [ORDER]})

    assert message(second)["content"] == "It was served."
    assert [first.json()["x_fusion"]["fused"], second.json()["x_fusion"]["fused"]] == [False, True]
    assert [offered(request) for request in asked(served.models, "writer")] == [
        ["fusion", "order"],
        ["fusion", "order"],
        ["order"],
    ]
    assert [served.asked().count(seat) for seat in SEATS] == [1, 1, 1]


@pytest.mark.contract("1.32", "1.33", "1.35")
def test_a_reply_that_calls_both_gets_the_panel_and_decides_anew(serve: Serve) -> None:
    served = serve(writer=fuses_and_orders)
    first = served.post({"model": "writer", "messages": [QUESTION], "tools": [ORDER]})

    second = served.post({"model": "writer", "messages": goes_on(message(first)), "tools": [ORDER]})

    assert first.json()["choices"][0]["finish_reason"] == "tool_calls"
    assert result(first)["status"] == "ok"
    assert message(second)["content"] == "It was served."
    assert [offered(r) for r in asked(served.models, "writer")] == [["fusion", "order"], ["order"], ["order"]]
    assert [served.asked().count(seat) for seat in SEATS] == [1, 1, 1]


def fusions(served: Served, run_id: str) -> list[str]:
    """Return what calls of fusion were answered in a run's conversation."""

    async def state() -> Any:
        async with open_runs(served.db, Parts.real(load_model=served.models)) as runs:
            return await runs.state(await runs.get(run_id))

    return [m.text for m in asyncio.run(state())["messages"] if m.type == "tool" and m.name == "fusion"]


@pytest.mark.contract("1.30", "2.1")
@pytest.mark.parametrize("beside", [[], [ORDER]])
def test_a_second_call_of_fusion_is_capped(serve: Serve, beside: list[Any]) -> None:
    served = serve(writer=lambda request: calls("fusion", "fusion") if "fusion" in offered(request) else "It is 1.")

    response = served.post({"model": "writer", "messages": [QUESTION], "tools": beside})

    assert message(response)["content"] == "It is 1."
    assert result(response)["status"] == "ok"
    assert [served.asked().count(seat) for seat in SEATS] == [1, 1, 1]
    (first, second) = fusions(served, response.json()["x_fusion"]["run_id"])
    assert (json.loads(first)["failure_reason"], json.loads(second)["status"]) == ("fusion_invocation_capped", "ok")


def taken_elsewhere(
    models: ScriptedModels, folder: Path, **body: Any
) -> tuple[httpx.Response, Sequence[ScriptedRequest]]:
    """Return how a turn goes on at a server that knows nothing but what the client echoes, and what models are asked there."""
    asks = {"model": "writer", "tools": [ORDER], **body}
    with running(models, folder / "one.db") as served:
        first = served.post({**asks, "messages": [QUESTION]})
    before = len(models.requests)
    with running(models, folder / "other.db") as served:
        second = served.post({**asks, "messages": goes_on(message(first), echo=True)})
    return second, models.requests[before:]


@pytest.mark.contract("1.34", "1.25")
def test_a_tool_turn_is_known_by_the_deliberation_that_is_sent_back(tmp_path: Path) -> None:
    models = scripted(writer=orders)

    second, asked_later = taken_elsewhere(models, tmp_path, **plugin(fusion_mode="always"))

    assert message(second)["content"] == "It was served."
    assert [request.model for request in asked_later] == ["writer"]
    assert all(answer in texts(models.requests[-1].messages) for answer in [*ANSWERS, "both agree"])


@pytest.mark.contract("1.32", "1.34")
def test_in_mode_auto_a_deliberation_that_is_sent_back_has_run(tmp_path: Path) -> None:
    second, asked_later = taken_elsewhere(scripted(writer=fuses_and_orders), tmp_path)

    assert message(second)["content"] == "It was served."
    assert [(request.model, offered(request)) for request in asked_later] == [("writer", ["order"])]


@pytest.mark.contract("1.60")
def test_the_next_question_is_deliberated_anew(served: Served) -> None:
    first = message(served.post({"messages": [QUESTION]}))
    spoken = [QUESTION, {"role": "assistant", **first}, user("And to drink?")]

    response = served.post({"messages": spoken})

    assert [each["model"] for each in result(response)["responses"]] == SEATS
    assert [served.asked().count(seat) for seat in SEATS] == [2, 2, 2]


@pytest.mark.contract("3.34")
@pytest.mark.parametrize("mode", ["auto", "never", "always"])
def test_on_the_next_turn_the_model_has_the_deliberation_that_is_sent_back(served: Served, mode: str) -> None:
    first = message(served.post({"messages": [QUESTION]}))
    spoken = [QUESTION, {"role": "assistant", **first}, user("Why?")]

    response = served.post({"model": "writer", "messages": spoken, **plugin(fusion_mode=mode)})

    assert message(response)["content"] == "The answer is 1, though one source says 2."
    assert served.asked()[-1] == "writer"
    assert "both agree" in texts(served.models.requests[-1].messages)


CALL = {"type": "reasoning.server_tool_call", "tool_name": "openrouter:fusion", "tool_call_id": "c", "arguments": "{}"}


@pytest.mark.contract("3.35")
@pytest.mark.parametrize(
    "details",
    [
        None,
        [],
        "words",
        5,
        {"type": "reasoning.text"},
        [None, 5, "words", []],
        [{"type": "reasoning.text", "text": "I think so.", "index": 0}],
        [{"type": "reasoning.encrypted", "data": "abc=", "id": "r", "format": "unknown", "index": 0}],
        [{**CALL, "tool_name": "openrouter:web_search", "result": "{}"}],
        [CALL],
        [{**CALL, "result": None}],
        [{**CALL, "result": {"status": "ok"}}],
        [{**CALL, "result": "{"}],
        [{**CALL, "result": "[" * 100_000}],
        *(
            [{**CALL, "result": text}]
            for text in ("5", "null", "[]", '"words"', '{"analysis": 5}', '{"analysis": [{}]}')
        ),
        [{**CALL, "result": '{"analysis": {"consensus": ' + "[" * 900 + "]" * 900 + "}}"}],
        [{**CALL, "result": '{"status": "ok", "responses": "all"}'}],
        [{**CALL, "result": '{"status": "ok", "responses": [{"model": 5}]}'}],
        [{**CALL, "result": '{"status": "error", "error": "none", "failure_reason": "all_panels_failed"}'}],
        [{**CALL, "tool_call_id": None, "result": '{"status": "ok", "responses": []}'}],
        [{**CALL, "tool_call_id": "fusion_" + "0" * 32, "result": "{}"}] * 20,
    ],
)
def test_what_is_no_deliberation_is_passed_over(served: Served, details: Any) -> None:
    before = {"role": "assistant", "content": "Bread.", "reasoning_details": details}

    response = served.post({"messages": [QUESTION, before, user("Why?")]})

    assert message(response)["content"] == "The answer is 1 [1]."
    assert [each["model"] for each in result(response)["responses"]] == SEATS


@pytest.mark.contract("3.35", "1.34")
@pytest.mark.parametrize("told", ["{", '{"status": "ok", "responses": []}', '{"status": "error", "error": "none"}'])
def test_a_tool_turn_with_a_broken_deliberation_is_deliberated(served: Served, told: str) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "order", "arguments": "{}"}}
    back = {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_details": [{**CALL, "result": told}]}
    spoken = [QUESTION, back, {"role": "tool", "tool_call_id": "call_1", "content": "served"}]

    response = served.post({"messages": spoken, "tools": [ORDER]})

    assert message(response)["content"] == "The answer is 1 [1]."
