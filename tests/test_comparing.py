"""`fusion runs compare`, and what `fusion runs fork` says before it pays: processes, terminals, stdout, stderr."""

import json
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fusion_graph.models.kept_lists import keep
from fusion_graph.models.server_lists import ListedModel
from tests.commands import Cli, own_environ, wait_until
from tests.forked import Forked
from tests.model_server import (
    Behaviour,
    ModelServer,
    Request,
    altered,
    by_model,
    fails,
    judge,
    labels,
    says,
)
from tests.terminal.emulator import Terminal, settled

QUESTION = "When did the bridge open?"
ROSTER = ("--panel", "openai:one,openai:two", "--judge", "openai:three", "--writer", "openai:four", "--tools", "none")
ONE = """\
## In short

It opened in 1932. It is 503 metres long, e.g. from end to end.

- Ships pass. Often.
- It cost ten million.
"""
TWO = ONE.replace("503", "504").replace("- It cost ten million.", "\nNobody paid.")


@pytest.fixture
def server(server: ModelServer) -> ModelServer:
    server.settings.behaviour = by_model(GOOD)
    return server


@pytest.fixture
def cli(forked: Forked, server: ModelServer, tmp_path: Path) -> Cli:
    return Cli(forked, tmp_path, own_environ(tmp_path, server.url))


@pytest.fixture
def window(cli: Cli) -> Iterator[Callable[[int], Terminal]]:
    opened: list[Terminal] = []

    def open_window(columns: int) -> Terminal:
        opened.append(Terminal(cli.forked, cli.environ, columns))
        return opened[-1]

    yield open_window
    for terminal in opened:
        terminal.close()


def priced(behaviour: Behaviour, cost: float = 0.25) -> Behaviour:
    return altered(behaviour, usage={"prompt_tokens": 1000, "completion_tokens": 200}, cost=cost)


def report(*blind_spots: str) -> Behaviour:
    """A judge by whom both agree on the opening, contradict one another on the span, and overlook something."""

    def fill(request: Request) -> Mapping[str, Any]:
        first, second, *_ = labels(request)
        stances = [{"answer": first, "stance": "503 metres"}, {"answer": second, "stance": "504 metres"}]
        return {
            "consensus": [{"point": "it opened in 1932", "answers": [first, second], "sources": []}],
            "contradictions": [{"topic": "the span", "stances": stances, "better_supported": ""}],
            "partial_coverage": [],
            "unique_insights": [],
            "blind_spots": list(blind_spots),
        }

    return priced(judge(fill))


GOOD: dict[str, Behaviour] = {
    "three": report("who paid for it"),
    "six": report("its upkeep", "the ferries"),
    "four": priced(says(ONE)),
    "five": priced(says(TWO)),
    "*": priced(says(lambda request: f"{request.model} says it opened in 1932.")),
}


def cells(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


def test_a_fork_is_compared_with_its_parent_in_settings_sentences_points_and_costs(cli: Cli) -> None:
    a = cli.run_id("ask", QUESTION, *ROSTER)
    b = cli.run_id("runs", "fork", a, "--judge", "openai:six", "--writer", "openai:five")

    done = cli("runs", "compare", a[:8], b[:8])

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert cells(lines[0]) == ["A", a[:8], "ok", "judge openai:three, writer openai:four", "$1.00"]
    assert cells(lines[1]) == [
        "B", b[:8], "ok", "judge openai:six, writer openai:five", "$0.50 (in all $1.00)", "fork of A",
    ]  # fmt: skip
    assert lines[2:-8] == [
        "",
        "Settings",
        "judge: openai:three -> openai:six",
        "writer: openai:four -> openai:five",
        "",
        "Answer: 1 changed, 1 only in A, 1 only in B, 3 the same",
        "  … 2 sentences are the same",
        "- It is 503 metres long, e.g. from end to end.",
        "+ It is 504 metres long, e.g. from end to end.",
        "  … 1 sentence is the same",
        "- • It cost ten million.",
        "+ Nobody paid.",
        "",
        "Analysis: 1 only in A, 2 only in B, 2 the same",
        "  blind spots: 1 only in A, 2 only in B",
        "- who paid for it",
        "+ its upkeep",
        "+ the ferries",
        "",
        "Panel: the same",
        "",
        "Sources: none",
    ]
    assert [cells(line) for line in lines[-8:]] == [
        [""],
        ["Cost"],
        ["A", "B", "B - A"],
        ["in all", "$1.00", "$1.00", "$0.00"],
        ["paid by this run", "$1.00", "$0.50"],
        ["calls", "4", "4"],
        ["tokens in", "4,000", "4,000"],
        ["tokens out", "800", "800"],
    ]


def test_the_same_under_json_is_one_object_with_every_sentence(cli: Cli) -> None:
    a = cli.run_id("ask", QUESTION, *ROSTER)
    b = cli.run_id("runs", "fork", a, "--writer", "openai:five")

    found = cli.json("runs", "compare", a, b)

    assert found["b"]["parent_id"] == found["a"]["run_id"] == a
    assert found["a"]["question"] == found["b"]["question"] == QUESTION
    assert [part["kind"] for part in found["answer"]] == ["same", "same", "changed", "same", "only_a", "only_b"]
    assert found["settings"] == [{"name": "writer", "a": "openai:four", "b": "openai:five"}]
    assert [seat["kind"] for seat in found["responses"]] == ["same", "same"]
    assert {point["kind"] for points in found["analysis"].values() for point in points} == {"same"}
    assert found["costs"]["b"]["paid_by_this_run"]["cost_usd"] == 0.25
    assert found["costs"]["difference_usd"] == 0


def test_two_runs_of_their_own_differ_in_question_panel_and_stances(cli: Cli, server: ModelServer) -> None:
    a = cli.run_id("ask", QUESTION, *ROSTER)
    server.settings.behaviour = by_model({"two": fails(404), **GOOD, "three": priced(says("no JSON"))})
    b = cli.run_id("ask", "Who built it?", *ROSTER, "--panel", "openai:seven")

    text = cli("runs", "compare", a, b).stdout

    assert f"- asked: {QUESTION}\n+ asked: Who built it?\n" in text
    assert "B is degraded: seat 2 (openai:two) failed: " in text
    assert "\nseat 3: none -> openai:seven\n" in text
    assert "\nAnalysis: B has none, 3 only in A\nB's judge failed: judge not valid json\n" in text
    assert re.search(r"\n- the span; openai:(one|two): 503 metres; openai:(one|two): 504 metres\n", text) or (
        re.search(r"\n- the span; openai:one: 50[34] metres; openai:two: 50[34] metres\n", text)
    )
    assert "- seat 2 openai:two\n" in text
    assert "+ seat 3 openai:seven\n" in text


def test_a_run_that_has_not_finished_is_compared_with_what_it_holds(cli: Cli, server: ModelServer) -> None:
    a = cli.run_id("ask", QUESTION, *ROSTER)
    server.settings.behaviour = by_model(
        {"three": says("late", delay=30.0), **GOOD} | {"three": says("late", delay=30.0)}
    )
    running = cli.start("ask", QUESTION, *ROSTER)
    wait_until(lambda: len(server.requests_of("three")) == 2)
    time.sleep(0.2)
    running.send_signal(signal.SIGKILL)
    running.wait()
    b = cli.json("runs", "list")[0]["run_id"]

    done = cli("runs", "compare", a, b)

    assert done.returncode == 0
    assert cells(done.stdout.splitlines()[1])[2] == "stopped"
    assert "\nB has not finished (stopped): compared with what it holds\n" in done.stdout
    assert "\nSettings: the same\n" in done.stdout
    assert "\nAnswer: B has none, 5 only in A\n" in done.stdout
    assert "\nAnalysis: B has none, 3 only in A\n" in done.stdout
    assert "\nPanel: the same\n" in done.stdout
    assert re.search(r"\n +in all +\$1.00 +>= \$0.50 +", done.stdout)


def test_an_unknown_run_is_refused_as_everywhere(cli: Cli) -> None:
    run = cli.run_id("ask", QUESTION, *ROSTER)

    for pair in ((run, "nothing"), ("nothing", run)):
        done = cli("runs", "compare", *pair)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "error: there is no run 'nothing'\nhint: fusion runs list shows them\n"
    told = cli("runs", "compare", run, "nothing", "--json")
    assert (told.returncode, json.loads(told.stdout)["status"]) == (1, "error")


def test_what_models_write_cannot_steer_the_terminal(cli: Cli, server: ModelServer) -> None:
    evil = "\x1b[2Jred\x1b]8;;http://x\x07link\x9b1m [bold]end[/bold]\u202e."
    a = cli.run_id("ask", QUESTION, *ROSTER)
    server.settings.behaviour = by_model({**GOOD, "five": says(f"{evil}\n\n{evil}"), "six": report(evil)})
    b = cli.run_id("runs", "fork", a, "--judge", "openai:six", "--writer", "openai:five")

    text = cli("runs", "compare", a, b).stdout

    assert text.count("+ redlink [bold]end[/bold].\n") == 3
    assert not set(text) & set("\x1b\x9b\x07\u202e")


NARROW = """\
Answer: 1 changed, 1 only in A, 1 only in B, 3 the same
  … 2 sentences are the same
- It is 503 metres long, e.g. from end to end.
+ It is 504 metres long, e.g. from end to end.
  … 1 sentence is the same
- • It cost ten million.
+ Nobody paid.

Analysis: the same
"""
WIDE = """\
Answer: 1 changed, 1 only in A, 1 only in B, 3 the same
  A  0123abcd                                                 B  0123abcd
  … 2 sentences are the same                                  … 2 sentences are the same
- It is 503 metres long, e.g. from end to end.              + It is 504 metres long, e.g. from end to end.
  … 1 sentence is the same                                    … 1 sentence is the same
- • It cost ten million.
                                                            + Nobody paid.

Analysis: the same
"""


@pytest.mark.parametrize(("columns", "expected"), [(80, NARROW), (109, NARROW), (120, WIDE)])
def test_on_a_wide_terminal_the_answers_stand_side_by_side(
    cli: Cli, window: Callable[[int], Terminal], columns: int, expected: str
) -> None:
    a = cli.run_id("ask", QUESTION, *ROSTER)
    b = cli.run_id("runs", "fork", a, "--writer", "openai:five")
    terminal = window(columns)

    code = terminal.run("runs", "compare", a, b)

    assert code == 0
    assert expected in settled(terminal.text)
    assert all(len(line) <= columns for line in terminal.text.splitlines())


def test_where_nobody_draws_a_wide_terminal_gets_lines_and_no_colour(
    cli: Cli, window: Callable[[int], Terminal]
) -> None:
    a = cli.run_id("ask", QUESTION, *ROSTER)
    b = cli.run_id("runs", "fork", a, "--writer", "openai:five")
    terminal = window(120)

    terminal.run("runs", "compare", a, b, environ={"CI": "true"})

    assert NARROW in settled(terminal.text)
    assert "\x1b" not in terminal.written


def test_a_fork_says_before_it_pays_what_is_paid_again(cli: Cli, server: ModelServer) -> None:
    row: ListedModel = {
        "name": "openai:six",
        "provider": "openai",
        "input_usd_per_mtok": 0.0,
        "output_usd_per_mtok": 0.0,
        "usd_per_call": 0.01,
        "context_tokens": None,
        "source": "its own",
    }
    keep("openai", cli.environ, [row])
    run = cli.run_id("ask", QUESTION, *ROSTER)
    paid = len(server.log)

    done = cli("runs", "fork", run, "--judge", "openai:six")

    assert re.match(
        r"judge openai:six compares again and writer openai:four writes again; "
        r"2 answers are not paid again · at least \$0\.0100-0\.0200\n0:00 run \w{8} started: ",
        done.stderr,
    )
    assert "paid again" not in done.stdout
    assert [entry.model for entry in server.log[paid:]] == ["six", "four"]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_a_fork_of_a_stopped_run_keeps_what_is_answered_and_says_that_the_rest_is_asked(
    cli: Cli, server: ModelServer, end: signal.Signals
) -> None:
    server.settings.behaviour = by_model({"two": says("late", delay=30.0), **GOOD})
    running = cli.start("ask", QUESTION, *ROSTER)
    wait_until(lambda: "seat 1 openai:one answered" in running.stderr)
    time.sleep(0.3)  # until it is stored as well
    running.send_signal(end)
    running.wait()
    run = cli.json("runs", "list")[0]["run_id"]
    server.settings.behaviour = by_model({**GOOD, "six": judge()})
    paid = len(server.log)

    done = cli("runs", "fork", run, "--judge", "openai:six")

    assert done.stderr.splitlines()[0] == (
        "seat 2 (openai:two) is asked, judge openai:six compares and writer openai:four writes; "
        "1 answer is not paid again · cost unknown"
    )
    assert [entry.model for entry in server.log[paid:]] == ["two", "six", "four"]


def test_another_writer_alone_leaves_the_comparison_unpaid_too(cli: Cli) -> None:
    run = cli.run_id("ask", QUESTION, *ROSTER)

    done = cli("runs", "fork", run, "--writer", "openai:five")

    assert done.stderr.splitlines()[0] == (
        "writer openai:five writes again; 2 answers and the comparison are not paid again · cost unknown"
    )


def test_quiet_and_json_leave_stdout_to_the_result(cli: Cli) -> None:
    run = cli.run_id("ask", QUESTION, *ROSTER)

    quiet = cli("runs", "fork", run, "--writer", "openai:five", "--quiet")
    told = cli("runs", "fork", run, "--writer", "openai:five", "--json")

    assert (quiet.returncode, quiet.stderr) == (0, "")
    assert "paid again" not in quiet.stdout
    assert json.loads(told.stdout)["status"] == "ok"
    assert told.stderr.startswith("writer openai:five writes again; ")


def test_on_a_terminal_a_fork_tells_its_price_and_asks_nothing(cli: Cli, window: Callable[[int], Terminal]) -> None:
    run = cli.run_id("ask", QUESTION, *ROSTER)
    terminal = window(80)

    code = terminal.run("runs", "fork", run, "--judge", "openai:six")

    assert code == 0
    assert terminal.text.startswith(
        "judge openai:six compares again and writer openai:four writes again; 2 answers\n"
        "  are not paid again · cost unknown\n"
    )


def test_the_same_judge_may_compare_again(cli: Cli, server: ModelServer) -> None:
    run = cli.json("ask", QUESTION, *ROSTER)
    paid = len(server.log)

    fork = cli.json("runs", "fork", run["run_id"], "--judge", "openai:three")

    assert [entry.model for entry in server.log[paid:]] == ["three", "four"]
    assert fork["settings"] == run["settings"]
    assert fork["usage"]["total"]["paid_by_this_run_usd"] == 0.5


def test_several_seats_are_added_at_once(cli: Cli, server: ModelServer) -> None:
    run = cli.run_id("ask", QUESTION, *ROSTER)
    paid = len(server.log)

    done = cli("runs", "fork", run, "--add-seat", "openai:seven,openai:eight", "--add-seat", "openai:one")

    assert done.stderr.splitlines()[0] == (
        "seat 3 (openai:seven) is asked, seat 4 (openai:eight) is asked, seat 5 (openai:one) is asked, "
        "judge openai:three compares again and writer openai:four writes again; "
        "2 answers are not paid again · cost unknown"
    )
    assert sorted(entry.model for entry in server.log[paid:]) == ["eight", "four", "one", "seven", "three"]


def test_failed_seats_are_asked_again_and_no_others(cli: Cli, server: ModelServer) -> None:
    server.settings.behaviour = by_model({"two": fails(404, n_times=1, then=GOOD["*"]), **GOOD, "three": judge()})
    run = cli.run_id("ask", QUESTION, *ROSTER)
    paid = len(server.log)

    done = cli("runs", "fork", run, "--retry-failed")

    assert done.stderr.startswith("seat 2 (openai:two) is asked again, judge openai:three compares")
    assert "; 1 answer is not paid again · cost unknown\n" in done.stderr
    assert [entry.model for entry in server.log[paid:]] == ["two", "three", "four"]


@pytest.mark.parametrize("also", [(), ("--judge", "openai:six")])
def test_where_no_seat_failed_there_is_none_to_ask_again(cli: Cli, server: ModelServer, also: tuple[str, ...]) -> None:
    run = cli.run_id("ask", QUESTION, *ROSTER)
    paid = len(server.log)

    done = cli("runs", "fork", run, "--retry-failed", *also)

    assert (done.returncode, done.stdout, len(server.log)) == (2, "", paid)
    assert done.stderr == (
        "error: no seat of this run failed, so there is none to ask again\n"
        "hint: fork it with another judge or writer, or with an added seat; resume it if it has not finished\n"
    )
