"""GET .../differences/{other}: two answers with what only one of them says marked in it."""

from collections.abc import Mapping
from typing import Any

import pytest

from fusion_graph.models.scripted import ScriptedRequest
from tests.server.conftest import Serve, Served, is_judge, judge_and_writer
from tests.server.contract.asking import refused
from tests.server.responses.asking import asked, fetched
from tests.server.room.asking import forked, found, get

KEYS = ["first-key-of-sixteen", "second-key-of-sixteen"]
ONE, OTHER = ({"authorization": f"Bearer {key}"} for key in KEYS)


def test_two_versions_stand_beside_one_another_with_what_differs_marked(serve: Serve) -> None:
    def writer(_request: ScriptedRequest) -> str:
        return "The bridge opened in 1932. It is red, they say. Nobody knows why."

    def judge(request: ScriptedRequest) -> Any:
        return judge_and_writer(request) if is_judge(request) else "The bridge opened in 1932. It is quite blue."

    served = serve(judge=judge, writer=writer)
    first = asked(served)["id"]
    second = forked(served, first, writer="writer")["id"]

    told = found(served, f"responses/{first}/differences/{second}")

    assert (told["object"], told["a"]["id"], told["b"]["id"]) == ("response.differences", first, second)
    assert (told["a"]["writer"], told["b"]["writer"], told["a"]["judge"]) == ("judge", "writer", "judge")
    assert (told["a"]["agree"], told["a"]["disagree"]) == (1, 0)
    assert marks(told["a"]) == ["It is quite blue."]
    assert marks(told["b"]) == ["It is red, they say.", "Nobody knows why."]


def marks(side: Mapping[str, Any]) -> list[str]:
    parts = [part.partition("</mark>") for part in side["html"].split("<mark>")[1:]]
    return [inner for inner, _, _ in parts]


def test_both_answers_must_be_ones_own(serve: Serve) -> None:
    served = serve(keys=KEYS, judge=judge_and_writer)
    mine, theirs = asked(served, headers=ONE)["id"], asked(served, headers=OTHER)["id"]

    for one, other in ((mine, theirs), (theirs, mine), (mine, "resp_gone")):
        refused(get(served, f"responses/{one}/differences/{other}", headers=ONE), 404)
    same = found(served, f"responses/{mine}/differences/{mine}", headers=ONE)
    assert (marks(same["a"]), marks(same["b"])) == ([], [])
    assert fetched(served, mine).status_code == 401


@pytest.mark.parametrize("rest", ["/details", "/details?format=markdown", "/differences/resp_gone"])
def test_what_is_gone_is_not_found(served: Served, rest: str) -> None:
    assert refused(get(served, f"responses/resp_gone{rest}"), 404)["param"] == "response_id"
