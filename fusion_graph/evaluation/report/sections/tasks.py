"""How tasks ended, what counts where one has no score, what leaked, and every task by itself."""

from collections.abc import Callable
from functools import partial

from fusion_graph.evaluation.report import words
from fusion_graph.evaluation.report.blocks import Block, Bullets, Section, Table, Text
from fusion_graph.evaluation.report.sections.ranking import Column, has_scores, numbered, ranked, target_table
from fusion_graph.evaluation.shapes import Ending, Estimate, Results, TargetFigures, TaskRow

_ENDINGS: dict[Ending, str] = {
    "answered": "Answered",
    "unverified": "Answered, unverified",
    "refused": "Refused",
    "failed": "Failed",
    "timed_out": "Timed out",
}
# How tasks without a score may count.
_WAYS: dict[str, Callable[[TargetFigures], Estimate]] = {
    "Completed": lambda target: target["own"],
    "Missing as 0": lambda target: target["zero_filled"],
    "In common": lambda target: target["common"],
}
_WITH_AND_WITHOUT: list[Column] = [
    ("Score with them", lambda target: words.counted_mean(target["own"])),
    ("Score without them", lambda target: words.counted_mean(target["clean"])),
]
_LEAKED = "\N{DAGGER}"


def endings(results: Results) -> Section:
    """Return how the tasks ended for each target."""
    reading = (
        "Unverified: the answer cites pages that no tool of its run saw. Refused: the model declined. Unscored: there is an "
        "answer, but the grader gave too few verdicts (under 95 %) to score it."
    )
    columns = [
        *((title, lambda target, key=key: str(target["endings"].get(key, 0))) for key, title in _ENDINGS.items()),
        ("Unscored", lambda target: str(target["unscored"])),
        ("Verdicts had", lambda target: words.percent(target["coverage"], digits=1)),
    ]
    return Section("How tasks ended", reading, [target_table("How tasks ended", results, columns)])


def conventions(results: Results) -> Section | None:
    """Return the scores by each way to count tasks without one, where the ways differ."""
    if not any(_differ(target) for target in results["targets"]):
        return None
    reading = (
        "A target that drops hard tasks looks better than it is. Completed: the tasks that it has a score for. Missing as 0: "
        "all tasks, and no answer earns nothing. In common: the tasks that every target completed, the fairest to compare by."
    )
    columns = [(title, lambda target, way=way: words.counted_mean(way(target))) for title, way in _WAYS.items()]
    table = target_table("Missing tasks, counted three ways", results, columns)
    return Section("Missing tasks, counted three ways", reading, [table, *_leaders(results)])


def _differ(target: TargetFigures) -> bool:
    return len({way(target)["n"] for way in _WAYS.values()}) > 1  # of as many tasks: of the same


def _mean(way: Callable[[TargetFigures], Estimate], target: TargetFigures) -> float:
    return way(target)["mean"] or 0.0


def _leaders(results: Results) -> list[Block]:
    """Say which target leads by each way, where it is not the same one."""
    names = numbered(results)
    leaders = {title: names[max(results["targets"], key=partial(_mean, way))["name"]] for title, way in _WAYS.items()}
    if len(set(leaders.values())) == 1:
        return []
    said = [f"{title}: {name}" for title, name in leaders.items()]
    return [Text("Who leads depends on the way of counting:"), Bullets(said)]


def contamination(results: Results) -> Section:
    """Return what scores are without tasks whose rubric was within reach of a tool."""
    reading = "A task is contaminated if a tool's result held its rubric, or what the rubric's publisher says of it."
    if not any(target["contaminated"] for target in results["targets"]):
        return Section("Contamination", reading, [Text("No contaminated task was found.")])
    counted: Column = ("Contaminated tasks", lambda target: str(target["contaminated"]))
    columns = [counted, *(_WITH_AND_WITHOUT if has_scores(results) else [])]
    return Section("Contamination", reading, [target_table("Contamination", results, columns), *_leaks(results)])


def _leaks(results: Results) -> list[Table]:
    names = numbered(results)
    leaks = [
        [row["task"], names.get(target, target), leak]
        for row in results["tasks"]
        for target, found in row["leaks"].items()
        for leak in found
    ]
    return [Table("What leaked", ["Task", "Target", "What leaked"], leaks, names=3)] if leaks else []


def appendix(results: Results) -> Section | None:
    """Return each task with the score of each target, None without tasks."""
    if not results["tasks"]:
        return None
    reading = (
        "Scores by task; the columns are the numbers of the targets. A word stands where there is no score, or what to know "
        f"about it; {_LEAKED} marks a contaminated task."
    )
    targets = ranked(results)
    unscored = "unscored" if has_scores(results) else "answered"
    rows = [
        [row["task"], row["domain"], *(_cell(row, target["name"], unscored) for _, target in targets)]
        for row in results["tasks"]
    ]  # fmt: skip
    head = ["Task", "Domain", *(str(number) for number, _ in targets)]
    return Section("Every task", reading, [Table("Every task", head, rows)])


def _cell(row: TaskRow, target: str, unscored: str) -> str:
    """Return the score of a task, or why it has none."""
    ending, score = row["endings"].get(target), row["scores"].get(target)
    if ending is None and score is None:
        return "not run"
    answered = ending in {None, "answered", "unverified"}
    said = words.number(score, none=unscored) if answered else str(ending).replace("_", " ")
    marks = [*(["unverified"] if ending == "unverified" else []), *([_LEAKED] if row["leaks"].get(target) else [])]
    return " ".join([said, *marks])
