"""What became of what the members of a panel found."""

from typing import Literal, TypeAlias

from fusion_graph.evaluation.report import words
from fusion_graph.evaluation.report.blocks import Block, Charts, Part, Section, Table, Text
from fusion_graph.evaluation.report.charts import Chart, Row, dots, linear_scale, reach
from fusion_graph.evaluation.report.sections.ranking import numbered
from fusion_graph.evaluation.shapes import MemberFigures, Results, TargetFigures

_WIDE = 640  # px
_ALL, _SHARED = "Bound: all right points of any member, no errors", "Bound: only what all members said"
_Kept: TypeAlias = Literal["keep1", "keep2", "gain0", "caught", "caught_shared", "invented"]
_KEPT: dict[_Kept, str] = {
    "keep1": "Right points that one member alone made: kept in the answer",
    "keep2": "Right points that two or more members made: kept in the answer",
    "gain0": "Right points that no member made: in the answer all the same",
    "caught": "Errors that one member alone made: not in the answer",
    "caught_shared": "Errors that two or more members made: not in the answer",
    "invented": "Errors that no member made: in the answer all the same",
}


def member_ledger(results: Results) -> Section | None:
    """Return what each fused target made of its members' answers, None where no members were graded."""
    if not results["members"]:
        return None
    reading = (
        "Each member's answer was graded as if it stood alone, and then compared with the fused answer, criterion by criterion. "
        "A panel is worth its price where points of a single member survive and errors of a single member do not."
    )
    names = numbered(results)
    targets = {target["name"]: target for target in results["targets"]}
    parts = [
        Part(names.get(each["target"], each["target"]), _blocks(each, targets.get(each["target"])))
        for each in results["members"]
    ]
    return Section("What the members brought", reading, parts)


def _blocks(figures: MemberFigures, fused: TargetFigures | None) -> list[Block]:
    return [
        _kept(figures),
        Text(_agreement(figures["correlation"])),
        Charts([_drawn(figures, fused)]),
        _members(figures),
    ]


def _kept(figures: MemberFigures) -> Table:
    rows = [
        [said, words.share(figures[key]), f"{figures[key]['hits']} of {figures[key]['n']}"]
        for key, said in _KEPT.items()
    ]  # fmt: skip
    return Table(
        "What became of points and errors", ["Of the members", "Share (95 % interval)", "Cases"], rows, names=1
    )


def _agreement(correlation: float | None) -> str:
    if correlation is None:
        return (
            "How far the members agree is unknown: it takes two members, and criteria that some meet and some do not."
        )
    said = f"{correlation:.2f}".replace("-", words.MINUS)
    return (
        f"The members' right points correlate by {said}: at 1 they all make the same ones, at 0 a point that one makes says "
        "nothing about the others. The lower, the more a panel can add."
    )


def _drawn(figures: MemberFigures, fused: TargetFigures | None) -> Chart:
    """Draw the members and the fused answer between what all members said and what any of them got right."""
    rows = [
        Row(_ALL, words.mean(figures["union"]), figures["union"], "bound"),
        *([Row("The fused answer", words.mean(fused["own"]), fused["own"])] if fused else []),
        *(Row(each["name"], words.mean(each["own"]), each["own"], "solo") for each in figures["members"]),
        Row(_SHARED, words.mean(figures["intersection"]), figures["intersection"], "bound"),
    ]
    scale = linear_scale(reach(row.figure for row in rows), within=(0, 100))
    return dots("The fused answer among its members", rows, scale, width=_WIDE)


def _members(figures: MemberFigures) -> Table:
    bounds = {
        _ALL: figures["union"],
        _SHARED: figures["intersection"],
    }
    rows = [
        [each["name"], words.mean(each["own"]), str(each["own"]["n"]), words.cost_of(each)]
        for each in figures["members"]
    ]
    rows += [[name, words.mean(found), str(found["n"]), "none"] for name, found in bounds.items()]
    return Table("Members", ["Member", "Score (95 % interval)", "n", "Cost"], rows, names=1)
