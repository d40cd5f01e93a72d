"""A run as it goes, folded from its events: rows, states, details, figures, and the frame they make."""

from typing import Any

import pytest
from rich.cells import cell_len

from fusion_graph.calls import tries
from fusion_graph.schemas import Event
from fusion_graph.terminal import Progress, RunView, following, note
from fusion_graph.terminal.live import LiveView, short_name
from tests.samples import analysis, claim, entry, failed, seat_result
from tests.terminal.samples import RUN, SETTINGS, called, console, drawn, event, result

CITED = ["https://a.example", "https://b.example"]


def view_of(*events: Event, settings: dict[str, Any] | None = SETTINGS) -> RunView:
    view = RunView(RUN)
    view.introduce({"settings": settings, "usage": {"calls": []}, "failed_models": [], "responses": [], "sources": []})
    for each in (event("run_started"), *events):
        note(view, each)
    return view


def state(view: RunView, key: int | str = 1) -> tuple[str, str]:
    return view.rows[key].state, view.rows[key].detail


def frame(view: RunView, width: int = 80, now: float = 52.0) -> list[str]:
    paper = console(width)
    paper.print(LiveView(view, paper, clock_now=lambda: now).frame())
    return drawn(paper).splitlines()


def test_a_seat_waits_researches_answers_and_has_answered() -> None:
    asked = event("panelist_started", 1.0, seat=1, model="vendor/one")
    search = event("tool_called", 2.0, seat=1, tool="web_search", target="bridges")
    read = event("tool_called", 3.0, seat=1, tool="web_fetch", target="https://pages.example/bridge")
    speaks = event("panelist_delta", 4.0, seat=1, delta="It opened in ")
    ends = event("panelist_finished", 9.0, seat=1, model="vendor/one", result=seat_result(1, sources=CITED))
    view = view_of()
    seen = [state(view)]

    for each in (asked, search, read, speaks, ends):
        note(view, each)
        seen.append(state(view))

    assert seen == [
        ("waiting", ""),
        ("waiting", "for the model"),
        ("researching", "search: bridges"),
        ("researching", "read: pages.example/bridge"),
        ("answering", "4 words"),
        ("answered", "2 sources"),
    ]
    assert view.rows[1].seconds(now=99.0) == 8.0
    assert view.answered == 1


@pytest.mark.parametrize(
    ("ended", "shown", "answered"),
    [
        (seat_result(1, notes=["it answered early: the time is nearly over"]), "answered early", 1),
        (seat_result(1, "Half", error=failed("timeout", "cut")), "stopped", 1),
    ],
)
def test_an_early_and_a_cut_answer_are_told_apart(ended: Any, shown: str, answered: int) -> None:
    view = view_of(event("panelist_finished", seat=1, model="vendor/one", result=ended))

    assert view.rows[1].state == shown
    assert view.answered == answered


def test_a_seat_that_is_asked_again_says_why_and_a_failed_one_how_often_it_was_tried() -> None:
    limited = failed("rate_limited", "slow down", 429)
    first = called("c1", 1, 0.0, error=limited, outcome="rate_limited")
    third = called("c3", 1, 0.0, error=limited, outcome="rate_limited", attempt=3)
    view = view_of(first)
    waiting = state(view)

    note(view, third)
    note(view, event("panelist_failed", seat=1, model="vendor/one", result=seat_result(1, ""), error=limited))

    assert waiting == ("waiting", "retry 2 of 3 after 429 rate limited")
    assert state(view) == ("failed", "429 rate limited, 3 tries")
    assert view.answered == 0


def test_what_is_tried_again_is_what_calls_try_again() -> None:
    assert following.TRIES == tries.MAX_RETRIES + 1
    assert following._RETRIED == tries.RETRIED


def test_judge_and_writer_have_rows_of_their_own() -> None:
    found = analysis(consensus=[claim("a", 1), claim("b", 1)], contradictions=[])
    view = view_of(event("analysis_started", 1.0, item="analysis_1", model="vendor/judge"))
    comparing = state(view, "judge")

    note(view, event("analysis_finished", 3.0, item="analysis_1", analysis=found))
    next_up = state(view, "writer")
    note(view, event("answer_started", 4.0, item="answer_1"))
    note(view, event("answer_delta", 5.0, item="answer_1", delta="It opened in 1932."))
    writing = state(view, "writer")
    note(view, event("answer_finished", 6.0, item="answer_1", result="It opened in 1932."))

    assert (comparing, next_up) == (("comparing", "0 answers"), ("waiting", ""))
    assert state(view, "judge") == ("compared", "2 agree, 0 disagree")
    assert (writing, state(view, "writer")) == (("writing", "4 words"), ("written", "4 words"))


def test_text_that_is_taken_back_is_not_counted_and_a_missing_comparison_has_its_reason() -> None:
    view = view_of(
        event("analysis_started", 1.0, item="analysis_1", model="vendor/judge"),
        event("analysis_absent", 2.0, reason="judge_not_valid_json"),
        event("answer_started", 3.0, item="answer_1"),
        event("answer_delta", 4.0, item="answer_1", delta="one two three "),
        event("item_incomplete", 5.0, item="answer_1"),
        event("answer_started", 6.0, item="answer_2"),
        event("answer_delta", 7.0, item="answer_2", delta="four"),
    )

    assert state(view, "judge") == ("no comparison", "judge not valid json")
    assert state(view, "writer") == ("writing", "1 word")


def test_another_process_goes_on_with_finished_seats_and_asks_the_others_anew() -> None:
    view = view_of(
        event("panelist_finished", 9.0, seat=1, model="vendor/one", result=seat_result(1)),
        event("tool_called", 9.0, seat=2, tool="web_search", target="bridges"),
        event("failed", 10.0, reason="cancelled"),
    )
    stopped = view.rows[2].state

    again = view_of()
    again.introduce(result(responses=result()["responses"][:1]))
    note(again, event("run_started", 500.0))

    assert stopped == "stopped"
    assert [row.state for row in again.seats.values()] == ["answered", "waiting"]
    assert again.seconds(now=505.0) == 5.0


def test_only_what_this_run_paid_counts_as_spent_and_an_unknown_price_makes_it_a_lower_bound() -> None:
    view = view_of(called("c1", 1, 0.25), called("c2", 1, None), called("c1", 1, 0.25))
    view.calls["old"] = entry(5.0, run_id="of the run it was forked from", seat=2)

    assert view.spent == (0.25, True)
    assert view.cost_of(1).said == "at least $0.25"
    assert view.cost_of(2).said == "$5.00"


def test_the_line_above_names_preset_seats_models_and_run() -> None:
    quality = ["~anthropic/claude-opus-latest", "~openai/gpt-latest", "~google/gemini-pro-latest"]
    demo = {**SETTINGS, "panel": ["demo:careful", "demo:brisk"]}

    published = frame(view_of(settings={**SETTINGS, "panel": quality, "writer": "vendor/judge"}), 200)[0]
    budget = frame(view_of(settings={**SETTINGS, "max_cost_usd": 1.5}), 200)[0]
    offline = frame(view_of(settings=demo), 200)[0]
    alone = frame(view_of(settings={**SETTINGS, "mode": "never"}), 200)[0]
    unknown = frame(view_of(event("panelist_started", seat=1, model="demo:careful"), settings=None), 200)[0]

    assert published.rstrip() == "quality: 3 seats, judge and writer vendor/judge · run 7f3a1234"
    assert "own panel: 2 seats, judge vendor/judge, writer vendor/writer · budget $1.50 · run" in budget
    assert "offline demo: no language model" in offline
    assert "own panel: no panel, writer vendor/writer · run" in alone
    assert unknown.startswith("offline demo: no language model · run")


@pytest.mark.parametrize("width", [40, 80, 109, 110, 120])
def test_every_row_is_one_line_as_wide_as_the_terminal(width: int) -> None:
    view = view_of(
        event("tool_called", 9.0, seat=1, tool="web_fetch", target="https://pages.example/" + "very-long/" * 30),
        called("c1", 1, None),
        event("panelist_finished", 9.0, seat=2, model="vendor/two", result=seat_result(2, sources=CITED)),
    )

    rows = [line for line in frame(view, width) if line.startswith(("1", "2"))]

    assert len(rows) == 2
    assert all(cell_len(row) <= width for row in rows)
    assert ("120 tok" in rows[0]) == (width >= 110)


def test_a_row_at_80_columns_is_the_specified_one() -> None:
    view = view_of(
        event("panelist_started", 11.0, seat=1, model="vendor/one"),
        called("c1", 1, 0.12, tokens={"input": 1000, "cached": 0, "output": 204, "reasoning": 0}),
        event("panelist_finished", 52.0, seat=1, model="vendor/one", result=seat_result(1, sources=CITED)),
    )

    assert frame(view)[1] == "1  vendor/one              answered       1,204 tok, 2 sources     0:41    $0.12"


def test_names_too_long_for_their_column_lose_vendor_first() -> None:
    assert short_name("openai:gpt-latest") == "openai:gpt-latest"
    assert short_name("openrouter:anthropic/claude-opus-4.8") == "claude-opus-4.8"
    assert short_name("ollama:a-local-model:70b-q4") == "a-local-model:70b-q4"
    assert short_name("deepseek/deepseek-v4-pro-preview-2026") == "deepseek-v4-pro-previ…"


def test_nothing_that_is_told_steers_the_terminal_or_is_markup() -> None:
    evil = "\x1b[2J\x1b]8;;http://x\x07[red]\u202eevil\nline"
    view = view_of(
        event("panelist_started", seat=1, model=evil),
        event("tool_called", seat=2, tool=evil, target=evil),
        event("analysis_started", item="analysis_1", model=evil),
        settings={**SETTINGS, "panel": ["", "vendor/two"], "judge": evil},
    )
    paper = console()

    lines = frame(view)
    told = Progress(view).line(event("tool_called", seat=2, tool=evil, target=evil))
    paper.print(LiveView(view, paper).frame())

    assert not any(mark in "".join(lines) + str(told) for mark in ("\x1b", "\u202e", "\x07"))
    assert any("[red]evil line" in line for line in lines)
    assert told == "0:00 seat 2 [red]evil line: [red]evil line"


# One line per event


def told(*events: Event, settings: dict[str, Any] | None = SETTINGS) -> list[str | None]:
    progress = Progress(view_of(settings=settings))
    return [progress.line(each) for each in events]


def test_the_lines_of_a_log_say_what_the_rows_say() -> None:
    refused = failed("not_found", "no such model", 404)

    lines = told(
        event("run_started", 0.0),
        called("c1", 1, 0.25, at=2.0),
        event("panelist_finished", 41.0, seat=1, model="vendor/one", result=seat_result(1, sources=CITED)),
        called("c2", 2, 0.0, at=60.0, error=refused, outcome="not_found"),
        event("panelist_failed", 70.0, seat=2, model="vendor/two", result=seat_result(2, ""), error=refused),
        event("panelist_delta", 70.0, seat=1, delta="not a line"),
    )

    assert lines == [
        "0:00 run 7f3a1234 started: own panel: 2 seats, judge vendor/judge, writer vendor/writer",
        None,
        "0:41 seat 1 vendor/one answered: 120 tok, 2 sources, $0.25",
        "1:00 seat 2 vendor/judge, attempt 1: no such model",
        "1:10 seat 2 vendor/two failed: no such model",
        None,
    ]


def test_the_first_line_of_the_demo_says_what_it_is() -> None:
    demo = {**SETTINGS, "panel": ["demo:careful", "demo:brisk"]}

    known = told(event("run_started"), settings=demo)
    unknown = told(event("panelist_started", seat=1, model="demo:careful"), settings=None)

    assert str(known[0]).endswith("offline demo: no language model")
    assert unknown == ["0:00 seat 1 demo:careful is asked (offline demo: no language model)"]
