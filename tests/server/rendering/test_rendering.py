"""Answers as HTML: what Markdown becomes, how citations are shown, and where links say that they lead."""

from typing import Any

import pytest

from fusion_graph.server.rendering import reading, render_answer, render_line, render_text
from tests.server.rendering.html import check, elements, text_of
from tests.server.rendering.pages import READ, SOURCES, rendered, result

OPENING = READ["url"]


def cites(html: str) -> list[tuple[str, str, str, str | None]]:
    """Return each citation: its text, its status, its source, and where it leads."""
    return [
        (e.text, e.attributes["data-status"], e.attributes.get("data-source", ""), e.attributes.get("href"))
        for e in elements(html, ".cite")
    ]


ONE = ("[1]", "read", "1", "#source-1")
TWO = ("[2?]", "seen", "2", "#source-2")


@pytest.mark.parametrize(
    ("answer", "shown", "cited"),
    [
        ("So it is [1].", "So it is [1].", [ONE]),
        ("So it is[2].", "So it is[2?].", [TWO]),
        ("Both [1, 2].", "Both [1][2?].", [ONE, TWO]),
        ("Both [1][2].", "Both [1][2?].", [ONE, TWO]),
        ("All [1]-[2].", "All [1][2?].", [ONE, TWO]),
        ("Nobody saw it [9].", "Nobody saw it [9?].", [("[9?]", "unverified", "", None)]),
        ("One of two [1, 9].", "One of two [1][9?].", [ONE, ("[9?]", "unverified", "", None)]),
        ("是的【1】。", "是的[1]。", [ONE]),
        ("**Bold [1]**, *[2]*", "Bold [1], [2?]", [ONE, TWO]),
        ("> quoted\n> [1,\n2]", "quoted [1][2?]", [ONE, TWO]),
        ("- item [1]\n  - below [2]", "item [1] below [2?]", [ONE, TWO]),
        ("| a [1] |\n|---|\n| b [2] |", "a [1] b [2?]", [ONE, TWO]),
        ("# Opening [1]", "Opening [1]", [ONE]),
        ("Escaped \\[1]", "Escaped \\[1]", [ONE]),
    ],
)
def test_citations_stand_where_they_stood(answer: str, shown: str, cited: list[Any]) -> None:
    html = rendered(answer)

    assert text_of(html).replace("\\", "") == shown.replace("\\", "")
    assert cites(html) == cited


@pytest.mark.parametrize(
    "answer", ["`x[1]` and `[1]`", "```\n[1]\n```", "    [1]", "a[1]", "[^1]", "in [0, 1]", "~~~ [1]\n[1]\n~~~"]
)
def test_what_is_no_citation_stays_as_it_is(answer: str) -> None:
    html = rendered(answer)

    assert cites(html) == []
    assert "1]" in text_of(html)


def test_places_are_those_that_were_checked_and_none_is_looked_for() -> None:
    answer = "One [1]. Two [1]."
    second = result(answer)["citations"][1:]

    html = render_answer(answer, second, SOURCES)

    assert cites(html) == [ONE]
    assert text_of(html) == "One [1]. Two [1]."
    assert html.index("Two") < html.index("<a")


def test_a_citation_says_of_its_page_what_is_known() -> None:
    html = rendered("It opened in 1932 [1]. It is listed [2]. It closed in 1999 [1]. Unknown [9].")

    told = [(e.attributes["title"], e.attributes.get("data-support")) for e in elements(html, ".cite")]

    assert told == [
        ('The "opening"', None),
        ("only found, not read (https://pages.example/list?page=2)", None),
        ('not found on the page: 1999 (The "opening")', "not_found"),
        ("not verified: no tool of this run saw it", None),
    ]


def test_inside_a_link_a_citation_is_no_link() -> None:
    html = rendered(f"[so it is [1]]({OPENING}) and [[2]](https://elsewhere.example/x)")

    assert [(e.tag, e.text) for e in elements(html, "a .cite")] == [("span", "[1]"), ("span", "[2?]")]
    assert elements(html, "a a") == []


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (f"[The opening]({OPENING})", "The opening (pages.example)[1]"),
        (f"<{OPENING}>", f"{OPENING}[1]"),
        (f"See {OPENING}.", f"See {OPENING}[1]."),
        (f"[The opening][b]\n\n[b]: {OPENING}", "The opening (pages.example)[1]"),
        (f"[The opening][1]\n\n[1]: {OPENING}", "The opening (pages.example)[1]"),
        (f"[[1]]({OPENING})", "[1] (pages.example)"),
        (f"![A drawing]({OPENING})", "A drawing (pages.example)[1]"),
        ("[Elsewhere](https://elsewhere.example/x)", "Elsewhere (elsewhere.example)[?]"),
        (f"[The opening]({OPENING}?user=me)", "The opening (pages.example)[?]"),
    ],
)
def test_a_link_is_held_against_the_sources_too(answer: str, shown: str) -> None:
    assert text_of(rendered(answer)) == shown


@pytest.mark.parametrize(
    ("answer", "href", "shown"),
    [
        ("[here](https://elsewhere.example/x)", "https://elsewhere.example/x", "here (elsewhere.example)"),
        ("[elsewhere.example](https://www.elsewhere.example)", "https://www.elsewhere.example/", "elsewhere.example"),
        ("[elsewhere.example](https://evil.example)", "https://evil.example/", "elsewhere.example (evil.example)"),
        (
            "[evil.example.net](https://evil.example)",
            "https://evil.example/",
            "evil.example.net (evil.example)",
        ),
        (
            "[good.example@evil.example](https://evil.example)",
            "https://evil.example/",
            "good.example@evil.example (evil.example)",
        ),
        ("[x](https://good.example@evil.example/)", "https://good.example@evil.example/", "x (evil.example)"),
        ("[x](HTTP://EVIL.example:80/a/../b)", "http://evil.example/b", "x (evil.example)"),
        ("[x](https://ex\u0430mple.org)", "https://xn--exmple-4nf.org/", "x (xn--exmple-4nf.org)"),
        ("[write](mailto:a@b.example?subject=x)", "mailto:a@b.example?subject=x", "write (a@b.example)"),
        ("<a@b.example>", "mailto:a@b.example", "a@b.example"),
        ("![A plan](https://img.example/p.png)", "https://img.example/p.png", "A plan (img.example)"),
        ("![](https://img.example/p.png)", "https://img.example/p.png", "image (img.example)"),
        (
            "[![A plan](https://img.example/p.png)](https://elsewhere.example)",
            "https://elsewhere.example/",
            "A plan (elsewhere.example)",
        ),
    ],
)
def test_a_link_says_where_it_leads(answer: str, href: str, shown: str) -> None:
    html = render_answer(answer, [], [])

    check(html)
    (link,) = elements(html, "a")
    assert link.attributes["href"] == href
    assert text_of(html) == shown


def test_headings_begin_below_those_of_the_page_and_leave_no_level_out() -> None:
    html = rendered("## First\n\n#### Below\n\n# Second\n\nUnderlined\n---\n\n###### Deep")

    assert [(e.tag, e.text) for e in elements(html, "h3, h4, h5, h6")] == [
        ("h3", "First"),
        ("h4", "Below"),
        ("h3", "Second"),
        ("h4", "Underlined"),
        ("h5", "Deep"),
    ]
    assert [e.tag for e in elements(render_text("# A\n## B\n### C\n#### D"))] == ["h4", "h5", "h6", "h6"]


def test_tables_and_code_scroll_by_themselves_and_can_be_reached_by_keyboard() -> None:
    html = rendered("| | Length |\n|---|---:|\n| Bridge | 503 m |\n\n```python\nif a < b: pass\n```")

    assert [e.attributes["aria-label"] for e in elements(html, "div.scroll[tabindex='0']")] == ["Table", "Code"]
    assert [(e.tag, e.text) for e in elements(html, "tr:first-child > *")][:2] == [("td", ""), ("th", "Length")]
    assert [e.attributes["data-align"] for e in elements(html, "[data-align]")] == ["right", "right"]
    assert [e.text for e in elements(html, "pre > code")] == ["if a < b: pass\n"]


def test_blocks_take_their_direction_from_their_text_and_code_is_left_to_right() -> None:
    html = rendered("# عنوان\n\nنص\n\n- بند\n\n> قول\n\n1. أول\n\n```\nx\n```")

    assert [(e.tag, e.attributes["dir"]) for e in elements(html, "[dir]")] == [
        ("h3", "auto"),
        ("p", "auto"),
        ("ul", "auto"),
        ("blockquote", "auto"),
        ("ol", "auto"),
        ("pre", "ltr"),
    ]


def test_markdown_is_what_readers_know() -> None:
    html = rendered("*a* **b** ~~c~~ `d`  \ne\n***\n3. three\n4. four")

    assert [e.tag for e in elements(html)] == ["p", "em", "strong", "s", "code", "br", "hr", "ol", "li", "li"]
    assert elements(html, "ol")[0].attributes["start"] == "3"


def test_an_answer_of_a_seat_cites_by_the_numbers_of_the_run() -> None:
    html = render_text("It opened in 1999 [1], as listed [2], or not [?].", SOURCES)

    check(html)
    assert cites(html) == [ONE, TWO]
    assert elements(html, "[data-support]") == []
    assert text_of(html) == "It opened in 1999 [1], as listed [2?], or not [?]."


def test_a_line_is_no_block() -> None:
    html = render_line("# It *opened*\n- in 1932 [1]", SOURCES)

    check(html)
    assert [e.tag for e in elements(html)] == ["em", "a"]
    assert text_of(html) == "# It opened - in 1932 [1]"
    assert render_line("as [1] says") == "as [1] says"


@pytest.mark.parametrize(
    "text",
    ["> " * 50 + "deep", "".join(f"{'  ' * depth}- deep\n" for depth in range(50)), "[" * 5_000 + "deep"],
    ids=["quotes", "lists", "brackets"],
)
def test_what_is_nested_beyond_sense_is_shown_as_it_is_written(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_MAX_STEPS", 5_000)

    for html in (render_text(f"{text}\n\n[1] **end**", SOURCES), render_line(text)):
        check(html)
        assert {e.tag for e in elements(html)} <= {"p", "br", "a"}
        assert text_of(html).startswith(" ".join(text.split()))


def test_what_is_longer_than_any_answer_is_shown_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_MAX_CHARS", 100)

    html = rendered("**One** [1]\nline\n\n\n# Two <b>" + "x" * 100)

    assert [e.tag for e in elements(html)] == ["p", "a", "br", "p"]
    assert text_of(html).startswith("**One** [1] line# Two <b>xxx")


def test_an_empty_text_is_empty() -> None:
    assert render_text("") == render_line("") == rendered(" \n ") == ""
