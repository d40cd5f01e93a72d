"""The table and its tests hold together: each statement is claimed by a test that asks the server and reads what it says."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.server.contract.claims import claims_of, collected, not_run, unclaimed, unknown
from tests.server.contract.proof import lacks
from tests.server.contract.table import statements


@pytest.fixture(scope="module")
def items(request: pytest.FixtureRequest) -> Sequence[pytest.Function]:
    return list(collected(request.session))


def test_each_statement_is_claimed_and_each_claim_is_of_a_statement(items: Sequence[pytest.Function]) -> None:
    claims = claims_of(items)

    assert unclaimed(statements(), claims) == []
    assert unknown(statements(), claims) == []
    assert not_run(claims) == []


def test_each_claiming_test_sends_a_request_and_asserts_on_a_body(items: Sequence[pytest.Function]) -> None:
    functions = {item.function for item in items if item.get_closest_marker("contract")}

    assert {function.__name__: said for function in functions if (said := lacks(function))} == {}


def test_statements_are_numbered_in_order_and_said_once() -> None:
    table = statements()
    places = [tuple(map(int, number.split("."))) for number in table]

    assert places == sorted(places)
    assert len(set(table.values())) == len(table)


def test_claims_are_compared_with_the_table_both_ways(request: pytest.FixtureRequest) -> None:
    claims: dict[str, Any] = {"1.1": [request.node], "9.9": [request.node]}

    assert unclaimed({"1.1": "a", "1.2": "b"}, claims) == ["1.2 b"]
    assert unknown({"1.1": "a", "1.2": "b"}, claims) == [f"9.9: {request.node.name}"]


def test_what_a_usual_run_leaves_out_is_no_proof(request: pytest.FixtureRequest) -> None:
    request.node.add_marker(pytest.mark.full)

    assert not_run({"1.1": [request.node]}) == [request.node.name]
