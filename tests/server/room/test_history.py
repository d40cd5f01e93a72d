"""GET /v1/responses: what an owner has asked, newest first."""

import asyncio
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from fusion_graph.deployment import Parts
from fusion_graph.folders import home
from fusion_graph.runs import open_runs
from tests.graphs import ROSTER
from tests.server.conftest import PANEL, Serve, Served, judge_and_writer
from tests.server.contract.asking import fails, refused
from tests.server.responses.asking import asked, fetched
from tests.server.responses.saying import cancelled, deleted, ended
from tests.server.room.asking import forked, get, history
from tests.server.talk import dear, endless, held

KEYS = ["first-key-of-sixteen", "second-key-of-sixteen"]
ONE, OTHER = ({"authorization": f"Bearer {key}"} for key in KEYS)
PLAIN: dict[str, Any] = {"model": "judge", "plugins": None}


def ids(page: dict[str, Any]) -> list[str]:
    return [run["id"] for run in page["data"]]


def run_on_the_command_line(served: Served, question: str, **settings: Any) -> str:
    """Return the id of a run that another process made in the same database."""

    async def ask() -> str:
        async with open_runs(served.db, Parts.real(load_model=served.models)) as runs:
            live = await runs.start([question], ROSTER | settings)
            await live.result()
            return live.run_id

    return asyncio.run(ask())


def test_a_run_is_listed_with_what_it_came_to(serve: Serve) -> None:
    served = serve(north=dear(0.25), south=fails(401), judge=judge_and_writer)
    told = asked(served, "What  is\nthe answer?")

    (run,) = history(served)["data"]

    assert (run["id"], run["status"], run["question"]) == (told["id"], "degraded", "What is the answer?")
    assert (run["preset"], run["seats"], run["answered"]) == ("", 3, 2)
    assert (run["cost_usd"], run["cost_is_lower_bound"]) == (0.25, True)
    assert (run["parent_id"], run["is_demo"]) == (None, False)
    assert run["created_at"] < run["ended_at"]


def test_pages_follow_one_another_without_gap_or_repetition(served: Served) -> None:
    asked_ids = [asked(served, f"Question {number}", **PLAIN)["id"] for number in range(5)]
    newest = asked_ids[::-1]

    whole = history(served)
    first = history(served, limit=2)
    second = history(served, limit=2, after=first["last_id"])
    third = history(served, limit=2, after=second["last_id"])

    assert ids(whole) == newest
    assert (whole["first_id"], whole["last_id"], whole["has_more"]) == (newest[0], newest[-1], False)
    assert [ids(page) for page in (first, second, third)] == [newest[:2], newest[2:4], newest[4:]]
    assert [page["has_more"] for page in (first, second, third)] == [True, True, False]


def test_runs_of_one_moment_are_all_listed(served: Served) -> None:
    newest = [asked(served, f"Question {number}", **PLAIN)["id"] for number in range(4)][::-1]
    with closing(sqlite3.connect(served.db)) as connection:
        connection.execute("UPDATE fusion_runs SET created_at = 1000")
        connection.commit()

    first = history(served, limit=2)
    second = history(served, limit=2, after=first["last_id"])

    assert ids(first) + ids(second) == newest


def test_nobody_has_asked_anything(served: Served) -> None:
    assert history(served) == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_questions_are_found_by_all_their_words_whatever_their_case(served: Served) -> None:
    bridge, _, street = (asked(served, q, **PLAIN)["id"] for q in ("Die BRÜCKE am Fluß", "Der Fluss", "Eine Straße"))

    assert ids(history(served, q="brücke fluss")) == [bridge]
    assert ids(history(served, q="STRASSE")) == [street]
    assert ids(history(served, q="100% _")) == []
    assert len(ids(history(served, q=" "))) == 3


def test_a_search_goes_on_behind_many_runs_that_do_not_fit(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fusion_graph.server.room.history._LOOKED_AT", 2)
    wanted = [
        asked(served, f"{'Bridge' if number in {0, 3} else 'Other'} {number}", **PLAIN)["id"] for number in range(5)
    ]

    first = history(served, q="bridge", limit=1)
    second = history(served, q="bridge", limit=1, after=first["last_id"])

    assert (ids(first), first["has_more"]) == ([wanted[3]], True)
    assert (ids(second), second["has_more"]) == ([wanted[0]], False)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"after": "resp_gone"}, "after"),
        ({"after": "x" * 5000}, "after"),
    ],
)
def test_a_page_that_there_cannot_be_is_refused_naming_the_field(
    served: Served, query: dict[str, str], param: str
) -> None:
    assert refused(get(served, "responses", **query))["param"] == param


def test_each_owner_sees_its_own_and_cannot_stand_on_anothers(serve: Serve) -> None:
    served = serve(keys=KEYS, judge=judge_and_writer)
    mine = asked(served, "Mine?", headers=ONE, **PLAIN)["id"]
    theirs = asked(served, "Theirs?", headers=OTHER, **PLAIN)["id"]

    assert ids(history(served, headers=ONE)) == [mine]
    assert ids(history(served, headers=OTHER)) == [theirs]
    assert refused(get(served, "responses", headers=ONE, after=theirs))["param"] == "after"


def test_what_is_not_stored_or_was_deleted_is_not_listed(serve: Serve) -> None:
    at_work, waits = endless()
    served = serve(east=waits, judge=judge_and_writer)
    gone, kept = asked(served, "Gone?", **PLAIN)["id"], asked(served, "Kept?", **PLAIN)["id"]
    asked(served, "Unkept?", store=False, **PLAIN)
    with served.streaming():  # a chat completion is a run as well
        assert at_work.wait(20)
        deleted(served, gone)

        questions = [run["question"] for run in history(served)["data"]]

    assert questions == ["What is the answer?", "Kept?"]
    assert kept in ids(history(served))


def test_a_run_under_way_is_listed_with_what_it_has_cost_so_far(serve: Serve) -> None:
    at_work, go, waits = held()
    served = serve(north=dear(0.25), east=waits, judge=judge_and_writer)
    begun = asked(served, background=True)
    assert at_work.wait(20)

    (before,) = history(served)["data"]
    go.set()
    ended(served, begun["id"])
    (after,) = history(served)["data"]

    assert (before["status"], before["seats"], before["ended_at"]) == ("running", 3, None)
    assert before["cost_is_lower_bound"]
    assert (after["status"], after["answered"], after["cost_usd"]) == ("ok", 3, 0.25)


def test_a_run_that_was_cancelled_keeps_its_answers_and_costs(serve: Serve) -> None:
    at_work, waits = endless()
    served = serve(east=waits, judge=judge_and_writer)
    begun = asked(served, background=True)
    assert at_work.wait(20)
    cancelled(served, begun["id"])

    (run,) = history(served)["data"]

    assert (run["status"], run["seats"]) == ("cancelled", 3)
    assert run["ended_at"] > run["created_at"]


def test_runs_of_the_command_line_and_plain_calls_are_listed_as_well(served: Served) -> None:
    plain = asked(served, "Plain?", **PLAIN)["id"]
    own = run_on_the_command_line(served, "By hand?")

    newest, older = history(served)["data"]

    assert (newest["id"], newest["question"], newest["seats"]) == (f"resp_{own}", "By hand?", 3)
    assert (older["id"], older["seats"], older["answered"]) == (plain, 0, 0)


def test_presets_are_named_where_the_panel_is_their_own_and_the_demo_is_told(serve: Serve) -> None:
    served = serve(parts=Parts.real())
    asked(served, "When did the bridge open?", model="fusion/demo", plugins=None)

    (run,) = history(served)["data"]

    assert (run["preset"], run["seats"], run["is_demo"]) == ("demo", 3, True)


def test_forks_name_their_parent_as_long_as_it_is_there(served: Served) -> None:
    parent = asked(served)["id"]
    child = forked(served, parent, writer="writer")["id"]

    before = {run["id"]: run["parent_id"] for run in history(served)["data"]}
    deleted(served, parent)
    after = {run["id"]: run["parent_id"] for run in history(served)["data"]}

    assert before == {parent: None, child: parent}
    assert after == {child: None}


def test_runs_of_a_time_without_summaries_are_listed_all_the_same(served: Served) -> None:
    asked(served)
    (before,) = history(served)["data"]
    with closing(sqlite3.connect(served.db)) as connection:
        connection.execute("DELETE FROM fusion_summaries")
        connection.commit()

    (first,), (second,) = (history(served)["data"] for _ in range(2))

    with closing(sqlite3.connect(served.db)) as connection:
        (kept,) = connection.execute("SELECT count(*) FROM fusion_summaries").fetchone()
    assert before == first == second
    assert kept == 1


def test_a_broken_preset_file_does_not_hide_what_was_asked(served: Served) -> None:
    asked(served)
    path = home("config") / "presets.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[house")

    (run,) = history(served)["data"]

    assert (run["preset"], run["seats"]) == ("", 3)
    assert fetched(served, run["id"]).status_code == 200


def test_of_runs_that_have_ended_no_answer_is_read(served: Served) -> None:
    for number in range(3):
        asked(served, f"Question {number}", plugins=[PANEL])
    with closing(sqlite3.connect(served.db)) as connection:
        connection.execute("UPDATE fusion_runs SET result = 'no JSON', input = 'neither'")
        connection.commit()

    assert [run["answered"] for run in history(served)["data"]] == [3, 3, 3]
