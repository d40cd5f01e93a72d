"""`fusion models`, `estimate`, `usage`, `check` and completion as users run them: processes, exit codes, stdout, stderr."""

import json
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands import Cli, own_environ
from tests.forked import Forked
from tests.model_lists import OPENAI, ListServer
from tests.model_server import ModelServer

QUESTION = "When did the bridge open?"
ROSTER = ["--panel", "openai:one,openai:two", "--judge", "openai:three", "--writer", "openai:four"]
CLOSED = "http://127.0.0.1:9/v1"
CANARY = "sk-canary-0123456789abcdef"


@pytest.fixture
def cli(forked: Forked, tmp_path: Path) -> Cli:
    """No provider can be reached unless a test names one."""
    cli = Cli(forked, tmp_path, own_environ(tmp_path, CLOSED, OPENROUTER_BASE_URL=CLOSED))
    cli.home.mkdir()
    return cli


@pytest.fixture
def lists() -> Iterator[ListServer]:
    with ListServer() as lists:
        yield lists


@pytest.fixture
def models() -> Iterator[ModelServer]:
    with ModelServer() as models:
        yield models


# fusion models


def test_models_are_listed_with_prices_and_contexts_those_of_presets_first(cli: Cli, lists: ListServer) -> None:
    done = cli("models", "--provider", "openrouter", OPENROUTER_BASE_URL=lists.url)

    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr.splitlines()) == (0, [])
    assert lines[0].split() == ["MODEL", "IN", "$/M", "OUT", "$/M", "CONTEXT"]
    assert lines[1].split() == ["anthropic/claude-fable-5", "unknown", "unknown", "unknown"]
    assert lines[2].split() == ["anthropic/claude-opus-4.8", "5.00", "25.00", "1,000,000"]
    assert lines[-3].split() == ["google/gemma-9b:free", "0.00", "0.00", "8,192"]
    assert lines[-2].split() == ["openrouter/auto", "unknown", "unknown", "2,000,000"]
    assert max(map(len, lines)) <= 80
    assert len({len(line) for line in lines}) == 1


def test_models_are_filtered_and_counted_and_json_is_one_document(cli: Cli, lists: ListServer) -> None:
    environ = {"OPENROUTER_BASE_URL": lists.url}

    some = cli("models", "anthropic", "OPUS", "--limit", "1", **environ)
    found = cli.json("models", "anthropic", "opus", "--limit", "1", "--provider", "openrouter", **environ)

    assert some.stdout.splitlines()[1].startswith("anthropic/claude-opus-4.8 ")
    assert " more: give a word to filter by, --provider, or --limit 0" in some.stderr
    assert [model["name"] for model in found["models"]] == ["anthropic/claude-opus-4.8"]
    assert found["problems"] == []
    assert len(lists.paths) == 1  # the second time from the cache


def test_refresh_fetches_again_and_the_cache_answers_when_the_server_is_away(cli: Cli, lists: ListServer) -> None:
    environ = {"OPENROUTER_BASE_URL": lists.url}
    cli("models", "--provider", "openrouter", **environ)
    lists.answer = lambda _path: (429, "")

    away = cli("models", "gemma", "--provider", "openrouter", "--refresh", **environ)

    assert len(lists.paths) == 2
    assert away.returncode == 0
    assert "google/gemma-9b:free" in away.stdout
    assert "warning: " in away.stderr
    assert "HTTP status 429; shown instead: its list of " in away.stderr


def test_offline_and_without_a_cache_the_table_is_listed_and_stderr_says_why(cli: Cli) -> None:
    done = cli("models", "claude", "--limit", "0")

    assert done.returncode == 0
    assert "anthropic:claude-opus-4-8" in done.stdout
    assert f"warning: {CLOSED} could not be reached: " in done.stderr


def test_nothing_to_list_exits_with_1_and_an_unknown_provider_with_2(cli: Cli) -> None:
    nothing = cli("models", "no-such-model")
    nobody = cli("models", "--provider", "huggingface")
    unknown = cli("models", "--provider", "antropic")
    as_json = cli("models", "--provider", "antropic", "--json")

    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert "error: no model's name holds 'no-such-model'\nhint: " in nothing.stderr
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert "error: no model is known" in nobody.stderr
    assert unknown.returncode == 2
    assert unknown.stderr.startswith("error: there is no provider 'antropic'\nhint: did you mean 'anthropic'?")
    assert json.loads(as_json.stdout)["error"] == "there is no provider 'antropic'"


def test_a_key_is_sent_to_its_server_and_shown_to_nobody(cli: Cli, lists: ListServer) -> None:
    lists.answer = lambda _path: (401, {"error": {"message": f"Incorrect API key provided: {CANARY}"}})

    done = cli("models", "--provider", "openai", OPENAI_BASE_URL=lists.url, OPENAI_API_KEY=CANARY)

    assert lists.keys == [f"Bearer {CANARY}"]
    assert "the key in OPENAI_API_KEY is refused" in done.stderr
    assert CANARY not in done.stdout + done.stderr


# fusion estimate


def test_an_estimate_needs_no_key_no_network_and_leaves_no_database(cli: Cli) -> None:
    done = cli("estimate", QUESTION, OPENROUTER_BASE_URL="")

    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[0].split() == ["ROLE", "MODEL", "CALLS", "IN", "OUT", "COST", "$"]
    assert [line.split()[0] for line in lines[1:6]] == ["seat", "seat", "seat", "judge", "writer"]
    assert max(map(len, lines)) <= 80
    assert lines[7].startswith("about $")
    assert lines[8] == "tokens: usual sizes"
    assert lines[9].startswith("prices: genai-prices ")
    assert list(cli.home.iterdir()) == []


def test_a_model_without_a_price_makes_the_estimate_a_lower_bound(cli: Cli) -> None:
    own = ["--panel", "anthropic:claude-opus-4-8,openai:at-home", "--judge", "anthropic:claude-opus-4-8"]

    text = cli("estimate", *own).stdout
    found = cli.json("estimate", *own)
    nothing_known = cli("estimate", *ROSTER).stdout

    assert "\nat least $" in text
    assert "no price known for openai:at-home\nhint: fusion models --refresh fetches new prices" in text
    assert found["unknown_prices"] == ["openai:at-home"]
    assert [part["cost_usd"] is None for part in found["parts"]] == [False, True, False, False]
    assert "\ncost unknown\n" in nothing_known


def test_the_demo_costs_nothing_and_a_fetched_list_has_the_last_word_on_prices(cli: Cli, lists: ListServer) -> None:
    environ = {"OPENROUTER_BASE_URL": lists.url}
    opus = ["--panel", "~anthropic/claude-opus-latest", "--judge", "~anthropic/claude-opus-latest"]
    before = cli.json("estimate", *opus, **environ)
    cli("models", **environ)
    asked = len(lists.paths)

    after = cli.json("estimate", *opus, **environ)

    assert "\nno cost\n" in cli("estimate", "--preset", "demo").stdout
    assert before["cost_usd"] is None  # the table does not speak for a server of one's own
    assert after["cost_usd"]["low"] > 0
    assert "openrouter's list of 20" in after["parts"][0]["price_source"]
    assert len(lists.paths) == asked


def test_an_estimate_learns_from_past_runs(cli: Cli, models: ModelServer) -> None:
    for _ in range(5):
        assert cli("ask", QUESTION, *ROSTER, "-q", OPENAI_BASE_URL=models.url).returncode == 0

    found = {part["model"]: part for part in cli.json("estimate", *ROSTER)["parts"]}

    calls = [entry for entry in models.requests_of("one") if entry.billed]
    assert found["openai:one"]["tokens_from"] == f"{len(calls)} past calls of this model"
    assert found["openai:one"]["calls"]["low"] == len(calls) / 5
    assert found["openai:four"]["tokens_from"] == "5 past calls of this model"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--preset", "qualty"], "error: unknown preset 'qualty'\nhint: did you mean 'quality'?"),
        (["--panel", "gpt-5"], "error: 'gpt-5' names no provider"),
        (["--mode", "sometimes"], "mode = 'sometimes'"),
    ],
)
def test_an_estimate_of_what_cannot_run_is_refused(cli: Cli, arguments: list[str], words: str) -> None:
    done = cli("estimate", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


@pytest.mark.parametrize("question", ["", " \n"])
@pytest.mark.parametrize("command", ["estimate", "ask", "demo"])
def test_an_empty_question_has_neither_price_nor_answer(cli: Cli, command: str, question: str) -> None:
    done = cli(command, question)

    assert (done.returncode, done.stdout) == (2, "")
    assert "the question is empty" in done.stderr


def test_a_damaged_database_is_not_quoted_by_the_estimate(cli: Cli, models: ModelServer) -> None:
    cli("ask", QUESTION, *ROSTER, "-q", OPENAI_BASE_URL=models.url)
    with closing(sqlite3.connect(cli.home / "runs.db")) as connection:
        connection.execute("UPDATE fusion_attempts SET entry = CAST(replace(entry, 'openai:', X'ff') AS TEXT)")
        connection.commit()

    done = cli("estimate", *ROSTER)

    assert done.returncode == 0
    told = "warning: past runs cannot be read: the file is damaged: text in it is not UTF-8"
    assert done.stderr.splitlines()[0] == told


def test_a_database_that_is_none_costs_the_estimate_only_its_history(cli: Cli) -> None:
    (cli.folder / "notes.txt").write_text("these are notes, and no database at all " * 10)

    done = cli("estimate", "--db", str(cli.folder / "notes.txt"))
    usage = cli("usage", "--db", str(cli.folder / "notes.txt"))

    assert done.returncode == 0
    assert "warning: past runs cannot be read: " in done.stderr
    assert "tokens: usual sizes" in done.stdout
    assert usage.returncode == 1
    assert "error: the database " in usage.stderr


# fusion usage


def test_usage_adds_up_by_day_model_and_role_and_counts_nothing_twice_in_forks(cli: Cli, models: ModelServer) -> None:
    environ = {"OPENAI_BASE_URL": models.url}
    run = cli.json("ask", QUESTION, *ROSTER, **environ)
    cli.json("runs", "fork", run["run_id"], "--writer", "openai:five", **environ)

    found = cli.json("usage")
    by_model = {row["model"]: row["calls"] for row in cli.json("usage", "--by", "model")["rows"]}
    by_role = {row["role"]: row["calls"] for row in cli.json("usage", "--by", "role")["rows"]}
    (day,) = cli.json("usage", "--by", "day")["rows"]

    billed = [entry.billed for entry in models.log if entry.billed]
    assert found["total"]["calls"] == len(models.log) == sum(row["calls"] for row in found["rows"]) == day["calls"]
    assert found["total"]["input_tokens"] == sum(usage["prompt_tokens"] for usage in billed)
    assert found["by"] == ["day", "model"]
    assert by_model["openai:five"] == by_model["openai:four"] == by_model["openai:three"] == 1
    assert (by_role["judge"], by_role["writer"]) == (1, 2)
    assert found["total"]["cost_usd"] is None
    assert found["total"]["unpriced"] == len(models.log)


def test_usage_is_a_table_in_which_unknown_prices_are_no_zeros(cli: Cli, models: ModelServer) -> None:
    cli("demo", "-q")
    cli("ask", QUESTION, *ROSTER, "-q", OPENAI_BASE_URL=models.url)

    text = cli("usage", "--by", "model").stdout

    rows = {line.split()[0]: line for line in text.splitlines()}
    assert rows["MODEL"].split() == ["MODEL", "CALLS", "IN", "OUT", "COST"]
    assert rows["demo:judge"].endswith("$0.00")
    assert rows["openai:three"].endswith("unknown")
    assert rows["total"].endswith("at least $0.00")
    assert max(map(len, text.splitlines())) <= 80


def test_usage_of_the_last_days_leaves_out_what_is_older_and_no_usage_is_no_error(
    cli: Cli, models: ModelServer
) -> None:
    never = cli("usage")
    assert cli.json("usage")["rows"] == []
    assert list(cli.home.iterdir()) == []
    cli("demo", "-q")

    today = cli.json("usage", "--days", "1")
    none = cli("usage", "--days", "0")

    assert (never.returncode, never.stdout, never.stderr) == (0, "", "no calls yet\n")
    assert today["total"]["calls"] > 0
    assert (none.returncode, none.stdout, none.stderr) == (0, "", "no calls in the last 0 days\n")


# fusion check


def test_check_prints_a_line_an_item_with_the_remedy_below(cli: Cli) -> None:
    done = cli("check")

    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    (failed,) = [number for number, line in enumerate(lines) if line.startswith("fail")]
    assert lines[failed].split()[1:4] == ["openrouter", "OPENROUTER_API_KEY", "is"]
    assert lines[failed + 1].strip().startswith("hint: export OPENROUTER_API_KEY=...")


def test_check_exits_with_0_where_all_is_there_and_with_1_where_a_variable_is_broken(
    cli: Cli, lists: ListServer
) -> None:
    lists.answer = lambda _path: (200, OPENAI)
    environ = {"FUSION_PANEL": "openai:one", "FUSION_JUDGE": "openai:gpt-5", "OPENAI_BASE_URL": lists.url}

    well = cli("check", "--json", **environ)
    broken = cli("check", "--json", **environ, FUSION_SEARCH="bogus")
    demo = cli("check", "--preset", "demo", "--offline", FUSION_SEARCH="bogus")

    assert (well.returncode, json.loads(well.stdout)["ok"]) == (0, True)
    assert (broken.returncode, json.loads(broken.stdout)["exit_code"]) == (1, 1)
    assert demo.returncode == 0
    assert list(cli.home.iterdir()) == []


# Completion


AS_FUSION = "import sys; sys.argv = ['fusion']; from fusion_graph.cli import main; main()"


def run(cli: Cli, *command: str | Path, **environ: str) -> str:
    """Return what a process of its own prints; it must end well and say nothing on stderr."""
    done = subprocess.run(command, env={**cli.environ, **environ}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def completed(cli: Cli, line: str, **environ: str) -> list[str]:
    """Return what bash would offer at the end of `line`."""
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_FUSION_COMPLETE": "complete_bash"}
    return run(cli, sys.executable, "-c", AS_FUSION, **asked, **environ).split()


def test_presets_and_models_are_completed_from_files(cli: Cli, lists: ListServer) -> None:
    environ = {"OPENROUTER_BASE_URL": lists.url}
    before = completed(cli, "fusion estimate --judge google/", **environ)
    cli("models", **environ)
    asked = len(lists.paths)

    assert completed(cli, "fusion estimate --preset q", **environ) == ["quality"]
    assert before == ["google/gemini-3-flash-preview", "google/gemini-3.1-pro-preview"]
    assert completed(cli, "fusion estimate --judge google/ge", **environ) == [*before, "google/gemma-9b:free"]
    assert completed(cli, "fusion estimate --panel perplexity/sonar,google/gemm", **environ) == [
        "perplexity/sonar,google/gemma-9b:free"
    ]
    assert len(lists.paths) == asked


def test_runs_are_completed_newest_first_from_the_database_in_use(cli: Cli) -> None:
    cli("demo", "-q", "What does a panel of models cost?")
    cli("demo", "-q", "Is agreement proof?")
    runs = [row["run_id"] for row in cli.json("runs", "list")]

    assert completed(cli, "fusion runs show ") == runs
    assert completed(cli, f"fusion runs resume {runs[0][:6]}") == [runs[0]]
    assert completed(cli, f"fusion runs show --db {cli.folder / 'other.db'} ") == []
    assert not (cli.folder / "other.db").exists()


def test_what_is_broken_completes_nothing_and_says_nothing(cli: Cli) -> None:
    (cli.home / "presets.toml").write_text("[mine]\npannel = []\n")
    (cli.home / "runs.db").write_text("no database " * 100)
    (cli.home / "models-openrouter.json").write_text("{")

    for line in ("fusion estimate --preset q", "fusion estimate --judge a", "fusion runs show "):
        assert completed(cli, line) == []


def test_names_that_a_shell_would_evaluate_are_not_offered_nor_are_questions_shown_as_they_are(
    cli: Cli, lists: ListServer
) -> None:
    lists.answer = lambda _path: (200, {"data": [{"id": "a/$(touch x)"}, {"id": "a/`id`"}, {"id": "a/b"}]})
    cli("models", OPENROUTER_BASE_URL=lists.url)
    cli("demo", "-q", r"What is \$(touch x) [/red] `id` of 'it'?")

    offered = completed(cli, "fusion estimate --judge a/", OPENROUTER_BASE_URL=lists.url)
    asked = {"_FUSION_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "fusion runs show "}
    zsh = run(cli, sys.executable, "-c", AS_FUSION, **asked)

    assert offered == ["a/b"]
    assert "What is" in zsh
    assert not set("`$[\\") & set(zsh)


def test_completing_imports_neither_langgraph_nor_langchain_and_takes_little_time_of_its_own(
    cli: Cli, lists: ListServer
) -> None:
    many = {"data": [{"id": f"vendor-{number}/model", "pricing": {"prompt": "1"}} for number in range(500)]}
    lists.answer = lambda _path: (200, many)
    cli("models", OPENROUTER_BASE_URL=lists.url)
    cli("demo", "-q")
    program = """
import sys, time, types
import fusion_graph.cli
heavy = [name for name in sys.modules if name.startswith("pydantic")]
from fusion_graph.cli import completing
before = time.perf_counter()
context = types.SimpleNamespace(params={})
found = completing.presets(""), completing.several_models("a,vendor-4"), completing.runs(context, "")
print(time.perf_counter() - before, all(found))
print([name for name in sys.modules if name.startswith(("langgraph", "langchain", "httpx", "openai"))])
print(heavy)
"""

    told = run(cli, sys.executable, "-c", program, OPENROUTER_BASE_URL=lists.url)

    (seconds, found), *imported = told.splitlines()[0].split(), *told.splitlines()[1:3]
    assert found == "True"
    assert imported == ["[]", "[]"]
    assert float(seconds) < 0.5  # 0.05 on an idle machine


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes_with_the_script_that_show_completion_prints(cli: Cli, tmp_path: Path) -> None:
    command = tmp_path / "fusion"
    command.write_text(f"#!{sys.executable}\nfrom fusion_graph.cli import main\n\nmain()\n")
    command.chmod(0o700)
    shown = run(cli, command, "--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    script = f"""
        PATH={shlex.quote(str(tmp_path))}:$PATH
        {shown}
        COMP_WORDS=(fusion estimate --preset dra); COMP_CWORD=3
        _fusion_completion fusion
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """

    offered = run(cli, "bash", "-c", script).split()

    assert "draco-opus-gpt" in offered
    assert all(name.startswith("draco-") for name in offered)
