import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langgraph.checkpoint.memory import InMemorySaver

from fusion_graph.calls import Asker
from fusion_graph.deployment import Parts, build_fusion_graph
from fusion_graph.errors import SettingsError
from fusion_graph.models.scripted import ScriptedError, ScriptedReply, ScriptedRequest
from fusion_graph.panelist_graph import build_panelist_graph
from tests.graphs import ROSTER, asked, look_up, researcher, run, says, scripted, texts

WHY_CUT = "cut, because enough others have answered"


def tool(coroutine: Any, name: str = "probe") -> BaseTool:
    return StructuredTool.from_function(coroutine=coroutine, name=name, description="Probe something.")


def calls(*names: str, **arguments: Any) -> ScriptedReply:
    asked_for = arguments or {"query": "x"}
    return ScriptedReply(tool_calls=[{"name": n, "args": asked_for, "id": f"c{i}"} for i, n in enumerate(names)])


def once(reply: ScriptedReply, then: str = "Done.") -> Any:
    """Call tools in the first step, answer in the second."""

    def script(request: ScriptedRequest) -> Any:
        return then if any(message.type == "tool" for message in request.messages) else reply

    return script


async def test_a_seat_that_never_stops_calling_tools_is_made_to_answer() -> None:
    def hungry(request: ScriptedRequest) -> Any:
        return (
            calls("look_up", query="more") if request.tools else f"From what I have [1]. Asked: {len(request.messages)}"
        )

    models = scripted(north=hungry)

    result = await run(models, panel=["north"], tools=[look_up()], max_tool_calls=3)

    assert result["responses"][0]["content"].startswith("From what I have [1].")
    assert len(asked(models, "north")) == 4
    last = asked(models, "north")[-1]
    assert not last.tools
    assert not any(message.type == "tool" or getattr(message, "tool_calls", None) for message in last.messages)
    assert "All about more" in texts(last.messages)
    assert "all 3 tool rounds are used" in texts(last.messages)
    assert result["state"]["results"][0]["notes"] == ["it answered early: all 3 tool rounds are used"]
    assert result["status"] == "ok"


async def test_a_seat_that_was_sent_nothing_says_which_graph_to_ask() -> None:
    graph: Any = build_panelist_graph(ask=Asker(scripted()), offer_tools=Parts.real().offer_tools).compile()

    with pytest.raises(SettingsError, match="this graph is one seat's loop") as refused:
        await graph.ainvoke({"messages": [("user", "What is it?")]})

    assert "ask `fusion`" in str(refused.value.hint)


async def test_a_tool_is_called_as_often_as_its_settings_allow_each_seat_and_the_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "tides.md").write_text("# Tides\n\nHigh water at noon.")
    models = scripted(north=researcher("web_search", rounds=3), south=researcher("web_search", rounds=1))
    graph: Any = build_fusion_graph(load_model=models, environ={"FUSION_SEARCH": f"local:{tmp_path}"}).compile()
    settings = ROSTER | {"panel": ["north", "south"], "tools": [{"name": "web_search", "max_uses": 2}]}

    values = await graph.ainvoke({"messages": [("user", "When is high water?")]}, context=settings)

    north, south = values["results"]
    assert (north["tool_calls_requested"], north["tool_calls_executed"]) == (3, 2)
    assert (south["tool_calls_requested"], south["tool_calls_executed"]) == (1, 1)
    assert "Not run: all 2 calls of web_search are used." in texts(asked(models, "north")[-1].messages)


async def test_a_seat_with_tools_of_its_own_gets_those_and_no_others() -> None:
    models = scripted(north=researcher("look_up"), south=says("From memory."), east=says("Me too."))
    panel: list[Any] = ["north", {"model": "south", "tools": []}, {"model": "east", "tools": ["look_up"]}]
    offered = look_up(), tool(echo, "echo")

    await run(models, panel=panel, tools=offered)

    names = {name: [t["function"]["name"] for t in asked(models, name)[0].tools] for name in ("north", "south", "east")}
    assert names == {"north": ["look_up", "echo"], "south": [], "east": ["look_up"]}


async def test_a_tool_of_the_applications_own_has_the_limits_that_its_settings_give_it() -> None:
    models = scripted(north=researcher("look_up", rounds=3))
    graph: Any = build_fusion_graph(load_model=models, tools=[look_up()]).compile()
    settings = ROSTER | {"panel": ["north"], "tools": [{"name": "look_up", "max_uses": 2}]}

    values = await graph.ainvoke({"messages": [("user", "Why?")]}, context=settings)

    assert values["results"][0]["tool_calls_executed"] == 2
    assert "Not run: all 2 calls of look_up are used." in texts(asked(models, "north")[-1].messages)


@pytest.mark.parametrize(
    ("entry", "message", "hint"),
    [
        ({"name": "look_up", "max_results": 3}, "look_up has no max_results", "it takes max_uses"),
        ("lok_up", "there is no tool 'lok_up'", "did you mean 'look_up'?"),
    ],
)
async def test_what_is_wrong_about_a_tool_of_the_applications_own_is_refused_in_words(
    entry: Any, message: str, hint: str
) -> None:
    graph: Any = build_fusion_graph(load_model=scripted(), tools=[look_up()]).compile()

    with pytest.raises(SettingsError, match=message) as refused:
        await graph.ainvoke({"messages": [("user", "Why?")]}, context=ROSTER | {"tools": [entry]})

    assert hint in str(refused.value.hint)


async def test_links_in_what_any_other_tool_returns_are_sources_it_listed_but_not_those_under_an_excluded_domain() -> (
    None
):
    async def echo(query: str) -> str:
        return f"{query}: see https://good.example/a, and [this](https://bad.example/b)."

    models = scripted(north=once(calls("echo", query="tides"), "So it is [1]."))

    result = await run(models, panel=["north"], tools=[tool(echo, "echo")], excluded_domains=["bad.example"])

    (source,) = result["sources"]
    assert (source["url"], source["status"]) == ("https://good.example/a", "seen")
    assert source["snippet"].startswith("tides: see https://good.example/a")
    assert "[1] https://good.example/a" in texts(asked(models, "north")[-1].messages)


async def echo(query: str) -> str:
    return query


async def test_a_step_runs_at_most_eight_calls_and_says_which_were_not_run() -> None:
    ran: list[str] = []

    async def probe(query: str) -> str:
        ran.append(query)
        return "found"

    models = scripted(north=once(calls(*["probe"] * 11)))

    result = await run(models, panel=["north"], tools=[tool(probe)])

    assert len(ran) == 8
    answers = [message for message in asked(models, "north")[1].messages if message.type == "tool"]
    assert len(answers) == 11
    assert sum("Not run" in str(message.text) for message in answers) == 3
    seat = result["state"]["results"][0]
    assert (seat["tool_calls_requested"], seat["tool_calls_executed"]) == (11, 8)


async def test_a_seat_is_told_the_date_and_whether_it_has_tools() -> None:
    without, with_own = scripted(), scripted()

    await run(without, panel=["north"])
    await run(with_own, panel=["north"], tools=[look_up()])

    assert "Today is 20" in texts(asked(without, "north")[0].messages)
    assert "You have no tools" in texts(asked(without, "north")[0].messages)
    assert "You have no tools" not in texts(asked(with_own, "north")[0].messages)


async def test_the_calls_of_one_step_run_side_by_side() -> None:
    together = asyncio.Barrier(3)

    async def probe(query: str) -> str:
        async with asyncio.timeout(5):
            await together.wait()
        return query

    result = await run(scripted(north=once(calls("probe", "probe", "probe"))), panel=["north"], tools=[tool(probe)])

    assert result["responses"][0]["content"] == "Done."


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (ToolException("the page is gone"), "the page is gone"),
        (RuntimeError("api_key=sk-123456789012345 is bad"), "RuntimeError: api_key=[redacted] is bad"),
        (TimeoutError("upstream"), "upstream"),
    ],
)
async def test_what_a_tool_raises_is_told_to_the_model_without_secrets(raised: Exception, words: str) -> None:
    async def probe(query: str) -> str:
        raise raised

    models = scripted(north=once(calls("probe")))

    result = await run(models, panel=["north"], tools=[tool(probe)])

    assert words in texts([asked(models, "north")[1].messages[-1]])
    assert result["status"] == "ok"


async def test_unknown_tools_and_wrong_arguments_are_told_to_the_model() -> None:
    reply = ScriptedReply(
        tool_calls=[{"name": "teleport", "args": {}, "id": "a"}, {"name": "look_up", "args": {"wrong": 1}, "id": "b"}]
    )
    models = scripted(north=once(reply))

    await run(models, panel=["north"], tools=[look_up()])

    unknown, wrong = [str(message.text) for message in asked(models, "north")[1].messages if message.type == "tool"]
    assert "teleport" in unknown
    assert "look_up" in unknown
    assert "query" in wrong


async def test_calls_without_id_or_with_the_same_id_get_ids_of_their_own() -> None:
    reply = ScriptedReply(
        tool_calls=[
            {"name": "look_up", "args": {"query": str(n)}, "id": i} for n, i in enumerate(("same", "same", None))
        ]
    )
    models = scripted(north=once(reply))

    await run(models, panel=["north"], tools=[look_up()])

    messages = asked(models, "north")[1].messages
    ids = [call["id"] for message in messages for call in getattr(message, "tool_calls", [])]
    assert len(set(ids)) == 3
    assert [message.tool_call_id for message in messages if isinstance(message, ToolMessage)] == ids


async def test_rounds_whose_calls_have_the_same_id_keep_their_results() -> None:
    def twice(request: ScriptedRequest) -> Any:
        rounds = sum(message.type == "tool" for message in request.messages)
        return calls("look_up", query=f"round {rounds}") if rounds < 2 else "Done."

    models = scripted(north=twice)

    await run(models, panel=["north"], tools=[look_up()])

    told = texts(asked(models, "north")[2].messages)
    assert "All about round 0" in told
    assert "All about round 1" in told


async def test_a_tool_that_hangs_is_given_up_and_the_seat_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fusion_graph.nodes.seat_tools.TOOL_SECONDS", 0.05)

    async def probe(query: str) -> str:
        await asyncio.sleep(3600)
        return query

    models = scripted(north=once(calls("probe")))

    result = await run(models, panel=["north"], tools=[tool(probe)])

    assert "gave no result within 0.05 s" in texts(asked(models, "north")[1].messages)
    assert result["responses"][0]["content"] == "Done."


async def test_a_huge_tool_result_is_cut_and_says_so() -> None:
    async def probe(query: str) -> str:
        return "x" * 10_000_000

    models = scripted(north=once(calls("probe")))

    await run(models, panel=["north"], tools=[tool(probe)])

    told = texts([asked(models, "north")[1].messages[-1]])
    assert len(told) < 41_000
    assert "characters more" in told


async def test_when_results_overflow_the_context_the_seat_answers_from_a_shorter_form() -> None:
    def script(request: ScriptedRequest) -> Any:
        if any(message.type == "tool" for message in request.messages):
            return ScriptedError("maximum context length is 8192 tokens", status_code=400)
        return calls("look_up", query="big") if request.tools else "Short of it [1]."

    models = scripted(north=script)

    result = await run(models, panel=["north"], tools=[look_up()])

    assert result["responses"][0]["content"] == "Short of it [1]."
    assert [call["outcome"] for call in result["usage"]["calls"] if call["seat"] == 1] == [
        "tool_calls",
        "context_overflow",
        "answer",
    ]


async def test_a_seat_stops_researching_when_its_share_of_the_budget_is_spent() -> None:
    def script(request: ScriptedRequest) -> Any:
        if request.tools:
            return ScriptedReply(tool_calls=[{"name": "look_up", "args": {"query": "x"}, "id": "c"}], cost=0.4)
        return ScriptedReply("Enough.", cost=0.1)

    models = scripted(north=script)

    result = await run(models, panel=["north"], tools=[look_up()], max_cost_usd=0.6, max_tool_calls=9)

    assert len(asked(models, "north")) == 2
    assert result["responses"][0]["content"] == "Enough."
    assert "the budget is nearly spent" in result["state"]["results"][0]["notes"][0]


async def test_under_a_price_ceiling_a_call_without_a_price_counts_as_what_it_costs_at_most() -> None:
    def script(request: ScriptedRequest) -> Any:
        return calls("look_up") if request.tools else "Enough."

    models = scripted(north=script)

    result = await run(
        models, panel=["north"], tools=[look_up()], max_cost_usd=0.6, max_tool_calls=9, price_ceiling=1_000_000
    )

    assert len(asked(models, "north")) == 2
    assert result["usage"]["total"]["cost_usd"] is None
    assert "the budget is nearly spent" in result["state"]["results"][0]["notes"][0]


@pytest.mark.parametrize(
    ("status", "words"),
    [(400, "this model does not support tools"), (404, "No endpoints found that support tool use")],
)
async def test_a_seat_whose_model_takes_no_tools_answers_without(status: int, words: str) -> None:
    def toolless(request: ScriptedRequest) -> Any:
        return ScriptedError(words, status_code=status) if request.tools else "From what I know."

    models = scripted(north=toolless)

    result = await run(models, panel=["north", "south"], tools=[look_up()])

    assert result["responses"][0]["content"] == "From what I know."
    assert result["state"]["results"][0]["notes"] == ["it answered early: no tool can be used"]
    assert len(asked(models, "north")) == 2


async def test_a_seat_whose_model_fails_goes_on_with_its_fallback_and_says_so() -> None:
    def broken(request: ScriptedRequest) -> Any:
        return ScriptedError("no such model", status_code=404)

    def spare(request: ScriptedRequest) -> Any:
        return calls("look_up") if len(request.messages) == 2 else "The spare found it [1]."

    models = scripted(north=broken, spare=spare)
    panel = [{"model": "north", "fallback": "spare"}, "south"]

    result = await run(models, panel=panel, tools=[look_up()])

    assert result["responses"][0] == {
        "seat": 1,
        "model": "north",
        "content": "The spare found it [1].",
        "partial": False,
        "answered_by": "spare",
    }
    assert (result["status"], result["failed_models"]) == ("degraded", [])
    assert result["reasons"] == ["seat 1 (north) failed, and its fallback spare answered"]
    assert len(asked(models, "north")) == 1  # once it has failed it is not asked again
    own = [(call["model"], call["outcome"]) for call in result["usage"]["calls"] if call["seat"] == 1]
    assert own == [("north", "not_found"), ("spare", "tool_calls"), ("spare", "answer")]


async def test_a_seat_whose_fallback_fails_as_well_tells_why_its_own_model_failed() -> None:
    def broken(request: ScriptedRequest) -> Any:
        return ScriptedError(f"{request.model} is gone", status_code=404)

    result = await run(scripted(north=broken, spare=broken), panel=[{"model": "north", "fallback": "spare"}, "south"])

    assert "north is gone" in result["failed_models"][0]["error"]
    assert [call["model"] for call in result["usage"]["calls"] if call["seat"] == 1] == ["north", "spare"]


async def test_an_answer_cut_by_the_output_limit_counts_and_is_labelled_partial() -> None:
    models = scripted(north=lambda _r: ScriptedReply("Half an ans", finish_reason="length"))

    result = await run(models)

    assert result["responses"][0] == {"seat": 1, "model": "north", "content": "Half an ans", "partial": True}
    assert result["failed_models"][0]["seat"] == 1
    assert result["status"] == "degraded"


async def test_a_seat_whose_room_went_into_reasoning_gets_twice_the_room() -> None:
    def script(request: ScriptedRequest) -> Any:
        if request.max_tokens == 16000:
            return ScriptedReply("", finish_reason="length")
        return f"Answered within {request.max_tokens}."

    result = await run(scripted(north=script), panel=["north"])

    assert result["responses"][0]["content"] == "Answered within 32000."


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (says(""), "without producing any text"),
        (lambda _r: ScriptedReply("", refusal="I will not."), "I will not."),
        (lambda _r: calls("look_up"), "tools it was not offered"),
        (lambda _r: ScriptedError("bad key", status_code=401), "bad key"),
    ],
)
async def test_a_seat_without_a_usable_answer_failed_and_says_why(script: Any, words: str) -> None:
    result = await run(scripted(east=script))

    assert [failure["seat"] for failure in result["failed_models"]] == [3]
    assert words in result["failed_models"][0]["error"]
    assert len(result["responses"]) == 2


async def test_every_attempt_of_every_call_is_in_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fusion_graph.calls.tries.BACKOFF_SECONDS", 0.0)
    tries = {"north": 0}

    def shaky(_request: ScriptedRequest) -> Any:
        tries["north"] += 1
        return ScriptedError("busy", status_code=503) if tries["north"] < 3 else "At last."

    models = scripted(north=shaky, south=researcher())

    result = await run(models, tools=[look_up()])

    assert len(result["usage"]["calls"]) == len(models.requests) == 8
    assert [(c["attempt"], c["outcome"]) for c in result["usage"]["calls"] if c["seat"] == 1] == [
        (1, "server_error"),
        (2, "server_error"),
        (3, "answer"),
    ]
    assert json.dumps(result["usage"])


async def _never(_request: ScriptedRequest) -> str:
    await asyncio.sleep(3600)
    return "never"


async def test_after_the_quorum_and_its_grace_a_hanging_seat_is_cut_and_labelled() -> None:
    result = await run(scripted(east=_never), quorum=2, grace_seconds=0.05)

    assert [response["model"] for response in result["responses"]] == ["north", "south"]
    assert result["failed_models"] == [{"seat": 3, "model": "east", "error": WHY_CUT}]
    assert result["status"] == "degraded"
    assert len(result["usage"]["calls"]) == 5


async def test_text_a_seat_had_written_when_it_was_cut_is_a_partial_answer() -> None:
    slow = ScriptedReply("one two three four five six seven eight nine ten " * 40, pause=0.02)

    result = await run(scripted(east=lambda _request: slow), quorum=2, grace_seconds=0.3)

    last = result["responses"][-1]
    assert (last["model"], last["partial"]) == ("east", True)
    assert last["content"].startswith("one two")
    assert len(last["content"]) < 1500


async def test_a_late_seat_in_its_research_is_told_to_answer_from_what_it_has() -> None:
    others_done = asyncio.Event()

    def quick(request: ScriptedRequest) -> str:
        others_done.set()
        return f"{request.model} is quick."

    async def probe(query: str) -> str:
        await others_done.wait()
        await asyncio.sleep(0.2)
        return "a late finding"

    def late(request: ScriptedRequest) -> Any:
        return calls("probe") if request.tools else "From the late finding."

    models = scripted(north=late, south=quick)

    result = await run(models, panel=["north", "south"], tools=[tool(probe)], quorum=1, grace_seconds=30)

    assert result["responses"][0]["content"] == "From the late finding."
    assert len(asked(models, "north")) == 2
    assert "enough others have answered" in texts(asked(models, "north")[1].messages)


async def test_a_tool_that_hangs_past_the_grace_is_cut_and_its_seat_ends() -> None:
    async def probe(query: str) -> str:
        await asyncio.sleep(3600)
        return query

    reply = ScriptedReply("I am looking it up.", tool_calls=[{"name": "probe", "args": {"query": "x"}, "id": "c"}])

    result = await run(
        scripted(north=once(reply)), panel=["north", "south"], tools=[tool(probe)], quorum=1, grace_seconds=0.05
    )

    assert result["responses"][0] == {"seat": 1, "model": "north", "content": "I am looking it up.", "partial": True}


async def test_a_quorum_of_all_seats_waits_for_all() -> None:
    async def slow(_request: ScriptedRequest) -> str:
        await asyncio.sleep(0.2)
        return "slow but here"

    result = await run(scripted(east=slow), quorum=3, grace_seconds=0)

    assert len(result["responses"]) == 3


async def test_a_tool_whose_time_ran_out_as_the_grace_ended_does_not_keep_the_other_seats_from_being_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fusion_graph.nodes.seat_tools.TOOL_SECONDS", 0.1)

    probing = asyncio.Event()

    async def probe(query: str) -> str:
        probing.set()
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.4)  # lets go of its connection long after its time has run out
        return query

    reply = ScriptedReply("I am looking it up.", tool_calls=[{"name": "probe", "args": {"query": "x"}, "id": "c"}])

    async def look(query: str) -> str:
        await probing.wait()
        return query

    async def after_research(request: ScriptedRequest) -> Any:
        return calls("look") if request.tools else await _never(request)

    models = scripted(north=once(reply), east=after_research)

    running = run(models, tools=[tool(probe), tool(look, "look")], quorum=1, grace_seconds=0.2)
    result = await asyncio.wait_for(running, 10)

    assert result["failed_models"][-1] == {"seat": 3, "model": "east", "error": WHY_CUT}


async def test_a_seat_resumed_in_the_same_process_is_not_cut_by_the_quorum_of_before() -> None:
    cut_before = asyncio.Event()

    async def stubborn(request: ScriptedRequest) -> str:
        if cut_before.is_set():
            return "Now I have it."
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cut_before.set()
            await asyncio.sleep(3600)
        return "never"

    models = scripted(north=stubborn)
    graph: Any = build_fusion_graph(load_model=models, tools=[]).compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    roster = ROSTER | {"panel": ["north", "south"], "quorum": 1, "grace_seconds": 0.05}
    first = asyncio.create_task(graph.ainvoke({"messages": [("user", "What?")]}, config, context=roster))
    await asyncio.wait_for(cut_before.wait(), 10)
    first.cancel()
    await asyncio.wait([first])

    values = await graph.ainvoke(None, config)

    assert [result["content"] for result in values["results"]] == ["Now I have it.", "south: the answer is 1."]
