"""How to read the figures, for who has read nothing else about them."""

from statistics import median

from fusion_graph.evaluation.report import words
from fusion_graph.evaluation.report.blocks import Bullets, Section
from fusion_graph.evaluation.report.sections.ranking import CLEAR, has_scores
from fusion_graph.evaluation.shapes import Comparison, Results

_READING = """\
A score is the share of a rubric's weight that an answer earned, from 0 to 100: what it should say adds, what it must not \
say takes away, and no task scores below 0 or above 100.
The interval behind a score says where it would fall, 95 times in 100, with other tasks of the same kind (90 times if \
there are but ten tasks). Two intervals that overlap do not make two targets equal: their comparison looks at the same \
tasks and sees more.
Grader noise is how far the score of one task moves when the same answer is graded again. It averages out over tasks; \
a liking that the grader has for one way of writing does not.
A published score was measured by others, on other days, with other prompts and pages. It is there to be looked at, and \
no figure here is computed with it.""".splitlines()
_PAIRS_READING = """\
Each pair of answers was compared twice, with either answer first, by a grader that did not know who wrote them. A win \
counts only if both orders agree; otherwise it is a tie."""
_MANY = 50  # tasks that settle more than large differences


def how_to_read(results: Results) -> Section:
    """Return what the figures can tell and what they cannot."""
    texts = [*(_READING if has_scores(results) else []), *([_PAIRS_READING] if results["pairs"] else [])]
    return Section(
        "How to read this",
        "What these figures can tell, and what they cannot.",
        [Bullets([*texts, _resolution(results)])],
    )


def _resolution(results: Results) -> str:
    """Say how small a difference can be told from chance here."""
    tasks, found = int(results["dataset"].get("tasks") or 0), results["comparisons"]
    if found and len(found) * 2 ** (1 - max(each["difference"]["n"] for each in found)) >= CLEAR:
        many = words.counted(len(found), "comparison")
        return f"{words.counted(tasks, 'task')} and {many}: too few tasks for any difference to become clear."
    said = [f"{words.counted(tasks, 'task')} can settle only large differences."] if tasks < _MANY else []
    halves = [(high - low) / 2 for low, high in map(_ends, found) if low is not None and high is not None]
    if halves:
        usual = words.number(median(halves))
        said.insert(0, f"With these tasks a difference of two targets is known to about {usual} points up or down.")
    return " ".join(said) or "Four times as many tasks make every interval half as wide."


def _ends(comparison: Comparison) -> tuple[float | None, float | None]:
    return comparison["difference"]["low"], comparison["difference"]["high"]
