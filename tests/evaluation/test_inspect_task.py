"""The evaluation as a task of inspect-ai: its models answer and grade, its log opens, and our numbers are in it."""

import importlib.util
import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.system import lacking

ROOT = Path(__file__).parents[2]
TASK = "fusion_graph/evaluation/inspect_task.py"
# Scripted models cannot be named on a command line. With usage: without it inspect-ai fetches a tokenizer to count with.
OFFLINE = """
import json
from inspect_ai import task, task_with
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from fusion_graph.evaluation.inspect_task import draco
from fusion_graph.prompts import unfenced

def said(text, cost):
    output = ModelOutput.from_content("mockllm", text)
    output.usage = ModelUsage(input_tokens=100, output_tokens=10, total_tokens=110, total_cost=cost)
    return output

def answer(messages, *_options):
    question = messages[-1].text
    return said("" if "silent" in question else "It opened in 1932 and is made of steel.", 0.5)

def grade(messages, _tools, _choice, config):
    seen = unfenced(messages[-1].text)
    if "riddle" in seen.get("question", "riddle"):
        return said("Who knows.", 0.25)
    verdict = "MET" if seen["criterion"].split()[-1] in seen["response"] else "UNMET"
    assert config.temperature == 0.2 and config.reasoning_effort == "low" and config.response_schema.strict
    return said(json.dumps({"verdict": verdict, "justification": "looked"}), 0.25)

@task
def offline(dataset, folder):
    models = [get_model("mockllm/model", custom_outputs=each, memoize=False) for each in (answer, grade)]
    return task_with(draco(dataset=dataset, folder=folder), model=models[0], model_roles={"grader": models[1]})
"""


@pytest.fixture(autouse=True)
def _inspect() -> None:
    if importlib.util.find_spec("inspect_ai") is None:
        lacking("inspect-ai is not here: pip install 'fusion-graph[eval]'")


def row(name: str, problem: str) -> str:
    criteria = [
        {"id": "year", "weight": 10, "requirement": "Says that it opened in 1932"},
        {"id": "length", "weight": 10, "requirement": "Says that its length is 500"},
        {"id": "stone", "weight": -5, "requirement": "Says that it is made of stone"},
    ]
    rubric = {"id": name, "sections": [{"id": "factual-accuracy", "title": "Facts", "criteria": criteria}]}
    return json.dumps({"id": name, "problem": problem, "answer": json.dumps(rubric), "domain": "Academic"})


def inspect(folder: Path, command: Sequence[str]) -> str:
    environ = {**os.environ, "INSPECT_LOG_DIR": str(folder / "logs"), "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "inspect_ai", *command],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def evaluated(place: Path, task: str, model: Sequence[str] = (), /, **options: object) -> dict[str, Any]:
    """Evaluate a task and return its log as inspect-ai itself reads it."""
    given = [part for name, value in options.items() for part in ("-T", f"{name}={value}")]
    inspect(place, ["eval", task, *given, *model, "--display", "none"])
    path = max((place / "logs").glob("*.eval"))
    log: dict[str, Any] = json.loads(inspect(place, ["log", "dump", str(path)]))
    assert log["status"] == "success"
    return log


def figures(log: dict[str, Any]) -> dict[str, float]:
    """Return the means over samples by name."""
    return {
        each["name"]: float(next(found["value"] for found in each["metrics"].values() if found["name"] == "mean"))
        for each in log["results"]["scores"]
    }


@pytest.mark.full  # each start of inspect-ai takes many seconds
def test_models_of_inspect_answer_and_grade_and_what_is_unscored_is_no_zero(tmp_path: Path) -> None:
    dataset, task = tmp_path / "tasks.jsonl", tmp_path / "offline.py"
    rows = [row("plain", "When?"), row("silent", "A silent one?"), row("riddle", "A riddle?")]
    dataset.write_text("\n".join(rows))
    task.write_text(OFFLINE)

    log = evaluated(tmp_path, os.path.relpath(task, ROOT), dataset=dataset, folder=tmp_path / "kept")

    found, by_id = figures(log), {sample["id"]: sample for sample in log["samples"]}
    assert found["score"] == 50.0
    assert found["zero_filled"] == 25.0
    assert found["pass_rate"] == pytest.approx(200 / 3)
    assert [found["unscored"], found["unanswered"]] == pytest.approx([1 / 3, 1 / 3])
    (points,) = (each for each in log["results"]["scores"] if each["name"] == "score")
    assert (points["scored_samples"], points["unscored_samples"]) == (1, 2)
    graded = by_id["plain"]["scores"]["grade_rubric"]
    assert graded["metadata"]["gradings"] == [{"year": True, "length": False, "stone": False}] * 3
    assert "year: looked" in graded["explanation"]
    riddle = by_id["riddle"]["scores"]["grade_rubric"]
    assert math.isnan(float(riddle["value"]["score"]))
    assert riddle["metadata"]["ungradable"]["year"] == "it was no JSON object"
    # 9 verdicts, and 9 that took three calls each; the silent one costs no grader's call.
    assert log["stats"]["role_usage"]["grader"]["total_cost"] == pytest.approx(36 * 0.25)
    assert "Says that" not in json.dumps([sample["metadata"] for sample in log["samples"]])


@pytest.mark.full  # each start of inspect-ai takes many seconds
def test_a_target_of_ours_is_evaluated_offline_from_the_command_line(tmp_path: Path) -> None:
    options = {
        "dataset": "mini",
        "config": "demo-table",
        "target": "alpha alone",
        "sample": 2,
        "folder": tmp_path / "kept",
    }

    first = evaluated(tmp_path, TASK, ["--model", "none/none"], **options)
    second = evaluated(tmp_path, TASK, ["--model", "none/none"], **options)

    assert 0 < figures(first)["score"] <= 100
    assert figures(second) == figures(first)
    notes = [sample["metadata"]["generation"] for sample in first["samples"]]
    assert [note["ending"] for note in notes] == ["answered", "answered"]
    again = [sample["metadata"]["generation"] for sample in second["samples"]]
    assert [note["run_id"] for note in again] == [note["run_id"] for note in notes]  # kept, so not paid again
    assert first["eval"]["metadata"]["protocol"]["name"] == "openrouter-2026-06-own"


@pytest.mark.full  # each start of inspect-ai takes many seconds
def test_the_log_is_bundled_for_its_viewer(tmp_path: Path) -> None:
    dataset, task = tmp_path / "tasks.jsonl", tmp_path / "offline.py"
    dataset.write_text(row("plain", "When?"))
    task.write_text(OFFLINE)
    evaluated(tmp_path, os.path.relpath(task, ROOT), dataset=dataset, folder=tmp_path / "kept")

    inspect(tmp_path, ["view", "bundle", "--log-dir", str(tmp_path / "logs"), "--output-dir", str(tmp_path / "page")])

    assert "<html" in (tmp_path / "page" / "index.html").read_text()
    assert len(list((tmp_path / "page" / "logs").glob("*.eval"))) == 1


def test_without_the_package_the_error_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "inspect_ai.py").write_text("raise ImportError('not installed')")
    environ = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}

    done = subprocess.run(
        [sys.executable, "-c", "import fusion_graph.evaluation.inspect_task"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "MissingPackageError: inspect-ai is not installed (needed by this task)" in done.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"config": "demo-table", "target": "nobody"}, "there is no target 'nobody'"),
        ({"protocol": "draco"}, "unknown protocol 'draco'"),
        ({"dataset": "questions.txt"}, "has no rubrics"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_asked(
    options: dict[str, Any], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fusion_graph.errors import SettingsError  # noqa: PLC0415
    from fusion_graph.evaluation.inspect_task import draco  # noqa: PLC0415  (where inspect-ai is)

    (tmp_path / "questions.txt").write_text("Why?\n")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SettingsError, match=told):
        draco(**{"dataset": "mini", **options})
