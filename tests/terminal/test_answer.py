"""The result in words: Markdown for a pipe, a page for a reader, and what stderr says around it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion_graph.terminal import answer_text, clean, closing_lines, cost_table, opening_lines, runs_table, tool_lines
from fusion_graph.terminal.page import print_page
from tests.samples import entry
from tests.terminal.samples import RUN, console, drawn, result

FAILED = [{"seat": 2, "model": "vendor/two", "error": "no such model", "status_code": 404}]


def page(told: dict[str, Any], width: int = 80) -> str:
    paper = console(width)
    print_page(told, paper)
    return "\n".join(line.rstrip() for line in drawn(paper).split("\n"))


def citation(text: str, **fields: Any) -> dict[str, Any]:
    return {"text": text, "start": 0, "end": 1, "source": 1, "url": None, "status": "read", **fields}


def test_disagreements_come_before_sources_and_each_source_has_its_state() -> None:
    told = result(citations=[citation("[1]"), citation("[2]", source=2, status="seen")])
    text, shown = answer_text(told), page(told)

    assert text == (
        "It opened [1].\n\n"
        "## Disagreements\n- the span\n  - 1 vendor/one: 503 m\n  - 2 vendor/two: 504 m\n\n"
        "## Sources\n1. About a <https://pages.example/a> (read)\n"
        "2. About b <https://pages.example/b> (only found, not read)"
    )
    assert shown.rstrip().split("\n") == [
        "",
        "It opened [1].",
        "",
        "Disagree   the span",
        "             1 vendor/one: 503 m",
        "             2 vendor/two: 504 m",
        "",
        "Sources    1 About a https://pages.example/a (read)",
        "           2 About b https://pages.example/b (only found, not read)",
    ]


def test_a_page_that_was_neither_read_nor_cited_is_counted_only() -> None:
    text, shown = answer_text(result()), page(result())

    assert text.endswith("(read)\n\n- 1 more page only found, neither read nor cited")
    assert shown.rstrip().endswith("(read)\n           1 more page only found, neither read nor cited")


def test_a_model_that_sits_twice_is_given_no_seat_that_it_may_not_have_spoken_from() -> None:
    told = result()
    for response in told["responses"]:
        response["model"] = "vendor/one"

    assert "  - vendor/one: 503 m\n" in answer_text(told)


@pytest.mark.parametrize("form", [answer_text, page])
def test_what_does_not_hold_is_under_the_sources(form: Any) -> None:
    told = result(
        citations=[
            citation("[9]", status="unverified", source=None),
            citation("[1]", support="not_found", missing=['"the quoted words"', "1933"]),
            citation("[1]", support="not_found", missing=['"the quoted words"']),
            citation("[2]", support="not_found", missing=["1933"], source=2),
            citation("[3]", support="supported", missing=[], source=3),
            citation("[2]"),
        ]
    )

    text = form(told)

    assert "Not verified: no tool of this run saw [9]" in text
    assert text.count('Not found in [1]: "the quoted words"') == 1
    assert "Not found in [1], [2]: 1933" in text
    assert "[3]" not in text


def test_the_words_of_models_and_pages_are_no_markdown_beside_the_answer() -> None:
    image = "![](https://evil.example/p.png)"
    told = result(citations=[citation("<//evil.example>", status="unverified", source=None)])
    told["sources"][0] |= {"title": f"{image} & <b>AT&amp;T</b> snake_case *x* _y_ `z` [1] [1](b)"}
    told["sources"].append(
        {**told["sources"][0], "number": 3, "title": "1. www.evil.example", "url": f"https://a {image}"}
    )
    told["sources"].append({**told["sources"][0], "number": 4, "title": "", "url": "javascript:alert(1)"})
    told["analysis"]["contradictions"][0]["topic"] = f"# {image}"
    told["responses"][0]["model"] = told["analysis"]["contradictions"][0]["stances"][0]["model"] = image

    lines = answer_text(told).split("\n")

    assert lines[3:5] == [
        r"- \# !\[\](https\://evil.example/p.png)",
        r"  - 1 !\[\](https\://evil.example/p.png): 503 m",
    ]
    assert lines[8] == (
        r"1. !\[\](https\://evil.example/p.png) & \<b>AT\&amp;T\</b> snake_case \*x\* \_y\_ \`z\` [1] \[1\](b) "
        "<https://pages.example/a> (read)"
    )
    assert lines[9:11] == [
        r"3. 1\. www\.evil.example https\://a !\[\](https\://evil.example/p.png) (read)",
        "4. javascript:alert(1) (read)",
    ]
    assert lines[-1] == r"- Not verified: no tool of this run saw \<//evil.example>"
    assert image in page(told, 200)


def test_stderr_says_before_the_answer_how_it_came_short_and_what_to_do() -> None:
    degraded = result(
        status="degraded",
        reasons=["seat 2 (vendor/two) failed: no such model"],
        failed_models=FAILED,
        responses=result()["responses"][:1],
    )

    assert opening_lines(result()) == []
    assert opening_lines(degraded) == [
        "warning: degraded answer: seat 2 (vendor/two) failed: no such model",
        "hint: ask the failed seats again: fusion runs fork 7f3a1234 --retry-failed",
    ]
    assert opening_lines({**degraded, "status": "error"})[0].startswith("error: seat 2")
    assert opening_lines(result(status="stopped", reasons=["the run has not finished"])) == [
        "warning: stopped: the run has not finished",
        "hint: go on with: fusion runs resume 7f3a1234",
    ]
    assert all(len(line) <= 40 for line in opening_lines(degraded, width=40))


def test_the_last_line_has_the_figures() -> None:
    degraded = result(status="degraded", responses=result()["responses"][:1])

    assert closing_lines(result(), 108.4) == [
        "answered · 1:48 · 2 of 2 seats · $0.50 · 2 sources, 1 read · fusion runs show 7f3a1234"
    ]
    assert closing_lines(degraded)[0].startswith("degraded answer · 1 of 2 seats · $0.50")
    assert closing_lines(result(demo=True))[0] == "offline demo: no language model"
    assert closing_lines(result(), 108.4, width=80) == [
        "answered · 1:48 · 2 of 2 seats · $0.50 · 2 sources, 1 read",
        "fusion runs show 7f3a1234",
    ]


def test_a_fork_says_what_it_paid_and_what_its_answer_cost() -> None:
    told = result()
    told["usage"]["calls"] = [entry(0.4, run_id="parent", seat=1, role="panelist"), entry(0.07, run_id=RUN)]

    assert "$0.0700 (in all $0.47)" in closing_lines(told)[0]
    assert " ".join(cost_table(told)[1].split()) == "earlier of the run this one goes back to 100 20 $0.40"


def test_what_seats_used_their_tools_for_is_told_with_what_was_not_run() -> None:
    used = [
        {"seat": 1, "model": "a", "requested": 3, "executed": 3, "by_tool": {"web_search": 1, "web_fetch": 2}},
        {"seat": 2, "model": "b", "requested": 5, "executed": 4, "by_tool": {"web_search": 4}},
        {"seat": 3, "model": "c", "requested": 0, "executed": 0, "by_tool": {}},
    ]

    lines = tool_lines({"usage": {"tools": used}}, 50)

    assert lines == ["tools: seat 1 web_search 1 + web_fetch 2, seat 2", "  web_search 4 + 1 not run"]
    assert tool_lines({"usage": {}}) == []


def test_the_cost_table_has_a_line_per_call_in_the_order_of_a_run_and_unknown_is_not_nothing() -> None:
    told = result()
    refused = {"kind": "not_found", "message": "no", "status_code": 404}
    told["usage"]["calls"] = [
        entry(None, run_id=RUN, role="writer", model="vendor/writer"),
        entry(0.25, run_id=RUN, role="panelist", seat=2, model="vendor/two"),
        entry(0.0, run_id=RUN, role="panelist", seat=1, model="vendor/one", tokens=None, error=refused),
        entry(None, run_id=RUN, model="vendor/judge", tokens=None, duration_seconds=None, outcome=None),
    ]

    assert cost_table(told) == [
        "CALL    MODEL                       IN  OUT   TIME            COST",
        "seat 1  vendor/one: 404 not found    -    -  2.0 s           $0.00",
        "seat 2  vendor/two                 100   20  2.0 s           $0.25",
        "judge   vendor/judge: stopped        -    -                unknown",
        "writer  vendor/writer              100   20  2.0 s         unknown",
        "total   4 calls                    200   40         at least $0.25",
    ]
    assert all(len(line) <= 64 for line in cost_table(told, 64))
    assert "404 not found" in "\n".join(cost_table(told, 64))


def test_a_table_of_runs_cuts_questions_to_the_terminal() -> None:
    row = {"run_id": RUN, "status": "ok", "seats": "2/3", "created_at": 0.0, "question": "Why? " * 40}
    unknown = {**row, "cost_usd": None, "cost_is_lower_bound": True}
    bound = {**row, "cost_usd": 0.21, "cost_is_lower_bound": True}

    whole, narrow = runs_table([unknown, bound]).splitlines(), runs_table([unknown, bound], 80).splitlines()

    assert whole[1].startswith("7f3a1234  ok      2/3    unknown   ")
    assert ">= $0.21" in whole[2]
    assert whole[2].endswith("Why?")
    assert all(len(line) <= 80 for line in narrow)
    assert narrow[2].endswith("…")


# What the page does with Markdown


def test_nothing_of_the_answer_is_swallowed() -> None:
    text = (
        "List<int> and <b>html</b>\n\n![a picture](https://x.example/p.png)\n\n[a link](https://x.example/a) [1]\n\n"
        "<https://x.example/auto>\n\n[1]: https://x.example/reference\n\n<div>block</div>\n\n:smile: [bold]x[/bold]"
    )

    shown = page(result(answer=text), 200)

    for part in (
        "List<int> and <b>html</b>",
        "a picture (https://x.example/p.png)",
        "a link (https://x.example/a) [1]",
        "<https://x.example/auto>",
        "[1]: https://x.example/reference",
        "<div>block</div>",
        ":smile: [bold]x[/bold]",
    ):
        assert part in shown


def test_a_control_that_hides_in_an_entity_is_stripped_too() -> None:
    shown = page(
        result(answer="&#x202e;evil &#27;[2J &#x9b;2J `\x1b[2J`\n\n```\n\x1b[2Jcode\u202e\n```\n\n# \x9b2Jhead")
    )

    assert not any(mark in shown for mark in "\x1b\x9b\u202e")


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(alphabet="# *_`[]()<>&;!|\\-\n\tax1\x1b\x9b\x07\u202e\ud800:/.~>{}$", max_size=60))
def test_any_answer_can_be_drawn_and_none_steers_the_terminal(text: str) -> None:
    shown = page(result(answer=text))

    assert not any(mark in shown for mark in "\x1b\x9b\x07\u202e\ud800")


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x07", "link"),
        ("\x1b]0;title, and no end\nnext line", "0;title, and no end\nnext line"),
        ("\x1bP1$rdevice\x1b\\control", "control"),
        ("\x1b\x1b[2J[2J", "[2J"),
        ("a\u202eb\u2066c\u200fd\U000e0041", "abcd"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("half \ud83d", "half "),
    ],
)
def test_clean_takes_out_what_steers_and_leaves_what_is_said(said: str, left: str) -> None:
    assert clean(said) == left
