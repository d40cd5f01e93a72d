"""POST .../fork: another judge, writer or seat, without paying the rest again."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from fusion_graph.deployment import Parts
from fusion_graph.models.scripted import ScriptedRequest
from fusion_graph.runs import open_runs
from tests.commands import wait_until
from tests.graphs import ROSTER, researcher, scripted
from tests.server.conftest import Serve, Served, judge_and_writer
from tests.server.contract.asking import fails, refused
from tests.server.responses.asking import ask, asked, fetched, replayed, shown, text_of, url
from tests.server.responses.saying import ANSWER, cancelled, ended, kinds
from tests.server.room.asking import details, fork, forked, history
from tests.server.talk import dear, endless, held

KEYS = ["first-key-of-sixteen", "second-key-of-sixteen"]
ONE, OTHER = ({"authorization": f"Bearer {key}"} for key in KEYS)
FUSION_ITEM = "openrouter:fusion"


def since(served: Served, before: list[str]) -> list[str]:
    return served.asked()[len(before) :]


def test_another_writer_costs_one_call_and_is_a_response_of_its_own(served: Served) -> None:
    parent = asked(served, metadata={"of": "mine"}, instructions="Be brief.")
    before = served.asked()

    begun = fork(served, parent["id"], writer="writer").json()

    told = ended(served, begun["id"])
    assert (begun["status"], begun["background"], begun["model"]) == ("in_progress", True, "writer")
    assert since(served, before) == ["writer"]
    assert (told["status"], told["metadata"], told["instructions"]) == ("completed", {"of": "mine"}, "Be brief.")
    assert kinds(told) == [FUSION_ITEM, "message"]
    assert shown(replayed(served, begun["id"])).text == text_of(told)
    assert details(served, begun["id"])["parent_id"] == parent["id"]
    assert fetched(served, parent["id"]).json() == parent


def test_another_judge_compares_and_has_the_answer_written_again(serve: Serve) -> None:
    served = serve(judge=judge_and_writer, writer=judge_and_writer)
    parent = asked(served)
    before = served.asked()

    told = forked(served, parent["id"], judge="writer")

    assert since(served, before) == ["writer", "judge"]
    assert details(served, told["id"])["roster"]["judge"] == "writer"


def test_compare_again_and_write_again_name_who_did_it_before(served: Served) -> None:
    parent = asked(served)
    before = served.asked()

    forked(served, parent["id"], judge="judge")
    compared = since(served, before)
    forked(served, parent["id"], writer="judge")

    assert compared == ["judge", "judge"]
    assert since(served, before)[2:] == ["judge"]


def test_seats_are_added_by_name_or_with_what_is_their_own(served: Served) -> None:
    parent = asked(served)
    before = served.asked()

    told = forked(
        served, parent["id"], add_seats=["writer", {"model": "north", "name": "again", "system_prompt": "Hm"}]
    )

    roster = details(served, told["id"])["roster"]
    assert [seat["name"] for seat in roster["seats"]] == ["north", "south", "east", "writer", "again"]
    assert sorted(since(served, before)) == ["judge", "judge", "north", "writer"]


def test_failed_seats_are_asked_again(serve: Serve) -> None:
    refusals = iter([fails(401)])

    def refused_once(request: ScriptedRequest) -> Any:
        return next(refusals, lambda _request: "south: the answer is 1.")(request)

    served = serve(south=refused_once, judge=judge_and_writer)
    parent = asked(served)
    before = served.asked()

    told = forked(served, parent["id"], retry_failed=True)

    assert sorted(since(served, before)) == ["judge", "judge", "south"]
    assert details(served, told["id"])["status"] == "ok"


def test_a_price_is_told_and_nothing_begins(serve: Serve) -> None:
    served = serve(parts=Parts.real())
    parent = asked(served, "When did the bridge open?", model="fusion/demo", plugins=None)

    told = fork(served, parent["id"], writer="demo:writer", estimate=True).json()

    assert told == {
        "object": "fusion.estimate",
        "text": "writer demo:writer writes again; 3 answers and the comparison are not paid again · no cost",
        "cost_usd": {"low": 0.0, "high": 0.0},
        "is_lower_bound": False,
        "unknown_prices": [],
    }
    assert len(served.rows()) == 1


def test_a_price_nobody_knows_names_the_models(served: Served) -> None:
    parent = asked(served)

    told = fork(served, parent["id"], judge="writer", estimate=True).json()

    assert (told["cost_usd"], told["is_lower_bound"]) == (None, True)
    assert told["unknown_prices"] == ["writer", "judge"]


def test_a_fork_of_a_fork_pays_for_its_own_change_only(served: Served) -> None:
    first = asked(served)["id"]
    second = forked(served, first, writer="writer")["id"]
    before = served.asked()

    third = forked(served, second, writer="north")["id"]

    assert since(served, before) == ["north"]
    assert details(served, third)["parent_id"] == second
    assert [version["id"] for version in details(served, third)["versions"]] == [first, second, third]


def test_a_run_of_the_command_line_is_forked_into_a_response(served: Served) -> None:
    async def run_by_hand() -> str:
        async with open_runs(served.db, Parts.real(load_model=scripted(north=researcher()))) as runs:
            live = await runs.start(["By hand?"], ROSTER)
            await live.result()
            return live.run_id

    run_id = asyncio.run(run_by_hand())

    told = forked(served, run_id, writer="judge")

    assert text_of(told) == ANSWER
    items = fetched(served, f"{told['id']}/input_items").json()["data"]
    assert [part["text"] for item in items for part in item["content"]] == ["By hand?"]


def test_a_follow_up_knows_the_answer_of_a_fork(served: Served) -> None:
    parent = asked(served, "When did the bridge open?")
    child = forked(served, parent["id"], writer="writer")

    follow_up = asked(served, "And why?", previous_response_id=child["id"])

    turns = details(served, follow_up["id"])["previous"]
    assert turns == [{"id": child["id"], "question": "When did the bridge open?"}]


def test_a_fork_is_of_the_same_turn_as_its_parent(served: Served) -> None:
    first = asked(served, "When did the bridge open?")
    second = asked(served, "And why?", previous_response_id=first["id"])

    child = forked(served, second["id"], writer="writer")

    assert details(served, child["id"])["previous"] == [{"id": first["id"], "question": "When did the bridge open?"}]


def test_one_key_is_one_fork(served: Served) -> None:
    parent = asked(served)
    key = {"idempotency-key": "again"}

    one, same, other = (fork(served, parent["id"], headers=h, writer="writer").json()["id"] for h in (key, key, {}))

    assert one == same != other
    assert refused(fork(served, parent["id"], headers=key, judge="writer"), 422)
    for response_id in (one, other):
        ended(served, response_id)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "fork"),
        ({"judge": ""}, "judge"),
        ({"judge": 5}, "judge"),
        ({"panel": ["north"]}, "panel"),
        ({"add_seats": "north"}, "add_seats"),
        ({"add_seats": [5]}, "add_seats.0"),
        ({"add_seats": ["north", ""]}, "add_seats.1.model"),
        ({"add_seats": [{"model": "north", "temperature": 3}]}, "add_seats.0.temperature"),
        ({"add_seats": [{"model": "north", "seat": 3}]}, "add_seats.0.seat"),
        ({"add_seats": [{"model": "north", "tools": [{"type": "mcp:files"}]}]}, "add_seats.0.tools.0.type"),
        ({"add_seats": ["north"] * 9}, "add_seats"),
        ({"add_seats": ["north"] * 6}, "panel"),
        ({"retry_failed": "yes"}, "retry_failed"),
        ({"retry_failed": True}, "retry_failed"),
        ({"writer": "\ud83d"}, "writer"),
    ],
)
@pytest.mark.parametrize("estimate", [False, True])
def test_what_cannot_be_forked_is_refused_naming_the_field(
    served: Served,
    body: dict[str, Any],
    param: str,
    estimate: bool,  # noqa: FBT001
) -> None:
    parent = asked(served)
    before = served.asked()

    sent = json.dumps(body | {"estimate": estimate})
    error = refused(httpx.post(url(served, parent["id"], "/fork"), content=sent, timeout=30))

    assert error["param"] == param
    assert (since(served, before), len(served.rows())) == ([], 1)


def test_what_asked_no_panel_has_nothing_to_fork(served: Served) -> None:
    plain = asked(served, model="judge", plugins=None)

    assert "asked no panel" in refused(fork(served, plain["id"], writer="writer"))["message"]


def test_models_that_are_not_offered_are_refused_whoever_they_are(serve: Serve) -> None:
    served = serve(models=["north", "south", "east", "judge"], judge=judge_and_writer)
    parent = asked(served)
    named: list[dict[str, Any]] = [
        {"judge": "writer"},
        {"writer": "writer"},
        {"add_seats": ["writer"]},
        {"add_seats": [{"model": "north", "fallback": "writer"}]},
    ]

    errors = [refused(fork(served, parent["id"], **each, estimate=bool(n % 2)), 404) for n, each in enumerate(named)]

    assert all("'writer' is not offered here" in error["message"] for error in errors)


def test_a_model_that_cannot_be_loaded_is_refused_before_anything_is_stored(served: Served) -> None:
    parent = asked(served)

    error = refused(fork(served, parent["id"], writer="nobody"), 404)

    assert "nobody" in error["message"]
    assert [run["id"] for run in history(served)["data"]] == [parent["id"]]


def test_runs_of_others_are_not_forked(serve: Serve) -> None:
    served = serve(keys=KEYS, judge=judge_and_writer)
    parent = asked(served, headers=ONE)

    for body in ({"writer": "writer"}, {"writer": "writer", "estimate": True}):
        assert refused(fork(served, parent["id"], headers=OTHER, **body), 404)["param"] == "response_id"


def test_what_is_not_stored_is_not_forked(served: Served) -> None:
    parent = asked(served, store=False)

    assert refused(fork(served, parent["id"], writer="writer"), 404)["param"] == "response_id"


def test_a_fork_in_plain_words_has_no_item_but_openais(serve: Serve) -> None:
    served = serve(keys=[f"{KEYS[0]}:plain"], judge=judge_and_writer)
    parent = ask(served, headers=ONE).json()

    begun = fork(served, parent["id"], headers=ONE, writer="writer").json()

    def whole() -> dict[str, Any]:
        told: dict[str, Any] = httpx.get(f"{served.url}/v1/responses/{begun['id']}", headers=ONE).json()
        return told

    wait_until(lambda: whole()["status"] == "completed")
    assert kinds(whole()) == ["message"]


# Limits


def test_forks_have_the_places_of_runs(serve: Serve) -> None:
    at_work, go, waits = held()
    served = serve(limits={"max_runs": 1}, writer=waits, judge=judge_and_writer)
    parent = asked(served)
    first = fork(served, parent["id"], writer="writer").json()
    assert at_work.wait(20)

    error = refused(fork(served, parent["id"], writer="north"), 429)
    go.set()

    assert "1 runs are under way" in error["message"]
    assert ended(served, first["id"])["status"] == "completed"


def test_the_days_limit_is_a_budget_of_forks_too(serve: Serve) -> None:
    served = serve(limits={"max_usd": 1.0, "max_runs": 2}, writer=dear(1.5), judge=judge_and_writer)
    parent = asked(served)

    told = forked(served, parent["id"], writer="writer")
    error = refused(fork(served, parent["id"], writer="north"), 402)

    row = next(row for row in served.rows() if f"resp_{row['run_id']}" == told["id"])
    assert json.loads(row["result"])["settings"]["max_cost_usd"] == 0.5
    assert "within 24 hours" in error["message"]


def test_a_fork_of_a_run_that_was_stopped_asks_its_last_seat_itself(serve: Serve) -> None:
    at_work, waits = endless(times=1)
    served = serve(east=waits, judge=judge_and_writer, writer=judge_and_writer)
    parent = asked(served, background=True)
    assert at_work.wait(20)
    wait_until(lambda: [seat["state"] for seat in details(served, parent["id"])["seats"]].count("answered") == 2)
    cancelled(served, parent["id"])
    before = served.asked()

    told = forked(served, parent["id"], judge="writer")

    assert since(served, before) == ["east", "writer", "judge"]
    assert details(served, told["id"])["versions"][0]["status"] == "cancelled"
