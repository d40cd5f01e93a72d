"""What kind of document a body is, and its text: by its bytes first, by what the server says second."""

import codecs
import re
from typing import Literal, TypeAlias

from fusion_graph import reading
from fusion_graph.characters import visible
from fusion_graph.reading import Document
from fusion_graph.tools.failures import refused

Kind: TypeAlias = Literal["html", "xml", "json", "text", "pdf"]

_HEAD = 2048  # bytes looked at to tell kinds apart
PDF = b"%PDF-"
_MAGIC = {
    b"\x89PNG": "PNG image",
    b"\xff\xd8\xff": "JPEG image",
    b"GIF8": "GIF image",
    b"RIFF": "media",
    b"PK\x03\x04": "ZIP archive or Office document",
    b"\x1f\x8b": "gzip archive",
    b"7z\xbc\xaf": "7z archive",
    b"Rar!": "RAR archive",
    b"\xd0\xcf\x11\xe0": "Office document",
    b"\x7fELF": "program",
}
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_COMMENT = re.compile(rb"(?s)<!--.*?-->")
_HTML = re.compile(rb"(?i)\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype\s+html|html|head|body|title|h1|div|p)\b")
_META_CHARSET = re.compile(rb"(?i)<(?:meta|\?xml)[^>]*?(?:charset|encoding)\s*=\s*[\"']?\s*([\w.:-]+)")
_HEADER_CHARSET = re.compile(r"(?i)charset\s*=\s*[\"']?([\w.:-]+)")
# Encodings of the web (https://encoding.spec.whatwg.org) by Python's names; its other codecs are slow or are no text's.
_ENCODINGS = re.compile(
    r"utf-8|utf-16(?:-[lb]e)?|ascii|iso8859-\d+|cp(?:125\d|866|874|932|949|950)|koi8-[ru]|mac-(?:roman|cyrillic)"
    r"|shift_jis|euc_(?:jp|kr)|iso2022_jp|gb(?:2312|k|18030)|big5(?:hkscs)?"
)
_AS_BROWSERS_DO = {"ascii": "cp1252", "iso8859-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}


def read_document(body: bytes, content_type: str = "") -> Document:
    """Return the text of a document, whatever kind it is. Blocks.

    Raises:
        ToolException: it holds no text, or cannot be read.
    """
    kind = kind_of(body, content_type)
    if kind == "pdf":
        return read_pdf(body)
    text = decode(body, content_type)
    return read_html(text) if kind == "html" else Document(visible(text).strip())


def read_html(html: str) -> Document:
    """Return the readable text of an HTML page, without what only a machine sees. Blocks; raises ToolException."""
    return _read_apart("html", html.encode(errors="replace"))


def read_pdf(body: bytes) -> Document:
    """Return the text of a PDF document. Blocks; raises ToolException."""
    return _read_apart("pdf", body)


def _read_apart(kind: reading.Kind, body: bytes) -> Document:
    try:
        read = reading.read(kind, body)
    except reading.UnreadableError as error:
        raise refused(f"{error} Use another source.") from error
    return Document(visible(read.text).strip(), visible(read.title), visible(read.published), read.canonical)


def kind_of(body: bytes, content_type: str = "") -> Kind:
    """Return what `body` is.

    Raises:
        ToolException: it is no kind of document; the sentence names type and size.
    """
    head, said = body[:_HEAD], content_type.partition(";")[0].strip().lower()
    if head.startswith(PDF):
        return "pdf"
    if binary := _binary(head, said, content_type):
        raise refused(f"This is a {binary} of {len(body):,} bytes, not a page of text. Look for an HTML version of it.")
    if _HTML.match(_COMMENT.sub(b"", head)) or said in {"text/html", "application/xhtml+xml"}:
        return "html"
    if said.endswith("json"):
        return "json"
    if head.lstrip().startswith(b"<?xml") or said.endswith("xml"):
        return "xml"
    return "text"


def decode(body: bytes, content_type: str = "") -> str:
    """Return the characters of a text: byte order mark, then header, then the document's own word, then a guess."""
    for mark, encoding in _BOMS.items():
        if body.startswith(mark):
            return body.decode(encoding, errors="replace")
    encoding = _said_encoding(body, content_type)
    if encoding:
        return body.decode(encoding, errors="replace")
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("cp1252", errors="replace")


def _binary(head: bytes, said: str, content_type: str) -> str | None:
    if head.startswith(tuple(_BOMS)):
        return None
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    utf16 = _known_encoding(_header_charset(content_type)).startswith("utf-16")
    media = said.startswith(("image/", "audio/", "video/", "font/")) and not said.endswith("xml")
    return f"{said or 'binary'} file" if media or (b"\0" in head and not utf16) else None


def _said_encoding(body: bytes, content_type: str) -> str:
    meta = _META_CHARSET.search(body[:_HEAD])
    inside = _known_encoding(meta[1].decode("ascii", errors="replace")) if meta else ""
    # A document that could be searched for its own word in single bytes is not in UTF-16, whatever that word is.
    inside = "utf-8" if inside.startswith("utf-16") else inside
    return _known_encoding(_header_charset(content_type)) or inside


def _header_charset(content_type: str) -> str:
    found = _HEADER_CHARSET.search(content_type)
    return found[1] if found else ""


def _known_encoding(label: str) -> str:
    try:
        name = codecs.lookup(label).name if label else ""
    except LookupError:
        return ""
    return _AS_BROWSERS_DO.get(name, name) if _ENCODINGS.fullmatch(name) else ""
