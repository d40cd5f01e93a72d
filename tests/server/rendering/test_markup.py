"""Nothing that a model writes becomes markup of its own, or of ours: a corpus of tries, wherever a text may stand."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion_graph.server.rendering import render_answer, render_differences, render_line, render_text
from tests.server.rendering.corpus import CORPUS, HTML
from tests.server.rendering.html import check, elements, text_of
from tests.server.rendering.pages import SOURCES, rendered, result

PLACES = [
    "{}",
    "- {}",
    "> {}",
    "# {}",
    "| {} |\n|-|\n| {} |",
    "**{}** [1]",
    "[{}](https://x.example)",
    "![{}](https://y.example)",
]
SETTINGS = settings(derandomize=True, database=None, deadline=None, max_examples=200)
MARKS = st.text(alphabet="<>&\"'`*_~[]()!#|-\\ \n\t:;/=ax1.\ufdd0\ufdd1\ufdd2\ufdd3\ufdd4\u202e\u3002", max_size=60)
payloads = pytest.mark.parametrize("payload", CORPUS, ids=range(len(CORPUS)))


@payloads
def test_only_what_is_allowed_is_left_wherever_it_stands(payload: str) -> None:
    for place in PLACES:
        text = place.replace("{}", payload)

        for html in (rendered(text), render_text(text, SOURCES), render_line(text, SOURCES)):
            check(html)


@payloads
def test_a_text_that_cites_nothing_has_no_citations_and_no_marks(payload: str) -> None:
    for html in (render_answer(payload, [], SOURCES), render_line(payload)):
        assert elements(html, ".cite, mark, [data-source], [data-status]") == []


@payloads
def test_what_differs_is_marked_and_nothing_else_is(payload: str) -> None:
    one, other = result(f"{payload}\n\nThe same [1]."), result("The same [1].")

    a, b = render_differences(one, other)

    check(a)
    assert b == rendered(other["answer"])
    assert "The same" not in "".join(e.text for e in elements(a, "mark"))


@payloads
def test_of_a_source_no_title_and_no_missing_words_get_out_of_their_attribute(payload: str) -> None:
    sources = [{**SOURCES[0], "title": payload}, {**SOURCES[1], "url": payload}]
    doubted: Any = [
        {**citation, "support": "not_found", "missing": [payload]} for citation in result("[1] [2]")["citations"]
    ]

    for citations in (result("[1] [2]")["citations"], doubted):
        html = render_answer("[1] [2]", citations, sources)

        check(html)
        assert [e.tag for e in elements(html)] == ["p", "a", "a"]
        assert all(len(e.attributes["title"]) <= 300 for e in elements(html, "a"))


@pytest.mark.parametrize("payload", [payload for payload in HTML if "&" not in payload])
def test_html_is_shown_as_it_is_written(payload: str) -> None:
    assert text_of(render_line(payload)) == " ".join(payload.split())


@pytest.mark.parametrize(
    "link",
    [
        "[x](javascript:alert(1))",
        "[x](//evil.example/x)",
        "[x](/v1/responses)",
        "[x](data:text/html,x)",
        "![x](file:///x)",
    ],
)
def test_what_leads_to_no_page_is_text(link: str) -> None:
    assert render_answer(link, [], []) == '<p dir="auto">x</p>\n'


@SETTINGS
@given(MARKS)
def test_whatever_is_written_only_what_is_allowed_is_left(text: str) -> None:
    for html in (rendered(text), render_text(text, SOURCES), render_line(text, SOURCES)):
        check(html)
    assert elements(render_answer(text, [], []), ".cite, mark") == []
