"""A report as one HTML file: nothing is loaded, nothing runs, and what comes from outside is text."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from importlib.resources import files

from fusion_graph.characters import visible
from fusion_graph.evaluation.report.blocks import (
    Banner,
    Block,
    Bullets,
    Charts,
    Code,
    Document,
    Facts,
    Folded,
    Part,
    Section,
    Table,
    Text,
)
from fusion_graph.evaluation.report.charts import MARKS, Chart, drawn, drawn_mark


def as_html(document: Document) -> str:
    """Return a document as a whole page."""
    return "".join(
        [
            f'<!doctype html>\n<html lang="en">\n<head>\n{_head(document.title)}</head>\n<body>\n<main>\n',
            f"<h1>{_text(document.title)}</h1>\n",
            _blocks(document.head, 2),
            _contents(document.sections),
            *map(_section, document.sections),
            "</main>\n</body>\n</html>\n",
        ]
    )


def _head(title: str) -> str:
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    return (
        '<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<link rel="icon" href="data:,">\n'  # else browsers ask for one
        f"<title>{_text(title)}</title>\n<style>{style}</style>\n"
    )


@cache
def _style() -> str:
    return (files(__package__) / "style.css").read_text(encoding="utf-8")


def _contents(sections: Sequence[Section]) -> str:
    links = "".join(f'<li><a href="#{_key(section)}">{_text(section.title)}</a></li>' for section in sections)
    return f'<nav aria-label="Sections"><ul>{links}</ul></nav>\n'


def _section(section: Section) -> str:
    inside = f"<p>{_text(section.reading)}</p>\n{_blocks(section.blocks, 3)}"
    key = _key(section)
    return f'<section aria-labelledby="{key}">\n<h2 id="{key}">{_text(section.title)}</h2>\n{inside}</section>\n'


def _key(section: Section) -> str:
    return section.title.lower().replace(" ", "-")


def _blocks(blocks: Iterable[Block], level: int) -> str:
    return "".join(f"{_block(block, level)}\n" for block in blocks)


def _block(block: Block, level: int) -> str:
    match block:
        case Charts(charts, reading):
            said = f"<p>{_text(reading)}</p>\n" if reading else ""
            return f'{said}<div class="charts">\n{"".join(map(_figure, charts))}</div>\n{_legend(charts)}'
        case Part(title, inner):
            return f"<h{level}>{_text(title)}</h{level}>\n{_blocks(inner, level + 1)}"
        case Folded(title, inner):
            return f"<details><summary>{_text(title)}</summary>\n{_blocks(inner, level)}</details>"
        case _:
            return _plain(block)


def _figure(chart: Chart) -> str:
    return f"<figure><figcaption>{_text(chart.title)}</figcaption>{_scrolling(chart.title, drawn(chart))}</figure>\n"


def _plain(block: Block) -> str:
    """Return a block that holds no others."""
    written = ""
    match block:
        case Text(text):
            written = f"<p>{_text(text)}</p>"
        case Bullets(texts) if texts:
            written = f"<ul>{''.join(f'<li>{_text(text)}</li>' for text in texts)}</ul>"
        case Facts(facts):
            rows = "".join(f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>" for name, value in facts)
            written = f"<dl>{rows}</dl>"
        case Banner(title, texts):
            told = "".join(f"<p>{_text(text)}</p>" for text in texts)
            written = f'<div class="banner"><p><strong>{_text(title)}</strong></p>{told}</div>'
        case Table():
            written = _scrolling(block.label, _table(block))
        case Code(text):
            written = _scrolling("Code", f"<pre><code>{_text(text)}</code></pre>")
    return written


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col"{_kind(index, table)}>{_text(cell)}</th>' for index, cell in enumerate(table.head))
    rows = "".join(
        f"<tr>{''.join(_cell(index, cell, table) for index, cell in enumerate(row))}</tr>\n" for row in table.rows
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>"


def _cell(index: int, cell: str, table: Table) -> str:
    kind = _kind(index, table)
    return f'<th scope="row"{kind}>{_text(cell)}</th>' if index == 0 else f"<td{kind}>{_text(cell)}</td>"


def _kind(index: int, table: Table) -> str:
    return ' class="name"' if index < table.names else ' class="figure"'


def _legend(charts: Sequence[Chart]) -> str:
    """Return what marks stand for, where there is more than one kind of them."""
    used = frozenset[str]().union(*(chart.marks for chart in charts))
    if len(used) < 2:  # noqa: PLR2004 - one mark needs no telling apart
        return ""
    kinds = "".join(f"<li>{drawn_mark(mark)} {_text(said)}</li>" for mark, said in MARKS.items() if mark in used)
    return f'<ul class="legend">{kinds}</ul>'


def _scrolling(label: str, content: str) -> str:
    return f'<div class="scroll" tabindex="0" role="group" aria-label="{_text(label)}">{content}</div>'


def _text(text: str) -> str:
    return escape(visible(text))
