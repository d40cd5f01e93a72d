"""What a report is made of, whatever it is written as: plain text in blocks. Who writes them escapes their text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from fusion_graph.evaluation.report.charts import Chart


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """Texts one below the other."""

    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is called how: names and their values."""

    facts: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Banner:
    """What nobody may miss: a title, and what it means."""

    title: str
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below a head. `names` of the columns, from the left, hold names; the others figures, which are not broken."""

    label: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int = 2


@dataclass(frozen=True, slots=True)
class Charts:
    """Drawings beside one another where there is room, and how to read them; tables say what they show, too."""

    charts: Sequence[Chart]
    reading: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """Text to be shown line by line as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """Blocks below a heading of their own."""

    title: str
    blocks: Sequence["Block"]


@dataclass(frozen=True, slots=True)
class Folded:
    """Blocks that who wants them opens; in Markdown they are open and have no title."""

    title: str
    blocks: Sequence["Block"]


Block: TypeAlias = Text | Bullets | Facts | Banner | Table | Charts | Code | Part | Folded


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report that its table of contents names: how to read it in one sentence, then its blocks."""

    title: str
    reading: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    title: str
    head: Sequence[Block]
    sections: Sequence[Section]
