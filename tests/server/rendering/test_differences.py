"""Two answers beside one another: what differs is marked, and nothing else changes."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion_graph.comparison import matching
from fusion_graph.server.rendering import render_answer, render_differences
from tests.server.rendering.html import check, elements
from tests.server.rendering.pages import result

# What sentences, emphasis, links, citations, blocks and signs are made of.
WORDS = [
    "One. ",
    "two ",
    "[1]",
    "[2, 9]",
    "**",
    "*",
    "_",
    "`",
    "\n",
    "\n\n",
    "- ",
    "# ",
    "> ",
    "| a | b |\n|-|-|\n",
    "```\n",
]
WORDS += [
    "[t](https://pages.example/opening)",
    "https://x.example ",
    "![i [1]](https://q.example)",
    "<mark>",
    "\ufdd3 ",
    "\\",
]


def marked(one: str, other: str) -> tuple[list[str], list[str]]:
    """Return what is marked in both answers."""
    a, b = render_differences(result(one), result(other))
    for html in (a, b):
        check(html)
    return [e.text for e in elements(a, "mark")], [e.text for e in elements(b, "mark")]


@pytest.mark.parametrize(
    ("one", "other", "in_one", "in_other"),
    [
        ("Same. It is 3 km long. End.", "Same. It is 4 km long. End.", ["It is 3 km long."], ["It is 4 km long."]),
        ("Same.", "Same. More.", [], ["More."]),
        ("**Bold. Old.** End.", "**Bold. New.** End.", ["Old."], ["New."]),
        ("*All of it. Old* [1].", "*All of it. New* [1].", ["Old", "."], ["New", "."]),
        ("- one\n- two\n", "- one\n- three\n", ["two"], ["three"]),
        ("| a | b |\n|-|-|\n| c | d |", "| a | b |\n|-|-|\n| c | e |", ["d"], ["e"]),
        ("```\nx = 1\ny = 2\n```", "```\nx = 1\ny = 3\n```", ["y = 2"], ["y = 3"]),
        ("Call `f(1)` now.", "Call `f(2)` now.", ["Call ", "f(1)", " now."], ["Call ", "f(2)", " now."]),
        (
            "See [the list](https://a.example). End.",
            "See [the page](https://a.example). End.",
            ["See ", "the list", "."],
            ["See ", "the page", "."],
        ),
        ("他说了。是的。", "他说了。不是。", ["是的。"], ["不是。"]),
        ("Wrapped\nover lines. End.", "Wrapped over lines. End.", [], []),
        ("", "New.", [], ["New."]),
    ],
)
def test_the_sentences_that_differ_are_marked(one: str, other: str, in_one: list[str], in_other: list[str]) -> None:
    assert marked(one, other) == (in_one, in_other)


def test_a_citation_is_part_of_its_sentence_and_stays_a_citation() -> None:
    a, b = render_differences(result("So it is [1]. And on [1]."), result("So it is [2]. And on [1]."))

    assert [e.text for e in elements(a, "mark")] == ["So it is ", "."]
    assert [e.text for e in elements(a, "a.cite")] == ["[1]", "[1]"]
    assert [e.text for e in elements(b, "a.cite")] == ["[2?]", "[1]"]


def test_what_is_beyond_the_bound_counts_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "MAX_SENTENCES", 2)

    assert marked("One. Two. Three. Four.", "One. Two. Three. Five.") == (["Three.", "Four."], ["Three.", "Five."])
    assert marked("One. Two. Three. Four.", "One. Two. Three. Four.") == ([], [])


@settings(derandomize=True, database=None, deadline=None, max_examples=150)
@given(*[st.lists(st.sampled_from(WORDS), max_size=25).map("".join)] * 2)
def test_marks_are_all_that_is_added_whatever_the_answers_are(one: str, other: str) -> None:
    answers = [result(one), result(other)]

    for answer, html in zip(answers, render_differences(answers[0], answers[1]), strict=True):
        check(html)
        alone = render_answer(answer["answer"], answer["citations"], answer["sources"])
        assert re.sub("</?mark>", "", html) == alone


@settings(derandomize=True, database=None, deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(WORDS), max_size=25).map("".join))
def test_an_answer_does_not_differ_from_itself(answer: str) -> None:
    assert marked(answer, answer) == ([], [])
