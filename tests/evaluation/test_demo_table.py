"""The whole harness on mini-DRACO, as README tells newcomers to run it: planted skills come out, the report opens."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from fusion_graph.evaluation.config import load_config
from fusion_graph.evaluation.shapes import Share
from tests.chatroom.watching import Faults, overflow, shoot
from tests.commands import Cli, own_environ
from tests.forked import Forked

pytestmark = pytest.mark.full  # the evaluation takes most of a minute


@pytest.fixture(scope="module")
def evaluated(forked: Forked, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the demo's evaluation."""
    folder = tmp_path_factory.mktemp("demo-table")
    cli = Cli(forked, folder, own_environ(folder, "http://127.0.0.1:9/v1"))
    cli.home.mkdir()
    done = cli("draco", "run", "--dataset", "mini", "--config", "demo-table", "--out", str(folder / "out"))
    assert done.returncode == 0, done.stderr
    return folder / "out"


@pytest.fixture(scope="module")
def results(evaluated: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((evaluated / "results.json").read_text())
    return found


def holds(share: Share, planted: float) -> bool:
    assert share["low"] is not None
    assert share["high"] is not None
    return share["low"] <= planted <= share["high"]


def test_every_target_has_a_score_of_every_task(results: dict[str, Any]) -> None:
    assert [(each["name"], each["own"]["n"], each["endings"]) for each in results["targets"]] == [
        (target.name, 14, {"answered": 14}) for target in load_config("demo-table").target
    ]


def test_what_was_planted_is_read_back_from_graded_answers(results: dict[str, Any]) -> None:
    planted = load_config("demo-table").simulation
    assert planted is not None
    panel = results["members"][0]

    assert holds(panel["keep1"], planted.keep1)
    assert holds(panel["keep2"], planted.keep2)
    assert holds(panel["caught"], planted.catch1)
    assert holds(panel["caught_shared"], planted.catch2)
    assert panel["gain0"]["hits"] == panel["invented"]["hits"] == 0


def test_a_panel_of_different_models_beats_each_of_them(results: dict[str, Any]) -> None:
    scores = {each["name"]: each["own"]["mean"] for each in results["targets"]}
    panel = results["members"][0]

    assert scores["alpha + beta + gamma"] == max(scores.values())
    assert panel["intersection"]["mean"] < min(scores.values())
    assert panel["union"]["mean"] > max(scores.values())


def test_no_answer_is_contaminated_behind_the_blocklist(results: dict[str, Any]) -> None:
    assert [each["contaminated"] for each in results["targets"]] == [0] * 6


def test_its_report_opens_with_nothing_wrong_in_it(
    evaluated: Path, browser: Browser, tmp_path: Path, results: dict[str, Any]
) -> None:
    report = (evaluated / "report.html").as_uri()
    faults = Faults(report)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    faults.watch(context)
    page = context.new_page()
    page.goto(report)
    shoot(page, tmp_path, "demo-table")

    assert page.get_by_role("heading", level=1).text_content() == results["name"]
    assert overflow(page) == 0
    context.close()
    assert faults.found == []
