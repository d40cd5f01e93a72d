"""What a request to /v1/responses may say, and what the models are asked then; and every way in which it may be wrong."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests import graphs
from tests.graphs import look_up, scripted
from tests.server.conftest import PANEL, Serve, Served, judge_and_writer
from tests.server.contract.asking import SEATS, offered, refused, running
from tests.server.responses.asking import ask, asked, events, text_of
from tests.server.responses.saying import ANSWER, FUNCTION, cut, heard, kinds
from tests.server.talk import dear, orders

SERVER_TOOL = {"type": "openrouter:fusion", "parameters": {"analysis_models": SEATS, "model": "judge", "tools": []}}


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    with running(scripted(judge=judge_and_writer), home / "runs.db", tools=[look_up()]) as served:
        yield served


@pytest.fixture
def served(lasting: Served) -> Served:
    """A server without keys whose models do well, one for all tests of the module."""
    lasting.models.requests.clear()
    return lasting


QUESTION = {"role": "user", "content": "What is it?"}


@pytest.mark.contract("4.1")
@pytest.mark.parametrize("given", ["What is it?", [QUESTION], [{"type": "message", **QUESTION}]])
def test_input_is_a_text_or_items(served: Served, given: Any) -> None:
    told = asked(served, given)

    assert text_of(told) == ANSWER
    assert kinds(told) == ["openrouter:fusion", "message"]
    assert "What is it?" in heard(served)


CONVERSATION: list[dict[str, Any]] = [
    {"role": "developer", "content": "Be brief."},
    {"role": "system", "content": [{"type": "input_text", "text": "Be right."}]},
    {"role": "user", "content": [{"type": "input_text", "text": "One?"}, {"type": "text", "text": "Two?"}]},
    {
        "type": "message",
        "id": "msg_1",
        "status": "completed",
        "role": "assistant",
        "content": [
            {"type": "output_text", "text": "One.", "annotations": [], "logprobs": []},
            {"type": "refusal", "refusal": "Not two."},
        ],
    },
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "A hidden thought."}]},
    {"role": "user", "content": [{"type": "summary_text", "text": "Three?"}]},
]
SAID = ("Be brief.", "Be right.", "One?", "Two?", "One.", "Not two.", "Three?")


@pytest.mark.contract("4.2", "4.3", "4.5")
def test_a_conversation_is_read_whole_whoever_says_it_and_whatever_its_parts_are_called(served: Served) -> None:
    told = asked(served, CONVERSATION)

    assert text_of(told) == ANSWER
    assert [part for part in SAID if part not in heard(served)] == []
    assert [part for part in SAID if part not in heard(served, "judge")] == []
    assert "hidden thought" not in heard(served) + heard(served, "judge")


@pytest.mark.contract("4.4")
def test_images_files_and_sound_go_to_the_models(served: Served) -> None:
    parts = [
        {"type": "input_text", "text": "What do they show?"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,BBBB"},
        {"type": "input_audio", "input_audio": {"data": "CCCC", "format": "wav"}},
    ]

    told = asked(served, [{"role": "user", "content": parts}])

    (north,) = graphs.asked(served.models, "north")
    given = [str(message.content) for message in north.messages if isinstance(message.content, list)]
    assert text_of(told) == ANSWER
    assert [data for data in ("AAAA", "BBBB", "CCCC", "a.pdf", "What do they show?") if data not in given[0]] == []


@pytest.mark.contract("4.6")
def test_instructions_are_of_one_request(served: Served) -> None:
    first = asked(served, "One?", instructions="Speak Welsh.")
    heard_first = heard(served)
    second = asked(served, "Two?", previous_response_id=first["id"])
    heard_second = heard(served) + heard(served, "judge")
    third = asked(served, "Three?", instructions="Speak Breton.", previous_response_id=second["id"])

    assert [each["instructions"] for each in (first, second, third)] == ["Speak Welsh.", None, "Speak Breton."]
    assert "Speak Welsh." in heard_first
    assert "Speak Welsh." not in heard_second
    assert "One?" in heard_second
    assert "Speak Breton." in heard(served)
    assert "Speak Welsh." not in heard(served)


@pytest.mark.contract("4.16")
@pytest.mark.parametrize(
    ("wanted", "asks_for"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"type": "json_schema", "name": "found", "schema": {"type": "object"}, "strict": True},
            {"type": "json_schema", "json_schema": {"name": "found", "schema": {"type": "object"}, "strict": True}},
        ),
    ],
)
def test_the_format_of_the_text_is_the_writers(served: Served, wanted: dict[str, Any], asks_for: Any) -> None:
    told = asked(served, text={"format": wanted})

    assert told["text"] == {"format": wanted}
    assert served.models.requests[-1].response_format == asks_for


@pytest.mark.contract("4.17", "4.18")
@pytest.mark.parametrize(
    ("choice", "asks_for"),
    [
        ("none", "none"),
        ("auto", "auto"),
        ("required", "required"),
        ({"type": "function", "name": "order"}, {"type": "function", "function": {"name": "order"}}),
    ],
)
def test_a_choice_of_functions_is_the_writers_alone(served: Served, choice: Any, asks_for: Any) -> None:
    told = asked(served, tools=[FUNCTION], tool_choice=choice)

    writer = served.models.requests[-1]
    function = {key: value for key, value in FUNCTION.items() if key != "type"}
    assert (told["tools"], told["tool_choice"]) == ([FUNCTION], choice)
    assert [tool["function"] for tool in writer.tools] == [function]
    assert writer.tool_choice == asks_for
    assert [request.model for request in served.models.requests if "order" in offered(request)] == ["judge"]


@pytest.mark.contract("4.19")
@pytest.mark.parametrize("choice", [{"type": "openrouter:fusion"}, "required"])
def test_fusion_as_a_tool_may_be_forced(served: Served, choice: Any) -> None:
    forced = asked(served, model="writer", plugins=None, tools=[SERVER_TOOL], tool_choice=choice)
    free = asked(served, model="writer", plugins=None, tools=[SERVER_TOOL])

    assert (kinds(forced), forced["model"]) == (["openrouter:fusion", "message"], "writer")
    assert kinds(free) == ["message"]
    assert [served.asked().count(seat) for seat in SEATS] == [1, 1, 1]


@pytest.mark.contract("4.18")
def test_a_call_of_a_function_is_an_item_of_its_own(serve: Serve) -> None:
    told = asked(serve(judge=orders), tools=[FUNCTION])

    (call,) = [item for item in told["output"] if item["type"] == "function_call"]
    assert (told["status"], kinds(told)) == ("completed", ["openrouter:fusion", "function_call"])
    assert (call["name"], call["arguments"], call["call_id"]) == ("order", '{"n": 1}', "call_1")


@pytest.mark.contract("4.20")
def test_limit_and_temperature_are_the_writers(served: Served) -> None:
    told = asked(served, max_output_tokens=500, temperature=0.7)

    north, writer = graphs.asked(served.models, "north")[0], served.models.requests[-1]
    assert (told["max_output_tokens"], told["temperature"]) == (500, 0.7)
    assert (writer.max_tokens, writer.temperature) == (500, 0.7)
    assert (north.max_tokens, north.temperature) == (16_000, None)


@pytest.mark.contract("4.21")
def test_an_answer_that_its_limit_cut_is_incomplete(serve: Serve) -> None:
    told = asked(serve(judge=cut), max_output_tokens=99)

    assert (told["status"], told["error"]) == ("incomplete", None)
    assert told["incomplete_details"] == {"reason": "max_output_tokens"}
    assert text_of(told) == "The answer"


# What each of the clients' libraries reads of a response, whether it asks for it or not.
FIELDS = (
    *("background", "completed_at", "created_at", "error", "frequency_penalty", "id", "incomplete_details"),
    *("instructions", "max_output_tokens", "max_tool_calls", "metadata", "model", "object", "output"),
    *("parallel_tool_calls", "presence_penalty", "previous_response_id", "reasoning", "service_tier", "status"),
    *("store", "temperature", "text", "tool_choice", "tools", "top_p", "truncation", "usage", "user"),
)


@pytest.mark.contract("4.22")
def test_a_response_has_every_field_that_some_client_needs(served: Served) -> None:
    told = asked(served)

    assert [field for field in FIELDS if field not in told] == []
    assert (told["object"], told["status"], told["model"]) == ("response", "completed", "judge")
    assert [type(told[field]) for field in ("id", "created_at", "completed_at")] == [str, int, int]
    assert told["x_fusion"]["fused"] is True
    assert told["usage"]["input_tokens"] + told["usage"]["output_tokens"] == told["usage"]["total_tokens"]
    fusion, said = told["output"]
    assert (fusion["type"], fusion["role"], fusion["content"]) == ("openrouter:fusion", "assistant", [])
    assert [answer["model"] for answer in fusion["responses"]] == SEATS
    assert fusion["analysis"]["consensus"] == ["both agree"]
    assert (said["role"], said["status"], said["content"][0]["annotations"]) == ("assistant", "completed", [])


@pytest.mark.contract("4.23")
def test_a_response_tells_its_request_again(served: Served) -> None:
    said = {
        "instructions": "Be brief.",
        "max_tool_calls": 30,
        "metadata": {"ticket": "17"},
        "parallel_tool_calls": False,
        "reasoning": {"effort": "low"},
        "service_tier": "auto",
        "top_p": 0.5,
        "truncation": "auto",
        "user": "u1",
    }

    told = asked(served, include=["reasoning.encrypted_content"], **said)

    assert {name: told[name] for name in said} == said


PANEL_TOLD = [
    *("in_progress", "panel.added", "panel.added", "panel.added", "panel.completed", "panel.completed"),
    *("panel.completed", "analysis.in_progress", "analysis.completed", "completed"),
]


@pytest.mark.contract("4.29", "4.53", "4.54")
def test_a_stream_tells_the_panels_work_then_the_answer(served: Served) -> None:
    found = events(ask(served, stream=True))

    words = [event["type"].removeprefix("response.") for event in found]
    fusion = [word.removeprefix("fusion_call.") for word in words if word.startswith("fusion_call.")]
    seats = [(event["panel_index"], event["model"]) for event in found if event["type"].endswith(".panel.added")]
    deltas = [event for event in found if event["type"] == "response.output_text.delta"]
    assert (words[0], words[1], words[-1]) == ("created", "in_progress", "completed")
    assert sorted(set(fusion) - {"panel.delta"}) == sorted(set(PANEL_TOLD))
    assert [word for word in fusion if word != "panel.delta"][-3:] == PANEL_TOLD[-3:]
    assert [fusion.count(word) for word in ("panel.added", "panel.completed")] == [3, 3]
    assert sorted(seats) == list(enumerate(SEATS))
    assert words.index("output_item.done") < words.index("content_part.added") < words.index("output_text.delta")
    assert "".join(delta["delta"] for delta in deltas) == text_of(found[-1]["response"]) == ANSWER
    assert {(delta["output_index"], delta["content_index"], str(delta["logprobs"])) for delta in deltas} == {
        (1, 0, "[]")
    }
    assert {event["response"]["id"] for event in found if "response" in event} == {found[-1]["response"]["id"]}


@pytest.mark.contract("4.24")
@pytest.mark.parametrize("stream", [False, True])
def test_a_plain_client_is_shown_openais_own_items_only(served: Served, stream: bool) -> None:  # noqa: FBT001
    response = ask(served, model="fusion:plain", stream=stream)

    found = events(response) if stream else [{"type": "response.completed", "response": response.json()}]
    assert [event["type"] for event in found if "fusion" in event["type"]] == []
    assert kinds(found[-1]["response"]) == ["message"]
    assert found[-1]["response"]["x_fusion"]["fused"] is True


@pytest.mark.contract("4.24")
def test_a_key_may_be_a_plain_clients(serve: Serve) -> None:
    served = serve(keys=["a-key-of-a-plain-one:plain", "a-key-of-another-one"], judge=judge_and_writer)

    plain, other = (
        ask(served, headers={"authorization": f"Bearer {key}"}).json()
        for key in ("a-key-of-a-plain-one", "a-key-of-another-one")
    )

    assert kinds(plain) == ["message"]
    assert kinds(other) == ["openrouter:fusion", "message"]


@pytest.mark.contract("4.25")
@pytest.mark.parametrize(
    "body",
    [
        {"given": "### Task:\nGenerate a concise, 3-5 word title"},
        {"max_output_tokens": 16},
        {"metadata": {"task": "title_generation"}},
        {"plugins": [PANEL | {"enabled": False}]},
        {"plugins": [PANEL | {"fusion_mode": "never"}]},
        {"model": "judge", "plugins": None},
        {"headers": {"x-openrouter-fusion-depth": "1"}},
    ],
)
def test_what_is_no_question_for_a_panel_gets_none(served: Served, body: dict[str, Any]) -> None:
    told = ask(served, **body).json()

    assert (told["x_fusion"]["fused"], kinds(told)) == (False, ["message"])
    assert served.asked() == ["judge"]


ONE_STEP = {"type": "step_count_is", "step_count": 1}
TWO_STEPS = {"type": "step_count_is", "step_count": 2}
DEAR, CHEAP = ({"type": "max_cost", "max_cost_in_dollars": cost} for cost in (100.0, 0.5))


@pytest.mark.contract("4.26", "4.27", "7.18")
@pytest.mark.parametrize(
    ("body", "may_call"),
    [
        ({}, True),
        ({"max_tool_calls": 1}, False),
        ({"max_tool_calls": 2}, True),
        ({"max_tool_calls": 30}, True),
        ({"stop_server_tools_when": [ONE_STEP]}, False),
        ({"stop_server_tools_when": [TWO_STEPS]}, True),
        ({"stop_server_tools_when": [TWO_STEPS, ONE_STEP]}, False),
        ({"stop_server_tools_when": [TWO_STEPS, CHEAP]}, False),
        ({"stop_server_tools_when": [CHEAP, DEAR]}, False),
        ({"stop_server_tools_when": [DEAR]}, True),
        ({"stop_server_tools_when": [DEAR], "max_tool_calls": 1}, True),
        ({"stop_server_tools_when": [ONE_STEP], "max_tool_calls": 9}, False),
    ],
)
def test_when_steps_or_money_are_spent_the_writer_answers_without_functions(
    serve: Serve,
    body: dict[str, Any],
    may_call: bool,  # noqa: FBT001
) -> None:
    served = serve(north=dear(1.5), judge=orders)

    told = asked(served, tools=[FUNCTION], **body)

    assert told["status"] == "completed"
    assert kinds(told) == ["openrouter:fusion", "function_call" if may_call else "message"]
    assert ("order" in offered(served.models.requests[-1])) is may_call


Row = tuple[str, dict[str, Any], str]


def of(number: str, field: str, *values: Any, **beside: Any) -> Iterator[Row]:
    """Yield values of one field, each of which is refused under its name."""
    yield from ((number, {field: value, **beside}, field) for value in values)


def item(field: str, *items: Any) -> Iterator[Row]:
    """Yield items that are refused under the name of one of their fields."""
    yield from (("7.23", {"input": [QUESTION, each]}, f"input.1{field}") for each in items)


def part(*parts: Any) -> Iterator[Row]:
    yield from item(".content.0", *({"role": "user", "content": [each]} for each in parts))


def stop(field: str, *conditions: Any) -> Iterator[Row]:
    yield from (
        ("7.20", {"stop_server_tools_when": [TWO_STEPS, each]}, f"stop_server_tools_when.1{field}")
        for each in conditions
    )


NOT_HERE = [
    {"type": "has_tool_call", "tool_name": "finalize"},
    {"type": "max_tokens_used", "max_tokens": 10_000},
    {"type": "finish_reason_is", "reason": "length"},
]
CALL = {"type": "function_call", "call_id": "c", "name": "order", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "served"}
ROWS: list[Row] = [
    *of("7.18", "max_tool_calls", 0, -1, 31, "4", 2.5, [4]),
    *stop(".type", *NOT_HERE, {}, 5, None),
    *stop(".step_count", *({"type": "step_count_is", "step_count": value} for value in (0, -1, "5", 2.5, None))),
    *stop(".step_count", {"type": "step_count_is"}),
    *stop(".steps", {**ONE_STEP, "steps": 1}),
    *stop(".max_cost", *({"type": "max_cost", "max_cost_in_dollars": value} for value in (0, -1, "1", None))),
    *of("7.20", "stop_server_tools_when", [], {}, "step_count_is", 5),
    *of("7.21", "conversation", "conv_1", {"id": "conv_1"}),
    *of("7.21", "prompt", {"id": "pmpt_1"}, "pmpt_1"),
    *of("7.22", "background", "yes", 1, 0, "", []),
    *of("7.22", "store", "no", 0, ""),
    *of("7.22", "stream", "yes", 1, ""),
    *of("7.22", "parallel_tool_calls", "yes", 1, {}),
    *of("7.22", "metadata", "x", 5, ["x"]),
    *of("7.22", "instructions", 5, ["Be brief."], {}),
    *of("7.22", "previous_response_id", 5, ["resp_1"], {}),
    *of("7.22", "model", None, 5, "", " ", ["fusion"]),
    *of("7.22", "max_output_tokens", 0, -1, "many", 2.5),
    *of("7.22", "temperature", 2.1, -0.1, "hot"),
    *of("7.22", "text", "json", 5, []),
    *of("7.22", "tools", {}, "order", 5, [5], [{"type": "function"}], [{"type": "function", "name": 5}]),
    ("7.22", {"tools": [FUNCTION, FUNCTION]}, "tools.1.name"),
    ("7.22", {"tools": [FUNCTION | {"parameters": []}]}, "tools.0.parameters"),
    ("7.22", {"tools": [{"type": "web_search_preview"}]}, "tools.0.type"),
    ("7.22", {"text": {"format": {"type": "xml"}}}, "text.format.type"),
    ("7.22", {"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
    *of("7.22", "tool_choice", "some", 5, {}, {"type": "function", "name": "nope"}, tools=[FUNCTION]),
    *of("7.22", "tool_choice", {"type": "openrouter:fusion"}, model="writer", plugins=None),
    *of("7.22", "x_fusion", 5, {"on_disconnect": "explode"}),
    *of("7.23", "input", None, "", " ", [], 5, {}, [{"role": "system", "content": "x"}], [OUTPUT]),
    *item(".type", 5, None, "What?", [], {"type": "computer_call"}, {"type": None}, {"type": "item_reference"}),
    *item(".role", {}, {"role": "wizard", "content": "x"}, {"role": None}),
    *item(".content", {"role": "user", "content": 5}, {"role": "user", "content": {}}),
    *item(
        "", {"role": "tool", "content": "x"}, {**CALL, "call_id": None}, {**CALL, "name": 5}, {**OUTPUT, "call_id": 5}
    ),
    *item(".output", {**OUTPUT, "output": 5}),
    *item(".output.0", {**OUTPUT, "output": [{"type": "input_image", "file_id": "file_1"}]}),
    *item(
        ".id", *({"type": "item_reference", "id": name} for name in ("msg_", "msg_1_2", "fusion_0", "x" * 5000, "\x00"))
    ),
    *part(
        5, {}, {"type": "input_video"}, {"type": "input_image", "file_id": "f"}, {"type": "input_file", "file_id": "f"}
    ),
    *part({"type": "input_audio", "input_audio": "AAAA"}),
    *item(".content", *({"role": "user", "content": [{"type": kind}]} for kind in ("input_text", "text", "refusal"))),
]


@pytest.mark.contract("7.8", "7.9")
@pytest.mark.parametrize(
    ("body", "field"), [pytest.param(body, field, marks=pytest.mark.contract(number)) for number, body, field in ROWS]
)
def test_what_cannot_be_is_refused_by_its_name_and_nobody_is_asked(
    served: Served, body: dict[str, Any], field: str
) -> None:
    before = len(served.rows())

    error = refused(ask(served, **{"given": "What?", **body}))

    assert (error["param"] or "").startswith(field)
    assert error["type"] == "invalid_request_error"
    assert len(error["message"]) < 1000
    assert (served.models.requests, len(served.rows())) == ([], before)


@pytest.mark.contract("7.19")
@pytest.mark.parametrize("condition", NOT_HERE)
def test_a_condition_that_is_not_taken_here_is_named_with_those_that_are(
    served: Served, condition: dict[str, Any]
) -> None:
    message = refused(ask(served, stop_server_tools_when=[condition]))["message"]

    assert [word for word in (condition["type"], "step_count_is", "max_cost") if word not in message] == []


@pytest.mark.contract("7.20")
@pytest.mark.parametrize(
    ("condition", "most"),
    [
        ({"type": "step_count_is"}, "1 or more"),
        ({"type": "step_count_is", "step_count": 0}, "1 or more"),
        ({"type": "max_cost", "max_cost_in_dollars": 0}, "more than 0"),
    ],
)
def test_a_condition_that_cannot_be_is_told_with_what_can(served: Served, condition: dict[str, Any], most: str) -> None:
    assert refused(ask(served, stop_server_tools_when=[condition]))["message"].endswith(most)


@pytest.mark.contract("7.24")
@pytest.mark.parametrize("rest", [{"analysis_models": []}, {"max_tool_calls": 17}, {"colour": "red"}])
def test_plugin_and_server_tool_have_the_limits_that_they_have_in_chat(served: Served, rest: dict[str, Any]) -> None:
    (field,) = rest
    tool = {"type": "openrouter:fusion", "parameters": rest}

    assert refused(ask(served, plugins=[PANEL | rest]))["param"] == f"plugins.0.{field}"
    assert refused(ask(served, plugins=None, tools=[tool]))["param"] == f"tools.0.parameters.{field}"
