"""Two answers beside one another on a wide terminal, sentence by sentence; words that only one has are bold."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fusion_graph.cli.differences import fold, shown
from fusion_graph.comparison import Comparison, Part

MAX_WIDTH = 180  # longer lines of prose are hard to read
_WORD = re.compile(r"\w+")
_Cells = tuple[Text, Text, Text, Text]  # a mark and a sentence, for A and for B


def print_answers(found: Comparison, console: Console | None = None) -> None:
    """Print the answers in two columns on stdout; what they share is folded."""
    page = console or Console(markup=False, highlight=False, emoji=False)
    page.width = min(page.width, MAX_WIDTH)
    table = Table.grid(padding=(0, 1, 0, 0), expand=True)
    for _ in "ab":
        table.add_column(width=1)
        table.add_column(ratio=1, overflow="fold")
    titles = [
        Text(f"{letter}  {run['run_id'][:8]}", style="bold") for letter, run in (("A", found["a"]), ("B", found["b"]))
    ]
    table.add_row("", titles[0], "", titles[1])
    for cells in _rows(found["answer"]):
        table.add_row(*cells)
    if found["answer"]:
        page.print(table)


def _rows(parts: Iterable[Part]) -> Iterator[_Cells]:
    for is_same, group in groupby(parts, key=lambda part: part["kind"] == "same"):
        run = list(group)
        if is_same:
            told = Text(fold(len(run)).strip(), style="dim")
            yield Text(), told, Text(), told
        else:
            yield from (_row(part) for part in run)


def _row(part: Part) -> _Cells:
    a, b = (shown(part["a"]), shown(part["b"]))
    return (
        Text("-" if a is not None else ""),
        _marked(a, b, "red"),
        Text("+" if b is not None else ""),
        _marked(b, a, "green"),
    )


def _marked(text: str | None, other: str | None, style: str) -> Text:
    """Return a sentence; where the other run has it in other words, only what differs is marked."""
    if text is None or other is None:
        return Text(text or "", style=style)
    there = set(_WORD.findall(other.casefold()))
    marked = Text(text)
    for word in _WORD.finditer(text):
        if word[0].casefold() not in there:
            marked.stylize(f"bold {style}", word.start(), word.end())
    return marked
