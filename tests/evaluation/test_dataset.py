"""Tasks from files and from the hub, over real HTTP; what is refused, and in which words; samples."""

import asyncio
import hashlib
import json
import logging
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion_graph.errors import FusionError, SettingsError
from fusion_graph.evaluation import hub
from fusion_graph.evaluation.dataset import load_dataset, sampled
from fusion_graph.evaluation.shapes import Criterion, Dataset, Task
from fusion_graph.evaluation.tasks import NO_DOMAIN, parse_tasks
from tests.ports import free_port
from tests.site import Page, Site, answer, chunk, chunked, headed, redirect

CANARY = "canary requirement 5d2f: names the year of the flood"
TOKEN = "hf_canary0123456789abcdefABCDEF"
PATH = f"/datasets/perplexity-ai/draco/resolve/{hub.REVISION}/test.jsonl"


def criterion(name: str = "c1", weight: Any = 10, requirement: Any = CANARY, **more: Any) -> dict[str, Any]:
    return {"id": name, "weight": weight, "requirement": requirement, **more}


def section(*criteria: Any, name: str = "factual-accuracy", **more: Any) -> dict[str, Any]:
    return {"id": name, "title": "Facts", "criteria": [*criteria], **more}


def row(*sections: Any, name: str = "t1", problem: str = "When was the flood?", **more: Any) -> dict[str, Any]:
    """Return a task in DRACO's form: its rubric is JSON in a text."""
    rubric = json.dumps({"id": f"rubric of {name}", "sections": sections or [section(criterion())]})
    return {"id": name, "problem": problem, "answer": rubric, "domain": "Law", **more}


def lines(*rows: Any) -> str:
    return "".join(f"{written if isinstance(written, str) else json.dumps(written)}\n" for written in rows)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def refusal(text: str, suffix: str = ".jsonl") -> str:
    """Return how a file is refused: message and hint."""
    with pytest.raises(SettingsError) as caught:
        parse_tasks(text, suffix)
    return f"{caught.value} ({caught.value.hint})"


# Files


def test_a_graded_file_gives_its_tasks_as_they_are_written(tmp_path: Path) -> None:
    text = lines(row(name="t1"), "", row(name="t2", problem="  Wie hoch stand die Flut in Ålund?\n"))
    path = tmp_path / "floods.jsonl"
    path.write_text(text, encoding="utf-8")

    found = load_dataset(str(path))

    kept = Criterion("c1", "factual-accuracy", 10.0, CANARY)
    assert found == Dataset(
        name="floods",
        tasks=(
            Task("t1", "Law", "When was the flood?", (kept,)),
            Task("t2", "Law", "  Wie hoch stand die Flut in Ålund?\n", (kept,)),
        ),
        source=str(path),
        revision="",
        sha256=sha256(text),
    )
    assert found.has_rubrics


def test_nested_sections_keep_their_order_and_have_the_axis_of_the_outermost() -> None:
    inner = section(criterion("c3"), name="dates", sections=[section(criterion("c4"), name="years")])
    outer = section(criterion("c1"), criterion("c2"), name="facts", sections=[inner, {"criteria": [criterion("c5")]}])
    only_inner = {"id": "style", "sections": [{"criteria": [criterion("c6")]}]}

    (task,) = parse_tasks(lines(row(outer, only_inner)), ".jsonl")

    assert [(one.id, one.axis) for one in task.criteria] == [
        ("c1", "facts"),
        ("c2", "facts"),
        ("c3", "facts"),
        ("c4", "facts"),
        ("c5", "facts"),
        ("c6", "style"),
    ]


def test_sections_may_nest_deeper_than_any_stack() -> None:
    rubric: dict[str, Any] = section(criterion())
    for _ in range(200):
        rubric = section(name="outer", sections=[rubric])

    (task,) = parse_tasks(lines(row(rubric)), ".jsonl")

    assert [one.axis for one in task.criteria] == ["outer"]


def test_weights_may_be_written_as_text_be_negative_or_0() -> None:
    written = ["10", " -500 ", "0", 2.5, -25, "1e1"]
    criteria = [criterion(f"c{number}", weight) for number, weight in enumerate(written)]

    (task,) = parse_tasks(lines(row(section(*criteria))), ".jsonl")

    assert [one.weight for one in task.criteria] == [10.0, -500.0, 0.0, 2.5, -25.0, 10.0]


def test_criteria_of_two_tasks_may_have_the_same_id_and_ids_may_be_numbers() -> None:
    first, second = parse_tasks(lines(row(name="t1"), row(section(criterion(7)), name=2)), ".jsonl")  # type: ignore[arg-type]

    assert (first.criteria[0].id, second.id, second.criteria[0].id) == ("c1", "2", "7")


def test_a_rubric_may_be_an_object_and_a_list_of_tasks_a_json_file(tmp_path: Path) -> None:
    path = tmp_path / "Mine.JSON"
    path.write_text(json.dumps([{"problem": "Why?", "answer": {"sections": [section(criterion())]}}]), "utf-8-sig")

    (task,) = load_dataset(str(path)).tasks

    assert (task.problem, task.domain, len(task.criteria)) == ("Why?", NO_DOMAIN, 1)


def test_line_ends_of_unicode_are_part_of_a_text() -> None:
    written = json.dumps(row(problem="one\u2028two\x85three"), ensure_ascii=False)

    (task,) = parse_tasks(f"{written}\r\n", ".jsonl")

    assert task.problem == "one\u2028two\x85three"


def test_a_half_of_a_surrogate_pair_does_not_break_what_is_sent_later() -> None:
    (task,) = parse_tasks('{"problem": "why \\ud83d?"}', ".jsonl")

    assert task.problem == "why \ufffd?"


def test_plain_questions_are_the_lines_of_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "questions.txt"
    path.write_text("# about floods\n\n  When was the flood?  \r\nWho paid?\n", encoding="utf-8")

    found = load_dataset(str(path))

    assert [(task.problem, task.domain, task.criteria) for task in found.tasks] == [
        ("When was the flood?", NO_DOMAIN, ()),
        ("Who paid?", NO_DOMAIN, ()),
    ]
    assert not found.has_rubrics


def test_plain_rows_need_a_problem_or_a_question_and_may_leave_the_rest_out_or_null() -> None:
    rows = [
        {"question": "When?", "id": None, "answer": None},
        {"problem": "Who?", "id": "who", "domain": "Law"},
    ]

    first, second = parse_tasks(lines(*rows), ".jsonl")

    assert (first.problem, first.domain, first.criteria) == ("When?", NO_DOMAIN, ())
    assert second == Task("who", "Law", "Who?")


def test_an_id_that_is_not_given_is_made_of_the_question_alone() -> None:
    (alone,) = parse_tasks('{"question": "Who paid?"}', ".jsonl")
    _, among_others = parse_tasks("When?\nWho paid?\n", ".txt")

    assert alone.id == among_others.id == sha256("Who paid?")[:12]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('{"id": "t1", ', "line 2: the row is not valid JSON: column 14: Expecting property name"),
        ("[" * 20_000, "line 2: the row is not valid JSON"),
        ('"text"', "line 2: the row is text, not an object (write an object with the fields answer, domain, id,"),
        ("[1]", "line 2: the row is a list, not an object"),
        ({"id": "t1", "answer": "{}"}, "line 2: the row: problem is missing"),
        ({"problem": " \n"}, "line 2: the row: problem is empty (give it a problem)"),
        ({"problem": 7}, "line 2: the row: problem is a number, not text"),
        ({"problem": "a", "question": "b"}, "line 2: the row has a problem and a question (leave one of them out)"),
        ({"problem": "a", "anwser": "{}"}, "line 2: the row has the unknown field 'anwser' (did you mean 'answer'?"),
        (row(id=" "), "line 2: the row: id is empty"),
        (row(id=True), "line 2: the row: id is true or false, not text"),
        (row(domain=""), "line 2: the row: domain is empty"),
        (row(name="t0"), "line 2: this question, or its id 't0', is there already: line 1 (give each task an id"),
        (row(answer="42 m"), "line 2: the rubric in `answer` is not valid JSON: column 4: Extra data"),
        (row(answer="Nobody knows."), "a plain question has no `answer`"),
        (row(answer="NaN"), "line 2: the rubric in `answer` is not valid JSON: NaN is no number in JSON"),
        (row(answer="[]"), "line 2: the rubric in `answer` is a list, not an object"),
        (row(answer='{"sections": {}}'), "line 2: the rubric: sections is an object, not a list"),
        (row(answer='{"sections": []}'), "line 2: the rubric has no criteria (a rubric's form is"),
        (row(answer='{"criteria": []}'), "line 2: the rubric in `answer` has the unknown field 'criteria'"),
        (row(section(name="")), "line 2: a section of the rubric: id is empty"),
        (row(section(rules=[])), "line 2: a section of the rubric has the unknown field 'rules'"),
        (row("facts"), "line 2: a section of the rubric is text, not an object"),
        (row(section("c1")), "line 2: a criterion in 'factual-accuracy' is text, not an object"),
        (row(section(sections=[section(name="x", more=1)])), "line 2: a section in 'factual-accuracy' has the unknown"),
        (row(section(criterion(""))), "line 2: a criterion in 'factual-accuracy': id is empty"),
        (row(section(criterion(points=1))), "line 2: a criterion in 'factual-accuracy' has the unknown field 'points'"),
        (row(section(criterion(requirement="  "))), "line 2: criterion 'c1': requirement is empty"),
        (row(section(criterion(requirement=None))), "line 2: criterion 'c1': requirement is missing"),
        (row(section(criterion()), section(criterion())), "line 2: criterion 'c1' is in the rubric twice (give each"),
        (
            row(section(criterion(weight=0), criterion("c2", "0"))),
            "line 2: every criterion of the rubric has the weight 0",
        ),
        (
            row(section(criterion(weight="ten"))),
            "line 2: criterion 'c1': weight = 'ten' is no number (write a number: 10,",
        ),
        (row(section(criterion(weight=None))), "line 2: criterion 'c1': weight = null is no number"),
        (row(section(criterion(weight=True))), "line 2: criterion 'c1': weight = True is no number"),
        (row(section(criterion(weight="nan"))), "line 2: criterion 'c1': weight = 'nan' is no number"),
        (row(section(criterion(weight="-inf"))), "line 2: criterion 'c1': weight = '-inf' is no number"),
        (row(section(criterion(weight=10**400))), "line 2: criterion 'c1': weight = 1000"),
        (row(section(criterion(weight=[CANARY]))), "line 2: criterion 'c1': weight = a list is no number"),
        (row(section(criterion(weight=CANARY))), "line 2: criterion 'c1': weight = text is no number"),
        (
            {"problem": "Who?", "id": "plain"},
            "line 2: task 'plain' has no rubric, and the first task of the file has one",
        ),
    ],
)
def test_an_unfit_row_is_refused_with_its_line_the_value_and_the_remedy_and_without_a_word_of_the_rubric(
    written: Any, said: str
) -> None:
    found = refusal(lines(row(name="t0"), written))

    assert said in found
    assert CANARY not in found


def test_a_graded_task_among_plain_questions_is_refused_with_its_line() -> None:
    assert "line 2: task 't1' has a rubric, and the first task of the file has none" in refusal(
        lines({"question": "Who?"}, row())
    )


@pytest.mark.parametrize(
    ("text", "suffix", "said"),
    [
        ("", ".jsonl", "it holds no tasks"),
        ("\n \n", ".jsonl", "it holds no tasks"),
        ("[]", ".json", "it holds no tasks"),
        ("# nothing yet\n", ".txt", "it holds no tasks"),
        ("Who?\n\nWho? \n", ".txt", "line 3: this question, or its id '"),
        ('[{"problem": "Who?"}, {"problem": ""}]', ".json", "task 2: the row: problem is empty"),
        ('{"problem": "Who?"}', ".json", "the file holds no list (write a list of tasks"),
        ('{"problem": "Who?"}\n{"problem": "Why?"}', ".json", "line 2, column 1: Extra data (write a list of tasks"),
        (
            '[\n{"problem": "Who?"}\n]',
            ".jsonl",
            "line 1: the row is not valid JSON: column 2: Expecting value (write one task",
        ),
    ],
)
def test_an_unfit_file_is_refused_with_the_form_it_should_have(text: str, suffix: str, said: str) -> None:
    assert said in refusal(text, suffix)


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".txt"])
@settings(derandomize=True, database=None, deadline=None, max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["id", "problem", "answer", "sections", "criteria", "weight"]), inner)
        ),
    )
)
def test_whatever_a_file_holds_it_is_read_or_refused_in_words(suffix: str, held: Any) -> None:
    for text in (json.dumps(held), json.dumps([held]), json.dumps({"problem": "a", "answer": held})):
        with suppress(SettingsError):
            assert parse_tasks(text, suffix)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("absent.jsonl", None, "cannot be read: No such file or directory"),
        ("absent", None, "is no data set"),
        ("tasks.csv", b"a,b", "is no data set"),
        ("latin.txt", "Who?\nWie hoch?\nWie hoch in Ålund?\n".encode("latin-1"), "line 3: it is not in UTF-8"),
        ("wide.jsonl", lines(row()).encode("utf-16"), "line 1: it is not in UTF-8"),
        ("bad.jsonl", b'{"problem": ""}', "line 1: the row: problem is empty"),
        ("nul\0.jsonl", None, "cannot be read: embedded null byte"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_its_name(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(SettingsError) as caught:
        load_dataset(str(tmp_path / name))

    assert said in str(caught.value)
    assert name.partition("\0")[0] in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["folder", "folder.jsonl"])
def test_a_folder_is_no_data_set(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()

    with pytest.raises(SettingsError, match=r"(?i)is a (folder|directory)") as caught:
        load_dataset(str(tmp_path / name))

    assert "`draco`, `mini`, or the path" in str(caught.value.hint)


def test_a_file_that_has_changed_is_refused_with_both_hashes_unless_that_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "tasks.txt"
    path.write_text("Who?\n", encoding="utf-8")
    meant = sha256("Who paid?\n")

    with pytest.raises(SettingsError) as caught:
        load_dataset(str(path), sha256=meant)

    assert sha256("Who?\n") in str(caught.value)
    assert meant in str(caught.value)
    assert load_dataset(str(path), sha256=meant, accept_changed=True).sha256 == sha256("Who?\n")
    assert load_dataset(str(path), sha256=sha256("Who?\n").upper()).tasks


def test_draco_downloaded_by_hand_is_draco(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text(lines(row()), encoding="utf-8")
    monkeypatch.setattr(hub, "SHA256", sha256(lines(row())))

    found = load_dataset(str(path))

    assert (found.name, found.revision, found.source) == ("draco", hub.REVISION, str(path))


@pytest.mark.parametrize("source", ["mini", "tasks.jsonl"])
def test_what_a_data_set_says_of_itself_loads_it_again_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    (tmp_path / "tasks.jsonl").write_text(lines(row()), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    first = load_dataset(source)
    monkeypatch.chdir("/")

    assert load_dataset(first.source, revision=first.revision, sha256=first.sha256) == first


def test_mini_is_in_the_package_and_has_rubrics_in_all_domains_of_draco() -> None:
    found = load_dataset("mini")

    assert (found.name, found.source, found.has_rubrics) == ("mini", "mini", True)
    assert len({task.domain for task in found.tasks}) == 10


# The hub


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Site({}).serving() as site:
        yield site


class Hub:
    """A mirror of the hub on the loopback, what it serves, and what a user of it has set."""

    def __init__(self, site: Site, home: Path) -> None:
        self.site = site
        self.environ = {"HF_ENDPOINT": f"{site.url('')}/", "FUSION_HOME": str(home)}
        self.kept = home / "datasets"

    def serve(self, page: Page | str, path: str = PATH) -> None:
        self.site.pages[path] = answer(page, "") if isinstance(page, str) else page

    async def load(self, **given: Any) -> Dataset:
        return await asyncio.to_thread(load_dataset, "draco", environ=self.environ, **given)

    async def refusal(self, **given: Any) -> FusionError:
        with pytest.raises(FusionError) as caught:
            await self.load(**given)
        return caught.value


@pytest.fixture
def mirror(site: Site, tmp_path: Path) -> Hub:
    return Hub(site, tmp_path)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, mirror: Hub) -> str:
    """Make a file of ours the one that is expected, and serve it."""
    text = lines(row(), row(name="t2"))
    monkeypatch.setattr(hub, "SHA256", sha256(text))
    mirror.serve(text)
    return text


async def test_draco_is_read_from_the_hub_once_and_then_without_a_network(mirror: Hub, published: str) -> None:
    first = await mirror.load()
    mirror.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{free_port()}"
    second = await mirror.load()

    assert mirror.site.paths == [PATH]
    assert (first.name, first.revision, first.sha256) == ("draco", hub.REVISION, sha256(published))
    assert first == second
    assert [task.id for task in first.tasks] == ["t1", "t2"]
    assert [file.name for file in mirror.kept.iterdir()] == [f"{sha256(published)}.jsonl"]


async def test_a_kept_file_that_is_damaged_is_downloaded_again(mirror: Hub, published: str) -> None:
    await mirror.load()
    (mirror.kept / f"{sha256(published)}.jsonl").write_text(published[:-20], encoding="utf-8")

    assert len((await mirror.load()).tasks) == 2
    assert mirror.site.paths == [PATH, PATH]


async def test_where_nothing_can_be_kept_draco_is_loaded_all_the_same(mirror: Hub, published: str) -> None:
    mirror.kept.write_text("a file where the folder should be", encoding="utf-8")

    assert len((await mirror.load()).tasks) == 2


async def test_the_published_hash_is_what_is_expected_and_a_changed_file_is_neither_used_nor_kept(mirror: Hub) -> None:
    changed = lines(row())
    mirror.serve(changed)

    error = await mirror.refusal()

    assert f"its sha256 is {sha256(changed)}, not e35bfe78cd827fa1" in str(error)
    assert mirror.site.url(PATH) in str(error)
    assert error.hint
    assert not mirror.kept.exists()


async def test_a_changed_file_can_be_accepted_and_is_found_again_by_its_hash(mirror: Hub) -> None:
    mirror.serve(lines(row()))

    accepted = await mirror.load(accept_changed=True)
    mirror.site.pages.clear()
    again = await mirror.load(revision=accepted.revision, sha256=accepted.sha256)

    assert accepted == again
    assert accepted.sha256 == sha256(lines(row()))


async def test_another_revision_is_asked_for_even_if_the_published_file_is_there(mirror: Hub, published: str) -> None:
    await mirror.load()
    mirror.serve(lines(row()), "/datasets/perplexity-ai/draco/resolve/refs%2Fpr%2F7/test.jsonl")

    error = await mirror.refusal(revision="refs/pr/7")
    other = await mirror.load(revision="refs/pr/7", accept_changed=True)

    assert sha256(published) in str(error)
    assert (other.revision, len(other.tasks)) == ("refs/pr/7", 1)


async def test_a_token_goes_to_the_hub_and_to_no_other_host_it_redirects_to(mirror: Hub, published: str) -> None:
    mirror.environ["HF_TOKEN"] = f" {TOKEN}\n"
    async with Site({"/blob": answer(published, "")}).serving() as store:
        mirror.serve(redirect("/moved", "307 Temporary Redirect", Connection="close"))
        mirror.serve(redirect(store.url("/blob"), Connection="close"), "/moved")

        found = await mirror.load()

    assert len(found.tasks) == 2
    assert [f"Bearer {TOKEN}" in request for request in mirror.site.requests] == [True, True]
    assert store.paths == ["/blob"]
    assert TOKEN not in store.requests[0]


@pytest.mark.parametrize(
    ("page", "said", "remedy"),
    [
        (answer("no", status="404 Not Found"), "does not exist (HTTP 404)", "check the revision"),
        (answer("no", status="401 Unauthorized"), "may not be read (HTTP 401)", "set HF_TOKEN"),
        (answer("no", status="503 Service Unavailable"), "answered with HTTP status 503", "try again in a minute"),
        (
            redirect(PATH, Connection="close"),
            "could not be read: Exceeded maximum allowed redirects",
            "give its path in place of `draco`",
        ),
        (redirect("ftp://127.0.0.1/x", Connection="close"), "cannot be asked", "HF_ENDPOINT is a URL of http or https"),
        (
            headed("HTTP/1.1 200 OK", "Content-Length: 500", "", body=lines(row())[:200]),
            "could not be read",
            "download",
        ),
        (chunked(chunk(b'{"id"'), end=b""), "could not be read", "download test.jsonl"),
        (answer("<html>Log in</html>"), "is not the file that was expected", "load the revision that was meant"),
    ],
)
async def test_what_the_hub_does_not_give_is_told_with_the_remedy_and_not_kept(
    mirror: Hub, page: Page, said: str, remedy: str
) -> None:
    mirror.serve(page)

    error = await mirror.refusal()

    assert said in str(error)
    assert remedy in str(error.hint)
    assert not mirror.kept.exists()


async def test_a_refused_token_is_told_and_not_quoted(mirror: Hub) -> None:
    mirror.environ["HF_TOKEN"] = TOKEN
    mirror.serve(answer("no", status="403 Forbidden"))

    error = await mirror.refusal()

    assert "check HF_TOKEN" in str(error.hint)
    assert TOKEN not in "".join(traceback.format_exception(error))


async def test_an_endless_file_is_not_the_data_set(mirror: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_MAX_BYTES", 2**20)
    mirror.serve(" " * (2**20 + 1))

    assert "sends more than 1 MiB" in str(await mirror.refusal())


@pytest.mark.parametrize(
    "environ", [{"HF_ENDPOINT": "hub.example"}, {"HF_TOKEN": f"{TOKEN}\nX: 1"}, {"HF_TOKEN": "hf_ä"}]
)
async def test_variables_that_no_request_can_be_made_of_are_named_and_not_quoted(
    mirror: Hub, environ: dict[str, str]
) -> None:
    mirror.environ |= environ

    error = await mirror.refusal()

    assert "HF_ENDPOINT or HF_TOKEN" in str(error)
    assert TOKEN not in "".join(traceback.format_exception(error))


async def test_without_a_network_the_remedy_is_to_give_the_path_of_the_file(mirror: Hub) -> None:
    mirror.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{free_port()}"

    error = await mirror.refusal()

    assert "could not be read" in str(error)
    assert "download test.jsonl of the data set perplexity-ai/draco" in str(error.hint)
    assert "give its path in place of `draco`" in str(error.hint)


def told_of_loading(environ: dict[str, str]) -> str:
    """Return all that an error of loading tells, "" if there is none and the rubric was read."""
    try:
        found = load_dataset("draco", accept_changed=True, environ=environ)
    except SettingsError as error:
        return "".join([*traceback.format_exception(error), f"{error.hint} {error.value} {error.__context__!r}"])
    assert found.tasks[0].criteria[0].requirement == CANARY
    return ""


@pytest.mark.parametrize("spoil", [lambda text: text, lambda text: text[:-9], lambda text: text.replace("10", '"x"')])
async def test_no_word_of_a_rubric_is_ever_logged_or_in_an_error(
    mirror: Hub, caplog: pytest.LogCaptureFixture, spoil: Callable[[str], str]
) -> None:
    caplog.set_level(logging.DEBUG)
    mirror.serve(spoil(lines(row())))

    told = await asyncio.to_thread(told_of_loading, mirror.environ)

    assert "canary requirement" not in told
    assert caplog.records
    assert "canary requirement" not in caplog.text


# Samples


def tasks_of(**sizes: int) -> Dataset:
    """Return a data set with so many tasks of each domain, in turns."""
    left, tasks = Counter(sizes), []
    while left := +left:
        for domain in [*left]:
            tasks.append(Task(f"{domain}{left[domain]}", domain, "Who?"))
            left[domain] -= 1
    return Dataset("own", tuple(tasks), "own.jsonl", "", "0" * 64)


def domains(dataset: Dataset) -> dict[str, int]:
    return dict(Counter(task.domain for task in dataset.tasks))


def test_a_sample_has_the_domains_in_their_shares_by_largest_remainders() -> None:
    dataset = tasks_of(law=50, finance=30, medicine=20)

    assert domains(sampled(dataset, 10, seed=0)) == {"law": 5, "finance": 3, "medicine": 2}
    # 3.5, 2.1 and 1.4 of 7: the one that is left goes to the largest remainder.
    assert domains(sampled(dataset, 7, seed=0)) == {"law": 4, "finance": 2, "medicine": 1}


def test_what_is_left_goes_to_equal_domains_by_the_seed() -> None:
    dataset = tasks_of(law=10, finance=10, medicine=10)

    drawn = [domains(sampled(dataset, 4, seed)) for seed in range(20)]

    assert all(sorted(found.values()) == [1, 1, 2] for found in drawn)
    assert {max(found, key=found.__getitem__) for found in drawn} == {"law", "finance", "medicine"}


def test_a_sample_is_the_same_for_the_same_seed_keeps_the_files_order_and_changes_nothing_else() -> None:
    dataset = tasks_of(law=40, finance=20)

    found = sampled(dataset, 12, seed=7)

    assert [task.id for task in found.tasks] == [task.id for task in dataset.tasks if task in found.tasks]
    assert found == sampled(dataset, 12, seed=7)
    assert found != sampled(dataset, 12, seed=8)
    assert replace(found, tasks=dataset.tasks) == dataset
    assert found.tasks[0].id == "law39"  # the same in every process and version of Python


def test_a_larger_sample_of_a_domain_holds_the_smaller_one() -> None:
    dataset = tasks_of(law=40)

    samples = [{task.id for task in sampled(dataset, n, seed=3).tasks} for n in range(1, 41)]

    assert all(small < large for small, large in pairwise(samples))


def test_a_sample_of_all_tasks_or_more_is_the_whole_and_one_of_none_is_refused() -> None:
    dataset = tasks_of(law=3, finance=2)

    assert sampled(dataset, 5, seed=1) == dataset
    assert sampled(dataset, 500, seed=1) == dataset
    with pytest.raises(SettingsError, match="a sample of 0 tasks is empty"):
        sampled(dataset, 0, seed=1)
