"""The report of an evaluation: one HTML file that loads nothing, and Markdown with the same facts.

`sections` say in blocks what the figures are; `html` and `markdown` write the same blocks, `charts` draws some of them.
"""

from collections.abc import Callable
from pathlib import Path

from fusion_graph.evaluation.report.document import document
from fusion_graph.evaluation.report.html import as_html
from fusion_graph.evaluation.report.markdown import as_markdown
from fusion_graph.evaluation.shapes import Results

__all__ = ["render_html", "render_markdown", "write_report"]


def render_html(results: Results) -> str:
    """Return the report as an HTML document that needs nothing else."""
    return as_html(document(results))


def render_markdown(results: Results) -> str:
    """Return the report as Markdown: all that the HTML says, without its charts."""
    return as_markdown(document(results))


def write_report(results: Results, folder: Path) -> list[Path]:
    """Write `report.html` and `report.md` into a folder, each of them whole or not at all, and return where they are.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    forms: dict[str, Callable[[Results], str]] = {"report.html": render_html, "report.md": render_markdown}
    return [_written(folder / name, render(results)) for name, render in forms.items()]


def _written(path: Path, text: str) -> Path:
    """Put a text where readers find the old one until the new one is whole."""
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_text(text, encoding="utf-8")
    return unfinished.replace(path)
