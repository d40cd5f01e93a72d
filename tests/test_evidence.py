"""What counts as a source, how its number follows it into the run, and which citations of an answer hold."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion_graph.evidence import check_citations, renumbered, sources_in
from fusion_graph.schemas import SeatResult, Source
from fusion_graph.urls import canonical_url


def page(url: str, *, read: bool = False) -> Source:
    return {
        "key": canonical_url(url),
        "url": url,
        "title": "",
        "snippet": "",
        "published": "",
        "read": read,
        "text": "",
        "seats": [1],
        "retrieved_at": "",
        "sha256": "",
    }


def pages(count: int) -> list[Source]:
    return [page(f"https://pages.example/{number}", read=number % 2 == 1) for number in range(1, count + 1)]


def answer(content: str, *numbers: int) -> SeatResult:
    """A seat's answer whose n-th source is the run's page of the n-th given number."""
    return {
        "seat": 1,
        "model": "m",
        "name": "m",
        "content": content,
        "partial": False,
        "error": None,
        "sources": [canonical_url(f"https://pages.example/{number}") for number in numbers],
        "notes": [],
        "tool_calls_requested": 0,
        "tool_calls_executed": 0,
    }


def cited(text: str, count: int = 9) -> list[tuple[str, int | None]]:
    return [(citation["text"], citation["source"]) for citation in check_citations(text, pages(count))]


# Sources that tools report


def test_a_tools_sources_become_the_seats() -> None:
    artifact = {
        "sources": [
            {"url": "http://www.a.example/x?utm_source=y", "title": " A ", "snippet": "s", "read": True, "rank": 3},
            {"url": "https://b.example", "key": "own key", "published": "2024-05-01"},
        ]
    }

    assert sources_in(artifact, 2) == [
        {
            "key": "https://a.example/x",
            "url": "http://www.a.example/x?utm_source=y",
            "title": "A",
            "snippet": "s",
            "published": "",
            "read": True,
            "text": "",
            "seats": [2],
            "retrieved_at": "",
            "sha256": "",
        },
        {
            "key": "own key",
            "url": "https://b.example",
            "title": "",
            "snippet": "",
            "published": "2024-05-01",
            "read": False,
            "text": "",
            "seats": [2],
            "retrieved_at": "",
            "sha256": "",
        },
    ]


@pytest.mark.parametrize(
    "artifact",
    [
        None,
        [],
        "https://a.example",
        5,
        {},
        {"sources": None},
        {"sources": {"url": "https://a.example"}},
        {"sources": "https://a.example"},
        {"sources": [None, 5, "https://a.example", [], {}]},
        {"sources": [{"title": "no url"}, {"url": None}, {"url": ""}, {"url": " "}, {"url": ["https://a.example"]}]},
    ],
)
def test_anything_else_is_no_source(artifact: Any) -> None:
    assert sources_in(artifact, 1) == []


def test_fields_of_a_wrong_type_are_left_empty() -> None:
    item = {"url": "https://a.example", "key": 7, "title": {"x": 1}, "snippet": None, "published": 2024, "read": "no"}

    (source,) = sources_in({"sources": [item]}, 1)

    assert source == page("https://a.example") | {"key": "https://a.example/"}


# The seat's numbers become the run's


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("So it is [1].", "So it is [7]."),
        ("So it is[1].", "So it is[7]."),
        ("Both [1][2] say", "Both [7][3] say"),
        ("Both [1] [2] say", "Both [7] [3] say"),
        ("Both [1, 2] and [2;1]", "Both [7, 3] and [3, 7]"),
        ("All [1-3]", "All [7, 3, 5]"),
        ("All [1–3], [1]–[3], [1] — [3]", "All [7, 3, 5], [7, 3, 5], [7] — [5]"),  # noqa: RUF001 -- as models write
        ("Some [1, 2-3]", "Some [7, 3, 5]"),
        ("Some [1, 2]-[3]", "Some [7, 3, 5]"),
        ("Backwards [3-1]", "Backwards [5, 7]"),
        ("Twice [1, 1]", "Twice [7]"),
        ("[2]: https://pages.example/3", "[3]: https://pages.example/3"),
        ("研究表明[1]因此[2]。", "研究表明[7]因此[3]。"),
        ("**so**[1]_and_[2] _so [3]_", "**so**[7]_and_[3] _so [5]_"),
        ("`code`[1]", "`code`[7]"),
        ("in 2024[1], GPT-5[2], (both)[3], a list[1]", "in 2024[7], GPT-5[3], (both)[5], a list[7]"),
        ("[ 1 ] and [1 , 2 ]", "[7] and [7, 3]"),
        ("\u30101\u3011, \uff3b2\uff3d, \u30143\u3015, [1\u3011", "[7], [3], [5], [7]"),
        ("\uff3b\uff11\uff0c\uff12\uff3d\u30101\u30013\u3011", "[7, 3][7, 5]"),
        ("表明\u30101\u3011The x\u30102\u3011(so)", "表明[7]The x[3](so)"),
        ("\\`[1]\\` and\n    ```\n[2]", "\\`[7]\\` and\n    ```\n[3]"),
    ],
)
def test_every_way_to_cite_gets_the_runs_numbers(content: str, expected: str) -> None:
    assert renumbered(answer(content, 7, 3, 5), pages(9)) == expected


@pytest.mark.parametrize(
    "content",
    [
        "array[1] and my_list[1] and x[1] and array[1][2] and argv[1] and rows[0][1]",
        "`code[1]` and ``a ` b [1]`` and `over\nlines [1]`",
        "```python\nx [1]\n```\n\n~~~~\n[1]\n~~~\n[2]\n~~~~",
        "- ```\n  [1]\n  ```\n> ```\n> [1]\n> ```",
        "An open fence runs to the end:\n```\n[1]\n\n[2]",
        "```inline [1]``` code",
        "[1](https://a.example) and ![1](https://a.example/i.png) and [text](https://a.example)",
        "a footnote [^1], an interval [0, 1], a scale [0-5], an index [0], a year [2024], pages [1000-1010]",
        "a reference [text][1], a word [one], an empty [], a task [x], a fraction [1/2], a decimal [1.5], [1 2], [-1]",
        r"\[1\] and [1-2-3] and [2]rotaxane and [1]st",
    ],
)
def test_what_cites_nothing_is_left_as_it_is(content: str) -> None:
    assert renumbered(answer(content, 7, 3, 5), pages(9)) == content
    assert [citation for citation in check_citations(content, pages(9)) if citation["text"].startswith("[")] == []


def test_prose_after_code_is_renumbered_again() -> None:
    content = "[1]\n```\n[1]\n```\n[1] `[1]` [1] an odd ` tick [1]\n\nand ` another [1]"

    assert renumbered(answer(content, 7), pages(9)) == (
        "[7]\n```\n[1]\n```\n[7] `[1]` [7] an odd ` tick [7]\n\nand ` another [7]"
    )


def test_a_number_without_a_source_of_the_run_becomes_a_question_mark() -> None:
    result = answer("[1] [2] [3] [1-3] [2, 3] [99]", 7, 100)

    assert renumbered(result, pages(9)) == "[7] [?] [?] [7, ?] [?] [?]"
    assert renumbered(answer("[1]"), []) == "[?]"


def test_a_span_too_wide_for_a_list_of_sources_cites_its_ends() -> None:
    assert renumbered(answer("[1-20] [1-21] [1-999]", *range(1, 22)), pages(30)) == (
        f"[{', '.join(map(str, range(1, 21)))}] [1, 21] [1, ?]"
    )


_PIECES = st.sampled_from(
    ["[1]", "[2]", "[1, 2]", "[1-3]", "[9]", "-", "–", " ", "\n", "\n\n", "`", "```\n", "word", "研究", "(", "x"]  # noqa: RUF001
)


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(_PIECES, max_size=25).map("".join))
def test_exactly_what_is_checked_is_renumbered_and_all_else_stays(content: str) -> None:
    spans = dict.fromkeys((citation["start"], citation["end"]) for citation in check_citations(content, pages(9)))
    around = [0, *(edge for span in spans for edge in span), len(content)]
    kept = [re.escape(content[start:end]) for start, end in zip(around[::2], around[1::2], strict=True)]

    changed = renumbered(answer(content, 4, 5, 6), pages(9))

    assert re.fullmatch(r"\[[4-6?, ]+\]".join(kept), changed)


# The answer's citations


def test_a_citation_says_where_it_stands_and_what_is_known_of_its_page() -> None:
    text = "Read [1], seen [2], made up [3]; https://pages.example/2 and https://elsewhere.example/x."

    assert [tuple(citation.values())[:6] for citation in check_citations(text, pages(2))] == [
        ("[1]", 5, 8, 1, "https://pages.example/1", "read"),
        ("[2]", 15, 18, 2, "https://pages.example/2", "seen"),
        ("[3]", 28, 31, None, None, "unverified"),
        ("https://pages.example/2", 33, 56, 2, "https://pages.example/2", "seen"),
        ("https://elsewhere.example/x", 61, 88, None, "https://elsewhere.example/x", "unverified"),
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[1][2]", [("[1]", 1), ("[2]", 2)]),
        ("[1, 2]", [("[1, 2]", 1), ("[1, 2]", 2)]),
        ("[2-4]", [("[2-4]", 2), ("[2-4]", 3), ("[2-4]", 4)]),
        ("[1]-[3]", [("[1]-[3]", 1), ("[1]-[3]", 2), ("[1]-[3]", 3)]),
        ("[8-10]", [("[8-10]", 8), ("[8-10]", 9), ("[8-10]", None)]),
        ("[1]: https://pages.example/1", [("[1]", 1), ("https://pages.example/1", 1)]),
        ("[1](https://pages.example/2)", [("https://pages.example/2", 2)]),
        ("[1][2](https://pages.example/3)", [("[1]", 1), ("https://pages.example/3", 3)]),
        ("https://pages.example/3 before [1]", [("https://pages.example/3", 3), ("[1]", 1)]),
        ("[[1]](https://pages.example/1)", [("[1]", 1), ("https://pages.example/1", 1)]),
        ("研究表明[1]。", [("[1]", 1)]),
        ("array[1] `x[1]`", []),
        ("", []),
    ],
)
def test_every_number_of_a_bracket_is_a_citation(text: str, found: list[tuple[str, int | None]]) -> None:
    assert cited(text) == found


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("See https://a.example/x.", "https://a.example/x"),
        ("(https://a.example/x), then", "https://a.example/x"),
        ("<https://a.example/x>", "https://a.example/x"),
        ("**https://a.example/x**", "https://a.example/x"),
        ("'https://a.example/x'!?", "https://a.example/x"),
        ("| https://a.example/x|y |", "https://a.example/x"),
        ("HTTPS://A.example/x", "HTTPS://A.example/x"),
        ("[text](https://a.example/x)", "https://a.example/x"),
        ('[text](https://a.example/x "title")', "https://a.example/x"),
        ("https://en.wikipedia.example/wiki/Fusion_(disambiguation)", None),
        (
            "(https://en.wikipedia.example/wiki/Fusion_(physics)/More)",
            "https://en.wikipedia.example/wiki/Fusion_(physics)/More",
        ),
        (
            "[t](https://en.wikipedia.example/wiki/Fusion_(physics))",
            "https://en.wikipedia.example/wiki/Fusion_(physics)",
        ),
        ("https://en.wikipedia.example/wiki/Moore's_law", None),
        ("https://a.example/?q=x,y;z&t=1:2#part", None),
        ("https://zh.wikipedia.example/wiki/维基百科", None),
        ("见https://a.example/x。下一句", "https://a.example/x"),
        ("（https://a.example/x）和", "https://a.example/x"),  # noqa: RUF001 -- full-width, as Chinese is written
        ("“https://a.example/x”", "https://a.example/x"),
    ],
)
def test_a_link_ends_where_a_reader_sees_it_end(text: str, link: str | None) -> None:
    (citation,) = check_citations(text, [])

    assert citation["text"] == citation["url"] == (link or text)
    assert text[citation["start"] : citation["end"]] == citation["text"]


def test_a_link_inside_chinese_text_is_known_by_its_source() -> None:
    assert cited("见https://pages.example/2的文章") == [("https://pages.example/2", 2)]
    assert cited("见https://elsewhere.example/的") == [("https://elsewhere.example/的", None)]
    assert check_citations("https://zh.example/维基", [page("https://zh.example/%E7%BB%B4%E5%9F%BA")])[0]["source"] == 1


def test_a_link_that_is_its_own_text_counts_once_and_one_that_is_repeated_each_time() -> None:
    url = "https://pages.example/1"

    assert cited(f"[{url}]({url})") == [(url, 1)]
    assert [citation["start"] for citation in check_citations(f"{url} {url}", pages(1))] == [0, 24]


def test_another_spelling_of_an_address_is_the_same_source() -> None:
    (citation,) = check_citations("http://www.pages.example:80/%31#part", pages(1))

    assert (citation["source"], citation["url"], citation["status"]) == (1, "https://pages.example/1", "read")


@pytest.mark.parametrize(
    ("link", "source"),
    [
        ("https://pages.example/1?utm_source=feed&b=2", 1),
        ("https://pages.example/1?b=2", 1),
        ("https://pages.example/1?b=2&utm_content=1932", None),
        ("https://pages.example/1?b=2&utm_source=1932", None),
        ("https://pages.example/1?b=2&utm_source=feed&utm_source=feed", None),
        ("https://1932@pages.example/1?b=2", None),
        ("https://:1932@pages.example/1?b=2", None),
    ],
)
def test_a_link_that_says_more_than_the_source_does_is_not_the_source(link: str, source: int | None) -> None:
    (citation,) = check_citations(link, [page("https://pages.example/1?utm_source=feed&b=2")])

    assert citation["source"] == source


def test_a_papers_address_carries_nothing_either() -> None:
    paper = page("https://arxiv.org/abs/2602.11685")

    found = check_citations("https://arxiv.org/pdf/2602.11685v2 https://arxiv.org/abs/2602.11685?q=1932", [paper])

    assert [citation["source"] for citation in found] == [1, None]


def test_a_document_of_a_local_folder_can_be_linked_to() -> None:
    document = page("local://notes/the%20bridge.md") | {"key": "local://notes/the bridge.md"}

    assert check_citations("[notes](<local://notes/the bridge.md>)", [document])[0]["source"] == 1


# What a renderer links to or loads


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"[more](https\://evil.example/?q)", [(r"https\://evil.example/?q", "https://evil.example/?q")]),
        ("![](https&colon;//evil.example/p)", [("https&colon;//evil.example/p", "https://evil.example/p")]),
        ("![](//evil.example/p) //evil.example", [("//evil.example/p", "https://evil.example/p")]),
        ("[more](https:evil.example)", [("https:evil.example", "https:evil.example")]),
        ("[more](<ftp://evil.example/a b> 't')", [("ftp://evil.example/a b", "ftp://evil.example/a b")]),
        ("[j](javascript:x) <data:x>", [("javascript:x", "javascript:x"), ("data:x", "data:x")]),
        ("[r][m]\n\n> [m]:\n> //evil.example 't'", [("//evil.example", "https://evil.example")]),
        ("[never used]: /page", [("/page", "/page")]),
        ("[](x.png) [here](#part) [none]()", [("x.png", "x.png")]),
        (
            "[![i](//i.example)](//l.example)",
            [("//i.example", "https://i.example"), ("//l.example", "https://l.example")],
        ),
        (r"[t](https://pages.example/1\?q)", [(r"https://pages.example/1\?q", "https://pages.example/1?q")]),
        (r"\`[t](https://evil.example)\`", [("https://evil.example", "https://evil.example")]),
        ("Blue.\n    ```\n[t](//evil.example)", [("//evil.example", "https://evil.example")]),
        ("- a\r\n  > b [t](//evil.example)\r\n", [("//evil.example", "https://evil.example")]),
        ('[a](b "](c)")', [("b", "b")]),
        ('[a](b "](c)](c)](c)](c)")', [('[a](b "](c)](c)](c)](c)")', "b")]),
        ("[a]: <b c>", [("[a]: <b c>", "b%20c")]),
        ("-\t\ta\n\n\t[t\n\t\tu](x)", [("\t[t\n\t\tu](x)", "x")]),
        ("`[t](//evil.example)` ![`[1]`](x)", [("x", "x")]),
        ("| a | b |\n|--|--|\n| `c | [t](//evil.example)` |", [("//evil.example", "https://evil.example")]),
        ("<img src='//evil.example/p'>", [("//evil.example/p", "https://evil.example/p")]),
        ("<a href=/\\evil.example\n title='a: b'>t</a>", [("/\\evil.example", "https://evil.example")]),
        (
            "<b style='background: url(//e.example)'><img srcset='//f.example 1x, //g.example 2x'>",
            [
                ("background: url(//e.example)", "https://e.example"),
                ("//f.example 1x, //g.example 2x", "https://f.example"),
                ("//f.example 1x, //g.example 2x", "https://g.example"),
            ],
        ),
        (
            "<div>\n<img/src=//e.example>\n<style>@import '//f.example';</style>",
            [("//e.example", "https://e.example"), ("//f.example", "https://f.example")],
        ),
        ("<p>at https://a.example.</p>", [("https://a.example", "https://a.example")]),
    ],
)
def test_whatever_a_renderer_links_to_or_loads_is_a_citation(text: str, found: list[tuple[str, str]]) -> None:
    citations = check_citations(text, [])

    assert [(citation["text"], citation["url"]) for citation in citations] == found
    assert {citation["status"] for citation in citations} == {"unverified"}
    assert all(text[citation["start"] : citation["end"]] == citation["text"] for citation in citations)


@pytest.mark.parametrize("before", ["[" * 50, ">" * 50, "- " * 50, "x" * 100_001], ids=["[", ">", "-", "long"])
@pytest.mark.parametrize(
    "link",
    [
        "[t](//evil.example)",
        "`[t](<//evil.example>)`",
        "\n[t]: //evil.example",
        "<img src=//evil.example>",
        "<ftp://e>",
    ],
)
def test_what_the_parser_would_leave_out_is_searched_without_it(before: str, link: str) -> None:
    citations = check_citations(before + link, [])

    assert [citation["url"] for citation in citations] == ["ftp://e" if "ftp" in link else "https://evil.example"]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50 + "[t](https://pages.example/1<1932)",
        "[" * 50 + "[t](https://pages.example/1((1932)))",
        "[" * 50 + "\n\n[t]: https://pages.example/1<1932",
        "<p>\n<img src=https://pages.example/1'1932>",
        "<p>x=' <img src=https:pages.example/1?1932 alt=''>",
        "<b style='background: url(https://pages.example/1;1932)'>",
        "<style>@import 'https://pages.example/1;1932';</style>",
    ],
)
def test_what_is_added_to_the_address_of_a_source_is_not_cut_off(text: str) -> None:
    assert {citation["status"] for citation in check_citations(text, pages(1))} == {"unverified"}


_MARKUP = st.sampled_from(
    [
        *(
            "[",
            "]",
            "(",
            ")",
            "<",
            ">",
            "!",
            "`",
            "```\n",
            "\n",
            "\n\n",
            "\r\n",
            " ",
            "    ",
            "\t",
            "> ",
            "- ",
            "1. ",
            "|",
        ),
        *(
            "//",
            "https://",
            "https:",
            "&colon;",
            "&#x110000;",
            "\\",
            "\ud800",
            "\x00",
            "%",
            "維",
            "http://[::1",
            "xn--a",
        ),
        *("[a]: ", "<a href=", "'", '"', "<style>", "url(", "|-|-|\n", "=", "\u2028", "x", "[1]", "\u30101\u3011"),
    ]
)


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(_MARKUP, max_size=30).map("".join))
def test_any_text_can_be_checked_and_each_citation_is_where_it_says(content: str) -> None:
    citations = check_citations(content, pages(1))

    assert all(content[c["start"] : c["end"]] == c["text"] != "" for c in citations)


@pytest.mark.parametrize(
    "text", ["https://", "https://.", "http://)", "ftp://a.example", "www.a.example", "a.example/x"]
)
def test_what_is_no_full_web_address_is_no_link(text: str) -> None:
    assert check_citations(text, []) == []


@pytest.mark.parametrize(
    "text", ["```\nhttps://a.example [1]\n```", "`https://a.example [1]`", "~~~\nhttps://a.example"]
)
def test_code_cites_nothing(text: str) -> None:
    assert check_citations(text, pages(1)) == []


@pytest.mark.parametrize(
    "text",
    [
        "[1" * 50_000,
        "[1]" * 30_000,
        "`" * 100_000,
        "` `` " * 20_000,
        "https://a(" * 10_000,
        "[1," * 30_000,
        "[1" + " " * 100_000,
        "```\n" * 25_000,
        "![" * 50_000,
        "![a](" * 20_000,
        ("![" * 7 + "a" + "](b)" * 7 + " ") * 1_000,
        "[a\n" * 30_000,
        "[[" + "](a[" * 10_000 + "](b)",
        "](a" * 70_000,
        "]:" * 70_000,
        "<p>\n" + "a=" * 40_000,
        "<style>" + "url(" * 20_000,
        "<p>\n" + "/a=" * 30_000,
        "<p>\n" + "a='" * 30_000,
    ],
)
@pytest.mark.timeout(90)  # minutes, if it took the square of the text
def test_hostile_text_is_checked_and_what_is_found_in_it_stands_there(text: str) -> None:
    found = check_citations(text, pages(3))

    assert all(text[citation["start"] : citation["end"]] == citation["text"] for citation in found)
