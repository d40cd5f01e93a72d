"""GET .../details?format=markdown: a run as a document to keep."""

from tests.server.conftest import Serve, Served, judge_and_writer
from tests.server.contract.asking import refused
from tests.server.responses.asking import asked
from tests.server.responses.saying import ended
from tests.server.room.asking import get
from tests.server.room.researching import WRITTEN, researched
from tests.server.talk import held


def test_a_run_is_kept_as_a_document(serve: Serve) -> None:
    served, told = researched(serve)

    response = get(served, f"responses/{told['id']}/details", format="markdown")

    text = response.text
    run_id = told["id"].removeprefix("resp_")
    assert response.headers["content-type"] == "text/markdown; charset=utf-8"
    assert response.headers["content-disposition"] == f'attachment; filename="fusion-{run_id[:8]}.md"'
    assert text.startswith("# What is the answer?\n\nStatus: degraded · 2 of 3 seats answered · cost: unknown")
    headings = [line for line in text.split("\n") if line.startswith("## ")]
    assert headings == [
        "## Answer",
        "## Disagreements",
        "## Agreements",
        "## Said by some",
        "## Said by one",
        "## Not covered",
        "## Seat 1: north (answered)",
        "## Seat 2: south (answered)",
        "## Seat 3: east (failed)",
        "## Sources",
        "## Doubtful",
        "## Cost",
    ]
    assert WRITTEN in text
    assert "south found it [3]." in text
    assert "only one knows \\<b>this\\</b> (seat" in text or "only one knows \\<b>this" in text
    assert "<https://pages.example/north-0> (read)" in text
    assert "| total | " in text


def test_a_long_question_stands_whole_under_a_short_title(served: Served) -> None:
    told = asked(served, "Why *so*?\n\n" + "word " * 100)

    text = get(served, f"responses/{told['id']}/details", format="markdown").text

    title, rest = text.split("\n", 1)
    assert title.startswith("# Why \\*so\\*? word")
    assert len(title) < 140
    assert "## Question\n\nWhy *so*?\n\nword word" in rest


def test_a_document_of_a_run_under_way_says_so(serve: Serve) -> None:
    at_work, go, waits = held()
    served = serve(east=waits, judge=judge_and_writer)
    begun = asked(served, background=True)
    assert at_work.wait(20)

    text = get(served, f"responses/{begun['id']}/details", format="markdown").text
    go.set()

    assert "Status: running" in text
    assert "## Answer" not in text
    ended(served, begun["id"])


def test_another_format_is_refused(served: Served) -> None:
    told = asked(served, model="judge", plugins=None)

    assert refused(get(served, f"responses/{told['id']}/details", format="pdf"))["param"] == "format"
