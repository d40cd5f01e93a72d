"""Elements of a drawing, and what every drawing has: a title, a description, marks that differ in form."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal, TypeAlias

from fusion_graph.characters import visible

Mark: TypeAlias = Literal["fusion", "solo", "best_of", "endpoint", "published", "bound"]

# What a mark stands for, in the order of a legend.
MARKS: dict[Mark, str] = {
    "fusion": "fused",
    "solo": "one model",
    "best_of": "best of several answers of one model",
    "endpoint": "an endpoint, whatever answers there",
    "bound": "bound that no system reached here",
    "published": "published, not measured here",
}
FONT = 12  # px of a label
_WIDE, _CAPITAL, _OTHER = 1.05, 0.76, 0.62  # of the font's size; what broad system fonts take


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing of `width` times `height` px; `says` tells its facts to who does not see it."""

    title: str
    says: str
    width: int
    height: int
    body: str
    marks: frozenset[Mark] = frozenset()


def drawn(chart: Chart) -> str:
    """Return a chart as an SVG element."""
    inside = tag("title", chart.title) + tag("desc", chart.says) + chart.body
    size = f'viewBox="0 0 {chart.width} {chart.height}" width="{chart.width}" height="{chart.height}"'
    return f'<svg {size} role="img">{inside}</svg>'


def drawn_mark(mark: Mark) -> str:
    """Return a mark alone, for a legend that says in words what it stands for."""
    return f'<svg viewBox="0 0 14 14" width="14" height="14" aria-hidden="true">{sign(mark, 7, 7)}</svg>'


def tag(name: str, text: str = "", **attributes: str | float) -> str:
    """Return an element with text in it, escaped; `class_` is `class`, and `_` in names is `-`."""
    return f"<{name}{_attributes(attributes)}>{escape(visible(text))}</{name}>"


def group(parts: Sequence[str], **attributes: str | float) -> str:
    """Return elements as one."""
    return f"<g{_attributes(attributes)}>{''.join(parts)}</g>"


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Return a straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def sign(mark: Mark, x: float, y: float) -> str:
    """Return a mark at a place."""
    match mark:
        case "fusion" | "solo":
            return tag("circle", cx=x, cy=y, r=4.5, class_=f"mark {mark}")
        case "best_of":
            return tag("rect", x=x - 4, y=y - 4, width=8, height=8, class_="mark best-of")
        case "endpoint":
            return tag("path", d=f"M{x:.1f} {y - 5:.1f}l5 9h-10z", class_="mark endpoint")
        case "bound":
            return tag(
                "path", d=f"M{x:.1f} {y - 5:.1f}v10M{x - 3:.1f} {y - 5:.1f}h6M{x - 3:.1f} {y + 5:.1f}h6", class_="mark"
            )
        case "published":
            return tag("path", d=f"M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z", class_="mark published")


def text_width(text: str, size: float = FONT) -> float:
    """Return about how wide a text is at most."""
    return size * sum(map(_width, text))


def cut(text: str, width: float) -> str:
    """Return a text in one line that is not wider, with an ellipsis where something is missing."""
    whole = " ".join(visible(text).split())
    shown = whole
    while shown and text_width(shown) > width:
        shown = shown[:-2].rstrip(" .,+/") + "…" if len(shown) > 1 else ""
    return shown


def _width(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return _WIDE
    return _CAPITAL if letter.isupper() or letter in "mw%@" else _OTHER


def _attributes(attributes: dict[str, str] | dict[str, str | float]) -> str:
    return "".join(f' {name.rstrip("_").replace("_", "-")}="{_value(value)}"' for name, value in attributes.items())


def _value(value: str | float) -> str:
    return escape(visible(value)) if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
