"""What scores take: money, time, and whose calls the money goes to."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fusion_graph.evaluation.report import words
from fusion_graph.evaluation.report.blocks import Block, Bullets, Charts, Folded, Section, Text
from fusion_graph.evaluation.report.charts import Point, best_for_their_price, scatter
from fusion_graph.evaluation.report.sections.ranking import Column, has_scores, ranked, target_table
from fusion_graph.evaluation.shapes import Results, TargetFigures

_ROLES = {"decide": "Decision", "panelist": "Panel", "judge": "Judge", "writer": "Writer", "grader": "Grading"}


@dataclass(frozen=True, slots=True)
class _Price:
    """What a score takes: how much of it (None: unknown; True: or more), and how all of that is said."""

    title: str
    reading: str
    drawing: str
    axis: str
    tick: Callable[[float], str]
    column: Column
    taken: Callable[[TargetFigures], tuple[float | None, bool]]


_COST = _Price(
    title="Score against cost",
    reading="A target is on the line if none that is cheaper scores as high. A cost known in part only is not compared.",
    drawing="Up is better, left is cheaper. An arrow marks a cost known in part only: the target may lie further right.",
    axis="US dollars a task",
    tick=lambda cost: f"${words.plain(cost)}",
    column=("Cost", words.cost_of),
    taken=lambda target: (target["cost_usd"], target["cost_is_lower_bound"]),
)
_TIME = _Price(
    title="Score against time",
    reading="A target is on the line if none that is faster scores as high. Time is the median of its tasks' wall time.",
    drawing="Up is better, left is faster.",
    axis="Seconds a task (median)",
    tick=lambda seconds: f"{words.plain(seconds)} s",
    column=("Time (median)", lambda target: words.duration(target["seconds"])),
    taken=lambda target: (target["seconds"], False),
)


def against_cost(results: Results) -> Section | None:
    """Return scores over costs, None where nothing is scored."""
    return _against(results, _COST)


def against_time(results: Results) -> Section | None:
    """Return scores over wall time, None where nothing is scored."""
    return _against(results, _TIME)


def _against(results: Results, price: _Price) -> Section | None:
    if not has_scores(results):
        return None
    points = [point for number, target in ranked(results) if (point := _point(number, target, price))]
    drawn, best = ({point.name for point in chosen} for chosen in (points, best_for_their_price(points)))
    score: Column = ("Score (95 % interval)", lambda target: words.mean(target["own"]))
    on_line: Column = ("On the line", lambda target: "yes" if target["name"] in best else "no")
    blocks: list[Block] = [
        Folded("The same as a table", [target_table(price.title, results, [score, price.column, on_line])])
    ]
    if points:
        blocks.insert(0, Charts([scatter(price.title, points, price.axis, price.tick)], price.drawing))
    missing = [f"{number} {target['name']}" for number, target in ranked(results) if target["name"] not in drawn]
    if missing:
        blocks += [
            Text("Not drawn and not on the line, because a score or what it takes is unknown:"),
            Bullets(missing),
        ]
    return Section(price.title, price.reading, blocks)


def _point(number: int, target: TargetFigures, price: _Price) -> Point | None:
    taken, is_least = price.taken(target)
    if target["own"]["mean"] is None or taken is None or (is_least and not taken):
        return None
    return Point(number, target["name"], taken, target["own"], target["kind"], is_least)


def by_role(results: Results) -> Section:
    """Return what one task costs by whose calls they are, and what the whole evaluation took."""
    reading = (
        "The mean cost of one task by whose calls they were. Grading is what measuring takes, not what answering takes."
    )
    roles = _known(key for target in results["targets"] for key in target["cost_by_role"])
    columns = [(_role(role), lambda target, role=role: _cost(target, role)) for role in roles]
    spent, paid = results["spent"], results["spent"].get("by_role") or {}
    total = words.usd(spent.get("cost_usd"), is_lower_bound=bool(spent.get("cost_is_lower_bound")))
    said = [f"{_role(role)}: {words.usd(paid[role])}" for role in _known(paid)]
    blocks: list[Block] = [target_table("Cost by role", results, columns)] if roles else []
    return Section("Cost by role", reading, [*blocks, Text(f"The whole evaluation took {total}."), Bullets(said)])


def _role(role: str) -> str:
    return _ROLES.get(role, words.title_of(role))


def _known(roles: Iterable[str]) -> list[str]:
    """Return each role once, those that every run has in their order."""
    found = list(dict.fromkeys(roles))
    return [*(role for role in _ROLES if role in found), *(role for role in found if role not in _ROLES)]


def _cost(target: TargetFigures, role: str) -> str:
    return words.usd(target["cost_by_role"][role]) if role in target["cost_by_role"] else "none"
