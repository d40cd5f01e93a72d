"""A folder of the user's documents, read as if they were pages of the web.

A document's URL is `local://<relative path>`, or the one it claims in its first lines (`url:`, `title:`, `published:`,
bare or as front matter), so that a corpus can stand in for the web. Documents are found by their URL in what was read
from the folder; no path is ever built from a URL.
"""

import os
import re
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote, unquote

from langchain_core.tools import ToolException

from fusion_graph import reading
from fusion_graph.characters import visible
from fusion_graph.reading.document import MAX_DATE, MAX_TITLE, one_line
from fusion_graph.tools.web.content import decode, kind_of, read_html, read_pdf
from fusion_graph.urls import canonical_url, host_of, parse_url

SCHEME = "local://"
_MAX_TEXT = 5 * 2**20  # bytes
_MAX_PDF = 20 * 2**20
_MAX_BYTES = dict.fromkeys((".md", ".markdown", ".txt", ".html", ".htm"), _MAX_TEXT) | {".pdf": _MAX_PDF}  # by suffix
SUFFIXES = frozenset(_MAX_BYTES)
_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*(?:\n|$)", re.DOTALL)
_HEADER = re.compile(r"(?:(?:url|title|published|date)[ \t]*:[^\n]*(?:\n|$))+", re.IGNORECASE)
_HEADER_LINE = re.compile(r"(?im)^(url|title|published|date)[ \t]*:[ \t]*(.*?)[ \t]*$")
_MARKDOWN_TITLE = re.compile(r"(?m)\A\s*#[ \t]+(.+?)[ \t#]*$")

FileStamp: TypeAlias = tuple[str, int, int]  # relative path, time of change in ns, bytes


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its relative path with slashes, and what a page of the web would have."""

    path: str
    url: str
    title: str
    published: str
    text: str


@dataclass(frozen=True)
class Snapshot:
    """The documents of the folder at one moment, in the order of their paths, and how many files could not be read."""

    documents: tuple[Document, ...] = ()
    skipped: int = 0
    by_key: dict[str, Document] = field(default_factory=dict)


class Corpus:
    """The documents below one folder, read again when a file came, went or changed. Its methods block; use a thread."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._lock = threading.Lock()
        self._stamps: list[FileStamp] | None = None
        self._snapshot = Snapshot()

    def snapshot(self) -> Snapshot:
        """Return the documents as they are now; the same object while nothing changed."""
        with self._lock:
            stamps = sorted(_stamps(self.root))
            if stamps != self._stamps:
                self._snapshot = _read_all(self.root, stamps)
                self._stamps = stamps
            return self._snapshot

    def find(self, url: str) -> Document | None:
        """Return the document whose URL this is, by its own path or by the address it claims."""
        return self.snapshot().by_key.get(_key(url))


def _suffix(path: str) -> str:
    return Path(path).suffix.lower()


def _key(url: str) -> str:
    if url.startswith(SCHEME):
        return SCHEME + unquote(url.removeprefix(SCHEME).partition("#")[0])
    return canonical_url(url)


def _stamps(root: Path) -> Iterator[FileStamp]:
    """Yield the regular files to read: none hidden, none that a link leads to outside of the folder."""
    for folder, inner, names in os.walk(root):
        inner[:] = [name for name in inner if not name.startswith(".")]
        for name in names:
            path = Path(folder, name)
            if name.startswith(".") or _suffix(name) not in _MAX_BYTES:
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                continue
            try:
                found = path.stat()
            except OSError:
                continue
            if stat.S_ISREG(found.st_mode):
                yield path.relative_to(root).as_posix(), found.st_mtime_ns, found.st_size


def _read_all(root: Path, stamps: list[FileStamp]) -> Snapshot:
    read = [_read(root, path) if size <= _MAX_BYTES[_suffix(path)] else None for path, _, size in stamps]
    documents = tuple(document for document in read if document)
    by_key: dict[str, Document] = {}
    for document in documents:  # two that claim one URL: the first path has it
        by_key.setdefault(_key(document.url), document)
        by_key.setdefault(SCHEME + document.path, document)
    return Snapshot(documents, len(read) - len(documents), by_key)


def _read(root: Path, path: str) -> Document | None:
    try:
        body = Path(root, path).read_bytes()
        header, read = _content(body, _suffix(path))
    except (OSError, ToolException):
        return None
    title = header.get("title") or read.title or Path(path).stem
    published = header.get("published") or header.get("date") or read.published
    claimed = parse_url(header.get("url", "")) if host_of(header.get("url", "")) else None
    url = claimed.href if claimed else SCHEME + quote(path)  # parsed, an address is one word
    return Document(path, url, one_line(title, MAX_TITLE), one_line(published, MAX_DATE), read.text)


def _content(body: bytes, suffix: str) -> tuple[dict[str, str], reading.Document]:
    """Return what a file says of itself in its first lines, and what is in it."""
    if kind_of(body) == "pdf":
        return {}, read_pdf(body)
    header, text = _split_header(visible(decode(body)))
    if suffix in {".html", ".htm"}:
        return header, read_html(text)
    heading = _MARKDOWN_TITLE.search(text)
    return header, reading.Document(text.strip(), heading[1] if heading else "")


def _split_header(text: str) -> tuple[dict[str, str], str]:
    front = _FRONT_MATTER.match(text)
    block = front or _HEADER.match(text)
    if block is None:
        return {}, text
    lines = _HEADER_LINE.findall(front[1] if front else block[0])
    return {name.lower(): value.strip("\"'") for name, value in lines}, text[block.end() :]
