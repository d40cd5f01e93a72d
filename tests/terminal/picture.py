"""A terminal's screen as a picture: SVG that loads nothing."""

import re
from html import escape
from itertools import groupby

import pyte

CELL, LINE, MARGIN = 8.0, 18, 14  # pixels of a character, of a line, and round the screen
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
GROUND, TEXT = "#16181b", "#d8dade"
COLOURS = {  # of text, by the names that pyte gives them
    "red": "#f29a92",
    "green": "#7fcf9a",
    "brown": "#e3b261",
    "blue": "#8ab4f8",
    "magenta": "#d3a5e8",
    "cyan": "#6cc3cf",
    "white": "#ffffff",
    "black": "#8b9097",
    "brightblack": "#8b9097",
}


def picture(screen: pyte.Screen, text: str) -> str:
    """Return `text`, which stands on the screen in the same places, with the screen's colours."""
    lines = text.splitlines()
    width, height = screen.columns * CELL + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN
    rows = [_row(screen, number, line) for number, line in enumerate(lines) if line.strip()]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}">',
            f'<rect width="100%" height="100%" rx="8" fill="{GROUND}"/>',
            f'<g font-family="{FONT}" font-size="13" fill="{TEXT}">',
            *rows,
            "</g>",
            "</svg>\n",
        ]
    )


def _row(screen: pyte.Screen, number: int, line: str) -> str:
    y = MARGIN + (number + 0.75) * LINE
    cells = [(column, character, *_looks(screen, number, column)) for column, character in enumerate(line)]
    parts = []
    for (colour, is_bold), group in groupby(cells, key=lambda cell: cell[2:]):
        run = list(group)
        look = (f' fill="{colour}"' if colour else "") + (' font-weight="600"' if is_bold else "")
        for words in re.finditer(r"\S+(?: \S+)*", "".join(character for _, character, _, _ in run)):  # SVG joins spaces
            place = f'x="{MARGIN + (run[0][0] + words.start()) * CELL:g}" textLength="{len(words[0]) * CELL:g}"'
            parts.append(f"<tspan {place}{look}>{escape(words[0])}</tspan>")
    return f'<text y="{y:g}">{"".join(parts)}</text>'


def _looks(screen: pyte.Screen, row: int, column: int) -> tuple[str, bool]:
    character = screen.buffer[row][column]
    return COLOURS.get(character.fg, ""), bool(character.bold)
