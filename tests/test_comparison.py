"""Two results compared: sentences, their alignment, points of analyses, seats, sources, costs. And a fork's price."""

import json
import random
import re
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_graph.cli import compared_runs, differences
from fusion_graph.comparison import Kind, Part, align, compare_results, match, split_sentences
from fusion_graph.estimate import estimate_run, render_again, without_role
from fusion_graph.presets import resolve
from fusion_graph.results import run_result
from tests.samples import analysis, claim, entry, seat_result, source

SIZE = 200_000
SETTINGS = {
    "panel": [{"model": "a/one", "name": ""}, "a/two"],
    "judge": "a/judge",
    "writer": "a/writer",
    "mode": "always",
}


def result(run_id: str = "run a", answer: str = "", **values: Any) -> dict[str, Any]:
    """A finished run's result object; values of its state, and of the object itself (`status`, `reasons`)."""
    told: dict[str, Any] = {
        name: values.pop(name) for name in ("status", "reasons", "parent_id", "question", "demo") if name in values
    }
    state = {"results": [seat_result(1), seat_result(2)], "calls": [], "settings": SETTINGS, **values}
    return {**run_result(run_id, "thread", state), "status": "ok", "reasons": [], "answer": answer, **told}


def kinds(parts: Sequence[Any]) -> list[Kind]:
    return [part["kind"] for part in parts]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It is 3.4 km long. It opened in 1932.", ["It is 3.4 km long.", "It opened in 1932."]),
        ("Ask some, e.g. Anna or i.e. Ben. Then go.", ["Ask some, e.g. Anna or i.e. Ben.", "Then go."]),
        ("Dr. Smith et al. Agree. See Fig. 3 and no. 4.", ["Dr. Smith et al. Agree.", "See Fig. 3 and no. 4."]),
        ("The answer is no. Ask J. Doe of the U.S. Army.", ["The answer is no.", "Ask J. Doe of the U.S. Army."]),
        ("So [1]. Thus.[2] Then. [3, 4] End.", ["So [1].", "Thus.[2]", "Then. [3, 4]", "End."]),
        (
            '"Really?!" He left... and came. **Bold.** Next.',
            ['"Really?!"', "He left... and came.", "**Bold.**", "Next."],
        ),
        ("Call `a.b. C` now. Done.", ["Call `a.b. C` now.", "Done."]),
        ("他说了。真的吗\uff1f是的。", ["他说了。", "真的吗\uff1f", "是的。"]),
        ("wrapped\nover lines. And\n on.", ["wrapped over lines.", "And on."]),
        ("# A title. Whole\ntext", ["# A title. Whole", "text"]),
        ("Under\n=====\ntext\n\n---\n***", ["Under", "text"]),
        ("- one. Two.\n  goes on\n* b\n\n1. c\n2) d", ["- one. Two. goes on", "* b", "1. c", "2) d"]),
        ("| a | b |\n|---|---|\n| 1. | Two. |", ["| a | b |", "| 1. | Two. |"]),
        ("> Quoted. Twice\n> wrapped.", ["Quoted.", "Twice wrapped."]),
        ("```py\nx = 1. # A\n\n    y\n```\nOut.", ["```py", "x = 1. # A", "    y", "```", "Out."]),
        ("~~~\n```\n# no heading", ["~~~", "```", "# no heading"]),
        ("", []),
        (" \n\n", []),
    ],
)
def test_markdown_is_split_where_sentences_end_and_its_blocks_stay_whole(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


@given(st.text(alphabet="aA1.!?。 \n\t#->|`~[]()*\"'é", max_size=200))
def test_splitting_loses_no_letter_and_no_digit(text: str) -> None:
    def letters(told: str) -> list[str]:
        return [character for character in told if character.isalpha()]

    assert letters("".join(split_sentences(text))) == letters(text)


def test_answers_are_aligned_and_what_is_alike_stands_side_by_side() -> None:
    a = ["It opened in 1932.", "It is 503 metres long.", "It cost ten million.", "The end."]
    b = ["It opened in 1932.", "Ships pass below.", "It is 504 metres long.", "The end."]

    found = align(a, b)

    assert [(part["kind"], part["a"], part["b"]) for part in found] == [
        ("same", a[0], b[0]),
        ("only_b", None, b[1]),
        ("changed", a[1], b[2]),
        ("only_a", a[2], None),
        ("same", a[3], b[3]),
    ]


def test_sentences_of_a_script_without_spaces_can_be_alike_too() -> None:
    assert kinds(align(["这座桥长五百零三米。"], ["这座桥长五百零四米。"])) == ["changed"]


def test_an_empty_answer_has_nothing_and_the_other_everything() -> None:
    assert kinds(align([], ["A.", "B."])) == ["only_b", "only_b"]
    assert kinds(align(["A."], [])) == ["only_a"]
    assert align([], []) == []


_SENTENCES = st.lists(st.sampled_from(["It is so.", "It is not so.", "Why?", "Because of it.", "…"]), max_size=12)


@given(_SENTENCES, _SENTENCES)
def test_an_alignment_holds_both_texts_whole_and_in_order(a: list[str], b: list[str]) -> None:
    found = align(a, b)

    assert [part["a"] for part in found if part["a"] is not None] == a
    assert [part["b"] for part in found if part["b"] is not None] == b
    assert all((part["kind"] == "same") == (part["a"] == part["b"]) for part in found)


def test_a_sentence_that_stands_everywhere_does_not_hide_that_answers_are_the_same() -> None:
    often = ["Yes."] * 3000

    assert set(kinds(align(often, often))) == {"same"}
    assert Counter(kinds(align(often, ["No.", *often]))) == {"same": 3000, "only_b": 1}
    assert Counter(kinds(align([*often, "No."], often))) == {"same": 3000, "only_a": 1}


def test_of_a_very_long_answer_the_rest_counts_as_one_sentence() -> None:
    long = [f"Sentence {number}." for number in range(5000)]

    found = align(long, [*long[:-1], "Another end."])

    assert Counter(kinds(found)) == {"same": 4000, "changed": 1}
    assert (found[-1]["a"] or "").endswith("Sentence 4998. Sentence 4999.")


def _work(a: str, b: str) -> tuple[list[Part], int]:
    """Return how two texts are aligned, and how many lines of Python that took: a measure no other process disturbs."""
    lines = 0

    def count(_frame: Any, event: str, _argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        found = align(split_sentences(a), split_sentences(b))
    finally:
        sys.settrace(before)
    return found, lines


def _prose(sentences: int, seed: int) -> str:
    chance = random.Random(seed)  # noqa: S311 -- a text, no secret
    return " ".join(f"The {chance.randrange(10**6)} of {chance.randrange(10**6)}." for _ in range(sentences))


def _repetitive(sentences: int, seed: int) -> str:
    chance = random.Random(seed)  # noqa: S311 -- a text, no secret
    return " ".join(f"K{chance.randrange(400)}." for _ in range(sentences))


LONG = {
    "a few hundred sentences over and over": (_repetitive(SIZE // 6, 1), _repetitive(SIZE // 6, 2)),
    "the same short sentence": ("Aa. " * (SIZE // 4), "Bb. " * (SIZE // 4)),
    "three sentences over and over": ("Aa. Bb. Cc. " * (SIZE // 12), "Cc. Aa. Bb. " * (SIZE // 12)),
    "many lines": ("- x\n" * (SIZE // 4), "- y\n" * (SIZE // 4)),
    "full stops": ("." * SIZE, "!" * SIZE),
    "stops that end nothing": (".a" * (SIZE // 2), ".[" * (SIZE // 2)),
    "backticks": ("`" * SIZE, "`a" * (SIZE // 2)),
    "brackets": ("A." + "[1" * (SIZE // 2), "A. " + "[1] " * (SIZE // 4)),
    "quotation marks": ("> " * (SIZE // 2), "| " * (SIZE // 2)),
    "one word": ("a" * SIZE, "b" * SIZE),
    "other sentences throughout": (_prose(7_000, 1), _prose(7_000, 2)),
}


@pytest.mark.parametrize("name", LONG)
def test_answers_of_200_kb_do_not_take_their_square_in_work(name: str) -> None:
    a, b = LONG[name]
    half_a, half_b = a[: len(a) // 2], b[: len(b) // 2]

    _, less = _work(half_a, half_b)
    found, more = _work(a, b)

    assert more < 3 * less + 100_000
    assert len(found) <= 2 * 4001


def test_a_rewritten_answer_of_a_usual_length_is_still_paired_sentence_by_sentence() -> None:
    a = [f"Sentence number {n} says one thing about bridges." for n in range(300)]
    b = [f"Sentence number {n} says another thing about bridges." for n in range(300)]

    found = align(a, b)

    assert Counter(kinds(found)) == {"changed": 300}
    assert all((part["a"] or "").split()[2] == (part["b"] or "").split()[2] for part in found)


def test_points_are_one_by_their_words_or_where_they_are_alike_and_each_only_once() -> None:
    a = ["It opened in 1932.", "The span is 503 m", "Steel was used", "Steel was used"]
    b = ["the span is 504 m", "Nobody asked why", "it opened, in 1932", "Steel was used"]

    found = match(a, b, str, str)

    assert [(point["kind"], point["a"], point["b"]) for point in found] == [
        ("same", a[0], b[2]),
        ("changed", a[1], b[0]),
        ("same", a[2], b[3]),
        ("only_a", a[3], None),
        ("only_b", None, b[1]),
    ]


def test_of_two_points_that_are_like_a_third_the_one_more_alike_is_it() -> None:
    found = match(["the bridge is long", "the bridge is very long"], ["the bridge is very, very long indeed"], str, str)

    assert kinds(found) == ["only_a", "changed"]


def test_too_many_points_are_still_matched_by_their_words() -> None:
    a, b = ([f"point {n} of {side}" for n in range(1100)] + ["shared"] for side in ("a", "b"))

    found = match(a, b, str, str)

    assert Counter(kinds(found)) == {"only_a": 1100, "only_b": 1100, "same": 1}


def test_a_run_is_the_same_as_itself() -> None:
    run = result(
        answer="One. Two.",
        sources=[source("x")],
        analysis=analysis(consensus=[claim("agreed", 1, 2)], blind_spots=["nobody asked why"]),
        calls=[entry(0.5), entry(None, id="e2")],
    )

    found = compare_results(run, run)

    assert found["settings"] == []
    assert found["analysis"] is not None
    told: list[Sequence[Any]] = [
        found["answer"],
        found["responses"],
        found["analysis"]["consensus"],
        found["analysis"]["blind_spots"],
    ]
    assert [set(kinds(part)) for part in told] == [{"same"}] * 4
    assert found["sources"] == {"in_both": 1, "only_a": [], "only_b": []}
    assert (found["costs"]["difference_usd"], found["costs"]["difference_is_lower_bound"]) == (0, False)
    assert json.loads(json.dumps(found)) == found


def test_settings_differ_seat_by_seat_and_name_by_name() -> None:
    warm = {"model": "a/two", "temperature": 0.9, "name": ""}
    other = result(settings={**SETTINGS, "panel": ["a/one", warm, "a/three"], "judge": "a/other"})

    assert compare_results(result(), other)["settings"] == [
        {"name": "panel.2", "a": {"model": "a/two"}, "b": {"model": "a/two", "temperature": 0.9}},
        {"name": "judge", "a": "a/judge", "b": "a/other"},
        {"name": "panel.3", "a": None, "b": {"model": "a/three"}},
    ]


def test_what_is_not_known_of_a_run_is_no_difference() -> None:
    unbegun = result(settings=None, results=[], status="stopped", reasons=["the run has not finished"])

    found = compare_results(result(), unbegun)

    assert (found["settings"], found["analysis"], found["answer"]) == ([], None, [])
    assert (found["a"]["finished"], found["b"]["finished"]) == (True, False)
    assert found["b"] | {"judge": "", "writer": "", "panel": []} == found["b"]


def test_analyses_are_compared_point_by_point_and_contradictions_by_topic() -> None:
    def clash(topic: str, *stances: tuple[int, str]) -> dict[str, Any]:
        told = [{"seat": seat, "text": text, "sources": []} for seat, text in stances]
        return {"id": topic, "topic": topic, "stances": told, "better": None}

    span, swapped = [(1, "503 m"), (2, "504 m")], [(2, "504 m"), (1, "503 m")]
    one = analysis(
        consensus=[claim("it opened in 1932", 1, 2)],
        contradictions=[clash("the span", *span), clash("who built it", *span), clash("its colour", *span)],
        partial_coverage=[claim("it is of steel", 1)],
        unique_insights=[claim("it has a twin", 1)],
    )
    other = analysis(
        consensus=[claim("It opened in 1932.", 1, 2)],
        contradictions=[clash("The span", *swapped), clash("who built it", (1, "a firm"), (2, "a state"))],
        partial_coverage=[claim("it is of steel", 1, 2)],
        unique_insights=[claim("it has a twin", 2)],
        blind_spots=["its upkeep"],
    )

    found = compare_results(result(analysis=one), result(analysis=other))["analysis"]

    assert found is not None
    assert {name: kinds(points) for name, points in found.items()} == {  # type: ignore[arg-type]  # five lists
        "consensus": ["same"],
        "contradictions": ["same", "changed", "only_a"],
        "partial_coverage": ["changed"],
        "unique_insights": ["changed"],
        "blind_spots": ["only_b"],
    }


def test_a_missing_analysis_has_no_points_and_its_reason_is_told() -> None:
    there, gone = result(analysis=analysis(blind_spots=["x"])), result() | {"judge_failure": "judge_not_valid_json"}

    found = compare_results(there, gone)

    assert (found["a"]["judge_failure"], found["b"]["judge_failure"]) == (None, "judge_not_valid_json")
    assert found["analysis"] is not None
    assert kinds(found["analysis"]["blind_spots"]) == ["only_a"]


def test_seats_are_compared_by_number_text_and_model() -> None:
    a = result(results=[seat_result(1), seat_result(2), seat_result(3), seat_result(5)])
    b = result(results=[seat_result(1), seat_result(2, "Other."), seat_result(3, model="v/other"), seat_result(4)])

    found = compare_results(a, b)["responses"]

    assert [(seat["seat"], seat["kind"], seat["a"], seat["b"]) for seat in found] == [
        (1, "same", "vendor/model-1", "vendor/model-1"),
        (2, "changed", "vendor/model-2", "vendor/model-2"),
        (3, "changed", "vendor/model-3", "v/other"),
        (4, "only_b", None, "vendor/model-4"),
        (5, "only_a", "vendor/model-5", None),
    ]


def test_sources_are_the_same_whatever_their_address_is_spelt_like() -> None:
    spelt = {**source("x"), "url": "http://www.pages.example/x?utm_source=a#top"}

    found = compare_results(result(sources=[source("x"), source("y")]), result(sources=[source("z"), spelt]))["sources"]

    assert found["in_both"] == 1
    assert [page["url"] for page in found["only_a"]] == ["https://pages.example/y"]
    assert [(page["number"], page["url"]) for page in found["only_b"]] == [(1, "https://pages.example/z")]


def test_costs_are_told_in_all_and_as_each_run_paid_them() -> None:
    kept = entry(0.4, id="kept", run_id="run a")
    a = result(calls=[kept, entry(0.1, id="old", run_id="run a")])
    b = result("run b", calls=[kept, entry(0.25, id="new", run_id="run b")])

    found = compare_results(a, b)["costs"]

    assert [found[side]["total"]["cost_usd"] for side in ("a", "b")] == [0.5, 0.65]
    assert found["b"]["paid_by_this_run"] == {
        "calls": 1,
        "input_tokens": 100,
        "cached_tokens": 10,
        "output_tokens": 20,
        "reasoning_tokens": 5,
        "cost_usd": 0.25,
        "cost_is_lower_bound": False,
    }
    assert (found["difference_usd"], found["difference_is_lower_bound"]) == (0.15, False)


@pytest.mark.parametrize(
    ("a", "b", "difference", "is_lower_bound"),
    [
        ([0.5], [0.5, None], 0.0, True),  # b cost at least as much
        ([0.5, None], [0.5], None, False),  # a cost more than is known: b may have cost less or more
        ([None], [0.5], None, False),
        ([0.5], [None], None, False),
        ([], [0.5], 0.5, False),
        ([0.5], [], -0.5, False),
    ],
)
def test_an_unknown_price_is_never_nothing(
    a: list[float | None], b: list[float | None], difference: float | None, is_lower_bound: object
) -> None:
    def run(name: str, costs: list[float | None]) -> dict[str, Any]:
        calls = [entry(cost, id=f"{name}{number}", run_id=name) for number, cost in enumerate(costs)]
        return result(name, calls=calls)

    found = compare_results(run("a", a), run("b", b))["costs"]

    assert (found["difference_usd"], found["difference_is_lower_bound"]) == (difference, is_lower_bound)


def test_an_unknown_price_that_both_share_does_not_hide_the_difference() -> None:
    shared = entry(None, id="shared", run_id="run a")

    found = compare_results(result(calls=[shared]), result("run b", calls=[shared, entry(0.2, run_id="run b")]))[
        "costs"
    ]

    assert (found["b"]["total"]["cost_usd"], found["b"]["total"]["cost_is_lower_bound"]) == (0.2, True)
    assert (found["difference_usd"], found["difference_is_lower_bound"]) == (0.2, False)


def test_in_lines_a_contradiction_shows_the_stances_that_differ_and_a_seat_or_page_what_became_of_it() -> None:
    def clash(*texts: str) -> dict[str, Any]:
        stances = [{"seat": seat, "text": text, "sources": []} for seat, text in enumerate(texts, 1)]
        return analysis(contradictions=[{"id": "c", "topic": "the span", "stances": stances, "better": None}])  # type: ignore[return-value]

    listed = [source(f"seen{number}", read=False) for number in range(2)]
    a = result(analysis=clash("503 m", "504 m"), sources=[source("old"), *listed])
    b = result(
        analysis=clash("503 m", "505 m"),
        sources=[source("new")],
        results=[seat_result(1, "Other."), seat_result(2, model="v/other")],
    )
    found = compare_results(a, b)

    assert differences.analysis(found)[2:] == [
        "  contradictions: 1 changed",
        "  the span",
        "- vendor/model-2: 504 m",
        "+ v/other: 505 m",
    ]
    assert differences.panel(found)[1:] == [
        "Panel: 2 changed",
        "  seat 1 vendor/model-1: another answer",
        "- seat 2 vendor/model-2",
        "+ seat 2 v/other",
    ]
    assert differences.sources(found)[1:] == [
        "Sources: 0 in both",
        "- About old <https://pages.example/old> (read)",
        "- 2 pages only found, not read, only in A",
        "+ About new <https://pages.example/new> (read)",
    ]


def test_in_lines_a_setting_is_told_as_a_person_would_write_it() -> None:
    seat = {"model": "a/one", "temperature": 0.5, "tools": []}
    one = result(settings={**SETTINGS, "approve": False, "tools": ["web_search", "web_fetch"], "reasoning": ""})
    other = result(settings={**SETTINGS, "approve": True, "tools": [], "reasoning": "high", "panel": [seat, "a/two"]})

    assert compared_runs.settings(compare_results(one, other))[2:] == [
        "seat 1: a/one -> a/one (temperature 0.5, tools none)",
        "approve: false -> true",
        "tools: web_search, web_fetch -> none",
        "reasoning: none -> high",
    ]


def test_in_lines_runs_without_anything_say_so() -> None:
    empty = result(settings=None, results=[], status="failed", parent_id="0123456789", demo=True)
    found = compare_results(empty, result() | {"judge_failure": "judge_not_valid_json", "demo": True})

    heads = compared_runs.heads(found)
    assert [re.split(r"\s{2,}", line)[2:] for line in heads[:2]] == [
        ["failed", "-", "$0.00", "fork of 01234567"],
        ["ok", "judge a/judge, writer a/writer", "$0.00"],
    ]
    assert heads[2:] == [
        "A has not finished (failed): compared with what it holds",
        "A and B: offline demo: no language model",
    ]
    assert differences.answer(found)[1:] == ["Answer: neither run has one"]
    assert differences.analysis(found)[1:] == [
        "Analysis: neither run has one",
        "B's judge failed: judge not valid json",
    ]
    assert differences.panel(compare_results(empty, empty))[1:] == ["Panel: no answers"]
    assert differences.analysis(compare_results(result(analysis=analysis()), empty))[1:] == ["Analysis: no points"]


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        (0.5, 0.75, "+$0.25"),
        (0.75, 0.5, "-$0.25"),
        (0.5, 0.5, "$0.00"),
        (None, 0.5, "unknown"),
        (0.5, 0.5004, "+$0.0004"),
    ],
)
def test_in_lines_the_difference_in_cost_has_its_sign(a: float | None, b: float, told: str) -> None:
    runs = (result(name, calls=[entry(cost, id=name, run_id=name)]) for name, cost in (("a", a), ("b", b)))

    assert compared_runs.costs(compare_results(*runs))[3].endswith(told)


def _cent(_name: str, _input_tokens: int, _output_tokens: int) -> tuple[float | None, str | None]:
    return 0.01, "test"


def _unknown(_name: str, _input_tokens: int, _output_tokens: int) -> tuple[float | None, str | None]:
    return None, None


def test_a_fork_says_who_is_paid_again_what_is_not_and_what_it_costs() -> None:
    roster = {"panel": ["a/one", "a/two"], "judge": "a/judge", "writer": "a/writer", "tools": []}
    settings = resolve(roster, environ={})
    before: list[tuple[Any, int | None]] = [("panelist", 1), ("judge", None), ("writer", None)]
    judged = estimate_run(settings, [], _cent, seats=[])
    asked = estimate_run(settings, [], _unknown, seats=[1, 2])

    assert render_again(judged, before=before, answers=2, has_analysis=False) == (
        "judge a/judge compares again and writer a/writer writes again; 2 answers are not paid again · about $0.0200-0.0300"
    )
    assert render_again(without_role(judged, "judge"), before=before, answers=1, has_analysis=True) == (
        "writer a/writer writes again; 1 answer and the comparison are not paid again · about $0.0100"
    )
    assert render_again(asked, before=before, answers=1, has_analysis=False) == (
        "seat 1 (a/one) is asked again, seat 2 (a/two) is asked, judge a/judge compares again and writer a/writer writes "
        "again; 1 answer is not paid again · cost unknown"
    )
    assert render_again(asked, before=(), answers=0, has_analysis=False).endswith("a/writer writes · cost unknown")
