"""Whether the panel is asked: modes, forced runs, requests beside the conversation, requests of another fusion."""

from typing import Any

import pytest

from tests.graphs import asked
from tests.server.conftest import Serve, Served, is_judge
from tests.server.contract.asking import (
    FORCED,
    FUSION,
    SEATS,
    fuses,
    message,
    of_presets,
    offered,
    plugin,
    refused,
    result,
    tool,
)
from tests.server.talk import ORDER, chunks

TITLE = "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history."
TAGS = "### Task:\nGenerate 1-3 broad tags categorizing the main themes of the chat history."
FOLLOW_UPS = "### Task:\nSuggest 3-5 relevant follow-up questions or prompts that the user might naturally ask next."
BESIDE = (SEATS, "judge")


@pytest.mark.contract("1.7")
def test_always_asks_the_panel_under_any_model(served: Served) -> None:
    response = served.chat(model="writer", **plugin(fusion_mode="always"))

    assert response.json()["model"] == "writer"
    assert [each["model"] for each in result(response)["responses"]] == SEATS
    assert [request.model for request in asked(served.models, "writer")] == ["writer"]


@pytest.mark.contract("1.8", "1.10")
@pytest.mark.parametrize("model", ["fusion", "judge"])
def test_auto_leaves_it_to_the_writer(serve: Serve, model: str) -> None:
    served = serve(judge=lambda request: '{"consensus": []}' if is_judge(request) else fuses(request))

    told = served.chat(model=model, **plugin(fusion_mode="auto")).json()

    assert told["x_fusion"]["fused"] is True
    assert served.asked()[0] == "judge"
    assert offered(served.models.requests[0]) == ["fusion"]


@pytest.mark.contract("1.8", "1.11", "1.10")
@pytest.mark.parametrize("model", ["fusion", "judge"])
def test_a_model_that_does_not_ask_has_answered(served: Served, model: str) -> None:
    response = served.chat(model=model, **plugin(fusion_mode="auto"))

    assert message(response)["content"] == "The answer is 1 [1]."
    assert response.json()["x_fusion"]["fused"] is False
    assert served.asked() == ["judge"]
    assert offered(served.models.requests[0]) == ["fusion"]


@pytest.mark.contract("1.9", "3.33")
@pytest.mark.parametrize("model", ["fusion", "judge"])
def test_never_is_a_plain_call(served: Served, model: str) -> None:
    response = served.chat(model=model, **plugin(fusion_mode="never"))

    assert message(response)["content"] == "The answer is 1 [1]."
    assert "reasoning_details" not in message(response)
    assert served.asked() == ["judge"]
    assert offered(served.models.requests[0]) == []


@pytest.mark.contract("1.13")
@pytest.mark.parametrize("asks", [{}, {"model": "writer"}, {"fusion_mode": "always"}])
def test_switched_off_the_plugin_is_not_there(served: Served, asks: dict[str, Any]) -> None:
    response = served.chat(
        **{"model": "judge"} | plugin(enabled=False, **{k: v for k, v in asks.items() if k != "model"})
    )

    assert message(response)["content"] == "The answer is 1 [1]."
    assert response.json()["x_fusion"]["fused"] is False
    assert served.asked() == ["judge"]
    assert served.models.requests[0].tools == []


@pytest.mark.contract("1.10")
@pytest.mark.parametrize("mode", ["always", "never"])
def test_a_stream_says_whether_fusion_ran(served: Served, mode: str) -> None:
    parts = chunks(served.chat(stream=True, **plugin(fusion_mode=mode)))

    assert [part["x_fusion"]["fused"] for part in parts if "x_fusion" in part] == [mode == "always"]


@pytest.mark.contract("1.12")
def test_the_model_that_asks_the_panel_writes(serve: Serve) -> None:
    served = serve(writer=fuses)

    response = served.chat(model="writer")

    assert response.json()["model"] == "writer"
    assert message(response)["content"] == "The answer is 1."
    assert [each["model"] for each in result(response)["responses"]] == SEATS
    assert served.asked()[0] == "writer" == served.asked()[-1]


@pytest.mark.contract("1.15")
@pytest.mark.parametrize(("script", "fused"), [(fuses, True), (lambda _request: "No need.", False)])
def test_with_the_server_tool_the_model_decides(serve: Serve, script: Any, fused: bool) -> None:  # noqa: FBT001
    served = serve(writer=script)

    told = served.chat(model="writer", **tool(model="judge")).json()

    assert told["x_fusion"]["fused"] is fused
    assert offered(served.models.requests[0]) == ["fusion"]


@pytest.mark.contract("1.15")
def test_the_server_tool_may_come_without_parameters(serve: Serve) -> None:
    served = serve(**of_presets())

    response = served.chat(model="writer", plugins=None, tools=[{"type": FUSION}])

    assert message(response)["content"] == "The answer is 1, though one source says 2."
    assert offered(served.models.requests[0]) == ["fusion"]


@pytest.mark.parametrize(
    "asks",
    [
        pytest.param({"tool_choice": "required"}, marks=pytest.mark.contract("1.27")),
        pytest.param({"tool_choice": "required", **tool(model="judge")}, marks=pytest.mark.contract("1.27")),
        pytest.param({"tool_choice": {"type": FUSION}}, marks=pytest.mark.contract("1.28")),
        pytest.param({"tool_choice": {"type": FUSION}, **tool(model="judge")}, marks=pytest.mark.contract("1.28")),
        pytest.param({"tool_choice": {"type": FUSION}, "tools": [ORDER]}, marks=pytest.mark.contract("1.28")),
    ],
)
@pytest.mark.contract("1.29", "1.38")
def test_a_forced_run_is_one_run_and_begins_with_the_panel(served: Served, asks: dict[str, Any]) -> None:
    response = served.chat(model="writer", **asks)

    assert message(response)["content"] == "The answer is 1, though one source says 2."
    assert response.json()["x_fusion"]["fused"] is True
    assert sorted(served.asked()[:3]) == sorted(SEATS)
    assert served.asked()[3:] == ["judge", "writer"]


@pytest.mark.contract("1.29")
@pytest.mark.parametrize("script", [lambda _request: "", fuses], ids=["says nothing", "asks again"])
def test_a_forced_run_never_ends_without_text(serve: Serve, script: Any) -> None:
    served = serve(writer=script)

    response = served.chat(**FORCED)

    assert message(response)["content"].strip()
    assert response.json()["choices"][0]["finish_reason"] == "stop"
    assert [served.asked().count(seat) for seat in SEATS] == [1, 1, 1]


@pytest.mark.contract("1.55")
def test_required_beside_functions_asks_for_some_tool(served: Served) -> None:
    response = served.chat(model="writer", tools=[ORDER], tool_choice="required")

    assert response.json()["x_fusion"]["fused"] is False
    assert served.asked() == ["writer"]
    assert offered(served.models.requests[0]) == ["fusion", "order"]
    assert served.models.requests[0].tool_choice == "required"


@pytest.mark.parametrize(
    "asks",
    [
        *(pytest.param({"text": text}, marks=pytest.mark.contract("1.39")) for text in (TITLE, TAGS, FOLLOW_UPS)),
        pytest.param({"max_tokens": 16}, marks=pytest.mark.contract("1.40")),
        pytest.param({"max_completion_tokens": 16}, marks=pytest.mark.contract("1.40")),
        pytest.param({"metadata": {"task": "title_generation"}}, marks=pytest.mark.contract("1.41")),
        pytest.param({"metadata": {"task": "follow_up_generation"}}, marks=pytest.mark.contract("1.41")),
    ],
)
@pytest.mark.parametrize("forced", [{}, {"tool_choice": "required"}])
def test_requests_beside_the_conversation_are_plain(served: Served, asks: dict[str, Any], forced: Any) -> None:
    response = served.chat(**asks, **forced)

    assert message(response)["content"] == "The answer is 1 [1]."
    assert response.json()["x_fusion"]["fused"] is False
    assert served.asked() == ["judge"]


@pytest.mark.contract("1.39", "1.6")
def test_a_question_about_titles_is_a_question(served: Served) -> None:
    told = served.chat("Which title has this book? Generate a concise list of its chapters.").json()

    assert told["x_fusion"]["fused"] is True


@pytest.mark.contract("1.57")
@pytest.mark.parametrize("depth", ["1", "2", "16"])
@pytest.mark.parametrize(
    "asks", [{}, {"model": "writer"}, {"tool_choice": {"type": FUSION}}, plugin(fusion_mode="always")]
)
def test_another_fusion_gets_no_panel(served: Served, depth: str, asks: dict[str, Any]) -> None:
    response = served.chat(headers={"x-openrouter-fusion-depth": depth}, **asks)

    assert message(response)["content"]
    assert response.json()["x_fusion"]["fused"] is False
    assert len(served.asked()) == 1
    assert offered(served.models.requests[0]) == []


@pytest.mark.contract("1.58")
def test_at_depth_0_fusion_is_there(served: Served) -> None:
    told = served.chat(headers={"x-openrouter-fusion-depth": "0"}).json()

    assert told["x_fusion"]["fused"] is True


OWN_NAME = {"type": "function", "function": {"name": "fusion", "parameters": {"type": "object", "properties": {}}}}


@pytest.mark.contract("1.66")
@pytest.mark.parametrize(
    "asks", [{}, {"model": "judge"}, plugin(fusion_mode="auto"), plugin(fusion_mode="never"), {"plugins": None}]
)
def test_a_function_with_the_name_of_fusion_is_refused_before_anybody_is_asked(
    served: Served, asks: dict[str, Any]
) -> None:
    error = refused(served.chat(tools=[OWN_NAME], **asks), 400)

    assert (error["param"], error["message"]) == (
        "tools",
        "tools: 'fusion' is the panel's own name. give this function another name",
    )
    assert served.models.requests == []


@pytest.mark.contract("1.66")
def test_another_fusion_gets_the_call_of_its_own(serve: Serve) -> None:
    served = serve(judge=fuses)

    response = served.chat(model="judge", tools=[OWN_NAME], headers={"x-openrouter-fusion-depth": "1"})

    (call,) = message(response)["tool_calls"]
    assert (call["function"]["name"], response.json()["choices"][0]["finish_reason"]) == ("fusion", "tool_calls")
    assert response.json()["x_fusion"]["fused"] is False
