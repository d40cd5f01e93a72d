"""The command line as users run it: a process of its own, a model server over HTTP, exit codes, stdout and stderr."""

import json
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands import Cli, own_environ, wait_until
from tests.forked import Forked
from tests.model_server import ModelServer, Reply, by_model, everyone, fails, says

QUESTION = "When did the bridge open?"
ROSTER = ["--panel", "openai:one,openai:two", "--judge", "openai:three", "--writer", "openai:four"]


@pytest.fixture
def cli(forked: Forked, server: ModelServer, tmp_path: Path) -> Cli:
    return Cli(forked, tmp_path, own_environ(tmp_path, server.url))


def in_shell(cli: Cli, line: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Return what a line of a shell does in which "$@" is the command."""
    command = ["bash", "-c", line, "bash", sys.executable, "-m", "fusion_graph", *arguments]
    return subprocess.run(
        command, env={**cli.environ, **environ}, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_installed_command_answers_and_reads_a_pipe(cli: Cli, server: ModelServer) -> None:
    command = [sys.executable, "-m", "fusion_graph", "ask", "Review this.", *ROSTER, "--json"]

    done = subprocess.run(
        command, env=cli.environ, input="def f(): pass", capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "ok"
    assert "def f(): pass" in server.requests_of("one")[0].text


def test_ask_prints_the_answer_on_stdout_and_everything_else_on_stderr(cli: Cli) -> None:
    done = cli("ask", QUESTION, *ROSTER)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The final answer, in the words of four")
    assert "## Sources\n1. " in done.stdout
    assert re.match(
        r"0:00 run \w{8} started: own panel: 2 seats, judge openai:three, writer openai:four · cost unknown\n",
        done.stderr,
    )
    assert "seat 1 search: " in done.stderr
    assert re.search(r"\d:\d\d seat 2 openai:two answered: [\d,]+ tok, 3 sources, cost unknown\n", done.stderr)
    assert re.search(r"\nwriter  openai:four +[\d,]+ +[\d,]+ +\d+\.\d s +unknown\n", done.stderr)
    assert re.search(
        r"\nanswered · \d:\d\d · 2 of 2 seats · cost unknown · 3 sources, 1 read · fusion runs", done.stderr
    )


def test_where_nobody_watches_nothing_steers_a_terminal_whatever_the_environment_says(cli: Cli) -> None:
    done = cli("ask", QUESTION, *ROSTER, FORCE_COLOR="1", CLICOLOR_FORCE="1", TTY_COMPATIBLE="1", TERM="xterm-256color")

    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr


def test_quiet_leaves_the_answer_and_what_is_wrong_with_it(cli: Cli, server: ModelServer) -> None:
    server.settings.behaviour = by_model({"two": fails(404), "*": everyone})

    done = cli("ask", QUESTION, *ROSTER, "--quiet")

    first, second = done.stderr.splitlines()
    assert done.stdout.startswith("The final answer, in the words of four")
    assert first.startswith("warning: degraded answer: seat 2 (openai:two) failed: ")
    assert re.fullmatch(r"hint: ask the failed seats again: fusion runs fork \w{8} --retry-failed", second)


def test_a_past_run_is_shown_as_it_was_when_it_ended(cli: Cli) -> None:
    asked = cli("ask", QUESTION, *ROSTER)

    shown = cli("runs", "show", asked.stderr[9:17])

    assert shown.returncode == 0
    assert shown.stdout == asked.stdout
    table = shown.stderr[shown.stderr.index("CALL") : shown.stderr.index("\nanswered")]
    assert table in asked.stderr


def test_json_prints_one_object_with_everything_about_the_run(cli: Cli, server: ModelServer) -> None:
    result = cli.json("ask", QUESTION, *ROSTER)

    assert (result["status"], result["reasons"]) == ("ok", [])
    assert set(result["analysis"]) == {
        "consensus",
        "contradictions",
        "partial_coverage",
        "unique_insights",
        "blind_spots",
    }
    assert [(r["seat"], r["model"], r["partial"]) for r in result["responses"]] == [
        (1, "openai:one", False),
        (2, "openai:two", False),
    ]
    assert result["failed_models"] == []
    assert len(result["usage"]["calls"]) == len(server.log) == result["usage"]["total"]["calls"]
    assert result["settings"]["judge"] == "openai:three"
    assert {"run_id", "thread_id", "answer", "sources", "citations"} <= set(result)


def test_events_prints_every_event_as_a_line_of_json(cli: Cli) -> None:
    done = cli("ask", QUESTION, *ROSTER, "--events")

    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert [event["seq"] for event in events] == sorted({event["seq"] for event in events})
    assert events[0]["type"] == "run_started"
    assert events[-1]["type"] == "finished"
    said = "".join(event["delta"] for event in events if event["type"] == "answer_delta")
    assert said == events[-1]["result"]["answer"]
    for seat in (1, 2):
        told = "".join(e["delta"] for e in events if e["type"] == "panelist_delta" and e["seat"] == seat)
        finished = next(e for e in events if e["type"] == "panelist_finished" and e["seat"] == seat)
        assert told == finished["result"]["content"]


def test_a_degraded_answer_exits_with_0_and_with_5_under_strict(cli: Cli, server: ModelServer) -> None:
    server.settings.behaviour = by_model({"two": fails(404), "*": everyone})

    plain = cli("ask", QUESTION, *ROSTER)
    strict = cli("ask", QUESTION, *ROSTER, "--strict")

    assert (plain.returncode, strict.returncode) == (0, 5)
    assert "warning: degraded answer: seat 2 (openai:two) failed: " in plain.stderr
    assert re.search(r"\ndegraded answer · \d:\d\d · 1 of 2 seats", plain.stderr)


def test_a_panel_that_fails_whole_exits_with_1_and_prints_its_object_all_the_same(
    cli: Cli, server: ModelServer
) -> None:
    server.settings.behaviour = by_model({"one": fails(404), "two": fails(404), "*": everyone})

    done = cli("ask", QUESTION, *ROSTER, "--json")

    result = json.loads(done.stdout)
    assert (done.returncode, result["status"], result["failure_reason"]) == (1, "error", "all_panels_failed")


def test_a_refused_key_exits_with_4(cli: Cli, server: ModelServer) -> None:
    server.settings.behaviour = fails(401)

    assert cli("ask", QUESTION, *ROSTER).returncode == 4


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "words"),
    [
        (["--preset", "qualty"], {}, 2, "error: unknown preset 'qualty'\nhint: did you mean 'quality'?"),
        (["--panel", "gpt-5"], {}, 2, "gpt-5"),
        (["--mode", "sometimes"], {}, 2, "'always', 'auto', 'never'"),
        (["--tools", "telepathy"], {}, 2, "telepathy"),
        (["--max-cost", "-1"], {}, 2, "max_cost_usd = -1"),
        (["--min-answers", "9"], {}, 2, "min_answers = 9"),
        (["--panel", ",".join(["openai:one"] * 9)], {}, 2, "panel"),
        (["--nonsense"], {}, 2, "--nonsense"),
        ([], {"FUSION_QUORUM": "many"}, 2, "FUSION_QUORUM"),
        ([], {"FUSION_SEARCH": "local:/does/not/exist"}, 2, "FUSION_SEARCH"),
        (["--preset", "quality"], {}, 4, "OPENROUTER_API_KEY is not set"),
    ],
)
def test_what_cannot_work_is_refused_with_value_and_remedy_and_leaves_no_run(
    cli: Cli, server: ModelServer, arguments: list[str], environ: Mapping[str, str], code: int, words: str
) -> None:
    roster = [] if "quality" in arguments else ROSTER if "--panel" not in arguments else ROSTER[2:]

    done = cli("ask", QUESTION, *roster, *arguments, **environ)

    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not server.log
    assert cli.json("runs", "list") == []


def test_under_json_a_refusal_is_an_object_too(cli: Cli) -> None:
    done = cli("ask", QUESTION, "--panel", "gpt-5", "--judge", "openai:three", "--json")

    told = json.loads(done.stdout)
    assert (done.returncode, told["status"], told["failure_reason"]) == (2, "error", "invalid_model")
    assert "gpt-5" in told["error"]


def test_a_database_that_cannot_be_opened_is_an_error_in_words(cli: Cli, server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("these are notes, and no database at all " * 10)

    for path in (tmp_path, tmp_path / "notes.txt", Path("/proc/nowhere/runs.db")):
        done = cli("ask", QUESTION, *ROSTER, "--db", str(path))
        assert done.returncode == 1
        assert f"error: the database {str(path)!r}: " in done.stderr
        assert "Traceback" not in done.stderr
    assert not server.log


def test_a_damaged_database_is_called_that_and_nothing_in_it_is_quoted(cli: Cli, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("noise.db", "pages.db", "text.db")]
    noise, pages, text = paths
    noise.write_bytes(b"\xff\x00" * 4096)
    for path in (pages, text):
        assert cli("ask", QUESTION, *ROSTER, "-q", "--db", str(path)).returncode == 0
    pages.write_bytes(pages.read_bytes()[:4096] + b"\xff" * (pages.stat().st_size - 4096))
    with closing(sqlite3.connect(text)) as connection:
        connection.execute("UPDATE fusion_runs SET result = CAST(X'ff' || result AS TEXT)")
        connection.commit()

    for path in paths:
        done = cli("runs", "list", "--db", str(path))
        first, second = done.stderr.splitlines()
        assert (done.returncode, done.stdout) == (1, "")
        assert first.startswith(f"error: the database {str(path)!r}: the file is damaged")
        assert second == "hint: restore a backup, or name another file with --db"
        assert "bridge" not in first


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["ask", "a\udcff"], "question"),
        (["ask", QUESTION, "--thread", "a\udcff"], "thread"),
        (["ask", QUESTION, "--panel", "a\udcff"], "panel"),
        (["demo", "a\udcff"], "question"),
        (["estimate", "a\udcff"], "question"),
        (["runs", "resume", "b", "--no", "--reason", "a\udcff"], "reason"),
        (["runs", "fork", "b", "--judge", "a\udcff"], "judge"),
        (["runs", "show", "a\udcff"], "run"),
    ],
)
def test_text_that_is_not_utf_8_is_refused_before_anything_is_stored(
    cli: Cli, server: ModelServer, arguments: list[str], what: str
) -> None:
    said = f"the {what} is not valid UTF-8: b'\\xff' at character 2"

    done = cli(*arguments)
    told = cli(*arguments, "--json")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {said}\nhint: convert it: iconv -f latin1 -t utf-8\n"
    assert told.returncode == 2
    assert json.loads(told.stdout)["error"] == said
    assert not (cli.home / "runs.db").exists()
    assert not server.log


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_piped_text_that_is_not_utf_8_is_refused_too(cli: Cli, errors: str) -> None:
    done = in_shell(cli, "printf 'a\\377' | \"$@\"", "ask", "-", PYTHONIOENCODING=f"utf-8:{errors}")

    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "error: the question is not valid UTF-8: b'\\xff' at character 2"


def test_closed_streams_lead_nowhere(cli: Cli) -> None:
    without_stdout = in_shell(cli, '"$@" >&-', "demo")
    without_stderr = in_shell(cli, '"$@" 2>&-', "demo")
    without_any = in_shell(cli, '"$@" <&- >&- 2>&-', "ask", QUESTION, *ROSTER, "--approve")

    assert without_stdout.returncode == without_stderr.returncode == 0
    assert "Traceback" not in without_stdout.stderr
    assert without_stdout.stderr.splitlines()[-1].startswith("answered · ")
    assert without_stderr.stdout.startswith("Offline demo: no language model.")
    assert without_any.returncode == 3
    assert [row["status"] for row in cli.json("runs", "list")] == ["interrupted", "ok", "ok"]


def test_a_full_stdout_is_not_blamed_on_the_database_and_an_answer_is_kept(cli: Cli) -> None:
    asked = in_shell(cli, '"$@" >/dev/full', "demo", "-q")
    as_json = in_shell(cli, '"$@" >/dev/full', "demo", "--json")
    events = in_shell(cli, '"$@" >/dev/full', "demo", "--events")
    listed = in_shell(cli, '"$@" >/dev/full', "runs", "list")
    presets = in_shell(cli, '"$@" >/dev/full', "presets")

    stopped, second, first = (row["run_id"][:8] for row in cli.json("runs", "list"))
    said = "error: the output cannot be written: No space left on device\nhint: "
    assert {done.returncode for done in (asked, as_json, events, listed, presets)} == {1}
    assert asked.stderr == f"{said}the answer is stored: fusion runs show {first}\n"
    assert as_json.stderr == f"{said}the answer is stored: fusion runs show {second}\n"
    assert events.stderr == f"{said}go on with: fusion runs resume {stopped}\n"
    assert listed.stderr == presets.stderr == f"{said}is there room where stdout goes?\n"


def test_under_json_a_full_stdout_does_not_swallow_what_is_wrong(cli: Cli) -> None:
    done = in_shell(cli, '"$@" >/dev/full', "ask", QUESTION, "--preset", "qualty", "--json")

    assert done.stderr.startswith("error: unknown preset 'qualty'\n")


def test_a_full_stderr_does_not_end_a_run(cli: Cli) -> None:
    done = in_shell(cli, '"$@" 2>/dev/full', "demo")

    assert done.returncode == 0
    assert done.stdout.startswith("Offline demo: no language model.")


def test_presets_are_listed_with_ones_own_and_a_broken_file_is_explained(cli: Cli, tmp_path: Path) -> None:
    own = tmp_path / "home" / "presets.toml"
    own.parent.mkdir()
    own.write_text('[mine]\ndescription = "My two"\npanel = ["openai:one", "openai:two"]\njudge = "openai:three"\n')

    listed = cli.json("presets")
    text = cli("presets").stdout
    own.write_text("[mine]\npannel = []\n")
    broken = cli("presets")

    assert listed["mine"]["settings"]["panel"] == ["openai:one", "openai:two"]
    assert "mine: My two\n  panel openai:one, openai:two; judge openai:three" in text
    assert "quality: " in text
    assert (broken.returncode, broken.stdout) == (2, "")
    assert "pannel" in broken.stderr


def test_the_question_comes_from_stdin_and_piped_text_is_added_to_a_question(cli: Cli, server: ModelServer) -> None:
    alone = cli("ask", "-", *ROSTER, stdin="What is in the pipe?")
    added = cli("ask", "Review this.", *ROSTER, stdin="def f(): pass")
    empty = cli("ask", "-", *ROSTER, stdin="  \n")

    assert (alone.returncode, added.returncode, empty.returncode) == (0, 0, 2)
    questions = [entry.text for entry in server.requests_of("one")]
    assert any("What is in the pipe?" in text for text in questions)
    assert any("Review this." in text and "def f(): pass" in text for text in questions)


def test_settings_come_from_the_environment_and_flags_win(cli: Cli, server: ModelServer) -> None:
    environ = {"FUSION_PANEL": "openai:one, openai:two", "FUSION_JUDGE": "openai:three", "FUSION_WRITER": "openai:nine"}

    done = cli("ask", QUESTION, "--writer", "openai:four", **environ)

    assert done.returncode == 0, done.stderr
    assert {entry.model for entry in server.log} == {"one", "two", "three", "four"}


def test_excluded_domains_are_never_read(cli: Cli) -> None:
    result = cli.json("ask", QUESTION, *ROSTER, "--exclude", "bridges.example,money.example")

    assert {source["url"] for source in result["sources"]} == {"https://engineers.example/span"}


def test_a_thread_goes_on_where_it_was(cli: Cli, server: ModelServer) -> None:
    cli("ask", "First question?", *ROSTER, "--thread", "mine")

    second = cli.json("ask", "Second question?", "--thread", "mine")

    assert second["settings"]["writer"] == "openai:four"
    assert any("First question?" in entry.text and "Second question?" in entry.text for entry in server.log)


def test_a_run_names_its_thread_too_and_a_new_name_is_said_to_be_new(cli: Cli, server: ModelServer) -> None:
    first = cli("ask", "First question?", *ROSTER, "--thread", "mine")
    run = cli.json("runs", "list")[0]["run_id"]

    second = cli("ask", "Second question?", *ROSTER, "--thread", run[:8])
    short = cli("ask", "Third question?", *ROSTER, "--thread", run[:3])

    assert "thread 'mine' is new" in first.stderr
    assert "is new" not in second.stderr
    assert f"thread '{run[:3]}' is new" in short.stderr
    assert any("First question?" in entry.text and "Second question?" in entry.text for entry in server.log)
    assert not any("First question?" in entry.text and "Third question?" in entry.text for entry in server.log)


def test_what_is_to_be_typed_next_names_the_database_that_was_named(cli: Cli) -> None:
    path = cli.folder / "my runs.db"
    named = cli("ask", QUESTION, *ROSTER, "--db", str(path))
    set_up = cli("ask", QUESTION, *ROSTER, FUSION_DB=str(path))
    told = named.stderr.split("fusion runs show ")[1].strip()

    shown = cli("runs", "show", *shlex.split(told))

    assert shown.returncode == 0, shown.stderr
    assert shlex.split(told)[1:] == ["--db", str(path)]
    assert "--db" not in set_up.stderr


def test_a_call_of_a_tool_nobody_offered_is_not_an_answer(cli: Cli, server: ModelServer) -> None:
    server.settings.behaviour = by_model({"four": lambda _request: Reply(tool_calls=[("nonsense", {})]), "*": everyone})

    result = cli.json("ask", QUESTION, *ROSTER)

    assert result["status"] == "degraded"
    assert result["answer"]


def test_runs_are_listed_newest_first_shown_and_deleted(cli: Cli) -> None:
    first = cli.json("ask", "First?", *ROSTER)
    second = cli.json("ask", "Second?", *ROSTER)

    listed = cli.json("runs", "list")
    shown = cli.json("runs", "show", first["run_id"][:10])
    table = cli("runs", "list").stdout
    deleted = cli.json("runs", "delete", second["run_id"])

    assert [run["run_id"] for run in listed] == [second["run_id"], first["run_id"]]
    assert [run["status"] for run in listed] == ["ok", "ok"]
    assert shown == first
    assert "Second?" in table.splitlines()[1]
    assert deleted == {"deleted": second["run_id"]}
    assert [run["run_id"] for run in cli.json("runs", "list")] == [first["run_id"]]
    gone = cli("runs", "show", second["run_id"])
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "there is no run" in gone.stderr


def test_old_runs_are_deleted_together(cli: Cli) -> None:
    cli.json("ask", "Old?", *ROSTER)

    kept = cli.json("runs", "delete", "--older-than", "1")
    gone = cli.json("runs", "delete", "--older-than", "0")
    neither = cli("runs", "delete")

    assert (kept, gone) == ({"deleted": 0}, {"deleted": 1})
    assert cli.json("runs", "list") == []
    assert neither.returncode == 2


def test_a_deleted_run_leaves_nothing_of_its_text_in_the_file(cli: Cli, tmp_path: Path) -> None:
    result = cli.json("ask", "What about Ozymandias?", *ROSTER)
    database = tmp_path / "home" / "runs.db"
    assert b"Ozymandias" in database.read_bytes()

    cli.json("runs", "delete", result["run_id"])

    left = b"".join(path.read_bytes() for path in database.parent.glob("runs.db*"))
    assert b"Ozymandias" not in left
    assert database.stat().st_mode & 0o777 == 0o600


def test_a_fork_with_another_writer_pays_one_call_and_with_another_judge_two(cli: Cli, server: ModelServer) -> None:
    run = cli.json("ask", QUESTION, *ROSTER)
    paid = len(server.log)

    writer = cli.json("runs", "fork", run["run_id"], "--writer", "openai:five")
    judge = cli.json("runs", "fork", run["run_id"], "--judge", "openai:six")

    assert [entry.model for entry in server.log[paid:]] == ["five", "six", "four"]
    assert writer["responses"] == judge["responses"] == run["responses"]
    assert "five" in writer["answer"]
    assert cli.json("runs", "show", run["run_id"]) == run
    assert [row["parent_id"] for row in cli.json("runs", "list")] == [run["run_id"], run["run_id"], None]


def test_a_fork_adds_a_seat_or_retries_the_failed_ones_only(cli: Cli, server: ModelServer) -> None:
    server.settings.behaviour = by_model({"two": fails(404, n_times=1, then=everyone), "*": everyone})
    run = cli.json("ask", QUESTION, *ROSTER, "--tools", "none")
    paid = len(server.log)

    retried = cli.json("runs", "fork", run["run_id"], "--retry-failed")
    added = cli.json("runs", "fork", retried["run_id"], "--add-seat", "openai:seven")

    assert run["status"] == "degraded"
    assert [entry.model for entry in server.log[paid:]] == ["two", "three", "four", "seven", "three", "four"]
    assert [response["seat"] for response in added["responses"]] == [1, 2, 3]
    assert (retried["status"], added["status"]) == ("ok", "ok")


def test_a_fork_that_changes_nothing_is_refused(cli: Cli) -> None:
    run = cli.json("ask", QUESTION, *ROSTER)

    done = cli("runs", "fork", run["run_id"])

    assert done.returncode == 2
    assert "another judge or writer" in done.stderr


def test_ctrl_c_keeps_the_run_and_says_how_to_go_on(cli: Cli, server: ModelServer) -> None:
    server.settings.behaviour = by_model({"two": says("late", delay=30.0), "*": everyone})
    running = cli.start("ask", QUESTION, *ROSTER)
    wait_until(
        lambda: any(
            (e.state == "sent" and "Only here" in str(e.billed)) or len(server.requests_of("one")) == 3
            for e in server.log
        )
    )
    time.sleep(0.3)

    running.send_signal(signal.SIGINT)
    done = running.wait()

    assert (done.returncode, done.stdout) == (130, "")
    assert re.search(r"\nstopped at 0:0\d; 1 of 2 answers saved, cost unknown\nhint: go on with: fusion", done.stderr)
    assert [(run["status"], run["seats"]) for run in cli.json("runs", "list")] == [("cancelled", "1/2")]
    server.settings.behaviour = everyone
    result = cli.json("runs", "resume", cli.json("runs", "list")[0]["run_id"])
    assert result["status"] == "ok"
    assert len(server.requests_of("one")) == 3


def test_ctrl_c_of_a_quiet_run_says_what_is_saved_too(cli: Cli, server: ModelServer) -> None:
    server.settings.behaviour = by_model({"three": says("late", delay=30.0), "*": everyone})
    running = cli.start("ask", QUESTION, *ROSTER, "--json")
    wait_until(lambda: bool(server.requests_of("three")))

    running.send_signal(signal.SIGINT)
    done = running.wait()

    assert (done.returncode, done.stdout) == (130, "")
    assert "; 2 of 2 answers saved, " in done.stderr


def test_a_killed_run_is_listed_as_stopped_and_can_be_resumed(cli: Cli, server: ModelServer) -> None:
    server.settings.behaviour = by_model({"three": says("late", delay=30.0), "*": everyone})
    running = cli.start("ask", QUESTION, *ROSTER)
    wait_until(lambda: bool(server.requests_of("three")))

    running.send_signal(signal.SIGKILL)
    running.wait()

    listed = cli.json("runs", "list")[0]
    assert listed["status"] == "stopped"
    server.settings.behaviour = everyone
    result = cli.json("runs", "resume", listed["run_id"])
    assert result["status"] == "ok"
    assert len(server.requests_of("one")) == 3
    assert [call["model"] for call in result["usage"]["calls"] if call["repeated"]] == ["openai:three"]


def test_a_resumed_finished_run_prints_its_result_and_pays_nothing(cli: Cli, server: ModelServer) -> None:
    run = cli.json("ask", QUESTION, *ROSTER)
    paid = len(server.log)

    again = cli.json("runs", "resume", run["run_id"])

    assert again == run
    assert len(server.log) == paid


def test_a_run_under_way_elsewhere_is_left_alone(cli: Cli, server: ModelServer) -> None:
    server.settings.behaviour = by_model({"three": says("late", delay=20.0), "*": everyone})
    running = cli.start("ask", QUESTION, *ROSTER)
    wait_until(lambda: bool(server.requests_of("three")))

    run_id = cli.json("runs", "list")[0]["run_id"]
    resumed = cli("runs", "resume", run_id)
    deleted = cli("runs", "delete", run_id)

    running.send_signal(signal.SIGKILL)
    running.wait()
    assert (resumed.returncode, deleted.returncode) == (1, 1)
    assert "another process" in resumed.stderr
    assert cli.json("runs", "list")[0]["run_id"] == run_id


def test_a_run_of_another_terminal_is_stopped_there_and_says_how_to_go_on(cli: Cli, server: ModelServer) -> None:
    server.settings.behaviour = by_model({"three": says("late", delay=30.0), "*": everyone})
    running = cli.start("ask", QUESTION, *ROSTER)
    wait_until(lambda: bool(server.requests_of("three")))
    run_id = cli.json("runs", "list")[0]["run_id"]

    shown = cli("runs", "show", run_id)
    cancelled = cli("runs", "cancel", run_id[:8])
    done = running.wait()
    again = cli("runs", "cancel", run_id)

    assert (cancelled.returncode, cancelled.stdout) == (0, f"cancelled {run_id[:8]}\n"), cancelled.stderr
    assert (done.returncode, done.stdout) == (130, "")
    assert re.search(r"\nstopped from elsewhere at 0:0\d; 2 of 2 answers saved, cost unknown\nhint: go on", done.stderr)
    assert re.search(r"judge +openai:three: under way", shown.stderr)
    assert again.stdout == cancelled.stdout
    server.settings.behaviour = everyone
    assert cli.json("runs", "resume", run_id)["status"] == "ok"
    assert len(server.requests_of("one")) == 3


def test_what_has_ended_is_not_cancelled(cli: Cli) -> None:
    run = cli.json("ask", QUESTION, *ROSTER)

    told = cli("runs", "cancel", run["run_id"])
    unknown = cli("runs", "cancel", "zzz")

    assert told.stdout == f"{run['run_id'][:8]} has ended: it is ok\n"
    assert cli.json("runs", "cancel", run["run_id"]) == {"run_id": run["run_id"], "status": "ok"}
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "there is no run 'zzz'" in unknown.stderr


def test_control_characters_of_models_do_not_reach_the_terminal(cli: Cli, server: ModelServer) -> None:
    server.settings.behaviour = by_model({"four": says("\x1b[2Jred\x1b]8;;http://x\x07link\x9b1m end"), "*": everyone})

    done = cli("ask", QUESTION, *ROSTER)

    assert done.stdout.startswith("redlink")
    assert "\x1b" not in done.stdout
    assert "\x9b" not in done.stdout


def test_no_key_and_no_secret_reaches_the_database_or_the_output(cli: Cli, server: ModelServer, tmp_path: Path) -> None:
    canary = "sk-canary-0123456789abcdef"
    server.settings.behaviour = by_model(
        {
            "two": lambda _request: Reply(status=401, error={"message": f"Incorrect API key provided: {canary}"}),
            "*": everyone,
        }
    )

    done = cli("ask", QUESTION, *ROSTER, "--events", OPENAI_API_KEY=canary)

    stored = b"".join(path.read_bytes() for path in (tmp_path / "home").glob("runs.db*"))
    assert canary.encode() not in stored
    assert canary not in done.stdout + done.stderr
    assert any(entry.headers.get("authorization") == f"Bearer {canary}" for entry in server.log)


def test_a_panel_to_be_approved_waits_with_exit_code_3_until_it_is_started_changed_or_ended(
    cli: Cli, server: ModelServer
) -> None:
    waiting = cli("ask", QUESTION, *ROSTER, "--approve")
    run = re.search(r"resume (\w{8}) --yes", waiting.stderr)
    assert run is not None, waiting.stderr
    paid = len(server.log)
    shown = cli("runs", "show", run[1])
    wrong = cli("runs", "resume", run[1], "--panel", "nope")
    changed = cli("runs", "resume", run[1], "--panel", "openai:two", "--json")
    again = cli("runs", "resume", run[1], "--yes")

    assert (waiting.returncode, waiting.stdout, paid) == (3, "", 0)
    assert "cost unknown: 2 seats (openai:one, openai:two), then openai:three compares" in waiting.stderr
    assert "fusion runs resume" in shown.stderr
    assert wrong.returncode == 3
    assert "'nope' names no provider" in wrong.stderr
    assert changed.returncode == 0, changed.stderr
    assert [response["model"] for response in json.loads(changed.stdout)["responses"]] == ["openai:two"]
    assert again.returncode == 2
    assert "does not wait for approval: it is ok" in again.stderr


def test_an_approval_that_is_refused_ends_the_run_unpaid_and_yes_never_waits(cli: Cli, server: ModelServer) -> None:
    waiting = cli("ask", QUESTION, *ROSTER, FUSION_APPROVE="1")
    run = re.search(r"resume (\w{8}) --yes", waiting.stderr)
    assert run is not None, waiting.stderr
    ended = cli("runs", "resume", run[1], "--no", "--reason", "too dear")
    paid = len(server.log)
    started = cli("ask", QUESTION, *ROSTER, "--yes", FUSION_APPROVE="1")

    assert (ended.returncode, paid) == (1, 0)
    assert "the panel was not approved: too dear" in ended.stderr
    assert started.returncode == 0, started.stderr


def test_a_budget_is_refused_where_no_price_is_known_unless_a_ceiling_is_given(cli: Cli, server: ModelServer) -> None:
    refused = cli("ask", QUESTION, *ROSTER, "--max-cost", "1")
    paid = len(server.log)
    capped = cli("ask", QUESTION, *ROSTER, "--max-cost", "1", "--price-ceiling", "50")

    assert (refused.returncode, paid) == (2, 0)
    assert "no price is known for openai:one, openai:two, openai:three, openai:four" in refused.stderr
    assert "--price-ceiling" in refused.stderr
    assert capped.returncode == 0, capped.stderr
