"""The tools as clients see them: what each is for, when to use it, what it does to the world."""

from collections.abc import Mapping
from dataclasses import dataclass

from mcp.types import Tool, ToolAnnotations
from pydantic import BaseModel

from fusion_graph.checked import Checked
from fusion_graph.server.mcp.arguments import (
    AskArguments,
    CancelArguments,
    EstimateArguments,
    ResultArguments,
    input_schema,
)
from fusion_graph.server.mcp.shapes import Cancelled, Outcome, Price


@dataclass(frozen=True, slots=True)
class _Known:
    """A tool as clients see it."""

    title: str
    description: str
    arguments: type[Checked]
    result: type[BaseModel]
    hints: Mapping[str, bool]


TOOLS: dict[str, _Known] = {
    "fusion_ask": _Known(
        "Ask a panel of models",
        "Ask several models the same question, each researching the web, and get an answer that says where they agree and "
        "disagree.\n\nUse for research, comparisons, contested facts, decisions where being wrong is costly. Not for quick "
        "facts, code edits or follow-ups on an earlier result (use fusion_result). Takes 1-5 minutes and costs about $0.05-1; "
        "fusion_estimate tells more. The panel sees only `question`: include all needed context. Waits at most 45 seconds, "
        "then returns a run_id with status running: call fusion_result with it until the run has ended. The run goes on "
        "meanwhile, also if nobody waits. The same question again, before its answer was returned, is the same run.",
        AskArguments,
        Outcome,
        {"readOnlyHint": False, "destructiveHint": False, "idempotentHint": False, "openWorldHint": True},
    ),
    "fusion_result": _Known(
        "Get a panel's result",
        "Wait for a run of fusion_ask, at most 45 seconds, and return its answer, or how far it is.\n\nCall it again while "
        "the status is running. A run that was stopped with its server goes on where it was. Of a run that has ended, "
        "`detail` gives more: analysis is the whole comparison, full the long answer and what each seat answered. Costs "
        "nothing beyond the run itself.",
        ResultArguments,
        Outcome,
        {"readOnlyHint": True, "openWorldHint": True},
    ),
    "fusion_estimate": _Known(
        "Estimate a panel's price",
        "Tell what fusion_ask would cost with these arguments, and which models would answer, compare and write.\n\n"
        "Calls no model and costs nothing.",
        EstimateArguments,
        Price,
        {"readOnlyHint": True, "openWorldHint": False},
    ),
    "fusion_cancel": _Known(
        "Cancel a panel",
        "Stop a run of fusion_ask that is no longer wanted.\n\nWhat it has paid for is kept; no more is paid.",
        CancelArguments,
        Cancelled,
        {"readOnlyHint": False, "destructiveHint": False, "idempotentHint": True, "openWorldHint": False},
    ),
}


def listed(name: str, environ: Mapping[str, str]) -> Tool:
    """Return a tool as clients are told of it. Blocks."""
    known = TOOLS[name]
    return Tool(
        name=name,
        title=known.title,
        description=known.description,
        inputSchema=input_schema(known.arguments, environ),
        outputSchema=known.result.model_json_schema(),
        annotations=ToolAnnotations(title=known.title, **known.hints),
    )
