"""Contamination: what tools bring that graders look for is told, wherever it came from."""

from pathlib import Path

import pytest
from langchain_core.tools import BaseTool, StructuredTool

from fusion_graph.evaluation.archive import open_archive
from fusion_graph.evaluation.guard import Guard
from tests.evaluation.benches import ALONE, DATASET, FUSED, REQUIREMENT, open_bench
from tests.graphs import researcher, scripted

CLEAN = "The suspension bridge was opened in 1932."


def a_tool(text: str, title: str = "A page") -> BaseTool:
    """A tool whose result is a text, with a page in its artifact."""

    async def run(query: str) -> tuple[str, dict[str, object]]:
        return text, {"sources": [{"url": f"https://pages.example/{query[:5]}", "title": title, "read": True}]}

    return StructuredTool.from_function(
        coroutine=run, name="look_up", description="Look a thing up.", response_format="content_and_artifact"
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (CLEAN, []),
        ("see PERPLEXITY-AI/draco on the hub", ["the text holds 'perplexity-ai/draco'"]),
        ("https://arxiv.org/abs/2602.11685v2", ["the text holds '2602.11685'"]),
        (
            REQUIREMENT.upper().replace(" ", "\n* "),
            ["it has the words of a requirement: 'states that the suspension bridge was opened to'"],
        ),
        ("bridge was opened to all traffic in", []),
        ("", []),
    ],
)
async def test_markers_and_eight_words_of_a_requirement_are_found(tmp_path: Path, text: str, found: list[str]) -> None:
    async with open_archive(tmp_path / "archive.db") as archive:
        assert Guard(DATASET, archive).found_in(text) == found


async def test_a_run_whose_tool_brought_a_rubric_is_contaminated(tmp_path: Path) -> None:
    async with open_bench(scripted(north=researcher()), tmp_path, tools=[a_tool(f"Key: {REQUIREMENT}.")]) as bench:
        made = await bench.generate(ALONE)
        kept = await bench.generate(ALONE)

    assert made["ending"] == "answered"
    assert made["leaks"] == [
        "seat 1, look_up: it has the words of a requirement: 'states that the suspension bridge was opened to'"
    ]
    assert kept["leaks"] == made["leaks"]


async def test_what_stands_beside_a_result_is_looked_at_too(tmp_path: Path) -> None:
    tool = a_tool(CLEAN, title="datasets/perplexity-ai/draco")
    async with open_bench(scripted(north=researcher(), south=researcher()), tmp_path, tools=[tool]) as bench:
        made = await bench.generate(FUSED)

    assert sorted(made["leaks"]) == [f"seat {n}, look_up: the text holds 'perplexity-ai/draco'" for n in (1, 2)]


async def test_a_clean_run_is_clean(tmp_path: Path) -> None:
    async with open_bench(scripted(north=researcher()), tmp_path, tools=[a_tool(CLEAN)]) as bench:
        assert (await bench.generate(ALONE))["leaks"] == []
