"""The offline demo through the real graph, over its own corpus and over others."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fusion_graph import build_fusion_graph
from fusion_graph.demo import CORPUS, CORPUS_VARIABLE, check_demo_model, load
from fusion_graph.deployment import Parts
from fusion_graph.errors import MissingKeyError, ModelLoadError, SettingsError
from fusion_graph.results import run_result
from fusion_graph.tools.search.corpus import Corpus
from fusion_graph.urls import host_of

QUESTION = "Does a panel of models beat one model asked twice?"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_SECONDS", 0)
    monkeypatch.setattr(load, "_SECONDS_PER_WORD", 0)


async def demo(question: str, corpus: Path | None = None, **settings: Any) -> dict[str, Any]:
    environ = {CORPUS_VARIABLE: str(corpus)} if corpus else {}
    graph: Any = build_fusion_graph(environ=environ).compile()
    values = await graph.ainvoke({"messages": [("user", question)]}, context={"preset": "demo"} | settings)
    return run_result("run", "thread", values)


def stances(result: Mapping[str, Any]) -> dict[str, str]:
    """Which number stands in whose stance, by the host of the page cited for it."""
    hosts = {citation["start"]: host_of(citation["url"]) for citation in result["citations"]}
    found = {}
    for clash in result["analysis"]["contradictions"]:
        for stance in clash["stances"]:
            end = result["answer"].index(stance["stance"][:-1]) + len(stance["stance"])
            found[stance["stance"]] = next(host for start, host in hosts.items() if start >= end - 1)
    return found


async def test_three_seats_read_pages_and_a_true_contradiction_is_found() -> None:
    result = await demo(QUESTION)

    assert (result["status"], result["reasons"], result["demo"]) == ("ok", [], True)
    assert len(result["responses"]) == 3
    assert sum(source["status"] == "read" for source in result["sources"]) >= 3
    (clash,) = result["analysis"]["contradictions"]
    said = " ".join(stance["stance"] for stance in clash["stances"])
    assert "69 of 100" in said
    assert "61 of 100" in said
    assert any("66 of 100" in point for point in result["analysis"]["consensus"])
    assert {citation["status"] for citation in result["citations"]} == {"read"}
    assert "not_found" not in {citation["support"] for citation in result["citations"]}
    assert result["usage"]["total"]["cost_usd"] == 0
    assert not result["usage"]["total"]["cost_is_lower_bound"]
    assert result["answer"].startswith("Offline demo: no language model.")


async def test_numbers_that_are_swapped_between_two_pages_swap_the_contradiction(tmp_path: Path) -> None:
    corpus = Path(shutil.copytree(CORPUS, tmp_path / "corpus"))
    for name, old, new in (("halden-mixed-panels", "69", "61"), ("norrland-replication", "61", "69")):
        page = corpus / f"{name}.md"
        page.write_text(page.read_text().replace(f"{old} of 100", f"{new} of 100"))

    before, after = stances(await demo(QUESTION)), stances(await demo(QUESTION, corpus))

    def by_number(found: Mapping[str, str]) -> dict[str, str]:
        return {number: host for stance, host in found.items() for number in ("69", "61") if number in stance}

    halden, norrland = "halden-institute.example", "norrland-lab.example"
    assert by_number(before) == {"69": halden, "61": norrland}
    assert by_number(after) == {"61": halden, "69": norrland}


async def test_a_false_quotation_is_not_found_and_a_true_one_is_supported() -> None:
    result = await demo("Is agreement proof?")

    judged = {citation["support"]: citation for citation in result["citations"]}
    quoted = [c for c in result["citations"] if c["missing"]]
    assert [c["missing"] for c in quoted] == [['"a panel is never wrong when its members agree"']]
    assert host_of(quoted[0]["url"]) == "halden-institute.example"
    assert "no proof that their answer is true" in result["answer"]
    assert set(judged) >= {"supported", "not_found"}


@pytest.mark.parametrize("question", ["Who won the football world cup in 1998?", "Wie hoch ist der Eiffelturm?", "???"])
async def test_a_question_outside_of_the_corpus_is_told_so(question: str) -> None:
    result = await demo(question)

    assert "Not in the corpus" in result["answer"]
    assert result["citations"] == []
    assert result["status"] == "ok"


async def test_it_works_on_any_folder_of_text(tmp_path: Path) -> None:
    pages = {
        "guide.txt": "The harbour bridge opened in 1932 after 8 years of work. Trams crossed the harbour bridge first.",
        "letter.html": "<html><title>A letter</title><body><p>They say the harbour bridge opened in 1934.</p></body>",
        "notes/paint.md": "# Paint\n\n- The harbour bridge takes 30 tons of paint [12].\n- It is grey.\n",
        "other.txt": "Nothing here is about crossings.",
    }
    for name, text in pages.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    result = await demo("When was the harbour bridge opened?", tmp_path)

    (clash,) = result["analysis"]["contradictions"]
    assert sorted(s["stance"][-5:] for s in clash["stances"]) == ["1934.", "work."]
    assert "30 tons of paint" in str(result["analysis"]["unique_insights"])
    assert {source["url"].split("/")[-1] for source in result["sources"]} == {"guide.txt", "letter.html", "paint.md"}


async def test_a_seat_that_must_answer_at_once_answers_from_what_it_has() -> None:
    result = await demo(QUESTION, max_tool_calls=1)

    assert [response["content"] for response in result["responses"]]
    assert all("Not in the corpus" in response["content"] for response in result["responses"])
    assert result["usage"]["total"]["calls"] == 3 * 2 + 2


async def test_without_tools_it_invents_nothing() -> None:
    result = await demo(QUESTION, tools=[])

    assert result["sources"] == []
    assert "Not in the corpus" in result["answer"]


@pytest.mark.parametrize(("mode", "fused"), [("auto", True), ("never", False)])
async def test_the_outer_model_of_the_demo_asks_the_panel_where_it_may(mode: str, fused: bool) -> None:  # noqa: FBT001
    result = await demo(QUESTION, mode=mode)

    assert result["fused"] is fused
    assert result["answer"].startswith("Offline demo: no language model.")


async def test_any_demo_model_can_take_any_part() -> None:
    result = await demo(QUESTION, panel=["demo:judge", "demo:writer"], judge="demo:brisk", writer="demo:careful")

    assert (result["status"], len(result["responses"])) == ("ok", 2)
    assert result["analysis"] is not None


async def test_nothing_falls_back_to_the_demo() -> None:
    graph: Any = build_fusion_graph(environ={}).compile()

    with pytest.raises(MissingKeyError, match="OPENROUTER_API_KEY"):
        await graph.ainvoke({"messages": [("user", QUESTION)]}, context={"preset": "quality"})


def test_a_result_without_a_demo_model_says_so() -> None:
    assert run_result("run", "thread", {"settings": {"panel": [{"model": "a"}], "judge": "b"}})["demo"] is False
    assert run_result("run", "thread", {"settings": {"panel": ["a"], "judge": "Demo:judge"}})["demo"] is True
    assert run_result("run", "thread", {})["demo"] is False


def test_an_unknown_model_of_the_demo_and_a_missing_folder_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="demo:carefull") as unknown:
        check_demo_model("demo:carefull")
    parts = Parts.real(environ={CORPUS_VARIABLE: str(tmp_path / "gone")})
    with pytest.raises(SettingsError, match="there is no such folder"):
        parts.settle({"preset": "demo"}, stored=None)

    assert "did you mean 'careful'" in str(unknown.value.hint)


def test_a_broken_search_setting_keeps_nobody_from_the_demo() -> None:
    parts = Parts.real(environ={"FUSION_SEARCH": "local:/nowhere"})

    assert parts.settle({"preset": "demo"}, stored=None).judge == "demo:judge"
    with pytest.raises(SettingsError, match="FUSION_SEARCH"):
        parts.settle({"preset": "quality"}, stored=None)


def test_the_corpus_is_of_disjoint_invented_sources() -> None:
    documents = Corpus(CORPUS).snapshot().documents

    assert len(documents) >= 20
    hosts = [host_of(document.url) for document in documents]
    assert len(set(hosts)) == len(hosts)
    assert all(host.endswith(".example") for host in hosts)
    assert all(document.title and document.published for document in documents)


@pytest.mark.parametrize("text", ["a " * 50_000, "." * 50_000, '"' * 50_000, "[1]" * 20_000, "word. " * 20_000])
async def test_a_folder_of_odd_texts_is_read_in_reasonable_time(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.txt").write_text(f"The harbour bridge {text}")

    assert (await demo("When did the harbour bridge open?", tmp_path))["answer"]
