"""`fusion demo` as a newcomer sees it: a process of its own, also killed and gone on with."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forked import Forked


@pytest.fixture(scope="module")
def forked() -> Iterator[Forked]:
    with Forked() as forked:
        yield forked


class Command:
    """The `fusion` command with a home of its own; `out` and `err` are what the last process printed."""

    def __init__(self, forked: Forked, folder: Path) -> None:
        self._forked, self._folder = forked, folder
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("FUSION_", "OPEN"))}
        self.environ = kept | {"FUSION_HOME": str(folder / "home"), "COLUMNS": "300"}

    def start(self, *arguments: str) -> int:
        for name in ("out", "err"):
            (self._folder / name).write_text("")
        return self._forked.spawn(
            arguments, self.environ, Path("/dev/null"), self._folder / "out", self._folder / "err"
        )

    def __call__(self, *arguments: str) -> int:
        return self._forked.wait(self.start(*arguments))

    @property
    def out(self) -> str:
        return (self._folder / "out").read_text()

    @property
    def err(self) -> str:
        return (self._folder / "err").read_text()


@pytest.fixture
def fusion(forked: Forked, tmp_path: Path) -> Command:
    return Command(forked, tmp_path)


def test_the_demo_answers_without_a_key_and_says_what_it_is(fusion: Command) -> None:
    assert fusion("demo") == 0, fusion.err

    assert fusion.out.startswith("Offline demo: no language model.")
    assert "61 of 100" in fusion.out
    assert "69 of 100" in fusion.out
    assert fusion.out.count("(only found, not read)") < fusion.out.count("https://")
    assert "offline demo: no language model" in fusion.err
    assert "3 of 3 seats" in fusion.err
    assert "$0.00" in fusion.err


def test_a_question_and_a_folder_of_ones_own(fusion: Command, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "kettle.txt").write_text("The green kettle holds 3 litres. The green kettle whistles in F.")

    assert fusion("demo", "What does the green kettle hold?", "--corpus", str(tmp_path / "notes"), "--json") == 0
    result = json.loads(fusion.out)
    missing = fusion("demo", "--corpus", str(tmp_path / "gone"))

    assert "The green kettle holds 3 litres" in result["answer"]
    assert result["demo"] is True
    assert missing == 2
    assert "gone" in fusion.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("after", ["tool_called", "panelist_finished", "analysis_started", "answer_started"])
def test_a_demo_that_is_stopped_anywhere_is_gone_on_with(fusion: Command, after: str, number: int) -> None:
    pid = fusion.start("demo", "--events")
    end = time.monotonic() + 30
    while f'"{after}"' not in fusion.out:
        assert time.monotonic() < end, fusion.err
        time.sleep(0.005)
    os.kill(pid, number)
    assert fusion._forked.wait(pid) in {-signal.SIGKILL, 130}
    run = json.loads(fusion.out.splitlines()[0])["run_id"]

    assert fusion("runs", "resume", run[:8], "--json") == 0, fusion.err
    resumed = json.loads(fusion.out)
    assert fusion("demo", "--json") == 0
    undisturbed = json.loads(fusion.out)

    assert resumed["answer"] == undisturbed["answer"]
    assert resumed["analysis"] == undisturbed["analysis"]
    assert resumed["status"] == "ok"
