"""Targets against one another, on the tasks that both answered."""

from fusion_graph.evaluation.report import words
from fusion_graph.evaluation.report.blocks import Block, Charts, Section, Table, Text
from fusion_graph.evaluation.report.charts import Row, dots, linear_scale, reach
from fusion_graph.evaluation.report.sections.ranking import CLEAR, numbered, ranked
from fusion_graph.evaluation.shapes import Comparison, PairFigures, Results

_WIDE = 640  # px


def comparisons(results: Results) -> Section | None:
    """Return the differences of scores, None where nothing was compared."""
    found = results["comparisons"]
    if not found:
        return None
    reading = (
        "A minus B on the tasks that both completed: above 0, A is better. p is how often chance alone would part them as far; "
        "after Holm's correction for the number of comparisons, a difference below 0.05 counts as clear."
    )
    clear = sum(_is_clear(each["p_holm"]) for each in found)
    said = f"{clear} of {words.counted(len(found), 'difference')} {'is' if clear == 1 else 'are'} clear."
    blocks: list[Block] = [Text(said), _table(results), *_drawn(results)]
    return Section("Comparisons", reading, blocks)


def _table(results: Results) -> Table:
    names = numbered(results)
    head = ["A", "B", "Reading", "A minus B (95 % interval)", "n", "p", "p (Holm)", "A wins", "Ties", "A loses"]
    rows = [
        [
            names.get(each["a"], each["a"]),
            names.get(each["b"], each["b"]),
            _reading(each),
            words.mean(each["difference"], signed=True, none="no common task"),
            str(each["difference"]["n"]),
            words.probability(each["p"]),
            words.probability(each["p_holm"]),
            *(str(many) for many in (each["wins"], each["ties"], each["losses"])),
        ]
        for each in results["comparisons"]
    ]
    return Table("Comparisons", head, rows, names=3)


def _reading(comparison: Comparison) -> str:
    difference = comparison["difference"]["mean"]
    if difference is None or comparison["p_holm"] is None:
        return "too few tasks"
    if not _is_clear(comparison["p_holm"]):
        return "may be chance"
    return "A is better" if difference > 0 else "B is better"


def _is_clear(p: float | None) -> bool:
    return p is not None and p < CLEAR


def _drawn(results: Results) -> list[Charts]:
    numbers = {target["name"]: str(number) for number, target in ranked(results)}
    rows = [
        Row(
            f"{numbers.get(each['a'], each['a'])} minus {numbers.get(each['b'], each['b'])}",
            words.mean(each["difference"], signed=True),
            each["difference"],
        )
        for each in results["comparisons"]
        if each["difference"]["mean"] is not None
    ]
    if not rows:
        return []
    scale = linear_scale([0, *reach(row.figure for row in rows)])
    return [Charts([dots("Differences in points", rows, scale, width=_WIDE, zero=True)])]


def pairs(results: Results) -> Section | None:
    """Return the verdicts on pairs of answers, None where there are none."""
    if not results["pairs"]:
        return None
    reading = (
        "How often the grader preferred A's answer to B's, whichever of them it read first. p is how often a fair coin would "
        "part wins and losses as far; undecided pairs lack a verdict and count for nobody."
    )
    return Section("Answers in pairs", reading, [_pairs_table(results["pairs"], numbered(results))])


def _pairs_table(found: list[PairFigures], names: dict[str, str]) -> Table:
    head = ["A", "B", "Pairs", "A wins", "Ties", "A loses", "Undecided", "p", "p (Holm)", "Same in both orders"]
    rows = [
        [
            names.get(each["a"], each["a"]),
            names.get(each["b"], each["b"]),
            *(str(many) for many in (each["n"], each["wins"], each["ties"], each["losses"], each["undecided"])),
            words.probability(each["p"]),
            words.probability(each["p_holm"]),
            words.share(each["same_in_both_orders"]),
        ]
        for each in found
    ]
    return Table("Answers in pairs", head, rows)
