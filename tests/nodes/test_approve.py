"""Approval: a plan, a pause in the shape chat clients draw, and answers that go on, change or end the turn."""

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from fusion_graph.deployment import Parts, build_fusion_graph
from fusion_graph.errors import SettingsError
from fusion_graph.graph import build_graph
from fusion_graph.models.scripted import ScriptedModels, ScriptedReply, ScriptedRequest
from fusion_graph.state import Offer, Plan
from tests.graphs import ROSTER, scripted

CONFIG = {"configurable": {"thread_id": "t"}}


class Thread:
    """One thread of the graph that asks for approval."""

    def __init__(self, models: ScriptedModels | None = None, **settings: Any) -> None:
        self.models = models or scripted()
        self.graph: Any = build_fusion_graph(load_model=self.models).compile(checkpointer=InMemorySaver())
        self._settings = ROSTER | {"approve": True} | settings

    async def ask(self, question: str = "What?") -> Any:
        return await self.graph.ainvoke({"messages": [("user", question)]}, CONFIG, context=self._settings)

    async def answer(self, kind: str, message: str = "", **args: Any) -> Any:
        decision: dict[str, Any] = {"type": kind}
        decision |= {"message": message} if message else {}
        decision |= {"edited_action": {"name": "fusion", "args": args}} if kind == "edit" else {}
        return await self.graph.ainvoke(Command(resume={"decisions": [decision]}), CONFIG)


def request(values: Any) -> dict[str, Any]:
    (pause,) = values["__interrupt__"]
    (action,) = pause.value["action_requests"]
    return dict(action)


async def test_the_pause_has_the_shape_that_chat_clients_draw_with_buttons() -> None:
    values = await Thread(max_cost_usd=1.5).ask()

    (pause,) = values["__interrupt__"]
    assert request(values) == {
        "name": "fusion",
        "args": {
            "panel": "north, south, east",
            "judge": "judge",
            "writer": "writer",
            "max_cost_usd": 1.5,
            "estimate": "cost unknown",
        },
        "description": "**cost unknown**: 3 seats (north, south, east), then judge compares and writer writes. Budget: $1.50.",
    }
    assert pause.value["review_configs"] == [
        {"action_name": "fusion", "allowed_decisions": ["approve", "edit", "reject"]}
    ]


async def test_the_plan_is_the_last_message_while_it_waits_and_is_gone_afterwards_on_every_turn() -> None:
    thread = Thread()
    for turn in (1, 2):
        waiting = await thread.ask(f"Question {turn}?")
        assert waiting["messages"][-1].type == "ai"
        assert "3 seats" in waiting["messages"][-1].text

        values = await thread.answer("approve")

        assert [message.type for message in values["messages"]] == ["human", "ai"] * turn
        assert values["status"]["status"] == "ok"
    assert not any("3 seats" in str(m.text) for r in thread.models.requests for m in r.messages)


async def test_in_mode_auto_the_outer_models_call_is_the_message_under_which_it_waits() -> None:
    def outer(request: ScriptedRequest) -> Any:
        fusion = [tool for tool in request.tools if tool["function"]["name"] == "fusion"]
        return (
            ScriptedReply(tool_calls=[{"name": "fusion", "args": {"prompt": "Why?"}, "id": "c"}]) if fusion else "So."
        )

    thread = Thread(scripted(writer=outer), mode="auto")

    waiting = await thread.ask()
    values = await thread.answer("approve")

    assert waiting["messages"][-1].tool_calls[0]["name"] == "fusion"
    assert [message.type for message in values["messages"]] == ["human", "ai", "tool", "ai"]


@pytest.mark.parametrize(
    ("args", "panel", "limit"),
    [
        ({"panel": "south, east"}, ["south", "east"], 0.0),
        ({"panel": '["south", "south"]'}, ["south", "south"], 0.0),
        ({"panel": "south\neast\n"}, ["south", "east"], 0.0),
        ({"panel": ["east"]}, ["east"], 0.0),
        ({"max_cost_usd": "0.5"}, ["north", "south", "east"], 0.5),
        ({"max_cost_usd": " $2 USD "}, ["north", "south", "east"], 2.0),
        ({"panel": "", "judge": "", "max_cost_usd": None}, ["north", "south", "east"], 0.0),
        ({"panel": "north, south, east", "estimate": "cost unknown"}, ["north", "south", "east"], 0.0),
    ],
)
async def test_edited_values_are_read_as_clients_send_them(
    args: dict[str, Any], panel: list[str], limit: float
) -> None:
    thread = Thread()
    await thread.ask()

    values = await thread.answer("edit", **args)

    assert [seat["model"] if isinstance(seat, dict) else seat for seat in values["settings"]["panel"]] == panel
    assert values["settings"]["max_cost_usd"] == limit
    assert len(values["results"]) == len(panel)


async def test_a_seat_that_stays_keeps_what_it_was_told() -> None:
    thread = Thread(panel=[{"model": "north", "system_prompt": "Doubt."}, "south"])
    await thread.ask()

    values = await thread.answer("edit", panel="east, north")

    assert [seat["system_prompt"] for seat in values["settings"]["panel"]] == ["", "Doubt."]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"panel": "nobody"}, "no scripted model 'nobody'"),
        ({"panel": "[1, "}, "panel = '[1, '"),
        ({"max_cost_usd": "much"}, "max_cost_usd"),
        ({"mode": "never"}, "'mode' cannot be edited here"),
        ({"panel": ", ".join(["north"] * 9)}, "panel"),
    ],
)
async def test_an_answer_that_cannot_be_followed_leaves_it_waiting_and_says_why(
    args: dict[str, Any], words: str
) -> None:
    thread = Thread()
    await thread.ask()

    again = await thread.answer("edit", **args)
    values = await thread.answer("approve")

    assert words in request(again)["description"]
    assert values["status"]["status"] == "ok"
    assert len(values["results"]) == 3


@pytest.mark.parametrize("wrong", ["yes", {"decisions": [{"type": "perhaps"}]}])
async def test_an_answer_of_another_shape_is_refused_and_a_right_one_works_later(wrong: Any) -> None:
    thread = Thread()
    await thread.ask()

    with pytest.raises(SettingsError, match="the panel waits for a decision; answer") as refused:
        await thread.graph.ainvoke(Command(resume=wrong), CONFIG)
    assert 'resume with {"decisions": [{"type": "approve"}]}' in str(refused.value.hint)
    values = await thread.answer("approve")

    assert values["status"]["status"] == "ok"


async def test_no_decision_at_all_leaves_it_waiting() -> None:
    thread = Thread()
    await thread.ask()

    again = await thread.graph.ainvoke(Command(resume={"decisions": []}), CONFIG)

    assert "decisions is empty" in request(again)["description"]


async def test_a_refused_panel_costs_nothing_and_the_next_turn_asks_again() -> None:
    thread = Thread()
    await thread.ask()

    refused = await thread.answer("reject", "too dear")
    next_turn = await thread.ask("And now?")

    assert refused["status"]["failure_reason"] == "cancelled"
    assert refused["status"]["reasons"] == ["the panel was not approved: too dear"]
    assert [message.type for message in refused["messages"]] == ["human"]
    assert request(next_turn)["args"]["panel"] == "north, south, east"
    assert not thread.models.requests


async def test_a_message_instead_of_an_answer_supersedes_the_plan() -> None:
    thread = Thread()
    await thread.ask("First?")

    second = await thread.ask("Second?")
    values = await thread.answer("approve")

    assert [message.type for message in second["messages"]] == ["human", "human", "ai"]
    assert [message.type for message in values["messages"]] == ["human", "human", "ai"]
    assert "First?" in thread.models.requests[0].text
    assert "Second?" in thread.models.requests[0].text


async def test_what_it_would_cost_is_told_where_prices_are_known() -> None:
    graph: Any = build_fusion_graph(environ={}).compile(checkpointer=InMemorySaver())
    demo = await graph.ainvoke({"messages": [("user", "Why?")]}, CONFIG, context={"preset": "demo", "approve": True})

    assert request(demo)["args"]["estimate"] == "no cost"


async def test_an_approved_run_goes_on_when_the_tools_that_could_not_be_had_are_there_again() -> None:
    parts, is_away = Parts.real(load_model=scripted()), True

    async def offer_tools(plan: Plan, workspace: str) -> Offer:
        if is_away:
            raise SettingsError("the MCP server 'files' cannot be reached", field="tools")
        return await parts.offer_tools(plan, workspace)

    builder = build_graph(**parts.collaborators | {"offer_tools": offer_tools})
    graph: Any = builder.compile(checkpointer=InMemorySaver())
    await graph.ainvoke({"messages": [("user", "What?")]}, CONFIG, context=ROSTER | {"approve": True})
    with pytest.raises(SettingsError):
        await graph.ainvoke(Command(resume={"decisions": [{"type": "approve"}]}), CONFIG)
    is_away = False

    values = await graph.ainvoke(None, CONFIG)

    assert values["status"]["status"] == "ok"
    assert [message.type for message in values["messages"]] == ["human", "ai"]
