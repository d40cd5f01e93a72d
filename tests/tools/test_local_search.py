import asyncio
import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, ToolException

from fusion_graph.tools import Hit, PanelTools, SearchRequest, make_panel_tools
from fusion_graph.tools.search import corpus as corpus_module
from fusion_graph.tools.search.local import LocalSearch
from tests.reading.documents import pdf

FILES: Mapping[str, str] = {
    "tides.md": "# Spring tides\n\nThe moon and the sun pull together at new moon. Tides are highest then.\n",
    "notes/harbour plan #1.txt": "The harbour of Brest needs a new quay. Tides of seven metres are usual.\n",
    "web/almanac.md": (
        "---\nurl: https://almanac.example/tides?utm_source=x\ntitle: 'The Almanac'\ndate: 2024-05-06\nlayout: post\n---\n"
        "Neap tides come at half moon.\n"
    ),
    "web/bare.txt": "URL: https://www.bare.example/page\nTitle: Bare\nPublished: 2023\n\nGulls follow the tides.\n",
    "page.html": "<title>Sea levels</title><meta name=date content=2020><nav>tides</nav><p>Levels rise.</p>",
    "claims.md": "url: file:///etc/passwd\n\nA document about barnacles.\n",
    "japanese.md": "潮汐は月の引力で起こる。\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "corpus"
    for name, text in FILES.items():
        write(root / name, text)
    return root


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


async def test_a_pdf_in_the_folder_is_found_and_read(tmp_path: Path) -> None:
    (tmp_path / "tides.pdf").write_bytes(
        pdf("High water at noon.", "Low water at six.", title="Tides", created="D:2020")
    )
    (tmp_path / "scan.pdf").write_bytes(pdf(""))

    backend = LocalSearch(tmp_path)
    hits = await search(backend, "low water")

    assert [(hit.url, hit.title, hit.published) for hit in hits] == [("local://tides.pdf", "Tides", "2020")]
    assert "Low water at six." in (await fetch(tmp_path, "local://tides.pdf")).text
    assert backend.skipped == 1


def tools_of(folder: Path) -> PanelTools:
    return make_panel_tools({"FUSION_SEARCH": f"local:{folder}"})


async def search(backend: LocalSearch, query: str, **arguments: Any) -> list[Hit]:
    return await backend.search(SearchRequest(query=query, **({"max_results": 10} | arguments)))


async def call(tool: BaseTool, **arguments: Any) -> ToolMessage:
    message = await tool.ainvoke({"type": "tool_call", "id": "1", "name": tool.name, "args": arguments})
    assert isinstance(message, ToolMessage)
    return message


async def fetch(folder: Path, url: str, **rules: list[str]) -> ToolMessage:
    return await call(tools_of(folder).bind(["web_fetch"], **rules)[0], url=url)


async def test_a_query_lists_the_documents_that_answer_it_best_first(folder: Path) -> None:
    hits = await search(LocalSearch(folder), "What are the tides at the new moon?")

    assert [hit.url for hit in hits[:2]] == ["local://tides.md", "https://almanac.example/tides?utm_source=x"]
    assert hits[0].title == "Spring tides"
    assert "new moon" in hits[0].snippet
    assert len(hits) == 4


async def test_the_ranking_is_the_same_every_time_and_ties_go_by_path(folder: Path) -> None:
    for name in ("z", "a", "m"):
        write(folder / f"{name}.txt", "the very same words about krill")

    listings = [await search(LocalSearch(folder), "krill words") for _ in range(3)]

    assert [hit.url for hit in listings[0]] == ["local://a.txt", "local://m.txt", "local://z.txt"]
    assert listings[0] == listings[1] == listings[2]


async def test_a_document_can_stand_for_a_page_of_the_web(folder: Path) -> None:
    almanac, bare = [await search(LocalSearch(folder), query) for query in ("neap", "gulls")]

    assert almanac == [
        Hit("https://almanac.example/tides?utm_source=x", "The Almanac", "Neap tides come at half moon.", "2024-05-06")
    ]
    assert bare == [Hit("https://www.bare.example/page", "Bare", "Gulls follow the tides.", "2023")]


async def test_only_an_address_of_the_web_can_be_claimed(folder: Path) -> None:
    assert [hit.url for hit in await search(LocalSearch(folder), "barnacles")] == ["local://claims.md"]


async def test_a_page_is_read_without_its_menus_and_a_path_is_encoded(folder: Path) -> None:
    levels, harbour = [await search(LocalSearch(folder), query) for query in ("levels", "quay")]

    assert levels == [Hit("local://page.html", "Sea levels", "Levels rise.", "2020")]
    assert harbour[0].url == "local://notes/harbour%20plan%20%231.txt"
    assert harbour[0].title == "harbour plan #1"


async def test_a_script_without_spaces_is_found(folder: Path) -> None:
    assert [hit.url for hit in await search(LocalSearch(folder), "月の引力")] == ["local://japanese.md"]


@pytest.mark.parametrize("query", ["zebra", "???", "the of and"])
async def test_a_query_that_nothing_answers_lists_nothing(folder: Path, query: str) -> None:
    assert await search(LocalSearch(folder), query + " zzz") == []


async def test_common_words_alone_are_searched_for_when_there_is_nothing_else(folder: Path) -> None:
    assert await search(LocalSearch(folder), "are the") != []


@pytest.mark.parametrize("files", [{}, {"empty.md": ""}, {"—.txt": "…"}])
async def test_a_folder_without_words_lists_nothing(tmp_path: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        write(tmp_path / name, text)

    assert await search(LocalSearch(tmp_path), "tides") == []


async def test_domain_rules_leave_room_for_what_they_let_through(folder: Path) -> None:
    backend = LocalSearch(folder)

    without = await search(backend, "neap tides", max_results=1, excluded_domains=("almanac.example",))
    only = await search(backend, "tides", allowed_domains=("almanac.example",))

    assert len(without) == 1
    assert "almanac" not in without[0].url
    assert [hit.title for hit in only] == ["The Almanac"]


async def test_the_snippet_is_cut_where_the_words_stand_together(tmp_path: Path) -> None:
    filler = "lorem ipsum dolor " * 100
    write(tmp_path / "long.txt", f"{filler} krill alone {filler} krill feed the whale {filler}")

    (hit,) = await search(LocalSearch(tmp_path), "whale krill")

    assert "krill feed the whale" in hit.snippet
    assert hit.snippet.startswith("… ")
    assert hit.snippet.endswith(" …")
    assert 200 < len(hit.snippet) <= 310


async def test_what_cannot_or_must_not_be_read_is_left_out(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "outside.md", "outside tides")
    write(folder / ".hidden.md", "hidden tides")
    write(folder / ".git" / "notes.md", "hidden tides")
    write(folder / "picture.md", b"\x89PNG\r\n\x1a\n tides")
    write(folder / "binary.txt", b"tides\0\1\2")
    write(folder / "large.txt", b"tides " * 1_000_000)
    write(folder / "code.py", "tides = 1")
    (folder / "link.md").symlink_to(tmp_path / "outside.md")
    (folder / "linked").symlink_to(tmp_path)
    (folder / "broken.md").symlink_to(folder / "nowhere.md")
    (folder / "alias.md").symlink_to(folder / "tides.md")
    os.mkfifo(folder / "pipe.md")
    backend = LocalSearch(folder)

    urls = {hit.url for hit in await search(backend, "tides", max_results=25)}

    assert urls == {
        "local://tides.md",
        "local://alias.md",
        "local://notes/harbour%20plan%20%231.txt",
        "https://almanac.example/tides?utm_source=x",
        "https://www.bare.example/page",
    }
    assert backend.skipped == 3


async def test_an_old_encoding_is_read(tmp_path: Path) -> None:
    write(tmp_path / "old.txt", "Größe der Flut".encode("latin-1"))

    assert (await search(LocalSearch(tmp_path), "größe"))[0].snippet == "Größe der Flut"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the documents that were read from the disk."""
    reads: list[str] = []
    read = corpus_module._read

    def noted(root: Path, path: str) -> corpus_module.Document | None:
        reads.append(path)
        return read(root, path)

    monkeypatch.setattr(corpus_module, "_read", noted)
    return reads


async def test_a_changed_folder_is_read_again_and_an_unchanged_one_is_not(folder: Path, reads: list[str]) -> None:
    backend = LocalSearch(folder)
    await search(backend, "tides")
    await search(backend, "moon")
    assert len(reads) == len(FILES)

    write(folder / "new.md", "octopus")
    assert [hit.url for hit in await search(backend, "octopus")] == ["local://new.md"]
    write(folder / "new.md", "cuttlefish")
    assert [hit.url for hit in await search(backend, "cuttlefish")] == ["local://new.md"]
    (folder / "new.md").unlink()
    assert await search(backend, "cuttlefish") == []


def test_seats_in_several_event_loops_share_one_index(folder: Path, reads: list[str]) -> None:
    backend = LocalSearch(folder)
    found: list[list[Hit]] = []

    def seat() -> None:
        found.append(asyncio.run(search(backend, "tides")))

    threads = [threading.Thread(target=seat) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found[0]
    assert all(hits == found[0] for hits in found)
    assert len(reads) == len(FILES)


async def test_the_index_says_nothing_in_the_log(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await search(LocalSearch(folder), "tides")

    assert [record for record in caplog.records if record.name.startswith("bm25s")] == []


@pytest.mark.parametrize(
    "url",
    [
        "local://web/almanac.md",
        "https://almanac.example/tides?utm_source=x",
        "http://www.almanac.example/tides#neap",
    ],
)
async def test_a_document_is_opened_by_its_path_or_by_the_address_it_claims(folder: Path, url: str) -> None:
    message = await fetch(folder, url)

    assert message.content == (
        "The Almanac\nhttps://almanac.example/tides?utm_source=x\nPublished: 2024-05-06\n\nNeap tides come at half moon."
    )
    (source,) = message.artifact["sources"]
    assert source["key"] == "https://almanac.example/tides"
    assert source["read"] is True


@pytest.mark.parametrize("url", ["local://notes/harbour%20plan%20%231.txt", "local://notes/harbour plan %231.txt"])
async def test_a_path_may_be_given_as_it_was_listed_or_plainly(folder: Path, url: str) -> None:
    assert "quay" in str((await fetch(folder, url)).content)


@pytest.mark.parametrize(
    "url",
    [
        "local://../outside.md",
        "local://notes/../../outside.md",
        "local://%2e%2e/outside.md",
        "local://%2e%2e%2foutside.md",
        "local:///etc/passwd",
        "local://link.md",
        "local://linked/outside.md",
        "local://.hidden.md",
        "local://code.py",
        "local://notes",
        "local://",
        "LOCAL://../outside.md",
        "file:///etc/passwd",
    ],
)
async def test_nothing_outside_of_the_folder_can_be_opened(folder: Path, tmp_path: Path, url: str) -> None:
    write(tmp_path / "outside.md", "outside")
    write(folder / ".hidden.md", "hidden")
    write(folder / "code.py", "code")
    (folder / "link.md").symlink_to(tmp_path / "outside.md")
    (folder / "linked").symlink_to(tmp_path)

    with pytest.raises(ToolException):
        await fetch(folder, url)


@pytest.mark.parametrize("url", ["local://web/almanac.md", "https://almanac.example/tides"])
async def test_a_rule_holds_by_whatever_name_a_document_is_asked_for(folder: Path, url: str) -> None:
    with pytest.raises(ToolException, match=r"almanac\.example"):
        await fetch(folder, url, excluded_domains=["almanac.example"])
    with pytest.raises(ToolException, match=r"almanac\.example"):
        await fetch(folder, url, blocked_domains=["almanac.example/tides"])
    with pytest.raises(ToolException, match="allowed"):
        await fetch(folder, url, allowed_domains=["other.example"])
    await fetch(folder, url, allowed_domains=["almanac.example"])


async def test_the_first_of_two_documents_has_the_address_both_claim(folder: Path) -> None:
    for name in ("b.md", "a.md"):
        write(folder / name, f"url: https://twice.example/\n\n{name} whelk")

    tool = tools_of(folder).bind(["web_search"])[0]
    listed = await call(tool, query="whelk")

    assert "a.md" in str((await fetch(folder, "https://twice.example/")).content)
    assert "b.md" in str((await fetch(folder, "local://b.md")).content)
    assert [source["url"] for source in listed.artifact["sources"]] == ["https://twice.example/"]


async def test_a_listing_is_one_block_for_each_hit(folder: Path) -> None:
    message = await call(tools_of(folder).bind(["web_search"])[0], query="neap gulls", max_results=2)

    blocks = str(message.content).split("\n\n")
    assert sorted(blocks) == [
        "Bare\nhttps://www.bare.example/page\nPublished: 2023\nGulls follow the tides.",
        "The Almanac\nhttps://almanac.example/tides?utm_source=x\nPublished: 2024-05-06\nNeap tides come at half moon.",
    ]
    assert all(source["read"] is False and source["seats"] == [] for source in message.artifact["sources"])


async def test_a_search_without_results_says_what_to_do(folder: Path) -> None:
    message = await call(tools_of(folder).bind(["web_search"])[0], query="zebra")

    assert message.content == "No results for 'zebra'. Try other or fewer words."
    assert message.artifact == {"sources": []}
