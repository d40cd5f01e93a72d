"""The report in its order: what it is, what came out, and what that rests on."""

import json

from fusion_graph.evaluation.report.blocks import Code, Document, Folded, Section
from fusion_graph.evaluation.report.sections import breakdown, comparing, members, overview, reading, spending, tasks
from fusion_graph.evaluation.shapes import Results


def document(results: Results) -> Document:
    """Return all that there is to say; sections about what was not measured are left out."""
    sections = [
        overview.scores(results),
        reading.how_to_read(results),
        comparing.comparisons(results),
        comparing.pairs(results),
        spending.against_cost(results),
        spending.against_time(results),
        breakdown.by_axis(results),
        breakdown.by_domain(results),
        members.member_ledger(results),
        tasks.conventions(results),
        tasks.endings(results),
        tasks.contamination(results),
        spending.by_role(results),
        tasks.appendix(results),
        _manifest(results),
    ]
    return Document(results["name"], overview.head(results), [section for section in sections if section])


def _manifest(results: Results) -> Section:
    said = "What it takes to do the same again: versions, prompts' hashes, and the settings of every target."
    written = json.dumps(results["manifest"], indent=2, ensure_ascii=False, default=str)
    return Section("Manifest", said, [Folded("Show the manifest", [Code(written)])])
