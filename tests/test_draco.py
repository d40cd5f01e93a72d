"""`fusion draco` as users run it: processes, exit codes, stdout, stderr, and what is in the folder after a kill."""

import json
import re
import signal
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fusion_graph.prompts import unfenced
from tests.commands import Cli, Done, Running, own_environ, wait_until
from tests.forked import Forked
from tests.model_server import ModelServer, Reply, Request, by_model, everyone, fails, says

CLOSED = "http://127.0.0.1:9/v1"
CONFIG = """
name = "small"
[generation]
tools = ["web_search", "web_fetch"]
excluded_domains = ["answer-keys.example"]
[grader]
model = "simulated:oracle"
gradings = 2
[simulation]
seed = 3
[simulation.models.alpha]
recall = 0.7
[simulation.models.beta]
recall = 0.5
errors = 0.4
[[target]]
name = "both"
settings = { panel = ["simulated:alpha", "simulated:beta"], judge = "simulated:judge", writer = "simulated:writer" }
[[target]]
name = "alone"
kind = "solo"
model = "simulated:alpha"
"""
FAST = ["--sample", "2", "--seed", "1"]


@pytest.fixture
def cli(forked: Forked, tmp_path: Path) -> Cli:
    cli = Cli(
        forked, tmp_path, own_environ(tmp_path, CLOSED, OPENROUTER_BASE_URL=CLOSED, HF_ENDPOINT="http://127.0.0.1:9")
    )
    cli.home.mkdir()
    (tmp_path / "small.toml").write_text(CONFIG)
    return cli


def command(folder: Path, out: str, *more: str) -> list[str]:
    config = ["--config", str(folder / "small.toml"), "--dataset", "mini"]
    return ["draco", "run", *config, *FAST, "--out", str(folder / out), *more]


def figures(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


def scores(folder: Path) -> dict[str, Any]:
    """Return all figures that come from verdicts: not times, and not what calls cost."""
    found = figures(folder)
    clocks = {"cost_usd", "cost_is_lower_bound", "cost_by_role", "seconds", "seconds_high", "spent", "manifest"}

    def kept(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: kept(part) for name, part in value.items() if name not in clocks}
        return [kept(part) for part in value] if isinstance(value, list) else value

    result: dict[str, Any] = kept(found)
    return result


def count(db: Path, table: str, where: str = "1") -> int:
    if not db.exists():
        return 0
    with closing(sqlite3.connect(db)) as connection:
        try:
            return int(connection.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0])  # noqa: S608
        except sqlite3.OperationalError:  # it is being made
            return 0


def refused(done: Done, code: int = 2) -> str:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


@pytest.fixture
def evaluated(cli: Cli, tmp_path: Path) -> Path:
    """A folder with an evaluation that has come to its end."""
    done = cli(*command(tmp_path, "done"))
    assert done.returncode == 0, done.stderr
    assert [Path(line).name for line in done.stdout.split()] == ["results.json", "report.html", "report.md"]
    return tmp_path / "done"


def test_an_evaluation_ends_with_figures_and_a_report(cli: Cli, evaluated: Path) -> None:
    found = figures(evaluated)

    assert [(each["name"], each["own"]["n"]) for each in found["targets"]] == [("both", 2), ("alone", 2)]
    assert found["is_simulated"]
    assert found["dataset"]["sampled"] == {"n": 2, "seed": 1}
    assert len(found["members"]) == 1
    assert [each["name"] for each in found["members"][0]["members"]] == [
        "seat 1: simulated:alpha",
        "seat 2: simulated:beta",
    ]
    assert [(each["a"], each["b"], each["difference"]["n"]) for each in found["comparisons"]] == [("both", "alone", 2)]
    assert "both" in (evaluated / "report.md").read_text()


def test_run_again_nothing_is_asked_and_the_figures_are_the_same(cli: Cli, evaluated: Path, tmp_path: Path) -> None:
    before = scores(evaluated)
    calls = count(evaluated / "runs.db", "fusion_attempts"), count(evaluated / "archive.db", "fusion_kept")

    done = cli(*command(tmp_path, "done"))

    assert (done.returncode, scores(evaluated)) == (0, before)
    assert (count(evaluated / "runs.db", "fusion_attempts"), count(evaluated / "archive.db", "fusion_kept")) == calls
    assert re.search(r"gradings: 4 of 4, \$0\.00 so far", done.stderr)


@pytest.mark.parametrize(
    ("db", "table", "where", "least"),
    [
        ("runs.db", "fusion_attempts", "1", 3),
        ("archive.db", "fusion_kept", "kind = 'generation'", 2),
        ("archive.db", "fusion_kept", "kind = 'verdict'", 40),
    ],
    ids=["amid answers", "between answers", "amid verdicts"],
)
def test_killed_and_run_again_it_comes_to_the_same_figures_and_pays_only_calls_in_flight_twice(
    cli: Cli, evaluated: Path, tmp_path: Path, db: str, table: str, where: str, least: int
) -> None:
    folder = tmp_path / "killed"
    running: Running = cli.start(*command(tmp_path, "killed"))
    wait_until(lambda: count(folder / db, table, where) >= least)
    running.send_signal(signal.SIGKILL)
    assert running.wait().returncode == -signal.SIGKILL
    assert not (folder / "results.json").exists()

    done = cli(*command(tmp_path, "killed"))

    assert done.returncode == 0, done.stderr
    assert scores(folder) == scores(evaluated)
    repeated = count(folder / "runs.db", "fusion_attempts") - count(evaluated / "runs.db", "fusion_attempts")
    assert 0 <= repeated <= 8  # four answers at a time, of at most two seats each
    kept = "kind = 'verdict'"
    assert count(folder / "archive.db", table="fusion_kept", where=kept) == count(
        evaluated / "archive.db", "fusion_kept", kept
    )


def test_ctrl_c_stops_it_and_run_again_it_goes_on(cli: Cli, evaluated: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stopped"
    running = cli.start(*command(tmp_path, "stopped"))
    wait_until(lambda: count(folder / "runs.db", "fusion_attempts") >= 2)
    running.send_signal(signal.SIGINT)
    stopped = running.wait()

    done = cli(*command(tmp_path, "stopped"))

    assert stopped.returncode == 130
    assert "Traceback" not in stopped.stderr
    assert done.returncode == 0, done.stderr
    assert scores(folder) == scores(evaluated)


def test_graded_again_no_target_is_asked(cli: Cli, evaluated: Path) -> None:
    asked = count(evaluated / "runs.db", "fusion_attempts")

    done = cli("draco", "judge", str(evaluated), "--protocol", "draco-paper-own", "--gradings", "1")

    assert done.returncode == 0, done.stderr
    found = figures(evaluated)
    assert (found["protocol"]["name"], found["protocol"]["gradings"]) == ("draco-paper-own", 1)
    assert count(evaluated / "runs.db", "fusion_attempts") == asked
    assert [each["own"]["n"] for each in found["targets"]] == [2, 2]


def test_without_members_none_is_graded(cli: Cli, tmp_path: Path) -> None:
    done = cli(*command(tmp_path, "out", "--no-members", "--gradings", "1"))

    assert done.returncode == 0, done.stderr
    assert figures(tmp_path / "out")["members"] == []


def test_a_report_is_written_again_and_targets_are_compared(cli: Cli, evaluated: Path) -> None:
    (evaluated / "report.html").unlink()

    assert cli("draco", "report", str(evaluated)).returncode == 0
    compared = cli("draco", "compare", str(evaluated), "--a", "alone", "--b", "both")

    assert (evaluated / "report.html").exists()
    header, row = compared.stdout.splitlines()
    assert header.split()[:3] == ["A", "B", "TASKS"]
    assert row.split()[:3] == ["alone", "both", "2"]


def test_what_was_graded_otherwise_is_not_compared(cli: Cli, evaluated: Path, tmp_path: Path) -> None:
    assert cli(*command(tmp_path, "other", "--gradings", "1", "--no-members")).returncode == 0

    told = refused(cli("draco", "compare", str(evaluated), str(tmp_path / "other")))

    assert "protocol gradings 2 is not 1" in told
    assert "fusion draco judge DIR" in told


def test_at_the_limit_nothing_more_is_begun_and_with_a_higher_one_it_goes_on(
    cli: Cli, evaluated: Path, tmp_path: Path
) -> None:
    stopped = cli(*command(tmp_path, "out", "--max-cost", "0.02"))
    told = refused(stopped, 3)
    unfinished, report = figures(tmp_path / "out")["unfinished"], (tmp_path / "out" / "report.md").read_text()
    done = cli(*command(tmp_path, "out"))

    assert "--max-cost is $0.0200" in told
    assert "it goes on from there" in unfinished[1]
    assert "it goes on from there" in report
    assert done.returncode == 0
    assert scores(tmp_path / "out") == scores(evaluated)


def test_plain_questions_are_compared_in_pairs(cli: Cli, tmp_path: Path) -> None:
    problems = [json.loads(line)["problem"] for line in _mini().read_text().splitlines()[:2]]
    (tmp_path / "questions.txt").write_text("# mine\n" + "\n".join(" ".join(each.split()) for each in problems))

    arguments = ["--config", str(tmp_path / "small.toml"), "--dataset", str(tmp_path / "questions.txt")]
    done = cli("draco", "run", *arguments, "--out", str(tmp_path / "own"))

    assert done.returncode == 0, done.stderr
    found = figures(tmp_path / "own")
    assert [(each["a"], each["b"], each["n"]) for each in found["pairs"]] == [("both", "alone", 2)]
    assert found["protocol"]["name"] == "pairs-own"
    assert "both" in (tmp_path / "own" / "report.md").read_text()


def _mini() -> Path:
    from fusion_graph.evaluation import dataset  # noqa: PLC0415  (the tests of the command line import none of it else)

    return Path(dataset.__file__).parent / "mini" / "tasks.jsonl"


def test_the_price_is_told_without_a_key_and_without_the_hub(cli: Cli) -> None:
    told = cli("draco", "estimate", "--config", "published-table", "--no-members", OPENROUTER_BASE_URL="")

    assert told.returncode == 0, told.stderr
    assert "100 tasks, 3934 criteria" in told.stdout
    lines = [line for line in told.stdout.splitlines() if line.startswith("grading of Opus 4.8 alone")]
    assert lines[0].split()[-2] == "11,802"
    assert 160 < float(lines[0].split()[-1]) < 190  # what was published is about 174

    as_json = json.loads(cli("draco", "estimate", "--config", "published-table", "--json").stdout)
    assert len(as_json) == 24


def test_money_is_spent_only_when_somebody_says_so(cli: Cli, tmp_path: Path) -> None:
    arguments = ["--dataset", "mini", "--target", "solo:openai/gpt-5.5,preset:quality", "--out", str(tmp_path / "out")]

    told = refused(cli("draco", "run", *arguments))

    assert "an evaluation costs money" in told
    assert "--max-cost" in told
    assert "14 tasks, 184 criteria" in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--dataset", "mini"], "nothing is to be measured"),
        (["--dataset", "mini", "--config", "demo-table", "--target", "solo:a"], "both --config and --target"),
        (["--dataset", "mini", "--config", "demo-tabel"], "did you mean 'demo-table'?"),
        (["--dataset", "mini", "--target", "gpt"], "target 'gpt' is unknown"),
        (["--target", "solo:openai/gpt-5.5"], "no data set is named"),
        (["--dataset", "nothing.jsonl", "--config", "demo-table"], "nothing.jsonl"),
        (["--dataset", "mini", "--config", "demo-table", "--protocol", "paper"], "draco-paper-own"),
        (["--dataset", "mini", "--config", "demo-table", "--grader", "nobody"], "nobody"),
        (["--dataset", "mini", "--config", "demo-table", "--sample", "-1"], "--sample"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    cli: Cli, tmp_path: Path, arguments: list[str], told: str
) -> None:
    done = cli("draco", "run", *arguments, "--out", str(tmp_path / "out"))

    assert told in refused(done)
    assert not (tmp_path / "out" / "runs.db").exists()


def test_a_grader_without_a_key_is_told_with_its_own_option_and_leaves_a_folder_as_it_was(
    cli: Cli, tmp_path: Path
) -> None:
    questions = tmp_path / "questions.txt"
    questions.write_text("What?\n")
    targets = ["--dataset", str(questions), "--target", "preset:demo,solo:demo:careful"]

    done = cli("draco", "run", *targets, "--out", str(tmp_path / "out"), "--yes", OPENROUTER_API_KEY="")

    assert done.returncode == 4
    assert "OPENROUTER_API_KEY is not set (needed by the grader)" in done.stderr
    assert "--grader" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_search_of_providers_is_refused_as_nobody_can_look_through_what_it_finds(cli: Cli, tmp_path: Path) -> None:
    searched = ["--dataset", "mini", "--target", "solo:openai/gpt-5.5", "--grader", "openai/gpt-5.5"]
    environ = {"FUSION_SEARCH": "native", "OPENROUTER_API_KEY": "key"}

    told = refused(cli("draco", "run", *searched, "--yes", "--out", str(tmp_path / "out"), **environ))

    assert "FUSION_SEARCH=native" in told
    assert "leave web_search out of tools" in told
    assert not (tmp_path / "out" / "runs.db").exists()


@pytest.mark.parametrize("name", ["judge", "report", "compare"])
def test_a_folder_without_an_evaluation_is_named(cli: Cli, tmp_path: Path, name: str) -> None:
    told = refused(cli("draco", name, str(tmp_path / "nowhere")))

    assert "nowhere" in told
    assert "fusion draco run --out" in told


def test_draco_that_cannot_be_fetched_is_told_with_the_way_out(cli: Cli, tmp_path: Path) -> None:
    arguments = ["--dataset", "draco", "--config", "demo-table", "--out", str(tmp_path / "out")]

    told = refused(cli("draco", "run", *arguments), 1)

    assert "test.jsonl" in told


def test_a_folder_that_cannot_be_written_to_is_told(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    told = refused(cli(*command(tmp_path, "file")), 1)

    assert "is the folder one this user can write to?" in told


def verdict(request: Request) -> Reply:
    """Find the last word of the criterion in the response that is graded."""
    seen = unfenced(request.question)
    word = seen["criterion"].split()[-1]
    said = {"verdict": "MET" if word in seen["response"] else "UNMET", "justification": f"looked for {word}"}
    return Reply(text=json.dumps(said), cost=0.001)


def own_tasks(path: Path) -> Path:
    rubric = {
        "id": "bridge",
        "sections": [
            {
                "id": "factual-accuracy",
                "title": "Facts",
                "criteria": [
                    {"id": "year", "weight": 10, "requirement": "Says that it opened in 1932"},
                    {"id": "stone", "weight": -5, "requirement": "Says that it is of stone"},
                ],
            }
        ],
    }
    row = {"id": "bridge", "problem": "When did the bridge open?", "answer": json.dumps(rubric), "domain": "Academic"}
    path.write_text(json.dumps(row))
    return path


def test_over_http_panels_solos_tries_and_endpoints_are_measured_on_tasks_of_ones_own(cli: Cli, tmp_path: Path) -> None:
    bridges = {"there": says("It opened in 1932."), "judging": verdict}
    targets = "preset:own,solo:openai:alone,best-of-2:openai:alone,endpoint:openai:there"
    roster = (
        'panel = ["openai:one", "openai:two"]\njudge = "openai:three"\nwriter = "openai:four"\ntools = ["web_search"]\n'
    )
    (cli.home / "presets.toml").write_text(f'[own]\ndescription = "mine"\n{roster}')

    with ModelServer(by_model(bridges, everyone)) as models:
        done = cli(
            *("draco", "run", "--dataset", str(own_tasks(tmp_path / "tasks.jsonl")), "--target", targets),
            *("--grader", "openai:judging", "--gradings", "1", "--out", str(tmp_path / "out"), "--yes"),
            OPENAI_BASE_URL=models.url,
        )
        asked = [entry.model for entry in models.log]

    assert done.returncode == 0, done.stderr
    found = figures(tmp_path / "out")
    assert [(each["name"], each["kind"], each["own"]["n"]) for each in found["targets"]] == [
        ("own", "fusion", 1),
        ("openai:alone", "solo", 1),
        ("best of 2: openai:alone", "best_of", 1),
        ("openai:there", "endpoint", 1),
    ]
    assert found["targets"][3]["own"]["mean"] == 100.0
    assert not found["is_simulated"]
    assert asked.count("there") == 1
    # Two criteria; four answers, of which two are the same, and two members.
    assert asked.count("judging") == 2 * 5
    assert found["spent"]["by_role"]["grader"] == pytest.approx(0.01)


def test_a_grader_without_a_key_stops_with_the_way_on(cli: Cli, tmp_path: Path) -> None:
    with ModelServer(by_model({"judging": fails(401)}, everyone)) as models:
        done = cli(
            *("draco", "run", "--dataset", str(own_tasks(tmp_path / "tasks.jsonl")), "--target", "solo:openai:alone"),
            *("--grader", "openai:judging", "--out", str(tmp_path / "out"), "--max-cost", "1"),
            OPENAI_BASE_URL=models.url,
        )

    told = refused(done, 1)
    assert "the grader 'openai:judging' cannot be asked" in told
    assert "run the same command again" in told
    assert figures(tmp_path / "out")["targets"][0]["endings"] != {}
