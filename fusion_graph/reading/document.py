"""What reading a document gives."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["html", "pdf"]

MAX_TEXT = 2_000_000  # characters of one document
CUT = "\n\n[the rest of this document was too long to read]"


class UnreadableError(Exception):
    """A document cannot be turned into text; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Document:
    """The text of a document, and its title, publication date and canonical URL as it states them, or ""."""

    text: str
    title: str = ""
    published: str = ""
    canonical: str = ""


def bounded(text: str) -> str:
    """Return the text, its end replaced by a note if it is longer than anybody reads."""
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + CUT
