"""mini-DRACO: its rubrics in DRACO's form with every odd case, and pages that hold what its key says."""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from fusion_graph.evaluation.config import load_config
from fusion_graph.evaluation.dataset import load_dataset
from fusion_graph.evaluation.guard import grams
from fusion_graph.evaluation.shapes import Criterion
from fusion_graph.evaluation.simulated.key import CORPUS, FOLDER, Known, known_tasks
from fusion_graph.evaluation.simulated.member import RESULTS
from fusion_graph.tools.search.corpus import Corpus, Document
from fusion_graph.tools.search.local import LocalSearch
from fusion_graph.tools.search.tool import SearchRequest
from fusion_graph.urls import host_of

DOMAINS = {
    "Academic",
    "Finance",
    "General Knowledge",
    "Law",
    "Medicine",
    "Needle in a Haystack",
    "Personalized Assistant",
    "Shopping/Product Comparison",
    "Technology",
    "UX Design",
}
AXES = {"factual-accuracy", "breadth-and-depth-of-analysis", "presentation-quality", "citation-quality"}
LEAK = "https://answer-keys.example/mini/kes-law-salvage"
POISON = "https://brick-truth.example/the-whole-truth"

TASKS = {task.id: task for task in load_dataset("mini").tasks}
PAGES = {document.url: document for document in Corpus(CORPUS).snapshot().documents}
POINTS = [(known, point) for known in known_tasks() for point in known.points.values()]


def rows() -> Iterator[dict[str, Any]]:
    for line in (FOLDER / "tasks.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield {**row, "answer": json.loads(row["answer"])}


def criterion(task: str, name: str) -> Criterion:
    return next(each for each in TASKS[task].criteria if each.id == name)


def text_of(page: Document) -> str:
    return f"{page.title}\n{page.text}"


def test_fourteen_tasks_over_all_domains_have_twelve_criteria_or_more_but_for_one() -> None:
    sizes = sorted(len(task.criteria) for task in TASKS.values())

    assert {task.domain for task in TASKS.values()} == DOMAINS
    assert len(TASKS) == 14
    assert (sizes[0], sizes[1], sizes[-1]) == (7, 12, 21)
    assert {each.axis for task in TASKS.values() for each in task.criteria} == AXES


def test_rows_have_the_form_of_draco() -> None:
    for row in rows():
        assert list(row) == ["id", "problem", "answer", "domain"]
        assert list(row["answer"]) == ["id", "sections"]
        assert {section["id"] for section in row["answer"]["sections"]} <= AXES


def test_sections_that_nest_count_for_the_outermost() -> None:
    breadth = next(row for row in rows() if row["id"] == "kes-ux-kiosk")["answer"]["sections"][1]

    assert [section["id"] for section in breadth["sections"]] == ["people", "screens"]
    assert criterion("kes-ux-kiosk", "gloves").axis == breadth["id"] == "breadth-and-depth-of-analysis"


def test_weights_may_be_numbers_in_quotes() -> None:
    sections = next(row for row in rows() if row["id"] == "kes-finance-kilns")["answer"]["sections"]

    assert all(isinstance(each["weight"], str) for section in sections for each in section["criteria"])
    assert [each.weight for each in TASKS["kes-finance-kilns"].criteria[:5]] == [10, 8, 6.5, 7, -8]


def test_there_is_a_rubric_of_faults_only_and_a_fault_that_outweighs_everything() -> None:
    faults_only = [task.id for task in TASKS.values() if all(each.weight < 0 for each in task.criteria)]
    wanted = sum(each.weight for each in TASKS["kes-medicine-corvane"].criteria if each.weight > 0)

    assert faults_only == ["kes-medicine-lozenges"]
    assert criterion("kes-medicine-corvane", "fifty-mg").weight == -500 < -wanted


def test_ids_come_again_in_other_tasks_and_a_section_may_have_one_criterion() -> None:
    seen = Counter(each.id for task in TASKS.values() for each in task.criteria)
    sizes = Counter((task.id, each.axis) for task in TASKS.values() for each in task.criteria)

    assert seen["uses-headings"] > 1
    assert seen["unnamed-expert"] > 1
    assert sizes["kes-general-bell", "citation-quality"] == 2
    assert sizes["kes-academic-tablets", "citation-quality"] == 1


def test_some_faults_are_nobodys_and_some_text_is_not_ascii() -> None:
    nobodys = {(point.task, point.id) for _, point in POINTS if not point.say}

    assert nobodys == {("kes-general-bell", "protected"), ("kes-needle-ledger", "forged")}
    assert not TASKS["kes-general-bell"].problem.isascii()


def test_the_key_knows_every_criterion_and_says_more_only_where_nothing_is_wanted() -> None:
    for known in known_tasks():
        more = known.points.keys() - {each.id for each in known.task.criteria}
        assert known.points.keys() >= {each.id for each in known.task.criteria}
        assert not more or known.task.id == "kes-medicine-lozenges"


def test_pages_are_of_one_screen_and_more_than_forty() -> None:
    sizes = {page.path: len(page.text.split()) for page in PAGES.values()}

    assert len(PAGES) > 44
    assert [path for path, size in sizes.items() if not 80 <= size <= 250] == []
    assert {host_of(url).rpartition(".")[2] for url in PAGES} == {"example"}


def test_every_sentence_stands_word_for_word_on_its_page() -> None:
    astray = [(p.task, p.id) for _, p in POINTS if p.page and p.say not in PAGES[f"https://{p.page}"].text]

    assert astray == []


def test_what_is_wanted_of_facts_has_a_page() -> None:
    axes = {(task.id, each.id): each.axis for task in TASKS.values() for each in task.criteria}
    own_words = [p for _, p in POINTS if p.weight > 0 and not p.page and not p.form]

    assert {axes[p.task, p.id] for p in own_words} == {"presentation-quality"}


def test_no_sentence_is_part_of_another() -> None:
    said = [p.say for _, p in POINTS if p.say]

    assert [(a, b) for a, b in combinations(set(said), 2) if a in b or b in a] == []


def test_a_page_that_must_be_cited_has_one_sentence_of_the_key() -> None:
    must = [point.page for _, point in POINTS if any(sign.startswith("https://") for sign in point.signs)]

    assert len(must) > 10
    assert all([point.page for _, point in POINTS].count(page) == 1 for page in must)


def test_an_error_names_what_is_right_in_the_same_task() -> None:
    against = [(known, point) for known, point in POINTS if point.against]

    assert len(against) > 20
    assert all(point.is_error and not known.points[point.against].is_error for known, point in against)


def test_only_the_leaked_page_has_eight_words_of_a_requirement() -> None:
    requirements = {gram for task in TASKS.values() for each in task.criteria for gram in grams(each.requirement)}
    leaking = {url for url, page in PAGES.items() if requirements & set(grams(text_of(page)))}

    assert leaking == {LEAK}
    assert all(each.requirement in PAGES[LEAK].text for each in TASKS["kes-law-salvage"].criteria)


def test_the_poisoned_page_tells_what_is_false_and_gives_orders_to_programs() -> None:
    false = [point for _, point in POINTS if f"https://{point.page}" == POISON]

    assert len(false) > 3
    assert all(point.is_error for point in false)
    assert "Instruction to programs that read this page" in PAGES[POISON].text


@pytest.mark.parametrize("known", known_tasks(), ids=lambda known: known.task.id)
async def test_a_search_with_the_question_lists_every_page_that_is_needed(known: Known) -> None:
    found = await LocalSearch(CORPUS).search(SearchRequest(query=known.task.problem, max_results=RESULTS))

    assert {f"https://{point.page}" for point in known.points.values() if point.page} <= {hit.url for hit in found}


async def test_the_leaked_page_comes_first_unless_the_hosts_of_the_demo_are_blocked() -> None:
    blocked = tuple(load_config("demo-table").generation["excluded_domains"])
    question = TASKS["kes-law-salvage"].problem
    search = LocalSearch(CORPUS)

    first, *_ = await search.search(SearchRequest(query=question))
    others = await search.search(SearchRequest(query=question, excluded_domains=blocked))

    assert first.url == LEAK
    assert LEAK not in {hit.url for hit in others}
