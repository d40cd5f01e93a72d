"""`fusion demo` as a newcomer sees it: a process of its own, also killed and gone on with."""

import json
import signal
from pathlib import Path

import pytest

from tests.commands import Cli, own_environ, wait_until
from tests.forked import Forked


@pytest.fixture
def fusion(forked: Forked, tmp_path: Path) -> Cli:
    """The command without a key; nothing is to be asked, so there is nobody to be reached."""
    return Cli(forked, tmp_path, own_environ(tmp_path, "http://127.0.0.1:9/v1", COLUMNS="300"))


def test_the_demo_answers_without_a_key_and_says_what_it_is(fusion: Cli) -> None:
    done = fusion("demo")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Offline demo: no language model.")
    assert "61 of 100" in done.stdout
    assert "69 of 100" in done.stdout
    assert done.stdout.count("(only found, not read)") < done.stdout.count("https://")
    assert "offline demo: no language model" in done.stderr
    assert "3 of 3 seats" in done.stderr
    assert "$0.00" in done.stderr


def test_a_question_and_a_folder_of_ones_own(fusion: Cli, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "kettle.txt").write_text("The green kettle holds 3 litres. The green kettle whistles in F.")

    result = fusion.json("demo", "What does the green kettle hold?", "--corpus", str(tmp_path / "notes"))
    missing = fusion("demo", "--corpus", str(tmp_path / "gone"))
    (tmp_path / "empty").mkdir()
    empty = fusion("demo", "--corpus", str(tmp_path / "empty"))

    assert "The green kettle holds 3 litres" in result["answer"]
    assert result["demo"] is True
    assert missing.returncode == 2
    assert "gone" in missing.stderr
    assert empty.returncode == 2
    assert "holds no file of" in empty.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("after", ["tool_called", "panelist_finished", "analysis_started", "answer_started"])
def test_a_demo_that_is_stopped_anywhere_is_gone_on_with(fusion: Cli, after: str, number: int) -> None:
    running = fusion.start("demo", "--events")
    wait_until(lambda: f'"{after}"' in running.stdout)
    running.send_signal(number)
    stopped = running.wait()
    run = json.loads(stopped.stdout.splitlines()[0])["run_id"]

    resumed = fusion.json("runs", "resume", run[:8])
    undisturbed = fusion.json("demo")

    assert stopped.returncode in {-signal.SIGKILL, 130}
    assert resumed["answer"] == undisturbed["answer"]
    assert resumed["analysis"] == undisturbed["analysis"]
    assert resumed["status"] == "ok"
