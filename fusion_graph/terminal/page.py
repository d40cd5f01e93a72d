"""The result as a page for a reader at a terminal: the answer's Markdown rendered once, then what stands beside it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markdown import Heading, Markdown, MarkdownElement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fusion_graph.doubts import doubts_of
from fusion_graph.terminal.answer import READ, disagreements, listed_sources, unlisted
from fusion_graph.terminal.words import clean, in_line

MAX_WIDTH = 100  # longer lines of prose are hard to read
# What rich would swallow or draw over is shown as it was written: HTML, images, `[1]: ...`, `<https://...>`.
_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
_PARSER.disable(["html_block", "html_inline", "image", "reference", "autolink"])


class _Heading(Heading):
    """A heading at the left edge, of any level."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text = self.text.copy()
        text.justify = "left"
        yield text


class _Answer(Markdown):
    """Markdown of a model: nothing of it is lost, and none of it steers the terminal."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {**Markdown.elements, "heading_open": _Heading}

    def __init__(self, text: str) -> None:
        # No OSC 8 links: where a link leads is written behind it.
        super().__init__("", hyperlinks=False, code_theme="ansi_dark")
        self.parsed = list(_cleaned(_PARSER.parse(clean(text))))


def _cleaned(tokens: Iterable[Token]) -> Iterator[Token]:
    """Yield tokens cleaned once more: an entity such as `&#x202e;` is a control only now."""
    for token in tokens:
        token.content = clean(token.content)
        token.children = list(_cleaned(token.children)) if token.children else token.children
        yield token


def print_page(result: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the answer, then disagreements, then sources, on stdout."""
    page = console or Console(markup=False, highlight=False, emoji=False)
    page.width = min(page.width, MAX_WIDTH)
    for part in (_answer(result), _disagreements(result), _sources(result)):
        if part:
            page.print()
            page.print(part)


def _answer(result: Mapping[str, Any]) -> RenderableType | None:
    return _Answer(result["answer"]) if result["answer"] else None


def _disagreements(result: Mapping[str, Any]) -> RenderableType | None:
    lines: list[RenderableType] = []
    for topic, stances in disagreements(result):
        lines += [Text(topic), *(Padding(Text(stance), (0, 0, 0, 2)) for stance in stances)]
    return _labelled("Disagree", lines) if lines else None


def _sources(result: Mapping[str, Any]) -> RenderableType | None:
    listed = Table.grid(padding=(0, 1, 0, 0))
    listed.add_column(justify="right")
    listed.add_column(overflow="fold")
    for source in listed_sources(result):
        title = f"{in_line(source['title'])} " if source["title"] else ""
        listed.add_row(str(source["number"]), Text(f"{title}{in_line(source['url'])} ({READ[source['status']]})"))
    notes = [Text(note) for note in (*unlisted(result), *doubts_of(result["citations"], in_line))]
    return _labelled("Sources", [listed, *notes]) if result["sources"] or notes else None


def _labelled(label: str, lines: Sequence[RenderableType]) -> RenderableType:
    block = Table.grid(padding=(0, 2, 0, 0))
    block.add_column(width=9)
    block.add_column(overflow="fold")
    block.add_row(Text(label, style="bold"), Group(*lines))
    return block
