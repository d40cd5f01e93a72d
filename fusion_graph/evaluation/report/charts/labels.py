"""Labels beside points, none over another: the whole text where it fits near, else the short one, further away with a line."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fusion_graph.evaluation.report.charts.svg import FONT, text_width

_LINE = FONT + 3  # px that a line of text is high
_GAP = 8  # px from a point to the label beside it
_NEAR = 4  # px that a label at a corner is nearer, sideways
_RINGS = range(16, 400, 8)  # px from a point to where its short label may go
_ANGLES = [math.tau * step / 16 for step in range(16)]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of a drawing."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        """Say whether two share any room."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def holds(self, other: "Box") -> bool:
        """Say whether another is inside."""
        return (
            self.left <= other.left
            and other.right <= self.right
            and self.top <= other.top
            and other.bottom <= self.bottom
        )


@dataclass(frozen=True, slots=True)
class Spot:
    """A point that wants a label: its text, and a shorter one."""

    x: float
    y: float
    text: str
    short: str


@dataclass(frozen=True, slots=True)
class Label:
    """A text in its place; a far one needs a line to its point."""

    text: str
    box: Box
    is_far: bool = False


def place_labels(spots: Sequence[Spot], area: Box, marks: Sequence[Box], lines: Sequence[Box]) -> list[Label | None]:
    """Return the label of each spot, None where no room is left; none meets a mark or another label.

    Beside their points labels keep off `lines` as well.
    """
    placed: list[Label | None] = []
    for spot in spots:
        taken = [*marks, *(label.box for label in placed if label)]
        near = _free(_near(spot), area, [*taken, *lines])
        placed.append(near or _free(_far(spot), area, taken))
    return placed


def _free(candidates: Iterable[Label], area: Box, taken: Sequence[Box]) -> Label | None:
    return next((each for each in candidates if area.holds(each.box) and not any(map(each.box.meets, taken))), None)


def _near(spot: Spot) -> Iterator[Label]:
    """Yield the places right and left, above and below, and at the corners, for either text."""
    level, above, below = spot.y - _LINE / 2, spot.y - _GAP - _LINE, spot.y + _GAP
    for text in dict.fromkeys((spot.text, spot.short)):
        width = text_width(text)
        right, left, middle = spot.x + _GAP, spot.x - _GAP - width, spot.x - width / 2
        sides = [(right, level), (left, level), (middle, above), (middle, below)]
        corners = [(x, y) for x in (right - _NEAR, left + _NEAR) for y in (above, below)]
        for x, y in [*sides, *corners]:
            yield Label(text, Box(x, y, x + width, y + _LINE))


def _far(spot: Spot) -> Iterator[Label]:
    """Yield places for the short text on rings around the point."""
    width = text_width(spot.short)
    for distance in _RINGS:
        for angle in _ANGLES:
            x, y = spot.x + distance * math.cos(angle) - width / 2, spot.y + distance * math.sin(angle) - _LINE / 2
            yield Label(spot.short, Box(x, y, x + width, y + _LINE), is_far=True)
