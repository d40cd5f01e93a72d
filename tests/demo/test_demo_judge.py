"""What the demo's judge finds in answers, sentence by sentence."""

import json
from typing import Any

import pytest

from fusion_graph.demo.judge import compare
from fusion_graph.demo.text import amounts, cite, sentences, stem, subject

QUESTION = "How long is the north pier?"


def found(*answers: str, question: str = QUESTION) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(compare(question, dict(zip("ABCDEFGH", answers, strict=False))))
    return report


def test_the_same_number_of_the_same_thing_is_agreement() -> None:
    report = found(
        "The north pier is 90 metres long [1].", "By the harbour's books the north pier is 90 metres long [2]."
    )

    assert [(p["answers"], p["sources"]) for p in report["consensus"]] == [(["A", "B"], [1, 2])]
    assert report["contradictions"] == []


def test_different_numbers_of_the_same_thing_are_a_contradiction_with_each_side_and_its_source() -> None:
    report = found("The north pier is 90 metres long [1].", "The old north pier is 85 metres long [2, 3].")

    (clash,) = report["contradictions"]
    assert clash["topic"] == "north pier"
    assert [(s["answer"], s["sources"]) for s in clash["stances"]] == [("A", [1]), ("B", [2, 3])]
    assert report["consensus"] == []


def test_short_sentences_are_compared_with_their_names() -> None:
    report = found("The Gull Bridge opened in 1932 [1].", "The Gull Bridge opened in 1934 [2].")

    (clash,) = report["contradictions"]
    assert clash["topic"] == "Gull Bridge opened"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The north pier is 90 metres long [1].", "The north pier is 12 metres wide [2]."),
        ("The north pier is 90 metres long [1].", "The north pier cost 4 crowns in a year [2]."),
        ("The north pier is 90 metres long [1].", "A lighthouse keeper owns 85 metres of rope [2]."),
    ],
)
def test_numbers_of_different_things_are_no_contradiction(one: str, other: str) -> None:
    report = found(one, other)

    assert report["contradictions"] == []
    assert len(report["unique_insights"]) == 2


def test_one_author_does_not_contradict_itself_nor_agree_with_itself() -> None:
    report = found("The north pier is 90 metres long [1]. The north pier is 85 metres long [2].", "Nothing [3].")

    assert report["contradictions"] == []
    assert report["consensus"] == []


def test_what_only_one_says_and_what_nobody_says_is_told() -> None:
    report = found("The pier is old [1].", "The pier is grey [2].", question="Is the pier haunted?")

    assert [insight["answer"] for insight in report["unique_insights"]] == ["A", "B"]
    assert report["blind_spots"] == ['nothing is said about "haunted"']


def test_a_sentence_without_a_source_and_the_list_of_what_was_looked_at_say_nothing() -> None:
    report = found(
        "The pier is long.\n\nLooked at:\n[1] read: The pier https://a.example", "I do not know.\n\n(no source)"
    )

    assert report["blind_spots"] == [QUESTION]


def test_words_numbers_and_sentences_are_read_as_they_are_written() -> None:
    assert {stem(word) for word in ("model", "models", "modelled")} == {"model", "modell"}
    assert stem("families") == stem("family")
    found = amounts("In 1932 it rose 3.4 times, by 12 % or 1,500 crowns.")
    assert found == {"": {"1932"}, stem("times"): {"3.4"}, "%": {"12"}, "crown": {"1,500"}}
    assert list(sentences('He said: "No." Then 3.4 came.\n\n- one\n- two')) == [
        'He said: "No."',
        "Then 3.4 came.",
        "one",
        "two",
    ]
    assert "norrland" not in subject("A panel at Norrland Lab answered.")
    assert cite('He said: "It is so."', 2) == 'He said: "It is so" [2].'
    assert cite("no stop", 1, 2) == "no stop [1][2]."
