"""The result of a run, as its deliberation tells it."""

import json

import pytest

from tests.graphs import report, says
from tests.server.conftest import Serve, Served
from tests.server.contract.asking import FORCED, SEATS, empty, fails, message, plugin, result

FULL = report(
    consensus=[{"point": "both agree", "answers": ["A", "B"], "sources": []}],
    contradictions=[
        {
            "topic": "the number",
            "stances": [{"answer": "A", "stance": "it is 1"}, {"answer": "B", "stance": "it is 2"}],
            "better_supported": "A",
        }
    ],
    partial_coverage=[{"point": "how it is counted", "answers": ["A", "C"], "sources": []}],
    unique_insights=[{"insight": "it was 3 once", "answer": "B", "sources": []}],
    blind_spots=["who counted"],
)


@pytest.mark.contract("2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7")
def test_the_analysis_has_five_lists_and_names_models(serve: Serve) -> None:
    served = serve(judge=FULL)

    told = result(served.chat(**FORCED))

    analysis = told["analysis"]
    (clash,), (partly,), (insight,) = (analysis[n] for n in ("contradictions", "partial_coverage", "unique_insights"))
    assert told["status"] == "ok"
    assert set(analysis) == {"consensus", "contradictions", "partial_coverage", "unique_insights", "blind_spots"}
    assert (analysis["consensus"], analysis["blind_spots"]) == (["both agree"], ["who counted"])
    assert (clash["topic"], [stance["stance"] for stance in clash["stances"]]) == ("the number", ["it is 1", "it is 2"])
    assert len({stance["model"] for stance in clash["stances"]} & set(SEATS)) == 2
    assert partly["point"] == "how it is counted"
    assert len(set(partly["models"]) & set(SEATS)) == 2
    assert insight["insight"] == "it was 3 once"
    assert insight["model"] == clash["stances"][1]["model"]


@pytest.mark.contract("2.2")
def test_an_analysis_that_finds_nothing_has_its_lists_too(serve: Serve) -> None:
    served = serve(judge=report(consensus=[]))

    told = result(served.chat(**FORCED))

    assert told["analysis"] == {
        "consensus": [],
        "contradictions": [],
        "partial_coverage": [],
        "unique_insights": [],
        "blind_spots": [],
    }


@pytest.mark.contract("2.8", "2.10")
def test_each_seat_is_told_in_its_place_and_failures_only_if_there_are_any(served: Served) -> None:
    told = result(served.chat())

    assert [(each["model"], each["content"]) for each in told["responses"]] == [
        ("north", "north: the answer is 1."),
        ("south", "south: the answer is 1."),
        ("east", "east: the answer is 2."),
    ]
    assert "failed_models" not in told


@pytest.mark.contract("2.9")
def test_a_model_that_sits_twice_is_told_twice(served: Served) -> None:
    told = result(served.chat(**plugin(analysis_models=["north", "east", "north"])))

    assert [each["model"] for each in told["responses"]] == ["north", "east", "north"]


@pytest.mark.contract("2.10", "2.11", "2.28")
def test_a_seat_that_fails_is_told_with_its_status(serve: Serve) -> None:
    served = serve(south=fails(403, "not for you"))

    response = served.chat(**FORCED)

    told = result(response)
    (failed,) = told["failed_models"]
    assert (failed["model"], failed["status_code"]) == ("south", 403)
    assert "not for you" in failed["error"]
    assert [each["model"] for each in told["responses"]] == ["north", "east"]
    assert message(response)["content"] == "The answer is 1, though one source says 2."
    assert response.json()["x_fusion"]["status"] == "degraded"


@pytest.mark.contract("2.12", "2.26")
def test_a_seat_without_text_has_failed_and_has_no_status(serve: Serve) -> None:
    served = serve(south=empty)

    (failed,) = result(served.chat(**FORCED))["failed_models"]

    assert failed["model"] == "south"
    assert "without producing any text" in failed["error"]
    assert "status_code" not in failed


@pytest.mark.parametrize(
    ("judge", "reason"),
    [
        pytest.param(says("They agree."), "judge_not_valid_json", marks=pytest.mark.contract("2.14")),
        pytest.param(says('{"points": 5}'), "judge_schema_mismatch", marks=pytest.mark.contract("2.15")),
        pytest.param(fails(403), "judge_upstream_error", marks=pytest.mark.contract("2.16")),
        pytest.param(empty, "judge_empty_completion", marks=pytest.mark.contract("2.17")),
    ],
)
@pytest.mark.contract("2.13")
def test_a_judge_that_fails_leaves_the_answers(serve: Serve, judge: object, reason: str) -> None:
    served = serve(judge=judge)

    response = served.chat(**FORCED)

    told = result(response)
    assert (told["status"], [each["model"] for each in told["responses"]]) == ("ok", SEATS)
    assert "analysis" not in told
    assert message(response)["content"] == "The answer is 1, though one source says 2."
    assert response.json()["x_fusion"]["judge_failure"] == reason


@pytest.mark.parametrize(
    ("statuses", "reason"),
    [
        pytest.param((403, 403, 403), "all_panels_failed", marks=pytest.mark.contract("2.19")),
        pytest.param((402, 403, 403), "insufficient_credits", marks=pytest.mark.contract("2.20")),
        pytest.param((403, 429, 403), "rate_limited", marks=pytest.mark.contract("2.21")),
        pytest.param((429, 402, 403), "insufficient_credits", marks=pytest.mark.contract("2.22")),
    ],
)
@pytest.mark.contract("2.18", "2.27")
def test_without_answers_the_result_is_an_error_and_the_writer_may_answer(
    serve: Serve, statuses: tuple[int, ...], reason: str
) -> None:
    served = serve(**{seat: fails(status) for seat, status in zip(SEATS, statuses, strict=True)})

    response = served.chat(**FORCED)

    told = result(response)
    assert (told["status"], told["failure_reason"]) == ("error", reason)
    assert isinstance(told["error"], str)
    assert told["error"]
    assert "responses" not in told or told["responses"] == []
    assert [each["model"] for each in told["failed_models"]] == SEATS
    assert response.status_code == 200
    assert message(response)["content"].endswith("The answer is 1, though one source says 2.")


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        pytest.param(403, "unexpected_error", 502, marks=pytest.mark.contract("2.23")),
        pytest.param(404, "invalid_model", 404, marks=pytest.mark.contract("2.24")),
    ],
)
def test_a_plain_call_that_fails_says_why(serve: Serve, status: int, reason: str, code: int) -> None:
    served = serve(writer=fails(status))

    response = served.chat(model="writer", plugins=None)

    told = response.json()
    assert (response.status_code, told["error"]["code"], told["error"]["type"]) == (200, code, reason)
    assert told["x_fusion"]["failure_reason"] == reason
    assert told["choices"][0]["finish_reason"] == "error"


@pytest.mark.contract("2.8", "3.30")
def test_the_result_is_json_in_a_text(served: Served) -> None:
    (detail,) = message(served.chat())["reasoning_details"]

    assert json.loads(detail["result"])["responses"][0]["content"] == "north: the answer is 1."
