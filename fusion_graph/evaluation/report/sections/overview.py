"""What was evaluated, and the scores."""

from typing import Any

from fusion_graph.evaluation.report import words
from fusion_graph.evaluation.report.blocks import Banner, Block, Charts, Facts, Folded, Section, Table, Text
from fusion_graph.evaluation.report.charts import MARKS, Row, dots, linear_scale, reach
from fusion_graph.evaluation.report.sections.ranking import Column, has_scores, ranked, target_table
from fusion_graph.evaluation.shapes import Results, TargetFigures

_WIDE = 640  # px
_SIMULATED = (
    "The models of this evaluation are scripts with planted skills. Its figures show that the measuring works; they say "
    "nothing about language models."
)


def head(results: Results) -> list[Block]:
    """Return what was measured on what, by whom, when, and what nobody may miss about it."""
    banners: list[Block] = []
    if results["is_simulated"]:
        banners.append(Banner("Simulated models", [_SIMULATED]))
    if unfinished := results.get("unfinished"):
        banners.append(Banner("Unfinished", unfinished))
    return [*banners, Facts(_facts(results))]


def _facts(results: Results) -> list[tuple[str, str]]:
    data, protocol, spent = results["dataset"], results["protocol"], results["spent"]
    total = words.usd(spent.get("cost_usd"), is_lower_bound=bool(spent.get("cost_is_lower_bound")))
    facts = [
        ("Data set", f"{words.listed(data.get('name'))}, {_tasks(data)}"),
        ("From", words.listed(data.get("source"))),
        ("Revision", words.listed(data.get("revision"))),
        ("SHA-256 of the data", words.listed(data.get("sha256"))),
        ("Grading", _grading(protocol)),
        ("SHA-256 of the prompts", words.listed(protocol.get("sha256"))),
        ("Date", words.listed(results["manifest"].get("at"))),
        ("Spent", f"{total} in {words.counted(int(spent.get('calls') or 0), 'call')}"),
    ]
    return [(name, value) for name, value in facts if value != "not set"]


def _tasks(data: dict[str, Any]) -> str:
    many = words.counted(int(data.get("tasks") or 0), "task")
    sampled = data.get("sampled")
    return f"{many}, a sample (seed {sampled.get('seed')})" if sampled else many


def _grading(protocol: dict[str, Any]) -> str:
    named = {
        "model": "by {}",
        "gradings": "gradings of each answer: {}",
        "temperature": "temperature {}",
        "reasoning": "reasoning {}",
    }
    said = [
        form.format(words.listed(protocol[key])) for key, form in named.items() if protocol.get(key) not in {None, ""}
    ]
    return ", ".join([words.listed(protocol.get("name")), *said])


def scores(results: Results) -> Section:
    """Return the main table, and its scores drawn."""
    if not has_scores(results):
        reading = (
            "No answer has a score: the tasks have no rubric, or nothing is graded yet. What answering took is known."
        )
        return Section("Targets", reading, [target_table("Targets", results, _TAKEN), _kinds(results)])
    reading = (
        "Higher is better; the interval in brackets says how far the score could be off by the choice of tasks (95 %), and n is "
        "the number of tasks behind it. Cost and time are those of one task, without its grading."
    )
    table = target_table("Scores", results, [*_SCORED, *_TAKEN])
    return Section("Scores", reading, [table, *_sources(results), _drawn(results), _kinds(results)])


def _sources(results: Results) -> list[Text]:
    """Say where published scores are from."""
    sources = {target["published"]["source"] for target in results["targets"] if target["published"]}
    return [Text(f"Published scores are from: {'; '.join(sorted(sources))}.")] if sources else []


def _kinds(results: Results) -> Folded:
    """Say what each target is: its kind, and the models behind its name."""
    rows = [
        [str(number), target["name"], MARKS[target["kind"]], ", ".join(target["models"]) or "unknown"]
        for number, target in ranked(results)
    ]
    return Folded(
        "What the targets are", [Table("What the targets are", ["#", "Target", "Kind", "Models"], rows, names=4)]
    )


def _published(target: TargetFigures) -> str:
    found = target["published"]
    return f"published: {words.number(found['score'])} ({words.counted(found['tasks'], 'task')})" if found else "none"


def _passed(target: TargetFigures) -> str:
    passed = target["pass_rate"]["mean"]
    return "unknown" if passed is None else f"{passed:.1f} %"


def _noise(target: TargetFigures) -> str:
    noise = target["judge_noise"]
    return "unknown" if noise is None else f"{words.number(noise)} points"


_SCORED: list[Column] = [
    ("Score (95 % interval)", lambda target: words.mean(target["own"])),
    ("n", lambda target: str(target["own"]["n"])),
    ("Published", _published),
    ("Criteria passed", _passed),
    ("Grader noise", _noise),
]
_TAKEN: list[Column] = [
    ("Cost", words.cost_of),
    ("Time (median)", lambda target: words.duration(target["seconds"])),
    ("90 % within", lambda target: words.duration(target["seconds_high"])),
]


def _drawn(results: Results) -> Charts:
    rows = [
        Row(
            f"{number} {target['name']}",
            words.mean(target["own"]),
            target["own"],
            target["kind"],
            target["published"]["score"] if target["published"] else None,
        )
        for number, target in ranked(results)
    ]
    shown = [*reach(row.figure for row in rows), *(row.published for row in rows if row.published is not None)]
    return Charts([dots("Scores with their 95 % intervals", rows, linear_scale(shown, within=(0, 100)), width=_WIDE)])
