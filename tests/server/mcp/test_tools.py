import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import StructuredTool
from mcp import McpError
from pydantic import AnyUrl

from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest
from tests.graphs import report, researcher, says, scripted
from tests.server.mcp.agent import QUESTION, ROSTER, Gate, only_grows, scene, size, stored

LONG = " ".join(["w" * 99] * 1000) + "."  # 100,000 characters
ONE_RUN = ["east", "judge", "north", "south", "writer"]
CLASH = {
    "contradictions": [
        {"topic": "the answer", "stances": [{"answer": "A", "stance": "it is 1"}, {"answer": "C", "stance": "it is 2"}]}
    ]
}


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


class TestAsking:
    async def test_the_answer_comes_with_disagreements_cost_and_status(self, db: Path) -> None:
        async with scene(db, scripted(judge=report(**CLASH))) as at:
            told = await at.agent.ask()

        assert told.status == "ok"
        assert told.text.startswith("The answer is 1, though one source says 2.")
        assert "## Disagreements\n- the answer\n  - " in told.text
        assert f"Status: ok · 3 of 3 seats answered · cost: unknown · run_id: {told.run_id}" in told.text
        assert {stance["stance"] for stance in told.structure["disagreements"][0]["stances"]} == {"it is 1", "it is 2"}
        assert (told.structure["cost_usd"], told.structure["cost_is_lower_bound"]) == (None, True)
        assert at.asked() == ONE_RUN

    async def test_a_run_that_takes_longer_than_a_call_may_is_fetched_by_its_id(self, db: Path) -> None:
        gate = Gate()
        async with scene(db, scripted(east=gate), block=0.0) as at:
            first = await at.agent.ask()
            await asyncio.wait_for(gate.asked.wait(), 20)
            second = await at.agent.result(first.run_id)
            gate.open.set()
            live = at.runs.live(first.run_id)
            assert live
            await live.result()
            third = await at.agent.result(first.run_id)

        assert (first.status, second.status, third.status) == ("running", "running", "ok")
        assert first.text.startswith("**Still at work**: ")
        assert "call fusion_result with this run_id" in first.text
        assert "of 3 answered" in second.structure["reasons"][0]
        assert third.structure["answer"] == "The answer is 1, though one source says 2."
        assert at.asked() == ONE_RUN

    async def test_progress_only_grows_and_names_the_run_from_the_first_message_on(self, db: Path) -> None:
        async with scene(db, scripted(north=says("word " * 200))) as at:
            told = await at.agent.ask()

        assert only_grows(told.progress)
        assert {total for _, total, _ in told.progress} == {5}
        assert told.progress[0][2] == f"0 of 3 answered; run_id {told.run_id}"
        assert told.progress[-1][0] == 5
        assert [message[:15] for _, _, message in told.progress if "; comparing the answers" in message] == [
            "3 of 3 answered"
        ]
        assert all(len(message) <= 200 for _, _, message in told.progress)

    async def test_progress_says_what_a_seat_is_at_and_what_was_paid(self, db: Path) -> None:
        gate = Gate()

        async def fetch(query: str) -> str:
            gate.asked.set()
            await gate.open.wait()
            return f"All about {query}."

        tool = StructuredTool.from_function(coroutine=fetch, name="web_fetch", description="Fetch.")
        models = scripted(north=researcher("web_fetch"), south=lambda _request: ScriptedReply("It is 1.", cost=0.2))
        async with scene(db, models, tools=[tool], heartbeat=0.01) as at:
            asking = asyncio.ensure_future(at.agent.ask(tools=["web_fetch"]))
            await asyncio.wait_for(gate.asked.wait(), 20)
            await at.agent.hears(lambda told: told[-1][2].startswith("2 of 3 answered"))
            said = at.agent.progress[-1][2]
            gate.open.set()
            told = await asking

        assert said == f"2 of 3 answered; seat 1 reads north 0; at least $0.20; run_id {told.run_id}"
        assert "cost: at least $0.20" in told.text

    async def test_a_heartbeat_goes_on_where_nothing_happens(self, db: Path) -> None:
        gate = Gate()
        async with scene(db, scripted(east=gate), heartbeat=0.01) as at:
            asking = asyncio.ensure_future(at.agent.ask())
            await asyncio.wait_for(gate.asked.wait(), 20)
            before = len(at.agent.progress)
            await at.agent.hears(lambda told: len(told) >= before + 5)
            gate.open.set()
            told = await asking

        assert only_grows(told.progress)
        assert max(figure for figure, _, _ in told.progress) <= 5

    async def test_the_same_question_before_its_answer_came_is_the_same_run(self, db: Path) -> None:
        gate = Gate()
        async with scene(db, scripted(east=gate), block=0.0) as at:
            first, second = await at.agent.ask(), await at.agent.ask()
            gate.open.set()
            live = at.runs.live(first.run_id)
            assert live
            await live.result()
            third, fourth = await at.agent.ask(), await at.agent.ask()

        assert first.run_id == second.run_id == third.run_id
        assert third.status == "ok"
        assert fourth.run_id != first.run_id

    async def test_who_stops_waiting_does_not_stop_the_run(self, db: Path) -> None:
        gate = Gate()
        async with scene(db, scripted(east=gate)) as at:
            asking = asyncio.ensure_future(at.agent.ask())
            await asyncio.wait_for(gate.asked.wait(), 20)
            await at.agent.cancel_call()
            with pytest.raises(McpError, match="cancelled"):
                await asking
            run_id = at.agent.progress[0][2].rpartition(" ")[2]
            gate.open.set()
            told = await at.agent.result(run_id)

        assert told.status == "ok"
        assert at.asked() == ONE_RUN

    async def test_how_it_came_short_is_said_first(self, db: Path) -> None:
        def fails(_request: ScriptedRequest) -> Exception:
            return RuntimeError("out of order")

        async with scene(db, scripted(east=fails)) as at:
            told = await at.agent.ask()

        assert told.status == "degraded"
        assert told.text.startswith("**Degraded answer**: ")
        assert "out of order" in told.text.split("\n\n")[0] + json.dumps(told.structure["failed"])
        assert "2 of 3 seats answered" in told.text

    async def test_a_budget_and_a_limit_of_the_day_are_kept(self, db: Path) -> None:
        async with scene(db, scripted(), max_usd=1.0, max_runs=2) as at:
            await at.agent.ask(max_cost_usd=0.3)
            await at.agent.ask("Another one?")

        caps = [json.loads(run["input"])["settings"]["max_cost_usd"] for run in stored(db)]
        assert caps == [0.3, 0.5]

    async def test_more_runs_than_allowed_are_refused(self, db: Path) -> None:
        gate = Gate()
        async with scene(db, scripted(east=gate), block=0.0, max_runs=1) as at:
            await at.agent.ask()
            told = await at.agent.ask("Another one?")
            gate.open.set()

        assert told.is_error
        assert told.text == "1 runs are under way for this key"


class TestResults:
    @pytest.mark.parametrize("answer", [LONG, '"' * 100_000, "答" * 100_000], ids=["words", "escapes", "cjk"])
    @pytest.mark.parametrize("detail", ["answer", "analysis", "full"])
    async def test_no_result_is_longer_than_clients_take(self, db: Path, answer: str, detail: str) -> None:
        points = [{"point": f"{n} {answer[:2000]}", "answers": ["A", "B"]} for n in range(30)]
        models = scripted(**dict.fromkeys(("north", "south", "writer"), says(answer)), judge=report(consensus=points))
        async with scene(db, models) as at:
            run_id = (await at.agent.ask()).run_id
            told = await at.agent.result(run_id, detail=detail)

        assert size(told) < 50_000
        assert len(told.text.encode()) < 75_000
        assert detail == "analysis" or told.structure["answer"]

    async def test_of_many_long_disagreements_some_are_told_and_the_rest_counted(self, db: Path) -> None:
        stances = [{"answer": letter, "stance": f"{letter} {LONG[:5000]}"} for letter in "ABCDEFGH"]
        clashes = [{"topic": f"{n} {LONG[:2000]}", "stances": stances} for n in range(5)]
        async with scene(db, scripted(judge=report(contradictions=clashes))) as at:
            told = await at.agent.ask(panel=["north"] * 8)

        assert told.structure["disagreements_found"] == 5
        assert len(told.structure["disagreements"][0]["stances"]) == 8
        assert f"- {5 - len(told.structure['disagreements'])} more: resource " in told.text
        assert size(told) < 50_000

    async def test_the_rest_of_a_long_answer_is_a_resource(self, db: Path) -> None:
        async with scene(db, scripted(writer=says(LONG))) as at:
            told = await at.agent.ask()
            full = await at.agent.result(told.run_id, detail="full")
            (resource,) = (await at.agent.session.read_resource(AnyUrl(told.structure["resource"]))).contents
            (listed,) = (await at.agent.session.list_resources()).resources

        assert len(told.structure["answer"]) <= 8000 < len(full.structure["answer"])
        assert told.structure["answer_chars"] == len(LONG)
        assert f"fusion_result with detail full; all of it: resource fusion://runs/{told.run_id}" in told.text
        assert f"resource fusion://runs/{told.run_id}" in full.text
        assert LONG in resource.model_dump()["text"]
        assert "## Seat 2: south\n\nsouth: the answer is 1." in resource.model_dump()["text"]
        assert (str(listed.uri), listed.name) == (told.structure["resource"], QUESTION)

    async def test_each_detail_has_its_part(self, db: Path) -> None:
        async with scene(db, scripted(judge=report(**CLASH, blind_spots=["Nobody asked why."]))) as at:
            run_id = (await at.agent.ask()).run_id
            analysis, full = [await at.agent.result(run_id, detail=detail) for detail in ("analysis", "full")]

        assert analysis.structure["answer"] == ""
        assert analysis.structure["agreements"] == ["both agree"]
        assert "## Not covered\n- Nobody asked why." in analysis.text
        assert [seat["answer"] for seat in full.structure["responses"]] == [
            "north: the answer is 1.",
            "south: the answer is 1.",
            "east: the answer is 2.",
        ]
        assert "## Seat 3: east\n\neast: the answer is 2." in full.text

    async def test_a_run_of_another_process_is_waited_for(self, db: Path) -> None:
        gate = Gate()
        async with scene(db, scripted(east=gate), block=0.0) as other, scene(db, scripted()) as at:
            run_id = (await other.agent.ask()).run_id
            waiting = asyncio.ensure_future(at.agent.result(run_id))
            await asyncio.wait_for(gate.asked.wait(), 20)
            cancelled = await other.agent.call("fusion_estimate")
            gate.open.set()
            told = await waiting

        assert not cancelled.is_error
        assert told.status == "ok"
        assert told.progress[0][2].endswith(run_id)
        assert at.asked() == []

    async def test_a_run_that_waits_for_approval_says_where_to_give_it(self, db: Path) -> None:
        async with scene(db, scripted()) as at:
            live = await at.runs.start([QUESTION], {**ROSTER, "tools": [], "approve": True})
            await live.result()
            told = await at.agent.result(live.run_id)

        assert told.status == "interrupted"
        assert told.text.startswith("**Waits for approval**: ")
        assert f"fusion runs resume {live.run_id} --yes" in told.structure["next"]

    async def test_text_that_only_a_machine_reads_is_left_out(self, db: Path) -> None:
        hidden = "It is 1.\U000e0041\u202e"
        async with scene(db, scripted(writer=says(hidden))) as at:
            told = await at.agent.ask()

        assert told.structure["answer"] == "It is 1."


class TestCancelling:
    async def test_a_run_that_is_cancelled_is_kept_and_not_gone_on_with(self, db: Path) -> None:
        gate = Gate()
        async with scene(db, scripted(east=gate), block=0.0) as at:
            run_id = (await at.agent.ask()).run_id
            await asyncio.wait_for(gate.asked.wait(), 20)
            cancelled = await at.agent.call("fusion_cancel", run_id=run_id)
            again = await at.agent.call("fusion_cancel", run_id=run_id)
            told = await at.agent.result(run_id)

        assert (cancelled.status, again.status, told.status) == ("cancelled", "cancelled", "cancelled")
        assert cancelled.text.startswith("It is stopped; what was paid is kept.")
        assert again.text.startswith("Nothing was under way.")
        assert f"fusion runs resume {run_id}" in told.structure["next"]
        assert "judge" not in at.asked()

    async def test_a_run_of_another_process_is_stopped_there(self, db: Path) -> None:
        gate = Gate()
        async with scene(db, scripted(east=gate), block=0.0) as other, scene(db, scripted()) as at:
            run_id = (await other.agent.ask()).run_id
            await asyncio.wait_for(gate.asked.wait(), 20)
            told = await at.agent.call("fusion_cancel", run_id=run_id)

            assert not other.runs.under_way
        assert told.status == "cancelled"
        assert "judge" not in other.asked()


class TestEstimating:
    async def test_the_price_is_told_without_a_key_or_a_call(self, db: Path) -> None:
        async with scene(db, scripted()) as at:
            told = await at.agent.call("fusion_estimate", preset="budget")

        assert told.structure["preset"] == "budget"
        assert told.structure["low_usd"] < told.structure["high_usd"]
        assert told.text.startswith("about $")
        assert told.structure["judge"] in told.text
        assert at.asked() == []

    async def test_an_unknown_price_is_not_nothing(self, db: Path) -> None:
        async with scene(db, scripted()) as at:
            told = await at.agent.call("fusion_estimate", panel=["openai:nobody-knows"], judge="openai:nobody-knows")

        assert (told.structure["low_usd"], told.structure["is_lower_bound"]) == (None, True)
        assert told.text.startswith("cost unknown: ")
        assert "No price is known for openai:nobody-knows" in told.text


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("fusion_ask", {}, "question is missing"),
    ("fusion_ask", {"question": " \n"}, "question = ' \\n'"),
    ("fusion_ask", {"question": 3}, "question = 3"),
    ("fusion_ask", {"question": QUESTION, "preset": "qualty"}, "unknown preset 'qualty'. did you mean 'quality'?"),
    ("fusion_ask", {"question": QUESTION, "panel": "north"}, "panel = 'north'"),
    ("fusion_ask", {"question": QUESTION, "panel": ["north"] * 9}, "1 to 8 models"),
    ("fusion_ask", {**ROSTER, "question": QUESTION, "panel": ["nobody"]}, "nobody"),
    ("fusion_ask", {**ROSTER, "question": QUESTION, "tools": ["telepathy"]}, "telepathy"),
    ("fusion_ask", {"question": QUESTION, "max_cost_usd": -1}, "max_cost_usd = -1"),
    ("fusion_ask", {"question": QUESTION, "models": ["north"]}, "unknown setting 'models'"),
    ("fusion_result", {}, "run_id is missing"),
    ("fusion_result", {"run_id": ""}, "run_id = ''"),
    ("fusion_result", {"run_id": "nope"}, "there is no run 'nope'. give the run_id that fusion_ask returned"),
    ("fusion_result", {"run_id": "nope", "wait_seconds": 90}, "at most 45"),
    ("fusion_result", {"run_id": "nope", "detail": "all"}, "one of: 'answer', 'analysis', 'full'"),
    ("fusion_estimate", {"preset": "qualty"}, "did you mean 'quality'?"),
    ("fusion_estimate", {"panel": ["nobody"]}, "'nobody' names no provider"),
    ("fusion_cancel", {"run_id": "nope"}, "there is no run 'nope'"),
    ("fusion_cancel", {}, "run_id is missing"),
    ("fusion", {}, "did you mean"),
]


class TestRefusing:
    @pytest.mark.parametrize(("name", "arguments", "said"), REFUSED, ids=lambda value: str(value)[:40])
    async def test_what_cannot_work_names_value_and_remedy_and_stores_nothing(
        self, db: Path, name: str, arguments: dict[str, Any], said: str
    ) -> None:
        async with scene(db, scripted()) as at:
            told = await at.agent.call(name, **arguments)

        assert told.is_error
        assert said in told.text
        assert at.asked() == []
        assert stored(db) == []

    async def test_an_approval_cannot_be_given_here(self, db: Path) -> None:
        async with scene(db, scripted(), environ={"FUSION_APPROVE": "true"}) as at:
            told = await at.agent.ask()

        assert told.is_error
        assert told.text.startswith("these tools cannot ask for an approval. unset FUSION_APPROVE")
        assert stored(db) == []

    async def test_a_panel_within_a_panel_is_not_started(self, db: Path) -> None:
        async with scene(db, scripted(), environ={"FUSION_INSIDE": "1"}) as at:
            told = await at.agent.ask()

        assert told.is_error
        assert told.text == "a panel is at work on this already; answer from what you know"
        assert stored(db) == []

    async def test_a_fault_quotes_nothing(self, db: Path, caplog: pytest.LogCaptureFixture) -> None:
        async with scene(db, scripted()) as at:
            with closing(sqlite3.connect(db)) as connection:
                connection.execute("ALTER TABLE fusion_runs RENAME TO lost")
            told = await at.agent.result("0123456789")

        assert told.is_error
        assert told.text == "a fault of this server: OperationalError"
        assert "no such table" in caplog.text

    @pytest.mark.parametrize("uri", ["fusion://runs/nope", "fusion://panels/1", "file:///etc/passwd"])
    async def test_an_unknown_resource_is_an_error_with_a_remedy(self, db: Path, uri: str) -> None:
        async with scene(db, scripted()) as at:
            with pytest.raises(McpError, match=r"there is no r.*(fusion_ask returned|RUN_ID)"):
                await at.agent.session.read_resource(AnyUrl(uri))


class TestListing:
    async def test_tools_say_what_they_are_for_in_few_words(self, db: Path) -> None:
        async with scene(db, scripted()) as at:
            tools = await at.agent.tools()

        assert list(tools) == ["fusion_ask", "fusion_result", "fusion_estimate", "fusion_cancel"]
        for tool in tools.values():
            assert tool.description
            assert len(tool.description.encode()) <= 1024
            fields = tool.inputSchema["properties"].values()
            assert all(0 < len(each["description"].encode()) <= 1024 for each in fields)
            assert "\n\n" in tool.description  # the first line says what it is

    async def test_tools_say_what_they_do_to_the_world(self, db: Path) -> None:
        async with scene(db, scripted()) as at:
            tools = await at.agent.tools()

        def hints(name: str) -> list[bool | None]:
            told = tools[name].annotations
            assert told
            return [told.readOnlyHint, told.destructiveHint, told.idempotentHint, told.openWorldHint]

        assert hints("fusion_ask") == [False, False, False, True]
        assert hints("fusion_result")[0] is hints("fusion_estimate")[0] is True
        assert hints("fusion_cancel") == [False, False, True, False]

    async def test_the_presets_there_are_can_be_chosen(self, db: Path) -> None:
        (db.parent / "presets.toml").write_text('[mine]\ndescription = "My two"\npanel = ["north", "south"]\n')
        environ = {"FUSION_HOME": str(db.parent)}
        async with scene(db, scripted(), environ=environ) as at:
            field = (await at.agent.tools())["fusion_ask"].inputSchema["properties"]["preset"]

        assert {"", "quality", "mine"} <= set(field["enum"])
        assert "quality: Three frontier models" in field["description"]
