"""The ladder to a report: what models refuse, and what they send instead of JSON."""

import asyncio
import json
import re
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from fusion_graph.calls import Asker, Call, Reply
from fusion_graph.models.scripted import Script, ScriptedError, ScriptedModels, ScriptedReply, ScriptedRequest
from fusion_graph.nodes.structured import Found, Ladder
from fusion_graph.report import JudgeReport, parse_json_object

REPORT = {
    "consensus": [{"point": "It opened in 1932.", "answers": ["A", "B"], "sources": [1]}],
    "contradictions": [],
    "partial_coverage": [],
    "unique_insights": [{"insight": "It is {grey}.", "answer": "B", "sources": []}],
    "blind_spots": ["the cost"],
    "strongest": {"answer": "A", "why": "It cites.", "missing_or_wrong": []},
}
GOOD = json.dumps(REPORT)
KEYS = tuple(REPORT)


class Judge:
    """A scripted judge, asked through the real `Asker`. Scripts answer in turn; the last one goes on for ever."""

    def __init__(self, *answers: Any, script: Script | None = None) -> None:
        self._answers = list(answers)
        self.models = ScriptedModels(dict.fromkeys(("judge", "other"), script or self._next))
        self.ask = Asker(self.models, sleep=_at_once)
        self.ladder = Ladder()
        self.shares: list[float] = []

    def _next(self, _request: ScriptedRequest) -> Any:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    async def climb(self, model: str = "judge", max_tokens: int | None = 100) -> Found:
        call = Call("judge", "judge", model, (), timeout_seconds=60, temperature=0.0, max_tokens=max_tokens)
        return await self.ladder.climb(self.ask, call, self._render, lambda _event: None)

    def _render(self, share: float) -> list[BaseMessage]:
        self.shares.append(share)
        return [SystemMessage("Compare, as JSON."), HumanMessage(f"The answers, at {share}.")]

    @property
    def formats(self) -> list[str | None]:
        """The kind of structured output asked for, request by request."""
        return [(request.response_format or {}).get("type") for request in self.models.requests]


async def _at_once(_seconds: float) -> None:
    """Wait for nothing."""


def refuses(*formats: str, error: ScriptedError | None = None, then: Any = GOOD) -> Script:
    """A judge that refuses some kinds of structured output."""

    def script(request: ScriptedRequest) -> Any:
        if (request.response_format or {}).get("type") in formats:
            return error or ScriptedError("response_format is not supported", status_code=400)
        return then

    return script


def keys(entries: Sequence[Any]) -> list[str]:
    return [entry["key"] for entry in entries]


# Rungs


async def test_a_model_that_takes_the_schema_is_asked_once() -> None:
    judge = Judge(GOOD)

    report, failure, entries = await judge.climb()

    assert report is not None
    assert report.blind_spots == ["the cost"]
    assert failure is None
    assert judge.formats == ["json_schema"]
    assert keys(entries) == ["judge:0"]
    assert judge.models.requests[0].temperature == 0.0
    assert not judge.models.requests[0].tools


async def test_a_refused_schema_leads_to_json_mode_and_is_remembered() -> None:
    judge = Judge(script=refuses("json_schema"))

    first = await judge.climb()
    second = await judge.climb()

    assert first[0] is not None
    assert second[0] is not None
    assert judge.formats == ["json_schema", "json_object", "json_object"]
    assert [keys(first[2]), keys(second[2])] == [["judge:0", "judge:1"], ["judge:1"]]


async def test_a_refused_json_mode_leads_to_plain_text() -> None:
    judge = Judge(script=refuses("json_schema", "json_object"))

    report, failure, entries = await judge.climb()
    await judge.climb()

    assert report is not None
    assert failure is None
    assert judge.formats == ["json_schema", "json_object", None, None]
    assert [entry["outcome"] for entry in entries] == ["bad_request", "bad_request", "answer"]


async def test_what_one_model_refuses_is_not_held_against_another() -> None:
    judge = Judge(script=refuses("json_schema"))
    await judge.climb("judge")

    await judge.climb("other")

    assert judge.formats == ["json_schema", "json_object", "json_schema", "json_object"]


@pytest.mark.parametrize(
    "error",
    [
        ScriptedError("No endpoints found that can handle the requested parameters.", status_code=404),
        ScriptedError("failed to parse grammar", status_code=500),
        TypeError("chat() got an unexpected keyword argument 'response_format'"),
    ],
)
async def test_a_refusal_in_other_words_leads_on_too(error: Any) -> None:
    judge = Judge(script=refuses("json_schema", error=error))

    report, _, _ = await judge.climb()

    assert report is not None
    assert judge.formats[-1] == "json_object"


async def test_a_model_that_is_not_there_is_asked_once() -> None:
    judge = Judge(ScriptedError("no such model", status_code=404))

    report, failure, entries = await judge.climb()

    assert (report, failure) == (None, "judge_upstream_error")
    assert [entry["outcome"] for entry in entries] == ["not_found"]


async def test_a_request_that_is_bad_for_another_reason_ends_and_is_not_remembered() -> None:
    judge = Judge(ScriptedError("bad", status_code=400))

    report, failure, _ = await judge.climb()
    await judge.climb()

    assert (report, failure) == (None, "judge_upstream_error")
    assert judge.formats == ["json_schema", "json_object", None] * 2


async def test_a_cut_answer_still_shows_that_the_rung_holds() -> None:
    cut = ScriptedReply("", finish_reason="length")
    judge = Judge(script=refuses("json_schema", then=cut))
    await judge.climb()

    await judge.climb()

    assert judge.formats.count("json_schema") == 1


# What models send


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n```",
        f"Here is the comparison:\n\n{GOOD}\n\nI hope this helps {{you}}!",
        f"For {{A, B}} and f(x) = {{x}}:\n{GOOD}",
        f"The set {{'a'}} aside: {GOOD}",
        GOOD[:-1] + ",}",
        GOOD.replace('"consensus": [{', '"consensus": [,{'),
        "{'consensus': [{'point': 'It opened in 1932.', 'answers': ['A', 'B']}], 'blind_spots': ['the cost']}",
        re.sub('"([^"]*)"', "\u201c\\1\u201d", GOOD),
        f"The draft {{my}}: {GOOD[:-1]},}}",
        f"[{GOOD}]",
        f'{{"analysis": {GOOD}}}',
        f'<think>Maybe {{"consensus": ["draft"]}} or {{x}}?</think>\n{GOOD}',
        f'I think {{"consensus": []}} first.</think>{GOOD}',
        f"<think>{GOOD}</think>",
        f'A first try: {{"blind_spots": ["nothing"], "consensus": []}}\nBetter:\n{GOOD}',
        '{"consensus": [{"point": "It opened in 1932.", "answers": ["A", "B"]}]}\n{"blind_spots": ["the cost"]}',
        GOOD.replace('"It cites."', '"It says "yes" and cites."'),
        f"// comparison\n{GOOD}",
        GOOD.replace("1932.", "1932.\nFor sure."),
    ],
)
async def test_json_is_found_in_whatever_it_comes_in(text: str) -> None:
    judge = Judge(text)

    report, failure, _ = await judge.climb()

    assert failure is None
    assert report is not None
    assert [point.answers for point in report.consensus] == [["A", "B"]]
    assert report.blind_spots == ["the cost"]
    assert len(judge.models.requests) == 1


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("I would rather not.", "judge_not_valid_json"),
        ("{}", "judge_not_valid_json"),
        ("[1, 2]", "judge_not_valid_json"),
        ("{{{{ {x} }}}}", "judge_not_valid_json"),
        ('"A is best"', "judge_not_valid_json"),
        ('{"answer": "A"}', "judge_schema_mismatch"),
        ('[{"point": "x"}, {"point": "y"}]', "judge_schema_mismatch"),
        ('{"consensus": ["They agree."]}', "judge_schema_mismatch"),
        ('{"consensus": [{"point": "x"}], "blind_spots": ["y"]}', "judge_schema_mismatch"),
        ("  \n", "judge_empty_completion"),
    ],
)
async def test_nonsense_is_asked_again_once_and_then_given_up(text: str, failure: str) -> None:
    judge = Judge(text)

    report, why, entries = await judge.climb()

    assert (report, why) == (None, failure)
    assert [key for key in keys(entries) if key.startswith("judge:repair")]
    assert {request.response_format["type"] for request in judge.models.requests if request.response_format} == {
        "json_schema"
    }
    assert judge.models.requests[-1].messages[-1].text.startswith("That was not usable")


async def test_a_repair_shows_the_answer_and_what_was_wrong_with_it() -> None:
    judge = Judge('{"consensus": ["They agree."]}', GOOD)

    report, failure, entries = await judge.climb()

    assert report is not None
    assert failure is None
    assert keys(entries) == ["judge:0", "judge:repair"]
    repair = judge.models.requests[1]
    assert [message.type for message in repair.messages] == ["system", "human", "ai", "human"]
    assert repair.messages[2].content == '{"consensus": ["They agree."]}'
    assert "consensus.0" in str(repair.messages[3].text)


async def test_what_is_sound_of_a_twice_unsound_report_is_kept() -> None:
    half = json.dumps({**REPORT, "contradictions": ["They differ."]})
    judge = Judge(half)

    report, failure, entries = await judge.climb()

    assert failure is None
    assert report is not None
    assert (len(report.consensus), report.contradictions) == (1, [])
    assert len(entries) == 2


async def test_what_was_sound_in_the_first_report_outlives_a_useless_repair() -> None:
    half = json.dumps({**REPORT, "contradictions": ["They differ."]})

    report, failure, _ = await Judge(half, "Sorry.").climb()

    assert failure is None
    assert report is not None
    assert len(report.consensus) == 1


async def test_a_repair_that_fails_upstream_leaves_the_first_failure() -> None:
    judge = Judge("Sorry.", ScriptedError("down", status_code=401))

    report, failure, entries = await judge.climb()

    assert (report, failure) == (None, "judge_not_valid_json")
    assert [entry["outcome"] for entry in entries] == ["answer", "unauthorized"]


async def test_an_empty_answer_is_mended_by_the_repair() -> None:
    judge = Judge("", "", GOOD)

    report, failure, entries = await judge.climb()

    assert report is not None
    assert failure is None
    assert keys(entries) == ["judge:0", "judge:0", "judge:repair"]


async def test_a_call_of_a_tool_that_was_not_offered_counts_as_empty() -> None:
    judge = Judge(ScriptedReply(tool_calls=[{"name": "report", "args": REPORT, "id": "c"}]), GOOD)

    report, failure, entries = await judge.climb()

    assert report is not None
    assert failure is None
    assert len(entries) == 2


@pytest.mark.parametrize(
    "error",
    [
        ScriptedError("broke", status_code=402),
        ScriptedError("down", status_code=503),
        ScriptedError("slow down", status_code=429),
        ScriptedReply("", refusal="I will not compare."),
    ],
)
async def test_an_upstream_failure_is_told_as_one(error: Any) -> None:
    judge = Judge(error)

    report, failure, entries = await judge.climb()

    assert (report, failure) == (None, "judge_upstream_error")
    assert len(entries) == len(judge.models.requests)


# Too little room


async def test_an_answer_that_the_output_limit_cuts_gets_twice_the_room() -> None:
    judge = Judge(ScriptedReply(GOOD[:50], finish_reason="length"), GOOD)

    report, failure, entries = await judge.climb(max_tokens=100)

    assert report is not None
    assert failure is None
    assert [request.max_tokens for request in judge.models.requests] == [100, 200]
    assert keys(entries) == ["judge:0", "judge:0:wider"]


async def test_an_answer_that_is_cut_twice_is_mended_as_far_as_it_goes() -> None:
    cut = GOOD[: GOOD.index('"blind_spots"') + 20]
    judge = Judge(ScriptedReply(cut, finish_reason="length"))

    report, failure, entries = await judge.climb()

    assert failure is None
    assert report is not None
    assert [point.answers for point in report.consensus] == [["A", "B"]]
    assert len(entries) == 2


async def test_a_point_that_the_cut_tore_is_left_out_without_another_call() -> None:
    torn = GOOD[: GOOD.index('"answer": "B"')]
    judge = Judge(ScriptedReply(torn, finish_reason="length"))

    report, failure, entries = await judge.climb()

    assert failure is None
    assert report is not None
    assert (len(report.consensus), report.unique_insights) == (1, [])
    assert len(entries) == 2


@pytest.mark.parametrize(("limit", "rooms"), [(100, [100, 200, 200]), (None, [None, None])])
async def test_a_cut_answer_of_no_use_is_repaired_with_room_and_a_word_about_it(
    limit: int | None, rooms: list[int | None]
) -> None:
    judge = Judge(ScriptedReply("Let me think at length", finish_reason="length"))

    report, failure, _ = await judge.climb(max_tokens=limit)

    assert (report, failure) == (None, "judge_not_valid_json")
    assert [request.max_tokens for request in judge.models.requests] == rooms
    assert "be briefer" in str(judge.models.requests[-1].messages[-1].text)


async def test_a_repair_never_has_less_room_than_the_first_try() -> None:
    judge = Judge(ScriptedReply("", finish_reason="length"))

    await judge.climb(max_tokens=100_000)

    assert judge.models.requests[-1].max_tokens == 100_000


async def test_evidence_too_long_for_the_model_is_cut_once() -> None:
    def script(request: ScriptedRequest) -> Any:
        whole = "at 1.0" in request.text
        return ScriptedError("maximum context length exceeded", status_code=400) if whole else GOOD

    judge = Judge(script=script)

    report, failure, entries = await judge.climb()

    assert report is not None
    assert failure is None
    assert judge.shares == [1.0, 0.25]
    assert keys(entries) == ["judge:0", "judge:0:smaller"]


async def test_evidence_that_is_too_long_even_when_cut_is_an_upstream_failure() -> None:
    judge = Judge(ScriptedError("prompt is too long", status_code=400))

    report, failure, entries = await judge.climb()

    assert (report, failure) == (None, "judge_upstream_error")
    assert judge.shares == [1.0, 0.25]
    assert [entry["outcome"] for entry in entries] == ["context_overflow"] * 2


async def test_cut_evidence_stays_cut_on_the_next_rung() -> None:
    def script(request: ScriptedRequest) -> Any:
        if "at 1.0" in request.text:
            return ScriptedError("prompt is too long", status_code=400)
        return refuses("json_schema")(request)

    judge = Judge(script=script)

    report, _, entries = await judge.climb()

    assert report is not None
    assert keys(entries) == ["judge:0", "judge:0:smaller", "judge:1:smaller"]


# The tolerant reading by itself


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1}', {"a": 1}),
        ('x {"a": {"b": "}"}} y', {"a": {"b": "}"}}),
        ('{"a": 1} {"b": 2}', {"a": 1, "b": 2}),
        ("{}", None),
        ("no object", None),
        ("", None),
        ("{a}", None),
        ("{'a': 1", {"a": 1}),
    ],
)
def test_without_keys_any_object_is_meant(text: str, found: dict[str, Any] | None) -> None:
    assert parse_json_object(text) == found


def test_an_object_without_the_keys_is_found_when_there_is_none_with_them() -> None:
    assert parse_json_object('{"a": 1} {"b": 2}', ("consensus",)) == {"a": 1}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        "{" * 50_000,
        '{"a":' * 50_000,
        "{'a':" * 20_000,
        '{"a": "' + "x" * 50_000,
        '{"' * 5_000,
        "{a: b, " * 3_000,
        "{}" * 20_000,
    ],
)
def test_a_model_that_repeats_itself_is_read_without_an_error_and_soon(text: str) -> None:
    started = time.monotonic()

    parse_json_object(text, KEYS)

    assert time.monotonic() - started < 20


@pytest.mark.parametrize("error", [ValueError, RecursionError])
def test_a_text_that_the_mending_library_chokes_on_holds_no_object(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def chokes(*_args: Any, **_kwargs: Any) -> Any:
        raise error

    monkeypatch.setattr("json_repair.loads", chokes)

    assert parse_json_object("{'a': 1}") is None


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(alphabet="{}[]\"',: abcnustrue1.\\\n<think>/", max_size=60))
def test_no_text_makes_the_reading_fail(text: str) -> None:
    found = parse_json_object(text, KEYS)

    assert found is None or found


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(max_size=20), st.text(max_size=20))
def test_a_report_is_found_amid_any_prose_without_braces(before: str, after: str) -> None:
    before, after = (text.replace("{", "(").replace("}", ")") for text in (before, after))

    found = parse_json_object(f"{before}{GOOD}{after}", KEYS)

    assert found is not None
    assert JudgeReport.model_validate(found) == JudgeReport.model_validate(REPORT)


async def test_all_rungs_and_the_repair_share_the_time_of_one_call() -> None:
    seconds: list[float] = []
    judge = Judge(ScriptedError("response_format is not supported", status_code=400), "no JSON", "none either")

    async def ask(call: Call, /, *, emit: Any = None) -> Reply:
        seconds.append(call.timeout_seconds)
        await asyncio.sleep(0.01)
        return await judge.ask(call, emit=emit)

    call = Call("judge", "judge", "judge", (), timeout_seconds=60, temperature=0.0, max_tokens=100)
    await judge.ladder.climb(ask, call, judge._render, lambda _event: None)  # type: ignore[arg-type]  # it asks only

    assert len(seconds) == 3
    assert seconds[0] <= 60
    assert seconds == sorted(seconds, reverse=True)
    assert len(set(seconds)) == 3
