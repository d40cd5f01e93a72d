"""What reading a document gives."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["html", "pdf"]

MAX_TEXT = 2_000_000  # characters of one document
MAX_TITLE = 300
MAX_DATE = 40
CUT = "\n\n[the rest of this document was too long to read]"


class UnreadableError(Exception):
    """A document cannot be turned into text; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Document:
    """The text of a document, and its title and publication date as it states them, each one line, or "".

    `canonical` are the addresses it gives as its own: URLs, or relative to its place.
    """

    text: str
    title: str = ""
    published: str = ""
    canonical: tuple[str, ...] = ()


def bounded(text: str) -> str:
    """Return the text, its end replaced by a note if it is longer than anybody reads."""
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + CUT


def one_line(text: str, most: int) -> str:
    """Return at most `most` characters of the text, its line breaks and runs of blanks made one blank."""
    return " ".join(text.split())[:most].rstrip()
