"""The text of a PDF document, by PDFium."""

import re
from contextlib import closing

import pypdfium2

from fusion_graph.reading.document import CUT, MAX_TEXT, MAX_TITLE, Document, UnreadableError, bounded, one_line

_MAX_PAGES = 1000
_DATE = re.compile(r"D:(\d{4})(\d{2})?(\d{2})?")


def read_pdf(body: bytes) -> Document:
    """Return the text of all pages.

    Raises:
        UnreadableError: it is damaged, needs a password, or holds pictures of text only.
    """
    try:
        document = pypdfium2.PdfDocument(body)
    except pypdfium2.PdfiumError as error:
        raise UnreadableError("The PDF is damaged, or needs a password.") from error
    with closing(document):
        text = _text(document)
        stated = document.get_metadata_dict(skip_empty=True)
    if not text:
        raise UnreadableError("The PDF holds no text; it may be a scan.")
    title, published = one_line(stated.get("Title", ""), MAX_TITLE), _day(stated.get("CreationDate", ""))
    return Document(bounded(text), title, published)


def _text(document: pypdfium2.PdfDocument) -> str:
    parts: list[str] = []
    for number in range(min(len(document), _MAX_PAGES)):
        with closing(document[number]) as page, closing(page.get_textpage()) as text:
            parts.append(text.get_text_bounded().replace("\r\n", "\n").strip())
        if sum(map(len, parts)) > MAX_TEXT:
            break
    text = "\n\n".join(filter(None, parts))
    return text + CUT if len(document) > _MAX_PAGES else text


def _day(date: str) -> str:
    found = _DATE.match(date)
    return "-".join(filter(None, found.groups())) if found else ""
