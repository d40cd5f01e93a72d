"""PDF documents as they come: text, no text, damaged, locked, long."""

import pytest

from fusion_graph.reading import UnreadableError
from fusion_graph.reading import pdf as pdf_module
from fusion_graph.reading.pdf import read_pdf
from tests.reading.documents import pdf


def test_the_pages_of_a_document_are_its_text_and_it_says_its_title_and_day() -> None:
    document = read_pdf(pdf("High water at noon.", "Low water at six.", title="Tides", created="D:20240506120000Z"))

    assert document.text == "High water at noon.\n\nLow water at six."
    assert (document.title, document.published) == ("Tides", "2024-05-06")


@pytest.mark.parametrize(("created", "published"), [("", ""), ("D:2021", "2021"), ("yesterday", "")])
def test_a_date_is_what_the_document_gives_of_it(created: str, published: str) -> None:
    assert read_pdf(pdf("x", created=created)).published == published


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"%PDF-1.7 and then nothing", "damaged"),
        (pdf("x")[:200], "damaged"),
        (pdf(""), "no text"),
    ],
)
def test_what_holds_no_text_is_refused_with_the_reason(body: bytes, why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        read_pdf(body)


def test_a_book_is_read_as_far_as_anybody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_module, "_MAX_PAGES", 2)

    assert read_pdf(pdf("one", "two", "three")).text == "one\n\ntwo\n\n[the rest of this document was too long to read]"
