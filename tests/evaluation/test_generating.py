"""What a target makes of a task: through the real graphs, kept, and told for what it is."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fusion_graph import prompts
from fusion_graph.errors import BudgetSpentError
from fusion_graph.evaluation.config import Target
from fusion_graph.models.scripted import ScriptedError, ScriptedReply, ScriptedRequest
from fusion_graph.prompts import unfenced
from tests.evaluation.benches import ALONE, BEST, FUSED, TASK, open_bench
from tests.graphs import look_up, researcher, says, scripted

TIRED = says("")


async def test_a_fusion_is_told_with_its_members_and_what_each_role_cost(tmp_path: Path) -> None:
    async with open_bench(scripted(), tmp_path) as bench:
        made = await bench.generate(FUSED)

    assert (made["ending"], made["text"]) == ("answered", "The answer is 1, though one source says 2.")
    assert [(each["seat"], each["text"], each["ending"], each["cost_usd"]) for each in made["members"]] == [
        (1, "north: the answer is 1.", "answered", 0.01),
        (2, "south: the answer is 1.", "answered", 0.01),
    ]
    assert (made["cost_usd"], made["cost_by_role"]) == (0.04, {"panelist": 0.02, "judge": 0.01, "writer": 0.01})
    assert made["seconds"] is not None
    assert made["leaks"] == []


async def test_a_solo_is_one_seat_and_nobody_else_is_asked(tmp_path: Path) -> None:
    models = scripted(north=researcher())
    async with open_bench(models, tmp_path, tools=[look_up()]) as bench:
        made = await bench.generate(ALONE)

    assert made["text"] == "north found it [1].\n\nSources:\n[1] About north 0 https://pages.example/north-0"
    assert {request.model for request in models.requests} == {"north"}
    assert (made["members"], made["cost_by_role"]) == ([], {"panelist": 0.02})


async def test_of_several_tries_the_one_that_the_judge_picks_is_the_answer(tmp_path: Path) -> None:
    def pick(request: ScriptedRequest) -> str:
        bodies = unfenced(request.text)
        letter = next(letter for letter in "AB" if bodies[f"answer {letter}"].startswith("south"))
        return f'```json\n{{"best": "{letter}", "why": "it is better"}}\n```'

    async with open_bench(scripted(judge=pick), tmp_path) as bench:
        made = await bench.generate(BEST)

    assert (made["text"], made["ending"]) == ("south: the answer is 1.", "answered")
    assert made["cost_by_role"] == {"panelist": 0.02, "judge": 0.01}


@pytest.mark.parametrize("said", ["both are good", '{"best": "Z"}', "", "A or B"])
async def test_a_judge_that_picks_none_leaves_the_first(tmp_path: Path, said: str) -> None:
    async with open_bench(scripted(judge=says(said)), tmp_path) as bench:
        made = await bench.generate(BEST)

    assert made["text"] == "north: the answer is 1."
    assert "picked none of the answers" in made["reasons"][0]


async def test_an_answer_that_was_written_without_the_panel_is_none_of_the_panel(tmp_path: Path) -> None:
    async with open_bench(scripted(north=TIRED, south=TIRED), tmp_path) as bench:
        made = await bench.generate(FUSED)

    assert (made["ending"], made["text"]) == ("failed", "")
    assert [each["ending"] for each in made["members"]] == ["failed", "failed"]


async def test_a_refusal_is_told_apart_and_is_not_asked_again(tmp_path: Path) -> None:
    models = scripted(north=lambda _request: ScriptedReply("", finish_reason="content_filter"))
    async with open_bench(models, tmp_path) as bench:
        made = await bench.generate(ALONE)
        asked = len(models.requests)
        again = await bench.generate(ALONE)

    assert (made["ending"], again) == ("refused", made)
    assert len(models.requests) == asked


async def test_what_took_too_long_is_told_apart(tmp_path: Path) -> None:
    async def slow(_request: object) -> str:
        await asyncio.sleep(30)
        return "too late"

    async with open_bench(scripted(north=slow), tmp_path) as bench:
        made = await bench.generate(ALONE, panel_timeout_seconds=0.2)

    assert made["ending"] == "timed_out"


async def test_an_answer_that_cites_what_no_tool_saw_is_unverified(tmp_path: Path) -> None:
    cited = says("It opened in 1932, says https://nowhere.example/bridge.")
    async with open_bench(scripted(north=cited), tmp_path) as bench:
        made = await bench.generate(ALONE)

    assert made["ending"] == "unverified"
    assert "1932" in made["text"]


async def test_what_failed_is_asked_again_and_what_is_there_is_not(tmp_path: Path) -> None:
    down = scripted(north=lambda _request: ScriptedError("no such model", status_code=404))
    async with open_bench(down, tmp_path) as bench:
        failed = await bench.generate(ALONE)
    up = scripted()
    async with open_bench(up, tmp_path) as bench:
        made = await bench.generate(ALONE)
        kept = await bench.generate(ALONE)

    assert (failed["ending"], made["ending"]) == ("failed", "answered")
    assert kept == made
    assert len(up.requests) == 1


async def test_targets_that_are_the_same_but_in_name_are_asked_once(tmp_path: Path) -> None:
    models = scripted()
    twin = ALONE.model_copy(update={"name": "twin"})
    async with open_bench(models, tmp_path) as bench:
        made = await asyncio.gather(bench.generate(ALONE), bench.generate(twin))

    assert [each["target"] for each in made] == ["alone", "twin"]
    assert made[0]["text"] == made[1]["text"]
    assert len(models.requests) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"max_tool_calls": 3},
        {"excluded_domains": ["other.example"]},
        {"temperature": 0.7},
        {"tools": ["web_fetch"]},
        {"reasoning": "low"},
    ],
)
async def test_what_changes_an_answer_changes_its_key(tmp_path: Path, change: dict[str, Any]) -> None:
    models = scripted()
    async with open_bench(models, tmp_path) as bench:
        made = await bench.generate(ALONE)
        other = await bench.generate(ALONE, **change)

    assert made["key"] != other["key"]
    assert len(models.requests) == 2


async def test_other_prompts_or_another_search_make_another_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = scripted()
    async with open_bench(models, tmp_path) as bench:
        keys = [(await bench.generate(ALONE))["key"]]
        bench.parts.environ = {"FUSION_SEARCH": "tavily"}
        keys.append((await bench.generate(ALONE))["key"])
        monkeypatch.setattr(prompts, "FINGERPRINT", "other words")
        keys.append((await bench.generate(ALONE))["key"])

    assert len(set(keys)) == len(models.requests) == 3


async def test_a_run_that_was_stopped_goes_on_and_pays_no_seat_twice(tmp_path: Path) -> None:
    reached = asyncio.Event()

    async def stuck(_request: object) -> str:
        reached.set()
        await asyncio.sleep(60)
        return "never"

    first = scripted(judge=stuck)
    async with open_bench(first, tmp_path) as bench:
        under_way = asyncio.create_task(bench.generate(FUSED))
        await reached.wait()
        under_way.cancel()
        await asyncio.wait([under_way])
    second = scripted()
    async with open_bench(second, tmp_path) as bench:
        made = await bench.generate(FUSED)

    assert made["ending"] == "answered"
    assert [request.model for request in second.requests] == ["judge", "writer"]
    assert made["cost_by_role"] == {"panelist": 0.02, "judge": 0.01, "writer": 0.01}


async def test_nothing_is_begun_when_the_limit_is_reached(tmp_path: Path) -> None:
    async with open_bench(scripted(), tmp_path, limit=0.03) as bench:
        await bench.generate(FUSED)
        with pytest.raises(BudgetSpentError, match=r"\$0.0400 is spent, and --max-cost is \$0.0300"):
            await bench.generate(ALONE)

    assert bench.purse.spent == pytest.approx(0.04)


async def test_an_endpoint_is_asked_in_one_call_without_our_words(tmp_path: Path) -> None:
    models = scripted()
    async with open_bench(models, tmp_path) as bench:
        made = await bench.generate(Target(name="there", kind="endpoint", model="south"), tools=["web_search"])

    assert [message.text for message in models.requests[0].messages] == [TASK.problem]
    assert models.requests[0].tools == []
    assert (made["text"], made["ending"], made["cost_usd"]) == ("south: the answer is 1.", "answered", 0.01)
