"""Every word said to a model: pure functions of what is to be said.

Instructions and the question come first, evidence after, in one user message. What came from models and pages is fenced
with a nonce that none of it contains. `FINGERPRINT` names this wording; a run records it.
"""

from fusion_graph.prompts.conversation import render_conversation
from fusion_graph.prompts.fences import defused, fenced, shared_out, unfenced
from fusion_graph.prompts.judge import question_text, render_evidence_list, render_judge, render_repair
from fusion_graph.prompts.messages import asked, render_system, system_text, with_text
from fusion_graph.prompts.panelist import render_citations, render_last_call, render_panelist
from fusion_graph.prompts.wording import (
    FALLBACK_ANSWER,
    FINGERPRINT,
    FUSION_TOOL,
    FUSION_TOOL_NAME,
    WITHOUT_PANEL,
)
from fusion_graph.prompts.writer import render_analysis, render_decide, render_writer

__all__ = [
    "FALLBACK_ANSWER",
    "FINGERPRINT",
    "FUSION_TOOL",
    "FUSION_TOOL_NAME",
    "WITHOUT_PANEL",
    "asked",
    "defused",
    "fenced",
    "question_text",
    "render_analysis",
    "render_citations",
    "render_conversation",
    "render_decide",
    "render_evidence_list",
    "render_judge",
    "render_last_call",
    "render_panelist",
    "render_repair",
    "render_system",
    "render_writer",
    "shared_out",
    "system_text",
    "unfenced",
    "with_text",
]
