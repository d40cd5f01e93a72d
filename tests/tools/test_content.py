import gzip

import pytest
from langchain_core.tools import ToolException

from fusion_graph.tools.web.content import decode, kind_of


@pytest.mark.parametrize(
    ("body", "content_type", "kind"),
    [
        (b"<!DOCTYPE html><p>x", "", "html"),
        (b"\n <!-- x --><!-- y --> <html>", "text/plain", "html"),
        (b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "x"><html>', "application/xml", "html"),
        (b"x", "text/html; charset=utf-8", "html"),
        (b"<!---->" * 400, "text/html", "html"),
        (b'{"a": 1}', "application/json", "json"),
        (b'{"a": 1}', "application/ld+json", "json"),
        (b'<?xml version="1.0"?><rss/>', "", "xml"),
        (b"<rss/>", "application/rss+xml", "xml"),
        (b"<svg/>", "image/svg+xml", "xml"),
        (b"plain", "text/plain", "text"),
        (b"plain", "application/octet-stream", "text"),
        (b"", "", "text"),
        ("text".encode("utf-16"), "", "text"),
        ("text".encode("utf-16-le"), "text/plain; charset=utf-16le", "text"),
    ],
)
def test_a_text_is_told_by_its_bytes_and_then_by_its_header(body: bytes, content_type: str, kind: str) -> None:
    assert kind_of(body, content_type) == kind


@pytest.mark.parametrize(
    ("body", "content_type", "word"),
    [
        (b"\x89PNG\r\n\x1a\n", "", "PNG"),
        (b"PK\x03\x04....", "application/vnd.openxmlformats", "ZIP"),
        (gzip.compress(b"x", mtime=0), "application/gzip", "gzip"),
        (b"any\0thing", "", "binary"),
        (b"\x00\x01", "application/octet-stream", "application/octet-stream"),
        (b"not sniffed", "video/mp4", "video/mp4"),
    ],
)
def test_what_is_no_document_is_refused_by_type_and_size(body: bytes, content_type: str, word: str) -> None:
    with pytest.raises(ToolException, match=f"{len(body)} bytes") as caught:
        kind_of(body, content_type)

    assert word in str(caught.value)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("é€".encode(), ""),
        ("é€".encode(), "text/plain; charset=UTF-8"),
        ("é€".encode("utf-8-sig"), "text/plain; charset=iso-8859-1"),
        ("é€".encode("utf-16"), "text/plain; charset=utf-8"),
        ("é€".encode("cp1252"), ""),
        ("é€".encode("cp1252"), "text/html; charset=ISO-8859-1"),
        ("é€".encode("iso8859-15"), "text/html; charset='iso-8859-15'"),
        (b'<meta charset="windows-1252">' + "é€".encode("cp1252"), "text/html"),
        (b'<?xml version="1.0" encoding="windows-1252"?>' + "é€".encode("cp1252"), "text/xml"),
        (b'<meta charset="utf-16">' + "é€".encode(), "text/html"),
        ("é€".encode(), "text/plain; charset=no-such-thing"),
        ("é€".encode(), "text/plain; charset=unicode_escape"),
        ("é€".encode(), "text/plain; charset=rot13"),
        ("é€".encode(), "text/plain; charset=idna"),
    ],
)
def test_the_characters_are_those_the_author_wrote(body: bytes, content_type: str) -> None:
    assert decode(body, content_type).endswith("é€")


@pytest.mark.parametrize(
    ("label", "text"), [("shift_jis", "日本語"), ("euc-kr", "한국어"), ("gb2312", "中文"), ("koi8-r", "вода")]
)
def test_the_encodings_of_the_web_are_known(label: str, text: str) -> None:
    assert decode(text.encode(label), f"text/plain; charset={label}") == text


def test_a_damaged_text_is_still_text() -> None:
    assert decode(b"caf\xc3", "text/plain; charset=utf-8") == "caf\ufffd"
