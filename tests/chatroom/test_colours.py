"""The contrast of the page's colours, from its style sheet: each pair that stands on one another, light and dark."""

import re
from functools import cache
from importlib.resources import files
from itertools import product

import pytest

SURFACES = ("bg", "surface", "sunken")
WORDS = ("accent", "ok", "warn", "err")
TEXT, CONTROL = 4.5, 3.0  # WCAG 1.4.3 and 1.4.11
PAIRS = [
    *((ink, ground, TEXT) for ink, ground in product(("text", "muted", *WORDS), (*SURFACES, "accent-soft"))),
    *((ink, f"{ground}-soft", TEXT) for ink, ground in product(("text", "warn", "err", "muted"), ("warn", "err"))),
    ("on-accent", "accent", TEXT),
    *(("line-strong", ground, CONTROL) for ground in SURFACES),  # the borders of controls
    *(("accent", ground, CONTROL) for ground in (*SURFACES, "accent-soft", "warn-soft", "err-soft")),  # the focus ring
]
# A ground that no text of this colour stands on.
UNUSED = {("warn", "err-soft"), ("err", "warn-soft")}


@cache
def tokens(theme: int) -> dict[str, tuple[float, ...]]:
    """Return the colours of the style sheet by name: 0 the light ones, 1 the dark."""
    pairs = re.findall(r"--([\w-]+):\s*light-dark\(\s*(#\w+)\s*,\s*(#\w+)\s*\)", _css())
    return {name: _rgb(colours[theme]) for name, *colours in pairs}


def _css() -> str:
    return (files("fusion_graph.server.chatroom") / "static" / "style.css").read_text(encoding="utf-8")


def _rgb(colour: str) -> tuple[float, ...]:
    digits = colour[1:] if len(colour) > 4 else "".join(2 * digit for digit in colour[1:])
    return tuple(int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4))


def _luminance(colour: tuple[float, ...]) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_browsers_that_know_one_theme_only_get_the_light_one() -> None:
    plain = dict(re.findall(r"--([\w-]+):\s*(#\w+);", _css()))

    assert {name: _rgb(colour) for name, colour in plain.items()} == tokens(0)


def test_contrast_is_counted_as_wcag_counts_it() -> None:
    assert contrast(_rgb("#fff"), _rgb("#000000")) == pytest.approx(21)
    assert contrast(_rgb("#767676"), _rgb("#fff")) == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground", "least"), [pair for pair in PAIRS if pair[:2] not in UNUSED], ids=str)
def test_what_is_written_can_be_read_on_its_ground(theme: int, ink: str, ground: str, least: float) -> None:
    colours = tokens(theme)

    assert contrast(colours[ink], colours[ground]) >= least
