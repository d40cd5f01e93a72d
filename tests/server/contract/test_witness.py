"""The witness sees what was asked and what was looked into, and nothing else."""

import httpx
import pytest

from fusion_graph.server.access.guard import Guard
from tests.model_server import ModelServer
from tests.server.conftest import Served
from tests.server.contract.witness import WitnessOfClaims, watching


def test_nothing_asked_is_told() -> None:
    with watching() as witness:
        pass

    assert witness.lacks == "the server under test received no request"


def test_a_request_to_another_server_is_none(server: ModelServer) -> None:
    with watching() as witness:
        assert httpx.get(f"{server.url}/models").content

    assert witness.lacks == "the server under test received no request"


def test_a_response_that_nobody_looks_into_is_told(served: Served) -> None:
    with watching() as witness:
        assert httpx.get(f"{served.url}/healthz").status_code == 200

    assert witness.lacks == "no body of its responses was read"


def test_another_servers_body_does_not_count(served: Served, server: ModelServer) -> None:
    with watching() as witness:
        httpx.get(f"{served.url}/healthz")
        assert httpx.get(f"{server.url}/models").content

    assert witness.lacks == "no body of its responses was read"


def test_a_body_that_is_read_whole_or_in_parts_counts(served: Served) -> None:
    with watching() as whole:
        assert httpx.get(f"{served.url}/healthz").json()["status"] == "ok"
    with watching() as parts, httpx.stream("GET", f"{served.url}/healthz") as response:
        assert "".join(response.iter_lines())

    assert (whole.lacks, parts.lacks) == ("", "")


def test_afterwards_nothing_is_watched() -> None:
    before = Guard.__call__, httpx.Response.content, httpx.Response.iter_text

    with watching():
        assert before != (Guard.__call__, httpx.Response.content, httpx.Response.iter_text)

    assert before == (Guard.__call__, httpx.Response.content, httpx.Response.iter_text)


def test_a_claim_without_a_request_fails(request: pytest.FixtureRequest) -> None:
    request.node.add_marker(pytest.mark.contract("1.1"))
    watched = WitnessOfClaims().pytest_runtest_call(request.node)

    next(watched)
    with pytest.raises(AssertionError, match="received no request"):
        watched.send(None)
