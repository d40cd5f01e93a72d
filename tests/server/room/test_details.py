"""GET .../details: a run whole, at any moment of it, whoever started it."""

import asyncio
import json
import sqlite3
from contextlib import closing
from typing import Any

from fusion_graph.deployment import Parts
from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest
from fusion_graph.runs import open_runs
from tests.commands import wait_until
from tests.graphs import ROSTER, researcher
from tests.server.conftest import PANEL, Serve, Served, is_judge, judge_and_writer
from tests.server.contract.asking import fails, refused
from tests.server.responses.asking import asked
from tests.server.responses.saying import cancelled, ended
from tests.server.room.asking import at_rest, details, forked, get
from tests.server.room.researching import RESEARCH, WRITTEN, researched
from tests.server.talk import dear, endless, held

KEYS = ["first-key-of-sixteen", "second-key-of-sixteen"]
ONE, OTHER = ({"authorization": f"Bearer {key}"} for key in KEYS)


def test_a_run_is_told_with_its_question_roster_and_end(serve: Serve) -> None:
    served = serve(judge=judge_and_writer)
    question = "What is\n\n  the answer? " + "And why? " * 50
    own = {"seats": [{"model": "north", "name": "N"}, {"model": "south", "max_tool_calls": 2}], "writer": "judge"}
    told = asked(served, question, x_fusion=own | {"excluded_domains": ["example.com"]})

    found = details(served, told["id"])

    assert (found["object"], found["id"]) == ("response.details", told["id"])
    assert (found["run_id"], found["parent_id"]) == (told["id"].removeprefix("resp_"), None)
    assert (found["status"], found["is_live"], found["fused"]) == ("ok", False, True)
    assert found["question"] == question
    assert found["created_at"] < found["ended_at"]
    roster = found["roster"]
    assert [(seat["seat"], seat["model"], seat["name"]) for seat in roster["seats"]] == [
        (1, "north", "N"),
        (2, "south", "south"),
    ]
    assert [seat["max_tool_calls"] for seat in roster["seats"]] == [4, 2]
    assert (roster["judge"], roster["writer"], roster["excluded_domains"]) == ("judge", "judge", ["example.com"])
    assert (found["reasons"], found["failure_reason"], found["judge_failure"]) == ([], None, None)
    assert (found["approval"], found["previous"], found["versions"]) == (None, [], [])


def test_the_answer_is_told_as_html_with_citations_that_say_what_they_are_worth(serve: Serve) -> None:
    served, told = researched(serve)

    answer = details(served, told["id"])["answer"]

    assert answer["text"] == WRITTEN
    assert answer["words"] == len(WRITTEN.split())
    assert "<strong>one</strong>" in answer["html"]
    assert '<a class="cite"' in answer["html"]
    assert 'data-status="read"' in answer["html"]
    assert 'data-status="unverified"' in answer["html"]
    assert "<i>" not in answer["html"]


def test_the_comparison_is_told_with_seats_and_sources(serve: Serve) -> None:
    served, told = researched(serve)

    comparison = details(served, told["id"])["comparison"]

    (consensus,) = comparison["consensus"]
    assert (consensus["seats"], consensus["sources"]) == ([1, 2], [1])
    (clash,) = comparison["contradictions"]
    assert (clash["topic"], {side["seat"] for side in clash["stances"]}) == ("which number", {1, 2})
    assert clash["better"] in {1, 2}
    assert any("<em>one</em>" in side["html"] for side in clash["stances"])
    (unique,) = comparison["unique_insights"]
    assert "<b>" not in unique["html"]
    assert len(unique["seats"]) == 1
    assert comparison["blind_spots"] == [{"html": comparison["blind_spots"][0]["html"]}]
    assert "<em>why</em>" in comparison["blind_spots"][0]["html"]
    assert {claim["id"] for part in ("consensus", "partial_coverage") for claim in comparison[part]}


def test_two_seats_of_one_model_that_agree_are_noted(served: Served) -> None:
    told = asked(served, plugins=[PANEL | {"analysis_models": ["north", "north"]}])

    (consensus,) = details(served, told["id"])["comparison"]["consensus"]

    assert consensus["note"] == "same model twice"


def test_seats_are_told_with_text_tools_time_and_cost(serve: Serve) -> None:
    served, told = researched(serve, north=_dear_researcher)

    north, south, east = details(served, told["id"])["seats"]

    assert (north["state"], south["state"], east["state"]) == ("answered", "answered", "failed")
    assert south["text"] == "south found it [2]."  # the run's number
    assert 'data-source="2"' in south["html"]
    assert (north["sources"], south["sources"]) == ([1], [2])
    assert north["tool_calls"] == {"requested": 1, "executed": 1, "by_tool": {"look_up": 1}, "failed": {}}
    assert (north["cost_usd"], north["cost_is_lower_bound"]) == (0.5, False)
    assert (south["cost_usd"], south["cost_is_lower_bound"]) == (None, True)
    assert north["seconds"] >= 0
    assert (north["error"], north["files"], north["more_files"]) == (None, [], 0)
    assert (east["text"], east["html"], east["error"]["kind"]) == ("", "", "unauthorized")
    assert east["error"]["status_code"] == 401


def _dear_researcher(request: ScriptedRequest) -> Any:
    reply = researcher()(request)
    if isinstance(reply, ScriptedReply):
        return ScriptedReply(tool_calls=reply.tool_calls, cost=0.25)
    return ScriptedReply(str(reply), cost=0.25)


def test_a_fallback_and_a_spent_budget_are_told_on_the_seat(serve: Serve) -> None:
    seats = [{"model": "north", "fallback": "south"}, {"model": "east", "max_tool_calls": 1}]
    served = serve(north=fails(401), east=researcher(rounds=3), judge=judge_and_writer)
    told = asked(served, x_fusion={"seats": seats})

    first, second = details(served, told["id"])["seats"]

    assert (first["model"], first["answered_by"], first["state"]) == ("north", "south", "answered")
    assert (second["state"], second["notes"]) == (
        "answered early",
        ["it answered early: all 1 tool rounds are used"],
    )


def test_sources_are_told_with_who_found_them_and_whether_they_are_cited(serve: Serve) -> None:
    served, told = researched(serve)

    first, second, third = details(served, told["id"])["sources"]

    assert (first["number"], first["status"], first["cited"], first["seats"]) == (1, "read", True, [1])
    assert (first["site"], first["url"].startswith("https://pages.example/")) == ("pages.example", True)
    assert (second["cited"], third["cited"]) == (False, False)


def test_doubts_say_what_does_not_hold(serve: Serve) -> None:
    served, told = researched(serve)

    doubts = details(served, told["id"])["doubts"]

    assert doubts == ["Not verified: no tool of this run saw [9], https://nobody.example/x"]


def test_calls_and_costs_are_told_apart_by_who_paid(serve: Serve) -> None:
    served = serve(north=dear(0.25), south=dear(0.25), east=dear(0.25), writer=dear(0.5), judge=judge_and_writer)
    parent = asked(served)
    child = forked(served, parent["id"], writer="writer")

    before, after = (details(served, each["id"]) for each in (parent, child))

    assert all(call["own"] for call in before["calls"])
    assert [(call["role"], call["own"]) for call in after["calls"] if call["own"]] == [("writer", True)]
    assert (after["cost"]["cost_usd"], after["cost"]["cost_is_lower_bound"]) == (1.25, True)  # nobody knows the judge's
    assert (after["cost"]["paid_usd"], after["cost"]["paid_is_lower_bound"]) == (0.5, False)
    assert before["cost"]["paid_usd"] == before["cost"]["cost_usd"] == 0.75
    assert after["cost"]["output_tokens"] > 0


def test_a_run_in_the_middle_is_told_as_far_as_it_has_come(serve: Serve) -> None:
    at_work, go, waits = held()
    served = serve(north=researcher(), east=waits, judge=judge_and_writer)
    begun = asked(served, background=True, **RESEARCH)
    assert at_work.wait(20)
    wait_until(lambda: [seat["state"] for seat in details(served, begun["id"])["seats"]].count("answered") == 2)

    told = details(served, begun["id"])
    go.set()

    north, _, east = told["seats"]
    assert (told["status"], told["is_live"], told["ended_at"]) == ("running", True, None)
    assert (told["answer"], told["comparison"], told["reasons"], told["failure_reason"]) == (None, None, [], None)
    assert (told["fused"], len(told["roster"]["seats"])) == (True, 3)
    assert (north["text"], north["sources"]) == ("north found it [1].", [1])
    assert (east["state"], east["text"], east["seconds"]) == ("waiting", "", None)
    assert [source["number"] for source in told["sources"]] == [1]
    assert {call["role"] for call in told["calls"]} == {"panelist"}
    assert ended(served, begun["id"])["status"] == "completed"


def test_a_run_that_has_just_begun_has_a_roster_already(serve: Serve) -> None:
    served = serve(parts=Parts.real())
    told = asked(served, model="fusion/demo", plugins=None)
    with closing(sqlite3.connect(served.db)) as connection:  # as it is before its first step
        connection.execute("UPDATE fusion_runs SET status = 'stopped', result = NULL, checkpoint_id = NULL")
        connection.executescript("DELETE FROM checkpoints; DELETE FROM writes; DELETE FROM fusion_summaries")

    found = details(served, told["id"])

    assert (found["status"], found["roster"]["preset"]) == ("stopped", "demo")
    assert [seat["state"] for seat in found["seats"]] == ["waiting"] * 3
    assert (found["answer"], found["sources"], found["reasons"]) == (None, [], [])


def test_a_run_that_was_cancelled_keeps_what_it_has(serve: Serve) -> None:
    at_work, waits = endless()
    served = serve(east=waits, judge=judge_and_writer)
    begun = asked(served, background=True)
    assert at_work.wait(20)
    wait_until(lambda: [seat["state"] for seat in details(served, begun["id"])["seats"]].count("answered") == 2)
    cancelled(served, begun["id"])

    told = details(served, begun["id"])

    assert (told["status"], told["is_live"], told["reasons"]) == ("cancelled", False, [])
    assert [seat["state"] for seat in told["seats"]] == ["answered", "answered", "waiting"]
    assert told["ended_at"] > told["created_at"]


def test_what_waits_for_approval_says_what_for(served: Served) -> None:
    begun = asked(served, x_fusion={"approve": True, "max_cost_usd": 2.0}, background=True)

    told = at_rest(served, begun["id"], "interrupted")

    assert told["approval"]["args"] == {
        "panel": "north, south, east",
        "judge": "judge",
        "writer": "judge",
        "max_cost_usd": 2.0,
        "estimate": "cost unknown",
    }
    assert "<strong>cost unknown</strong>: 3 seats" in told["approval"]["html"]
    assert (told["reasons"], told["ended_at"]) == (["waits for approval"], None)
    assert [seat["state"] for seat in told["seats"]] == ["waiting"] * 3


def test_a_degraded_run_and_one_without_an_answer_say_why(serve: Serve) -> None:
    without_json = serve(judge=lambda request: "no JSON" if is_judge(request) else "So be it.")
    degraded = details(without_json, asked(without_json)["id"])
    broke = serve(north=fails(402), south=fails(402), east=fails(402), judge=fails(402))
    failed = details(broke, asked(broke)["id"])

    assert (degraded["status"], degraded["judge_failure"]) == ("degraded", "judge_not_valid_json")
    assert degraded["comparison"] is None
    assert degraded["reasons"]
    assert (failed["status"], failed["failure_reason"]) == ("error", "insufficient_credits")
    assert {seat["state"] for seat in failed["seats"]} == {"failed"}


def test_a_plain_call_has_no_seats(served: Served) -> None:
    told = details(served, asked(served, model="judge", plugins=None)["id"])

    assert (told["fused"], told["seats"], told["comparison"], told["roster"]["mode"]) == (False, [], None, "never")
    assert told["answer"]["text"]


def test_runs_of_the_command_line_are_told_as_well(serve: Serve) -> None:
    served = serve()

    async def run_twice() -> list[str]:
        async with open_runs(served.db, Parts.real(load_model=served.models)) as runs:
            first = await runs.start(["First?"], ROSTER, thread_id="t")
            await first.result()
            second = await runs.start(["Second?"], thread_id="t")
            await second.result()
            return [first.run_id, second.run_id]

    told = [details(served, run_id) for run_id in asyncio.run(run_twice())]

    assert [run["question"] for run in told] == ["First?", "Second?"]
    assert [len(run["seats"]) for run in told] == [3, 3]
    assert [len(run["comparison"]["consensus"][0]["seats"]) for run in told] == [2, 2]
    assert [run["previous"] for run in told] == [[], []]


def test_a_later_turn_that_was_stopped_before_its_first_step_does_not_show_the_turn_before(serve: Serve) -> None:
    served = serve()

    async def run_once() -> str:
        async with open_runs(served.db, Parts.real(load_model=served.models)) as runs:
            live = await runs.start(["First?"], ROSTER, thread_id="t")
            await live.result()
            return live.run_id

    first = asyncio.run(run_once())
    with closing(sqlite3.connect(served.db)) as connection:
        connection.executescript(
            "CREATE TEMP TABLE later AS SELECT * FROM fusion_runs;"
            "UPDATE later SET run_id = 'second', status = 'stopped', result = NULL, checkpoint_id = NULL;"
            "INSERT INTO fusion_runs SELECT * FROM later"
        )

    told = details(served, "second")

    assert (told["status"], told["answer"], told["calls"]) == ("stopped", None, [])
    assert details(served, first)["answer"]["text"].startswith("The answer is 1")


def test_results_of_a_time_with_fewer_fields_are_told(serve: Serve) -> None:
    served, told = researched(serve)
    before = details(served, told["id"])

    def older(result: dict[str, Any]) -> dict[str, Any]:
        result["sources"] = [
            {name: source[name] for name in source if name not in {"retrieved_at", "sha256"}}
            for source in result["sources"]
        ]
        del result["notes"]
        return result

    change_result(served, older)
    after = details(served, told["id"])

    assert (after["answer"], after["comparison"]) == (before["answer"], before["comparison"])
    assert {source["retrieved_at"] for source in after["sources"]} == {""}
    assert get(served, f"responses/{told['id']}/details", format="markdown").status_code == 200


def change_result(served: Served, change: Any) -> None:
    with closing(sqlite3.connect(served.db)) as connection:
        (result,) = connection.execute("SELECT result FROM fusion_runs").fetchone()
        connection.execute("UPDATE fusion_runs SET result = ?", (json.dumps(change(json.loads(result))),))
        connection.commit()


def test_who_may_not_see_a_run_is_told_nothing_of_it(serve: Serve) -> None:
    served = serve(keys=KEYS, judge=judge_and_writer)
    told = asked(served, headers=ONE)
    unkept = asked(served, headers=ONE, store=False)

    for path, headers in ((told["id"], OTHER), (unkept["id"], ONE), ("resp_gone", ONE), (told["id"][:20], ONE)):
        error = refused(get(served, f"responses/{path}/details", headers=headers), 404)
        assert error["param"] == "response_id"
    assert details(served, told["id"], headers=ONE)["status"] == "ok"
