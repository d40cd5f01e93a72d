"""Simulated models through the real graph: what was planted in them is read back from the texts that come out."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from fusion_graph import build_fusion_graph
from fusion_graph.calls import Asker
from fusion_graph.deployment import Parts
from fusion_graph.errors import ModelLoadError, SettingsError
from fusion_graph.evaluation.baselines import build_baseline_graph
from fusion_graph.evaluation.config import load_config
from fusion_graph.evaluation.generating import with_sources
from fusion_graph.evaluation.grading import Grader
from fusion_graph.evaluation.members import Case, Ledger, ledger
from fusion_graph.evaluation.pairwise import PairGrader
from fusion_graph.evaluation.protocols import load_pair_protocol, load_protocol
from fusion_graph.evaluation.scoring import score, task_score
from fusion_graph.evaluation.shapes import Share, Verdicts
from fusion_graph.evaluation.simulated import Simulation
from fusion_graph.evaluation.simulated.chances import Traits
from fusion_graph.evaluation.simulated.key import Known, known_tasks
from fusion_graph.evaluation.simulated.texts import is_said
from fusion_graph.nodes import judge
from fusion_graph.results import run_result
from fusion_graph.schemas import SeatResult, Source
from tests.evaluation.graders import Shelf

ABLE = Traits(recall=0.6, errors=0.35, shared=0.7)
PLANTED = Simulation(models={"able": ABLE}, keep1=0.7, keep2=0.9, catch1=0.6, catch2=0.2)
PANEL = ("simulated:able", "simulated:able#2")
SEEDS = (1, 2, 3)
BLOCKED = load_config("demo-table").generation["excluded_domains"]
Z99 = 2.576
BY_ID = {known.task.id: known for known in known_tasks()}


@dataclass(frozen=True)
class Run:
    """One task as a panel answered it; texts are what a grader reads."""

    known: Known
    told: dict[str, Any]
    text: str
    members: list[str]

    @property
    def case(self) -> Case:
        return Case(self.known.task, verdicts(self.known, self.text), [verdicts(self.known, m) for m in self.members])


def verdicts(known: Known, text: str) -> Verdicts:
    return {each.id: known.points[each.id].shows_in(text) for each in known.task.criteria}


async def run(simulation: Simulation, task: str, panel: Sequence[str] = PANEL, **settings: Any) -> Run:
    known, environ = BY_ID[task], {"FUSION_SEARCH": f"local:{simulation.corpus}"}
    build = build_fusion_graph(load_model=simulation.load_model, price=simulation.price, environ=environ)
    graph: Any = build.compile()
    roster = {"panel": list(panel), "judge": "simulated:judge", "writer": "simulated:writer"}
    rules = {"tools": ["web_search", "web_fetch"], "excluded_domains": BLOCKED}
    values = await graph.ainvoke({"messages": [("user", known.task.problem)]}, context=roster | rules | settings)
    told = run_result("run", "thread", values)
    members = [with_sources(response["content"], values["sources"]) for response in told["responses"]]
    return Run(known, told, with_sources(told["answer"], values["sources"]), members)


async def all_tasks(simulation: Simulation, seeds: Sequence[int]) -> list[Run]:
    each = [run(simulation.model_copy(update={"seed": seed}), task) for seed in seeds for task in BY_ID]
    return await asyncio.gather(*each)


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    """All tasks with three seeds, by a panel of two equal members."""
    return asyncio.run(all_tasks(PLANTED, SEEDS))


@pytest.fixture(scope="module")
def figures(runs: list[Run]) -> Ledger:
    return ledger([each.case for each in runs])


def is_likely(hits: int, n: int, planted: float) -> bool:
    """Whether a chance lies in the 99 % Wilson interval of a share."""
    middle = (hits + Z99**2 / 2) / (n + Z99**2)
    half = Z99 / (n + Z99**2) * math.sqrt(hits * (n - hits) / n + Z99**2 / 4)
    return abs(planted - middle) <= half


def holds(found: Share, planted: float) -> bool:
    return is_likely(found["hits"], found["n"], planted)


def grader(protocol: str = "openrouter-2026-06-own", gradings: int = 1) -> Grader:
    asker = Asker(PLANTED.load_model, PLANTED.price)
    return Grader(asker, replace(load_protocol(protocol), model="simulated:oracle", gradings=gradings), Shelf())


# What was planted


def test_every_run_ends_well_and_cites_only_pages_that_were_read(runs: list[Run]) -> None:
    assert {each.told["status"] for each in runs} == {"ok"}
    assert {citation["status"] for each in runs for citation in each.told["citations"]} == {"read"}
    assert sum(len(each.told["citations"]) for each in runs) > 200


@pytest.mark.parametrize("seat", [0, 1])
def test_recall_and_errors_of_each_member_are_those_that_were_planted(runs: list[Run], seat: int) -> None:
    met = [
        (criterion.weight > 0, bool(each.case.members[seat][criterion.id]))
        for each in runs
        for criterion in each.known.task.criteria
        if each.known.points[criterion.id].say
    ]
    right, wrong = ([is_met for wanted, is_met in met if wanted is side] for side in (True, False))

    assert is_likely(sum(right), len(right), 0.6)
    assert is_likely(sum(wrong), len(wrong), 0.35)


def test_what_the_judge_keeps_and_catches_comes_out_of_the_graded_texts(figures: Ledger) -> None:
    assert holds(figures["keep1"], 0.7)
    assert holds(figures["keep2"], 0.9)
    assert holds(figures["caught"], 0.6)
    assert holds(figures["caught_shared"], 0.2)
    assert (figures["gain0"]["hits"], figures["invented"]["hits"]) == (0, 0)
    assert figures["keep1"]["n"] > 90


def test_two_equal_members_correlate_by_the_square_of_what_they_share(runs: list[Run], figures: Ledger) -> None:
    n = sum(criterion.weight > 0 for each in runs for criterion in each.known.task.criteria)

    assert figures["correlation"] == pytest.approx(0.7**2, abs=Z99 / math.sqrt(n))


def test_a_label_map_that_is_broken_moves_keep1_out_of_its_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    real = judge._authors

    def rotated(results: Sequence[SeatResult], labels: judge.Labels, sources: Sequence[Source]) -> Any:
        seats = list(labels.values())
        return real(results, dict(zip(labels, seats[1:] + seats[:1], strict=True)), sources)

    monkeypatch.setattr(judge, "_authors", rotated)
    found = ledger([each.case for each in asyncio.run(all_tasks(PLANTED, SEEDS[:1]))])

    assert not holds(found["keep1"], 0.7)
    assert found["keep1"]["share"] is not None
    assert found["keep1"]["share"] < 0.3


async def test_a_writer_that_adds_what_nobody_said_is_seen() -> None:
    gaining = PLANTED.model_copy(update={"gain": 0.5})

    found = ledger([(await run(gaining, task)).case for task in list(BY_ID)[:4]])

    assert found["gain0"]["hits"] > 0
    assert found["invented"]["hits"] == 0


async def test_the_same_names_and_seed_give_the_same_answer_and_a_number_gives_other_luck() -> None:
    first = await run(PLANTED, "kes-technology-saltbrick", ["simulated:able"] * 2)
    again = await run(PLANTED, "kes-technology-saltbrick", ["simulated:able"] * 2)
    other = await run(PLANTED, "kes-technology-saltbrick")

    assert first.text == again.text
    assert first.members[0] == first.members[1]
    assert other.members[0] != other.members[1]


# The members and their tools


async def test_an_error_that_is_seen_through_is_told_with_the_better_side() -> None:
    sure = Simulation(
        models={"right": Traits(recall=1, errors=0), "wrong": Traits(recall=0, errors=1)}, catch1=1, keep1=1
    )

    told = (await run(sure, "kes-technology-saltbrick", ["simulated:right", "simulated:wrong"])).told

    (clash,) = [each for each in told["analysis"]["contradictions"] if each["topic"] == "eighty one"]
    assert {stance["model"]: stance["stance"] for stance in clash["stances"]} == {
        "simulated:right": "The measured stores kept 81 percent of their heat over one night.",
        "simulated:wrong": "A salt brick loses no heat at all.",
    }
    assert is_said("The measured stores kept 81 percent of their heat over one night.", told["answer"])
    assert "loses no heat" not in told["answer"]


async def test_without_the_block_a_member_reads_the_leaked_page_and_with_it_none_does() -> None:
    leaky = await run(PLANTED, "kes-law-salvage", excluded_domains=[])
    blocked = await run(PLANTED, "kes-law-salvage")

    read = [{s["url"] for s in each.told["sources"] if s["status"] == "read"} for each in (leaky, blocked)]
    assert "https://answer-keys.example/mini/kes-law-salvage" in read[0]
    assert not any("answer-keys.example" in source["url"] for source in blocked.told["sources"])


async def test_a_member_says_nothing_of_pages_that_it_may_not_open() -> None:
    sure = Simulation(models={"able": Traits(recall=1, errors=1)})

    blocked = await run(sure, "kes-technology-saltbrick", excluded_domains=["brick-truth.example"])

    assert not any("loses no heat" in member for member in blocked.members)


async def test_a_member_that_must_answer_early_says_what_it_has() -> None:
    sure = Simulation(models={"able": Traits(recall=1, errors=0)})

    early = await run(sure, "kes-technology-saltbrick", max_tool_calls=2)
    at_once = await run(sure, "kes-technology-saltbrick", max_tool_calls=1)

    assert "81 percent" in early.members[0]
    assert "81 percent" not in at_once.members[0]


async def test_of_several_tries_the_one_with_most_findings_is_picked() -> None:
    tries = ["simulated:able", "simulated:able#2", "simulated:able#3"]
    environ = {"FUSION_SEARCH": f"local:{PLANTED.corpus}"}
    parts = Parts.real(load_model=PLANTED.load_model, price=PLANTED.price, environ=environ)
    graph: Any = build_baseline_graph(**parts.collaborators).compile()
    known = BY_ID["kes-medicine-corvane"]

    settings = {"panel": tries, "judge": "simulated:judge", "mode": "always", "tools": ["web_search", "web_fetch"]}
    values = await graph.ainvoke({"messages": [("user", known.task.problem)]}, context=settings)

    told = run_result("run", "thread", values)
    sizes = [len(known.said_in(response["content"])) for response in told["responses"]]
    assert told["status"] == "ok"
    assert len(set(sizes)) > 1
    assert len(known.said_in(told["answer"])) >= sorted(sizes)[1]


async def test_costs_are_known_and_labelled_as_simulated() -> None:
    dear = PLANTED.model_copy(update={"prices": {"able": 100.0}})

    told = (await run(dear, "kes-academic-eels")).told

    calls = {call["role"]: call for call in told["usage"]["calls"]}
    tokens = {role: call["tokens"]["input"] + call["tokens"]["output"] for role, call in calls.items()}
    assert {call["cost_source"] for call in told["usage"]["calls"]} == {"simulated"}
    assert calls["judge"]["cost_usd"] == pytest.approx(tokens["judge"] / 1_000_000)
    assert calls["panelist"]["cost_usd"] == pytest.approx(tokens["panelist"] / 10_000)


def test_a_model_that_was_not_planted_is_refused_by_name() -> None:
    with pytest.raises(ModelLoadError, match="'simulated:abel'") as refused:
        PLANTED.load_model("simulated:abel")

    assert "simulated:able" in (refused.value.hint or "")


def test_a_chance_above_one_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"keep1 = 1\.5"):
        Simulation(keep1=1.5)


# The oracle


@pytest.mark.parametrize("protocol", ["draco-paper-own", "openrouter-2026-06-own"])
async def test_the_oracle_reads_the_prompts_of_every_protocol(runs: list[Run], protocol: str) -> None:
    graded = [(each, await grader(protocol).grade(each.known.task, each.text)) for each in runs[: len(BY_ID)]]

    wrong = [
        (each.known.task.id, name)
        for each, found in graded
        for name, verdict in found.gradings[0].items()
        if verdict is not each.case.fused[name] and name not in found.ungradable
    ]
    assert wrong == []
    assert [list(found.ungradable) for _, found in graded if found.ungradable] == [["sponsor"]]


async def test_replies_that_are_untidy_late_or_none_are_read_repaired_or_left_without_a_verdict() -> None:
    said = "- The tracking covered every autumn from 2019 to 2022 [1].\n- More than half of the bonds fall due by 2028 [2]."
    late = await grader().grade(BY_ID["kes-finance-merriden"].task, said)
    untidy = await grader().grade(BY_ID["kes-academic-eels"].task, said)
    never = await grader().grade(BY_ID["kes-medicine-corvane"].task, said)

    assert late.gradings[0]["maturity"] is True
    assert len(late.calls) == len(late.gradings[0]) + 1
    assert untidy.gradings[0]["four-autumns"] is True
    assert len(untidy.calls) == len(untidy.gradings[0])
    assert never.gradings[0]["sponsor"] is None
    assert score(BY_ID["kes-medicine-corvane"].task.criteria, never.gradings[0]).coverage == pytest.approx(20 / 21)


async def test_the_oracle_prefers_the_answer_with_more_weight_in_it() -> None:
    known = BY_ID["kes-academic-eels"]
    protocol = replace(load_pair_protocol("pairs-own"), model="simulated:oracle")
    pairs = PairGrader(Asker(PLANTED.load_model, PLANTED.price), protocol, Shelf())

    found = await pairs.compare(known.task, known.points["new-moon"].say, known.points["reef"].say)

    assert (found.winner, found.same_in_both_orders) == ("a", True)


# Scores that were worked out by hand, from the weights in tasks.jsonl


EELS = """\
## What the studies show

- Of 412 tagged bell eels, 301 left the estuary within
  two nights of a new moon [1, 3].
- Water temperature at departure varied by 9 degrees [2], so no threshold explains the timing [2].
- An expert who does not wish to be named confirms this."""
CORVANE = """\
- In the Salt Coast trial Corvane shortened the fever by two days on average [1].
- Children are given 5 milligrams of Corvane per kilogram of body weight a day [2].
- Children are given 50 milligrams of Corvane per kilogram of body weight a day [3]."""
LOZENGES = """\
- What a wonderful question!
- Brine lozenges and Corvane can be taken together without any risk [1].
- Each brine lozenge holds 1.5 grams of salt [2]."""
KILNS = """\
- Sales of Tollan Kilns rose by 8 percent to 46.2 million marks [1].
- The operating margin fell from 13.0 to 11.4 percent [1].
- Net debt came to 19 million marks [1].
- Tollan Kilns has no debt [2].

| Result | 2024 | 2025 |
|---|---|---|
| Margin, percent | 13.0 | 11.4 |"""
KIOSK = """\
- At the old kiosks 31 percent of buyers gave up before paying [1].
- For fingers in gloves, buttons have to be at least 22 millimetres wide [2].
- The full price has to stand on every screen [3].
- The national standard for public machines bears the number KN 88 [4].

Sources:
[4] Kessary Norms: machines for the public https://kessary-norms.example/kn-88"""

# 10 and 8, 2 for the heading, -4 for the unnamed expert: 16 of 10+8+6+7 + 6+5+5 + 3+2 + 4 = 56.
EELS_SCORE = 28.571
# 10 and 12 less 500 is below 0.
CORVANE_SCORE = 0.0
# Faults only: 3 and 15 of 15+12+14 + 8+6 + 3 + 5 = 63 are made, 1 - 18/63.
LOZENGES_SCORE = 71.429
# 10, 8 and 6.5, 3 for the table, -6 for no debt: 21.5 of 10+8+6.5+7 + 6+7+5 + 3+3 + 4 = 59.5.
KILNS_SCORE = 36.134
# 10, 6 and 5, and 4 for the page that is cited: 25 of 10+8+6 + 7+6+6+5+5 + 3+3 + 4 = 63.
KIOSK_SCORE = 39.683


@pytest.mark.parametrize(
    ("task", "answer", "expected"),
    [
        ("kes-academic-eels", EELS, EELS_SCORE),
        ("kes-medicine-corvane", CORVANE, CORVANE_SCORE),
        ("kes-medicine-lozenges", LOZENGES, LOZENGES_SCORE),
        ("kes-finance-kilns", KILNS, KILNS_SCORE),
        ("kes-ux-kiosk", KIOSK, KIOSK_SCORE),
    ],
)
async def test_an_answer_scores_what_was_worked_out_by_hand(task: str, answer: str, expected: float) -> None:
    graded = await grader(gradings=2).grade(BY_ID[task].task, answer)

    assert task_score(BY_ID[task].task.criteria, graded.gradings) == pytest.approx(expected, abs=0.001)


async def test_a_pass_rate_was_worked_out_by_hand() -> None:
    graded = await grader().grade(BY_ID["kes-medicine-corvane"].task, CORVANE)

    found = score(BY_ID["kes-medicine-corvane"].task.criteria, graded.gradings[0])

    # 2 of 15 wanted are met (the sixteenth has no verdict), 4 of 5 faults are not made: 6 of 20.
    assert found.pass_rate == pytest.approx(30.0)
    assert found.raw == -478
