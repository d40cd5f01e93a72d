"""What a run belongs to: earlier turns, and versions of its answer."""

from tests.server.conftest import Serve, Served, judge_and_writer
from tests.server.responses.asking import asked
from tests.server.responses.saying import deleted, ended
from tests.server.room.asking import details, fork, forked
from tests.server.talk import ORDER, dear, held, orders


def test_earlier_turns_are_told_oldest_first_as_far_as_they_are_there(served: Served) -> None:
    turns: list[str] = []
    for number in range(3):
        before = {"previous_response_id": turns[-1]} if turns else {}
        turns.append(asked(served, f"Question {number}?", model="judge", plugins=None, **before)["id"])

    whole = details(served, turns[2])["previous"]
    deleted(served, turns[0])
    rest = details(served, turns[2])["previous"]

    assert whole == [{"id": turns[n], "question": f"Question {n}?"} for n in range(2)]
    assert rest == whole[1:]


def test_all_versions_of_an_answer_are_told_from_each_of_them(serve: Serve) -> None:
    served = serve(writer=dear(0.5), judge=judge_and_writer)
    first = asked(served)["id"]
    second = forked(served, first, writer="writer")["id"]
    third = forked(served, second, judge="judge")["id"]
    fourth = forked(served, first, writer="north")["id"]
    alone = asked(served, "Another?")["id"]

    told = [details(served, each)["versions"] for each in (first, second, third, fourth)]

    assert told[0] == told[1] == told[2] == told[3]
    assert [version["id"] for version in told[0]] == [first, second, third, fourth]
    version = told[0][1]
    assert (version["status"], version["judge"], version["writer"]) == ("ok", "judge", "writer")
    assert (version["seats"], version["answered"]) == (3, 3)
    assert (version["paid_usd"], version["cost_is_lower_bound"]) == (0.5, True)
    assert (version["agree"], version["disagree"]) == (1, 0)
    assert details(served, alone)["versions"] == []


def test_versions_go_on_without_one_that_was_deleted(served: Served) -> None:
    first = asked(served)["id"]
    second, third = (forked(served, first, writer=writer)["id"] for writer in ("writer", "north"))
    fourth = forked(served, second, writer="south")["id"]

    deleted(served, first)

    assert [version["id"] for version in details(served, second)["versions"]] == [second, fourth]
    assert [version["id"] for version in details(served, fourth)["versions"]] == [second, fourth]
    assert (details(served, third)["versions"], details(served, third)["parent_id"]) == ([], None)


def test_a_version_under_way_is_told_as_such(serve: Serve) -> None:
    at_work, go, waits = held()
    served = serve(writer=waits, judge=judge_and_writer)
    first = asked(served)["id"]
    begun = found_fork(served, first)
    assert at_work.wait(20)

    versions = details(served, first)["versions"]
    go.set()

    assert [(version["id"], version["status"]) for version in versions] == [(first, "ok"), (begun, "running")]
    ended(served, begun)


def found_fork(served: Served, parent: str) -> str:
    return str(fork(served, parent, writer="writer").json()["id"])


def test_a_turn_that_goes_on_after_the_clients_tools_is_no_version(serve: Serve) -> None:
    served = serve(judge=orders)
    tool = {"type": "function", **ORDER["function"]}
    first = asked(served, tools=[tool])
    (call,) = [item for item in first["output"] if item["type"] == "function_call"]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "served"}
    second = asked(served, [result], tools=[tool], previous_response_id=first["id"])

    told = details(served, second["id"])

    assert told["parent_id"] == first["id"]
    assert (told["versions"], details(served, first["id"])["versions"]) == ([], [])
