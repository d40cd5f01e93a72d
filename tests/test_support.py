"""Quotations and numbers beside a citation, looked for in the text of the page it cites."""

import pytest

from fusion_graph.evidence import check_citations
from fusion_graph.schemas import Source
from tests.samples import source

TEXT = (
    "The north pier was rebuilt in 1932 at a cost of 1,500 crowns. “Nobody who saw the old bridge missed it,” wrote "
    "the engineer, who measured 69.0 metres between two towers. 橋は昭和七年に新しく架け替えられた。"
)


def pages(*texts: str) -> list[Source]:
    return [{**source(f"p{number}", read=bool(text)), "text": text} for number, text in enumerate(texts, 1)]


def support(answer: str, *texts: str) -> list[tuple[str | None, list[str]]]:
    return [(found["support"], found["missing"]) for found in check_citations(answer, pages(*(texts or (TEXT,))))]


@pytest.mark.parametrize(
    "answer",
    [
        'The engineer wrote "nobody who saw the old bridge missed it" [1].',
        "The engineer wrote: „Nobody who saw the *old bridge* missed it“ [1].",
        'The engineer wrote "Nobody who saw ... missed it" [1].',
        '"Nobody who saw the old bridge missed it," he wrote.[1]',
        'He wrote so. "Nobody who saw the old bridge missed it." [1]',
        'In [1] one reads: "Nobody who saw the old bridge missed it."',
        "The pier was rebuilt in 1932 [1].",
        "It was rebuilt in 1932. [1]",
        "According to [1], it cost 1500 crowns.",
        "It cost 1.500 crowns [1].",
        "1. It measured 69 metres [1].",
        "It has 2 towers [1].",
        "「昭和七年に新しく架け替えられた」[1]。",
        "Elsewhere 17 are known [7]; it was rebuilt in 1932 [1].",
        "It was rebuilt in 1932 [1]; another answer says 1934.",
        "Of 99 sources one counts. It was rebuilt in 1932 [1]",
    ],
)
def test_what_the_page_says_is_supported(answer: str) -> None:
    assert support(answer)[-1] == ("supported", [])


@pytest.mark.parametrize(
    ("answer", "missing"),
    [
        ('The engineer wrote "everybody missed the old bridge" [1].', ['"everybody missed the old bridge"']),
        ('The engineer wrote "the old bridge … nobody missed it" [1].', ['"the old bridge … nobody missed it"']),
        ("It was rebuilt in 1933 [1].", ["1933"]),
        ("It was rebuilt in 1933. [1]", ["1933"]),
        ("According to [1], it cost 2,500 crowns in 1932.", ["2,500"]),
        ("It measured 6.9 metres [1].", ["6.9"]),
        ("「昭和八年に新しく架け替えられた」[1]。", ['"昭和八年に新しく架け替えられた"']),
    ],
)
def test_what_the_page_does_not_say_is_not_found_and_named(answer: str, missing: list[str]) -> None:
    assert support(answer) == [("not_found", missing)]


@pytest.mark.parametrize(
    "answer",
    [
        "The bridge is old [1].",
        'They call it "the bridge" [1].',
        "Of 99 others nothing is known. The bridge is old [1].",
        "The bridge is old [1]. Of 99 others nothing is known.",
        "GPT-5 and H2O are names [1].",
    ],
)
def test_a_statement_without_quotation_or_number_is_not_judged(answer: str) -> None:
    assert support(answer) == [(None, [])]


def test_each_citation_of_a_sentence_answers_for_what_comes_before_it() -> None:
    found = support("It was 5 long [1] and 7 wide [2].", "It is 5 long.", "It is 8 wide.")

    assert found == [("supported", []), ("not_found", ["7"])]


def test_citations_in_one_place_share_what_they_support() -> None:
    found = support("It was 5 long and 7 wide [1][2], and 9 high [1, 2].", "It is 5 long.", "It is 7 wide.")

    assert found == [("supported", [])] * 2 + [("not_found", ["9"])] * 2


def test_a_page_that_was_only_listed_is_known_by_its_lines_and_one_nobody_saw_not_at_all() -> None:
    listed: Source = {**source("p1", read=False), "title": "Rebuilt in 1932", "snippet": "It cost 4 crowns"}

    found = check_citations("Rebuilt in 1932 for 4 crowns [1]. For 5 crowns [1]. In 1934 [2].", [listed])

    assert [citation["support"] for citation in found] == ["supported", "not_found", None]


def test_numbers_in_links_and_code_are_not_judged() -> None:
    assert support("See https://pages.example/p1/2024 and `x = 7` [1].")[-1] == (None, [])


def test_a_checkpoint_of_before_without_texts_is_read() -> None:
    old = source("p1")
    del old["text"]  # type: ignore[misc]

    assert check_citations("In 1932 [1].", [old])[0]["support"] == "not_found"


@pytest.mark.parametrize("text", ['"' * 20_000 + "[1]", "1," * 20_000 + "[1]", "[1] " * 5000, "a. " * 20_000 + "[1]"])
def test_hostile_text_is_judged_in_reasonable_time(text: str) -> None:
    support(text, TEXT * 100)
