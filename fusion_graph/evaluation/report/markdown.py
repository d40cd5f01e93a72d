"""A report as Markdown: what comes from outside is shown as it is and marks nothing."""

import re
from collections.abc import Iterable, Sequence

from fusion_graph.characters import visible
from fusion_graph.evaluation.report.blocks import (
    Banner,
    Block,
    Bullets,
    Code,
    Document,
    Facts,
    Folded,
    Part,
    Table,
    Text,
)
from fusion_graph.markdown import escaped

_FENCE = 3


def as_markdown(document: Document) -> str:
    """Return a document as Markdown; charts are left out, for tables say the same."""
    parts = [f"# {_inside(document.title)}", *_blocks(document.head, 2)]
    for section in document.sections:
        parts += [f"## {_inside(section.title)}", _line(section.reading), *_blocks(section.blocks, 3)]
    return "\n\n".join(parts) + "\n"


def _blocks(blocks: Iterable[Block], level: int) -> list[str]:
    return [part for block in blocks for part in _block(block, level) if part]


def _block(block: Block, level: int) -> list[str]:
    """Return the paragraphs of a block."""
    match block:
        case Banner(title, texts):
            lines = [f"**{_inside(title)}**", *map(_line, texts)]
            return ["\n>\n".join(f"> {line}" for line in lines)]
        case Part(title, inner):
            return [f"{'#' * level} {_inside(title)}", *_blocks(inner, level + 1)]
        case Folded(_, inner):
            return _blocks(inner, level)
        case _:
            return [_plain(block)]


def _plain(block: Block) -> str:
    """Return a block that holds no others."""
    written = ""
    match block:
        case Text(text):
            written = _line(text)
        case Bullets(texts):
            written = "\n".join(f"- {_line(text)}" for text in texts)
        case Facts(facts):
            written = "\n".join(f"- {_line(name)}: {_inside(value)}" for name, value in facts)
        case Table():
            written = _table(block)
        case Code(text):
            written = _code(text)
    return written


def _line(text: str) -> str:
    return escaped(" ".join(visible(text).split()))


def _inside(text: str) -> str:
    """Return text for a place that no block can begin at."""
    return _line(f".{text}")[1:]


def _table(table: Table) -> str:
    sides = ["---" if index < table.names else "---:" for index in range(len(table.head))]
    rows = [_cells(table.head), "|".join(["", *sides, ""]), *(_cells(row) for row in table.rows)]
    return "\n".join(rows)


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_inside(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _code(text: str) -> str:
    """Return text in a fence that is longer than any in it."""
    shown = visible(text)
    fence = "`" * max(_FENCE, 1 + max(map(len, re.findall("`+", shown)), default=0))
    return f"{fence}\n{shown}\n{fence}"
