"""What a person sees: the `fusion` command in a terminal of 80 and of 120 columns, screen by screen.

The golden screens lie beside this file; FUSION_UPDATE_SNAPSHOTS=1 writes them anew. Run ids and times are replaced.
"""

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.forked import Forked
from tests.model_server import (
    Behaviour,
    ModelServer,
    Reply,
    Request,
    altered,
    by_model,
    everyone,
    fails,
    judge,
    labels,
    says,
    when,
)
from tests.terminal.emulator import CTRL_C, Terminal, settled

SCREENS = Path(__file__).parent / "screens"
UPDATE = os.environ.get("FUSION_UPDATE_SNAPSHOTS") == "1"
ASK = ("ask", "When did the bridge open, and how long is it?")
ROSTER = (
    "--panel",
    "openai:one,openai:vendor/a-model-with-a-very-long-name,openai:three",
    "--judge",
    "openai:judge",
    "--writer",
    "openai:writer",
)
TWO = "vendor/a-model-with-a-very-long-name"
ANSWER = """\
## In short

The bridge opened in **1932** after eight years of work [1], and the panel disagrees on its *span*:

- 503 metres between the bearings [1], which is the figure most often given in print and on the bridge itself
- 504 metres between the pylons [3]

| figure | source |
|--------|--------|
| 503 m  | [1]    |
| 504 m  | [3]    |

It cost ten million pounds [9]; see `<cost>` and https://nowhere.example/cost.
"""
CURSOR = re.compile(r"\x1b\[\?25[lh]")
COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?[39][0-7]m")

OpenWindow = Callable[..., Terminal]


@pytest.fixture
def window(forked: Forked, environ: Mapping[str, str]) -> Iterator[OpenWindow]:
    opened: list[Terminal] = []

    def open_window(columns: int = 80) -> Terminal:
        opened.append(Terminal(forked, environ, columns))
        return opened[-1]

    yield open_window
    for terminal in opened:
        terminal.close()


def priced(behaviour: Behaviour) -> Behaviour:
    return altered(behaviour, usage={"prompt_tokens": 1000, "completion_tokens": 200}, cost=0.0123)


def report(request: Request) -> dict[str, Any]:
    first, second, *_ = labels(request)
    stances = [{"answer": first, "stance": "503 metres [1]"}, {"answer": second, "stance": "504 metres [3]"}]
    return {
        "consensus": [{"point": "it opened in 1932", "answers": [first, second], "sources": [1]}],
        "contradictions": [{"topic": "the span of the bridge", "stances": stances, "better_supported": ""}],
        "unique_insights": [],
    }


GOOD: dict[str, Behaviour] = {"judge": priced(judge(report)), "writer": priced(says(ANSWER)), "*": priced(everyone)}
HELD = says("too late", delay=60.0)
# Seat 1 answers, seat 2 hangs after its first search, seat 3 is to come again in a minute: nothing moves but the clock.
UNDER_WAY: dict[str, Behaviour] = {
    TWO: when(lambda request: not request.called, priced(everyone), HELD),
    "three": fails(429, headers={"retry-after": "60"}),
    **GOOD,
}


def is_golden(name: str, screen: str) -> None:
    """Compare a screen with the one that is stored, or store it."""
    path = SCREENS / f"{name}.txt"
    if UPDATE:
        path.parent.mkdir(exist_ok=True)
        path.write_text(settled(screen), encoding="utf-8")
    assert settled(screen) == path.read_text(encoding="utf-8")


def stands_still(screen: str) -> bool:
    return "answered" in screen and "search: When" in screen and "retry 2 of 3" in screen


def run_id(terminal: Terminal) -> str:
    found = re.search(r"fusion runs resume (\w+)", terminal.text)
    assert found, terminal.text
    return found[1]


@pytest.mark.parametrize("columns", [80, 120])
def test_a_run_is_watched_stopped_and_resumed(window: OpenWindow, server: ModelServer, columns: int) -> None:
    terminal = window(columns)
    server.settings.behaviour = by_model(UNDER_WAY)

    terminal.start(*ASK, *ROSTER)
    running = terminal.until(stands_still)
    hidden_while_running = not terminal.shows_cursor
    terminal.press(CTRL_C)
    stopped = terminal.wait()

    assert hidden_while_running
    assert (stopped, terminal.shows_cursor) == (130, True)
    is_golden(f"running_{columns}", running)
    is_golden(f"stopped_{columns}", terminal.text)

    server.settings.behaviour = by_model(GOOD)
    run = run_id(terminal)
    terminal.screen.reset()
    resumed = terminal.run("runs", "resume", run)

    assert (resumed, terminal.shows_cursor) == (0, True)
    is_golden(f"resumed_{columns}", terminal.text)
    assert len(server.requests_of("one")) == 3  # what seat 1 answered was kept


@pytest.mark.parametrize("columns", [80, 120])
def test_a_finished_run_leaves_its_record_the_answer_and_what_it_cost(
    window: OpenWindow, server: ModelServer, columns: int
) -> None:
    terminal = window(columns)
    server.settings.behaviour = by_model(GOOD)

    code = terminal.run(*ASK, *ROSTER)

    assert (code, terminal.shows_cursor) == (0, True)
    is_golden(f"finished_{columns}", terminal.text)
    assert "\x1b[?1049h" not in terminal.written  # never the alternate screen: what was seen can be scrolled back to


@pytest.mark.parametrize("columns", [80, 120])
def test_a_degraded_answer_says_so_before_and_after_it(window: OpenWindow, server: ModelServer, columns: int) -> None:
    terminal = window(columns)
    server.settings.behaviour = by_model({"three": fails(404), **GOOD, "judge": says("I would rather not.")})

    code = terminal.run(*ASK, *ROSTER)

    assert code == 0
    is_golden(f"degraded_{columns}", terminal.text)


@pytest.mark.parametrize("columns", [80, 120])
def test_errors_name_the_value_and_the_remedy(window: OpenWindow, columns: int) -> None:
    terminal = window(columns)

    codes = [terminal.run(*ASK), terminal.run(*ASK, "--preset", "qualty"), terminal.run("runs", "show", "0000")]

    assert codes == [4, 2, 1]
    is_golden(f"error_{columns}", terminal.text)


def test_a_panel_that_fails_whole_is_an_error(window: OpenWindow, server: ModelServer) -> None:
    terminal = window(80)
    server.settings.behaviour = fails(402)

    code = terminal.run(*ASK, *ROSTER)

    assert code == 1
    is_golden("no_answer_80", terminal.text)


@pytest.mark.parametrize("columns", [80, 120])
def test_a_panel_to_be_approved_is_asked_about_at_the_terminal(
    window: OpenWindow, server: ModelServer, columns: int
) -> None:
    terminal = window(columns)

    server.settings.behaviour = by_model(GOOD)

    terminal.start(*ASK, *ROSTER, "--approve")
    terminal.until(lambda screen: "[e]dit" in screen)
    terminal.press(CTRL_C)
    assert terminal.wait() == 3
    is_golden(f"paused_{columns}", terminal.text)
    run = run_id(terminal)
    terminal.start("runs", "resume", run)
    terminal.until(lambda screen: screen.count("[e]dit") == 2)
    terminal.press("e\n")
    terminal.until(lambda screen: "panel [" in screen)
    terminal.press("openai:one, openai:three\n\n\n\n")

    assert terminal.wait() == 0
    assert "2 of 2 seats" in terminal.text
    assert not server.requests_of(TWO)


def test_a_second_ctrl_c_leaves_at_once_with_the_cursor_and_the_run_kept(
    window: OpenWindow, server: ModelServer, environ: Mapping[str, str]
) -> None:
    terminal = window(80)
    server.settings.behaviour = by_model(UNDER_WAY)
    terminal.start(*ASK, *ROSTER)
    terminal.until(stands_still)
    database = sqlite3.connect(Path(environ["FUSION_HOME"]) / "runs.db", isolation_level=None)
    database.execute("BEGIN IMMEDIATE")  # the first Ctrl-C cannot write its last checkpoint

    terminal.press(CTRL_C)
    terminal.until(lambda screen: "Ctrl-C again leaves now" in screen)
    terminal.press(CTRL_C)
    code = terminal.wait()
    database.close()

    assert (code, terminal.shows_cursor) == (130, True)
    server.settings.behaviour = by_model(GOOD)
    run = re.search(r"run (\w{8})", terminal.text)
    assert run
    assert terminal.run("runs", "resume", run[1]) == 0


def test_sigterm_stops_like_ctrl_c(window: OpenWindow, server: ModelServer) -> None:
    terminal = window(80)
    server.settings.behaviour = by_model(UNDER_WAY)
    terminal.start(*ASK, *ROSTER)
    terminal.until(stands_still)

    os.kill(terminal.pid, signal.SIGTERM)
    code = terminal.wait()

    assert (code, terminal.shows_cursor) == (130, True)
    assert "1 of 3 answers saved, at least $0.04" in terminal.text
    assert f"hint: go on with: fusion runs resume {run_id(terminal)}" in terminal.text


@pytest.mark.parametrize(
    ("options", "environ_of_run"),
    [([], {"CI": "true"}), ([], {"TERM": "dumb"}), (["--quiet"], {"CI": "1"}), (["--json"], {})],
)
def test_a_terminal_nobody_can_draw_on_gets_plain_lines(
    window: OpenWindow, server: ModelServer, options: list[str], environ_of_run: dict[str, str]
) -> None:
    terminal = window(80)
    server.settings.behaviour = by_model(GOOD)

    code = terminal.run(*ASK, *ROSTER, *options, environ={**environ_of_run, "FORCE_COLOR": "1"})

    assert code == 0
    assert "\x1b" not in terminal.written
    assert ("seat 1 openai:one answered: 3,600 tok, 3 sources, $0.0369" in terminal.text) == (not options)


def test_no_color_and_columns_are_honoured(window: OpenWindow, server: ModelServer) -> None:
    plain, coloured = window(120), window(120)
    server.settings.behaviour = by_model(GOOD)

    plain.run(*ASK, *ROSTER, environ={"NO_COLOR": "1", "COLUMNS": "80"})
    coloured.run(*ASK, *ROSTER)

    is_golden("finished_80", plain.text)
    assert CURSOR.search(plain.written)
    assert not COLOUR.search(plain.written)
    assert COLOUR.search(coloured.written)


def test_a_redirected_answer_is_raw_markdown_under_a_live_view(
    window: OpenWindow, server: ModelServer, tmp_path: Path
) -> None:
    terminal = window(80)
    server.settings.behaviour = by_model(GOOD)

    code = terminal.run(*ASK, *ROSTER, stdout=tmp_path / "answer.md")

    text = (tmp_path / "answer.md").read_text()
    assert code == 0
    assert text.startswith(ANSWER.rstrip())
    assert "\n\n## Disagreements\n- the span of the bridge\n" in text
    assert "\x1b" not in text
    assert "3  openai:three" in terminal.text
    assert "In short" not in terminal.text


def test_what_models_and_pages_say_steers_no_terminal(window: OpenWindow, server: ModelServer) -> None:
    evil = (
        "\x1b]0;owned\x07\x1b[2Jred\x1b]8;;http://x\x07link\x1b]8;;\x07 [red]m[/red] \u202egnp.exe &#x202e;\x9b1m end"
    )
    shown = "redlink [red]m[/red] gnp.exe"
    terminal = window(120)
    searches = when(
        lambda request: not request.called, lambda _: Reply(tool_calls=[("web_search", {"query": evil})]), HELD
    )
    server.settings.behaviour = by_model({"one": searches, TWO: searches, "three": searches})
    terminal.start(*ASK, *ROSTER)
    terminal.until(lambda screen: screen.count(f"search: {shown}") == 3)
    terminal.press(CTRL_C)
    terminal.wait()
    run = run_id(terminal)

    server.settings.behaviour = by_model({**GOOD, "writer": says(evil)})
    terminal.run("runs", "resume", run)

    assert f"\n{shown}  end\n" in terminal.text
    assert terminal.screen.title == ""
    assert "\x1b]" not in terminal.written
    assert "\u202e" not in terminal.written


def test_what_draws_is_not_imported_before_there_is_something_to_draw() -> None:
    asked = (
        "import sys, fusion_graph.cli; print([name for name in sys.modules if name.startswith(('rich.', 'langgraph'))])"
    )

    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout == "[]\n"
