"""A turn in which a client's tools answer: one panel is paid, by whatever the client brings of it."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest
from tests.server.conftest import PANEL, Serve, Served, is_judge, judge_and_writer
from tests.server.talk import ORDER, PANELISTS, chunks, orders

USER = {"role": "user", "content": "What shall I eat?"}


def asks(served: Served, messages: Sequence[Any], **body: Any) -> dict[str, Any]:
    told: dict[str, Any] = served.post({"messages": list(messages), "tools": [ORDER], **body}).json()
    return told


def turn(told: dict[str, Any], *, without: Sequence[str] = (), call_id: str = "") -> list[dict[str, Any]]:
    """Return what a client adds: the message that called its tool, and the tool's answer."""
    message = {name: value for name, value in told["choices"][0]["message"].items() if name not in without}
    (call,) = message["tool_calls"]
    message["tool_calls"] = [call | {"id": call_id or call["id"]}]
    return [message, {"role": "tool", "tool_call_id": call_id or call["id"], "content": "served"}]


def panels(served: Served) -> int:
    return served.asked().count("north")


def test_the_calls_that_were_handed_out_are_known_after_a_restart(serve: Serve) -> None:
    before = serve(judge=orders)
    first = asks(before, [USER])
    before.stop()
    after = serve(db=before.db, judge=orders)

    second = asks(after, [USER, *turn(first, without=["reasoning_details"])])

    assert second["choices"][0]["message"]["content"] == "It was served."
    assert after.asked() == ["judge"]
    assert "north: the answer is 1." in after.models.requests[-1].text
    assert second["x_fusion"]["fused"]
    assert second["x_fusion"]["sources"] == first["x_fusion"]["sources"]


@pytest.mark.parametrize("stream", [False, True])
def test_what_a_client_echoes_is_enough_for_a_server_that_knows_nothing(serve: Serve, stream: bool) -> None:  # noqa: FBT001
    first = asks(serve(judge=orders), [USER])
    other = serve(judge=orders)
    messages = [USER, *turn(first)]

    if stream:
        response = other.post({"messages": messages, "tools": [ORDER], "stream": True})
        said = "".join(c["delta"].get("content", "") for part in chunks(response) for c in part["choices"])
    else:
        said = asks(other, messages)["choices"][0]["message"]["content"]

    assert said == "It was served."
    assert other.asked() == ["judge"]
    writer = other.models.requests[-1].text
    assert all(f"{seat}: the answer is" in writer for seat in PANELISTS)
    assert "both agree" in writer


def test_an_answer_after_tools_counts_and_costs_its_own_calls_only(serve: Serve) -> None:
    served = serve(judge=orders)
    first = asks(served, [USER])

    second = asks(served, [USER, *turn(first)])

    assert len(first["x_fusion"]["calls"]) == 5
    assert [call["role"] for call in second["x_fusion"]["calls"]] == ["writer"]
    assert second["usage"]["total_tokens"] < first["usage"]["total_tokens"]
    assert second["usage"]["server_tool_use_details"]["tool_calls_executed"] == 0
    assert json.loads(detail(second)["result"])["responses"] == json.loads(detail(first)["result"])["responses"]


def detail(told: dict[str, Any]) -> dict[str, Any]:
    (found,) = told["choices"][0]["message"]["reasoning_details"]
    return dict(found)


def test_a_detail_tells_what_was_asked_and_where_it_is_from(serve: Serve) -> None:
    told = detail(asks(serve(judge=judge_and_writer), [USER]))

    assert json.loads(told["arguments"]) == {"prompt": "What shall I eat?"}
    assert (told["type"], told["tool_name"], told["index"], told["id"]) == (
        "reasoning.server_tool_call",
        "openrouter:fusion",
        0,
        None,
    )
    assert told["tool_call_id"].startswith("fusion_")


def test_two_conversations_may_number_their_calls_alike(serve: Serve) -> None:
    served = serve(judge=orders)
    soup, cake = ({"role": "user", "content": f"Shall I eat {what}?"} for what in ("soup", "cake"))
    first = asks(served, [soup])
    asks(served, [cake])

    told = asks(served, [soup, *turn(first, without=["reasoning_details"])])

    (parent,) = {row["parent_id"] for row in served.rows() if row["run_id"] == told["x_fusion"]["run_id"]}
    assert parent == first["x_fusion"]["run_id"]


def test_a_changed_answer_of_a_tool_changes_nothing_of_what_was_said_before(serve: Serve) -> None:
    served = serve(judge=orders)
    first = asks(served, [USER])
    good, bad = (turn(first) for _ in range(2))
    bad[1] = bad[1] | {"content": "burnt"}

    answers = [asks(served, [USER, *messages]) for messages in (good, bad)]

    assert panels(served) == 1
    assert [told["choices"][0]["message"]["content"] for told in answers] == ["It was served."] * 2
    results = [str(message.text) for message in served.models.requests[-1].messages if message.type == "tool"]
    assert results == ["burnt"]


def test_another_owner_cannot_take_up_a_deliberation(serve: Serve) -> None:
    keys = ["first-key-of-sixteen", "second-key-of-sixteen"]
    served = serve(keys=keys, judge=orders)
    one, other = ({"authorization": f"Bearer {key}"} for key in keys)
    first = served.post({"messages": [USER], "tools": [ORDER]}, headers=one).json()
    stolen = [USER, *turn(first, without=["reasoning_details"])]
    named = [USER, *turn(first, without=["reasoning_details"])]
    named[1] = {
        **named[1],
        "reasoning_details": [detail(first) | {"result": "{}"}],
    }

    told = [served.post({"messages": each, "tools": [ORDER]}, headers=other).json() for each in (stolen, named)]

    assert [each["x_fusion"]["fused"] for each in told] == [False, False]
    assert all("north: the answer" not in request.text for request in served.models.requests[-2:])


BROKEN = [
    None,
    5,
    [5],
    [{"type": "reasoning.text", "text": "hm"}],
    [{"type": "reasoning.server_tool_call", "tool_name": "openrouter:fusion"}],
    [{"type": "reasoning.server_tool_call", "tool_name": "other", "tool_call_id": "a", "result": "{}"}],
    [
        {
            "type": "reasoning.server_tool_call",
            "tool_name": "openrouter:fusion",
            "tool_call_id": "fusion_",
            "result": "{",
        }
    ],
    [
        {
            "type": "reasoning.server_tool_call",
            "tool_name": "openrouter:fusion",
            "tool_call_id": "x",
            "result": json.dumps({"status": "error", "error": "no"}),
        }
    ],
    [
        {
            "type": "reasoning.server_tool_call",
            "tool_name": "openrouter:fusion",
            "tool_call_id": "x",
            "result": json.dumps({"responses": [{"model": "m", "content": 5}]}),
        }
    ],
]


@pytest.mark.parametrize("details", BROKEN)
def test_an_echo_that_cannot_be_read_is_as_if_it_were_not_there(serve: Serve, details: Any) -> None:
    first = asks(serve(judge=orders), [USER])
    other = serve(judge=orders)
    messages = [USER, *turn(first)]
    messages[1] = messages[1] | {"reasoning_details": details}

    told = asks(other, messages)

    assert told["choices"][0]["message"]["content"] == "It was served."
    assert not told["x_fusion"]["fused"]
    assert other.asked() == ["judge"]


def test_an_echo_of_another_server_is_read_without_seats_and_sources(serve: Serve) -> None:
    result = {
        "status": "ok",
        "analysis": {
            "consensus": ["soup is warm"],
            "contradictions": [
                {"topic": "salt", "stances": [{"model": "v/a", "stance": "more"}, {"model": "v/b", "stance": "less"}]}
            ],
            "partial_coverage": [{"models": ["v/a"], "point": "bread"}],
            "unique_insights": [{"model": "v/b", "insight": "thyme"}],
            "blind_spots": ["the weather"],
        },
        "responses": [{"model": "v/a", "content": "Eat soup [1]."}, {"model": "v/b", "content": "Eat soup too."}],
        "failed_models": [{"model": "v/c", "error": "away", "status_code": 503}],
    }
    echo = {
        "type": "reasoning.server_tool_call",
        "tool_name": "openrouter:fusion",
        "tool_call_id": "tool_1",
        "arguments": "{}",
        "result": json.dumps(result),
    }
    served = serve(judge=orders)
    call = {"id": "c", "type": "function", "function": {"name": "order", "arguments": "{}"}}
    spoken = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_details": [echo]},
        {"role": "tool", "tool_call_id": "c", "content": "served"},
    ]

    told = asks(served, spoken)

    writer = served.models.requests[-1].text
    assert served.asked() == ["judge"]
    for part in ("Eat soup too.", "soup is warm", "salt", "answer 1: more", "bread", "thyme", "the weather"):
        assert part in writer
    back = json.loads(detail(told)["result"])
    assert [each["model"] for each in back["responses"]] == ["v/a", "v/b"]
    assert back["failed_models"][0]["model"] == "v/c"
    assert back["analysis"] == result["analysis"]


def decides(request: ScriptedRequest) -> ScriptedReply | str:
    """Order first, then ask the panel, then order again, then answer: what a coding agent's model may do."""
    if is_judge(request):
        return '{"consensus": []}'
    offered = {tool["function"]["name"] for tool in request.tools or []}
    rounds = sum(message.type == "tool" for message in request.messages)
    if rounds == 0:
        return ScriptedReply(tool_calls=[{"name": "order", "args": {"n": 1}, "id": "call_1"}])
    if "fusion" in offered:
        return ScriptedReply(tool_calls=[{"name": "fusion", "args": {"prompt": "What to eat?"}, "id": "call_2"}])
    if rounds == 1:
        return ScriptedReply(tool_calls=[{"name": "order", "args": {"n": 2}, "id": "call_3"}])
    return "Enough."


def test_a_coding_agents_turn_pays_one_panel_at_whichever_step_its_model_asks_for_it(serve: Serve) -> None:
    served = serve(judge=decides)
    spoken: list[Any] = [USER]
    told: list[dict[str, Any]] = []
    for _ in range(3):
        told.append(asks(served, spoken, model="judge", plugins=[PANEL]))
        message = told[-1]["choices"][0]["message"]
        spoken += [message] if not message.get("tool_calls") else turn(told[-1], without=["reasoning_details"])

    assert [each["choices"][0]["finish_reason"] for each in told] == ["tool_calls", "tool_calls", "stop"]
    assert [each["x_fusion"]["fused"] for each in told] == [False, True, True]
    assert panels(served) == 1
    assert "north: the answer is 1." in served.models.requests[-1].text


def test_a_new_question_comes_with_the_comparison_of_the_last_for_the_writer_alone(served: Served) -> None:
    first = served.chat().json()["choices"][0]["message"]
    more = [{"role": "user", "content": "What is the answer?"}, first, {"role": "user", "content": "Who agreed?"}]

    asks(served, more, tools=[])

    later = served.models.requests[4 + 1 :]
    writer = later[-1].text
    assert writer.startswith("Who agreed?")
    assert writer.index("earlier message of this conversation") < writer.index("both agree") < writer.index("Material")
    assert panels(served) == 2
    assert all("earlier message" not in request.text for request in later[:-1])
