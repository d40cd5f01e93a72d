"""The report of an evaluation, as HTML and as Markdown: the same facts, nothing made up, and nothing run or loaded."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from resiliparse.parse.html import HTMLTree

from fusion_graph.characters import visible
from fusion_graph.evaluation.report import render_html, render_markdown, words, write_report
from fusion_graph.evaluation.report.charts import MARKS
from fusion_graph.evaluation.shapes import Results
from tests.evaluation.figures import (
    ENTRIES,
    HOSTILE,
    NONE,
    Entry,
    comparison,
    estimate,
    in_pairs,
    published,
    results,
    share,
)

Tables = list[list[list[str]]]


def tree(html: str) -> Any:
    return HTMLTree.parse(html).document


def of_markdown(text: str) -> Any:
    return tree(shown(text))


def shown(text: str) -> str:
    """Return Markdown as its readers have it, in HTML."""
    return str(MarkdownIt("commonmark").enable("table").render(text))


def tables(page: Any) -> Tables:
    return [
        [[_words(cell) for cell in row.query_selector_all("th, td")] for row in table.query_selector_all("tr")]
        for table in page.query_selector_all("table")
    ]


def _words(node: Any) -> str:
    return " ".join(node.text.split())


def told(found: Results) -> str:
    """Return all that the HTML says, and check that the Markdown's tables are the same."""
    page, other = tree(render_html(found)), of_markdown(render_markdown(found))
    assert tables(page) == tables(other)
    return _words(page.query_selector("body"))


def section(found: Results, title: str) -> str:
    """Return what a section of the Markdown says, "" if there is none."""
    _, _, rest = render_markdown(found).partition(f"\n## {title}\n")
    return rest.partition("\n## ")[0]


def row(found: Results, target: str, *, table: int = 0) -> dict[str, str]:
    """Return what a table says of a target, by column."""
    head, *rows = tables(of_markdown(render_markdown(found)))[table]
    return next(dict(zip(head, each, strict=True)) for each in rows if each[1] == target)


def changed(found: Results, name: str, **figures: Any) -> Results:
    """Return results in which one target has other figures."""
    targets = [target | figures if target["name"] == name else target for target in found["targets"]]
    return found | {"targets": targets}  # type: ignore[return-value]


# One file, and nothing else


@pytest.mark.parametrize("found", [results(), in_pairs()], ids=["scores", "pairs"])
def test_the_page_loads_nothing_and_runs_nothing(found: Results) -> None:
    html = render_html(found)

    page = tree(html)

    assert not page.query_selector_all("script, img, iframe, object, embed, form, base, [style], [onload], [onerror]")
    assert [link.getattr("href") for link in page.query_selector_all("link")] == ["data:,"]
    assert all(link.getattr("href").startswith("#") for link in page.query_selector_all("a"))
    assert not re.search(r"url\(|@import|https?:", html)
    assert len(html) < 300_000


def test_its_policy_allows_its_own_style_and_nothing_else() -> None:
    page = tree(render_html(results()))

    style = page.query_selector("style").text
    policy = page.query_selector("meta[http-equiv]").getattr("content")

    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"style-src 'sha256-{digest}'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy


def test_links_lead_to_sections_and_headings_leave_no_level_out() -> None:
    page = tree(render_html(results()))

    ids = [node.getattr("id") for node in page.query_selector_all("[id]")]
    links = [link.getattr("href") for link in page.query_selector_all("nav a")]

    assert links == [f"#{each}" for each in ids]
    assert len(set(ids)) == len(ids)
    levels = [int(node.tag[1]) for node in page.query_selector_all("h1, h2, h3, h4")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_both_files_are_written_and_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    write_report(results(tasks=3, name="the first"), folder)

    paths = write_report(results(tasks=3, name="the second"), folder)

    assert paths == [folder / "report.html", folder / "report.md"]
    assert sorted(folder.iterdir()) == sorted(paths)
    assert all("the second" in path.read_text("utf-8") for path in paths)


def test_a_report_that_cannot_be_made_leaves_the_old_one(tmp_path: Path) -> None:
    paths = write_report(results(tasks=3, name="the first"), tmp_path)
    broken: Any = results(tasks=3) | {"targets": [{}]}

    with pytest.raises(KeyError):
        write_report(broken, tmp_path)

    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert all("the first" in path.read_text("utf-8") for path in paths)


def test_the_same_figures_make_the_same_report() -> None:
    assert render_html(results()) == render_html(results())


# The same facts in both


@pytest.mark.parametrize(
    "found",
    [
        results(),
        results(ENTRIES[:3], tasks=12, is_simulated=True, unfinished=["2 tasks are missing: fusion draco run"]),
        in_pairs(),
        results(ENTRIES[:1], tasks=1, comparisons=[]),
    ],
    ids=["all", "few", "pairs", "one"],
)
def test_markdown_says_what_the_page_says(found: Results) -> None:
    page, other = tree(render_html(found)), of_markdown(render_markdown(found))

    assert tables(page) == tables(other)
    for kind in ("h1", "h2", "h3", "section > p", "section > ul > li"):
        mine = {_words(node) for node in page.query_selector_all(kind)} - CHARTS_ONLY
        assert mine <= {_words(node) for node in other.query_selector_all(kind.split(" > ")[-1])}


# How to read what Markdown has not.
CHARTS_ONLY = {
    "Up is better, left is cheaper. An arrow marks a cost known in part only: the target may lie further right.",
    "Up is better, left is faster.",
    "All charts have the same scale.",
    *MARKS.values(),
}


# What comes from outside


def hostile(name: str) -> Results:
    """Return results in which everything that comes from outside has this name."""
    entries = [Entry(name, "fusion", 60, 0.5, 10, published(50)), Entry(f"{name}2", "solo", 55, 0.4, 9)]
    found = results(entries, tasks=22, name=name, unfinished=[name])
    found["dataset"] |= {"name": name, "source": name, "revision": name, "domains": {name: 22, f"{name}2": 0}}
    found["protocol"] |= {"name": name, "model": name}
    found["manifest"] |= {"at": name, name: name}
    found["spent"]["by_role"] = {name: 1.0}
    for target in found["targets"]:
        target["axes"] = target["domains"] = {name: target["own"], f"{name}2": target["own"]}
        target["cost_by_role"] = {name: 0.1}
    for each in found["tasks"]:
        each["task"] = each["domain"] = name
        each["leaks"] = {name: [name]}
    return found


class Elements(HTMLParser):
    """The elements of a document, each with the names of its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, ...]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, *(name for name, _ in attrs)))


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_outside_are_text_on_the_page(name: str) -> None:
    plain, html = render_html(hostile("north")), render_html(hostile(name))

    page = tree(html)

    assert Elements(html).found == Elements(plain).found
    assert page.query_selector("h1").text == visible(name)
    assert tables(page)[0][1][1] == " ".join(visible(name).split())
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b]", html)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_outside_are_text_in_markdown(name: str) -> None:
    plain, html = (shown(render_markdown(hostile(each))) for each in ("north", name))

    page = tree(html)

    assert Elements(html).found == Elements(plain).found
    assert _words(page.query_selector("h1")) == " ".join(visible(name).split())
    assert tables(page) == tables(tree(render_html(hostile(name))))


def test_a_manifest_cannot_leave_its_fence() -> None:
    found = results(tasks=2, manifest={"at": "today", "prompt": "```\n# no heading\n````"})

    page = of_markdown(render_markdown(found))

    assert "# no heading" in page.query_selector_all("pre code")[-1].text
    assert "no heading" not in [_words(node) for node in page.query_selector_all("h1")]


# The head


def test_the_head_names_what_was_measured_and_with_what() -> None:
    said = told(results(tasks=30))

    for fact in (
        "draco, 30 tasks",
        "ce076749809027649ebd331bcb70f42bf720d387",
        "e35bfe78cd827fa1d541b79fbc7bc7b91966d3227d8742c83e99d26d4ac4679a",
        "openrouter-2026-06-own, by gemini-3.1-pro-preview, gradings of each answer: 3, temperature 0.2, reasoning low",
        "5f1e0c1d" * 8,
        "2026-11-20T14:12:09Z",
        "at least $2604.18 in 171,204 calls",
    ):
        assert fact in said


def test_a_sample_is_called_one() -> None:
    found = results(tasks=10)
    found["dataset"]["sampled"] = {"n": 10, "seed": 7}

    assert "10 tasks, a sample (seed 7)" in told(found)


def test_simulated_models_and_unfinished_work_are_said_before_any_figure() -> None:
    found = results(
        tasks=12, is_simulated=True, unfinished=["2 tasks of north are missing: fusion draco run --out DIR"]
    )

    for said in (_words(tree(render_html(found)).query_selector("body")), render_markdown(found)):
        simulated, unfinished = said.index("nothing about language models"), said.index("2 tasks of north are missing")
        assert simulated < unfinished < said.index("Data set")
    assert "nothing about language models" not in told(results(tasks=12))


# The main table


def test_scores_come_with_interval_and_number_of_tasks_and_the_highest_first() -> None:
    found = results(ENTRIES[8:11], tasks=40)
    best = max(found["targets"], key=lambda target: target["own"]["mean"] or 0)
    own = best["own"]

    head, first, *_ = tables(tree(render_html(found)))[0]

    cells = dict(zip(head, first, strict=True))
    assert (cells["#"], cells["Target"]) == ("1", best["name"])
    assert cells["Score (95 % interval)"] == f"{own['mean']:.1f} ({own['low']:.1f} to {own['high']:.1f})"
    assert cells["n"] == "40"


def test_published_scores_say_so_in_their_own_column_and_mark() -> None:
    found = results([ENTRIES[8], ENTRIES[12]], tasks=10)

    assert row(found, "Opus 4.8")["Published"] == "published: 58.8 (100 tasks)"
    assert row(found, "Opus 4.8, best of 3")["Published"] == "none"
    assert "Published scores are from: the table of June 2026." in told(found)
    assert "published, not measured here" in _words(tree(render_html(found)).query_selector(".legend"))


@pytest.mark.parametrize(
    ("usd", "is_lower_bound", "said"),
    [
        (0.4123, False, "$0.41"),
        (0.0312, False, "$0.0312"),
        (0.4, True, "at least $0.40"),
        (None, True, "unknown"),
        (0.0, True, "unknown"),
        (0.0, False, "$0.00"),
        (0.00002, False, "under $0.0001"),
    ],
)
def test_a_cost_is_never_nothing_for_want_of_a_price(usd: float | None, is_lower_bound: bool, said: str) -> None:  # noqa: FBT001
    found = changed(results(ENTRIES[8:9], tasks=5), "Opus 4.8", cost_usd=usd, cost_is_lower_bound=is_lower_bound)

    assert row(found, "Opus 4.8")["Cost"] == said


def test_what_is_unknown_is_said_and_not_drawn() -> None:
    found = results([ENTRIES[8], ENTRIES[13]], tasks=10)

    assert section(found, "Score against cost").endswith(
        "a score or what it takes is unknown:\n\n- 1 openrouter/fusion\n"
    )
    scatter = next(svg for svg in drawings(found) if svg.query_selector("title").text == "Score against cost")
    assert [node.text for node in scatter.query_selector_all(".label")] == ["2 Opus 4.8"]


def test_one_task_has_no_interval() -> None:
    found = results(ENTRIES[8:9], tasks=1, comparisons=[])

    assert row(found, "Opus 4.8")["Score (95 % interval)"].endswith("(no interval)")
    assert not any(svg.query_selector_all(".between, .whisker") for svg in drawings(found))


def test_a_target_without_a_score_comes_last_and_has_no_dot() -> None:
    found = results(ENTRIES[8:11], tasks=5)
    nothing = dict.fromkeys(("own", "zero_filled", "common", "clean", "pass_rate"), NONE)
    found = changed(found, "Opus 4.8", **nothing, axes={}, domains={}, judge_noise=None)

    assert row(found, "Opus 4.8")["#"] == "3"
    assert row(found, "Opus 4.8")["Score (95 % interval)"] == "no score"
    assert row(found, "Opus 4.8")["Grader noise"] == "unknown"
    assert len(drawings(found)[0].query_selector_all("circle")) == 2


def drawings(found: Results) -> list[Any]:
    found_nodes: list[Any] = tree(render_html(found)).query_selector_all("svg[role=img]")
    return found_nodes


# Against one another


def test_a_difference_is_clear_only_after_correction() -> None:
    differences = {
        "clear": comparison("north", "south", [9.0, 11.0, 8.0, 9.5]),
        "worse": comparison("south", "north", [-9.0, -11.0, -8.0, -9.5]),
        "by chance": comparison("north", "south", [0.1, -0.2, 0.3]) | {"p": 0.03, "p_holm": 0.09},
        "alone": comparison("north", "south", []),
    }
    found = results([named("north"), named("south")], tasks=4, comparisons=list(differences.values()))

    said = tables(tree(render_html(found)))[2][1:]

    assert [each[2] for each in said] == ["A is better", "B is better", "may be chance", "too few tasks"]
    assert said[0][3:7] == ["+9.4 (+8.2 to +10.6)", "4", "under 0.001", "0.002"]
    assert said[1][3].startswith("\N{MINUS SIGN}9.4")
    assert said[3][3:7] == ["no common task", "0", "none", "none"]
    assert "2 of 4 differences are clear." in told(found)


def named(name: str, **more: Any) -> Entry:
    return Entry(name, "solo", 50, 0.1, 10, **more)


def test_how_to_read_tells_how_well_differences_are_known() -> None:
    wide = comparison("north", "south", [20.0, -20.0] * 6)
    found = results([named("north"), named("south")], tasks=12, comparisons=[wide])

    half = ((wide["difference"]["high"] or 0) - (wide["difference"]["low"] or 0)) / 2
    said = section(found, "How to read this")
    assert f"a difference of two targets is known to about {half:.1f} points up or down" in said
    assert "12 tasks can settle only large differences." in said


@pytest.mark.parametrize(("tasks", "many", "can_be_clear"), [(5, 1, False), (6, 1, True), (6, 2, False), (7, 3, True)])
def test_so_few_tasks_that_nothing_can_be_clear_are_called_too_few(tasks: int, many: int, can_be_clear: bool) -> None:  # noqa: FBT001
    differences = [comparison("north", "south", [9.0, 10.0] * 4)] * many
    for each in differences:
        each["difference"]["n"] = tasks
    found = results([named("north"), named("south")], tasks=tasks, comparisons=differences)

    assert ("too few tasks for any difference" in section(found, "How to read this")) != can_be_clear


def test_questions_without_rubrics_have_pairs_and_no_scores() -> None:
    found = in_pairs()

    said = told(found)

    assert tables(tree(render_html(found)))[0][0] == ["#", "Target", "Cost", "Time (median)", "90 % within"]
    assert "the tasks have no rubric" in said
    for absent in ("Score against cost", "By section of the rubric", "By domain", "Missing tasks", "Score with them"):
        assert absent not in said
    assert "answered" in section(found, "Every task")
    first = tables(tree(render_html(found)))[2][1]
    assert first[2:] == ["24", "15", "5", "4", "0", "0.019", "0.057", "79 % (63 to 95 %)"]


def test_a_single_domain_has_no_chart_of_its_own() -> None:
    found = results([named("north")], tasks=1, comparisons=[])

    assert section(found, "By domain") == ""
    assert section(found, "By section of the rubric") != ""


# What it took


def test_on_the_line_is_who_nothing_cheaper_matches() -> None:
    entries = [
        Entry("cheap", "solo", 40, 0.1, 10),
        Entry("good", "solo", 80, 0.2, 20),
        Entry("dear", "solo", 60, 0.9, 30),
        Entry("partly known", "solo", 60, 0.01, 40, is_lower_bound=True),
        Entry("unknown", "solo", 60, None, None),
    ]
    found = results(entries, tasks=60, comparisons=[])

    lines = {each[1]: each[-1] for each in _table(found, "On the line")}

    assert lines == {"cheap": "yes", "good": "yes", "dear": "no", "partly known": "no", "unknown": "no"}


def _table(found: Results, column: str) -> list[list[str]]:
    """Return the rows of the first table that has a column."""
    return next(rows for head, *rows in tables(tree(render_html(found))) if column in head)


def test_roles_have_their_columns_and_who_has_none_of_a_role_says_so() -> None:
    found = results([ENTRIES[2], ENTRIES[8]], tasks=5)
    found["targets"][0]["cost_by_role"]["judge"] = None

    rows = {each[1]: each[2:] for each in _table(found, "Grading")}

    assert rows == {
        ENTRIES[2].name: ["$0.94", "unknown", "$0.11", "$1.74"],
        "Opus 4.8": ["$0.47", "none", "none", "$1.74"],
    }
    assert "The whole evaluation took at least $2604.18." in told(found)


# Members


def test_the_ledger_of_members_is_in_words_with_its_cases() -> None:
    found = results(ENTRIES[2:3], tasks=100)
    found["members"][0] |= {"keep1": share(31, 50), "caught": share(0, 0), "correlation": -0.04}

    rows = {each[0]: each[1:] for each in _table(found, "Of the members")}
    said = section(found, "What the members brought")

    assert rows["Right points that one member alone made: kept in the answer"] == ["62 % (49 to 75 %)", "31 of 50"]
    assert rows["Errors that one member alone made: not in the answer"] == ["no such case", "0 of 0"]
    assert "correlate by \N{MINUS SIGN}0.04" in said
    assert "| seat 1: Opus 4.8 |" in said
    assert "| Bound: all right points of any member, no errors | 80.7" in said


def test_members_without_a_known_correlation_are_not_called_independent() -> None:
    found = results(ENTRIES[2:3], tasks=10)
    found["members"][0]["correlation"] = None

    assert "How far the members agree is unknown" in section(found, "What the members brought")


def test_without_members_there_is_no_ledger() -> None:
    assert "What the members brought" not in told(results(tasks=5, members=[]))


# Tasks


def test_the_ways_to_count_missing_tasks_are_told_apart_where_they_differ() -> None:
    entries = [named("picky", missing=dict.fromkeys(range(4), "refused")), named("steady")]
    found = results(entries, tasks=10, comparisons=[])
    assert conventions(found)[0][2:] != conventions(found)[1][2:]
    picky = found["targets"][0]["own"] | {"mean": 99.0}
    found = changed(found, "picky", own=picky)

    said = section(found, "Missing tasks, counted three ways")

    assert {each[1]: each[3].rpartition("n ")[2] for each in conventions(found)} == {"picky": "10", "steady": "10"}
    assert "Who leads depends on the way of counting" in said
    assert "- Completed: 1 picky" in said
    assert "- Missing as 0: 2 steady" in said
    assert section(results([named("steady")], tasks=10, comparisons=[]), "Missing tasks, counted three ways") == ""


def conventions(found: Results) -> list[list[str]]:
    return _table(found, "Missing as 0")


def test_endings_are_told_apart() -> None:
    missing: Any = {0: "refused", 1: "failed", 2: "timed_out", 3: "unverified"}
    found = changed(results([named("north", missing=missing)], tasks=10), "north", unscored=1)

    assert _table(found, "Refused") == [["1", "north", "6", "1", "1", "1", "1", "1", "99.7 %"]]
    assert [each[2].split()[-1] for each in _table(found, "Domain")[:4]] == ["refused", "failed", "out", "unverified"]


def test_leaks_are_told_with_scores_with_and_without_their_tasks() -> None:
    found = results([named("north"), named("south")], tasks=30, comparisons=[])

    without = {each[1]: each[2:] for each in _table(found, "Score without them")}

    assert without["north"][0] == "0"
    assert without["south"][0] == "1"
    assert [each.rpartition("n ")[2] for each in without["south"][1:]] == ["30", "29"]
    leak = "web_fetch, call 4: 'perplexity-ai/draco' on a page of a mirror"
    assert [[each[0], each[1].partition(" ")[2], each[2]] for each in _table(found, "What leaked")] == [
        ["draco-016", "south", leak]
    ]


def test_no_leak_is_said_in_a_sentence() -> None:
    assert "No contaminated task was found." in section(results(tasks=10), "Contamination")


def test_every_task_has_its_row() -> None:
    found = results([named("north"), named("south")], tasks=30, comparisons=[])

    rows = _table(found, "Domain")

    assert [each[0] for each in rows] == [each["task"] for each in found["tasks"]]
    south = next(number for number, each in enumerate(_table(found, "Published"), start=2) if each[1] == "south")
    assert [each[0] for each in rows if each[south].endswith("\N{DAGGER}")] == ["draco-016"]


# Figures in words


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (words.number(-0.04, signed=True), "0.0"),
        (words.number(3.25, signed=True), "+3.2"),
        (words.mean(estimate([4.0])), "4.0 (no interval)"),
        (words.percent(None), "unknown"),
        (words.share(share(3, 4) | {"low": None, "high": None}), "75 %"),
        (words.duration(None), "unknown"),
        (words.duration(0.0312), "0.031 s"),
        (words.duration(47.6), "48 s"),
        (words.duration(59.7), "1 min"),
        (words.duration(192), "3 min 12 s"),
        (words.probability(0.00099), "under 0.001"),
        (words.plain(0.05), "0.05"),
        (words.plain(0), "0"),
        (words.plain(1234.5), "1234"),
        (words.title_of("citation-quality"), "Citation quality"),
        (words.listed({"a": [1, 2], "b": None}), "a 1, 2, b not set"),
    ],
)
def test_figures_are_written_like_this(said: str, expected: str) -> None:
    assert said == expected
