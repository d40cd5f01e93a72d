"""The report in a real browser: wide and narrow, light and dark, on paper; nothing loaded, nothing cut, nothing overlapping."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from fusion_graph.evaluation.report import write_report
from fusion_graph.evaluation.shapes import Results
from tests.chatroom.watching import Faults, assert_accessible, overflow, script, shoot
from tests.evaluation.figures import ENTRIES, HOSTILE, Entry, in_pairs, results

PAPER = 718  # px of A4 between margins of 10 mm

# In the page: pairs of texts that lie over one another, of the elements that a selector finds.
OVERLAPPING = """
(selector) => [...document.querySelectorAll("svg[role=img]")].flatMap((svg) => {
  const texts = [...svg.querySelectorAll(selector)].map((text) => [text.textContent, text.getBoundingClientRect()]);
  return texts.flatMap(([one, a], index) => texts.slice(index + 1)
    .filter(([, b]) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3)
    .map(([other]) => [one, other]));
})
"""
# Boxes whose content is wider than they are.
CUT = """
() => [...document.querySelectorAll(".scroll")]
  .filter((box) => box.scrollWidth > box.clientWidth + 1)
  .map((box) => [box.ariaLabel, box.scrollWidth, box.clientWidth])
"""


def dangerous() -> Results:
    entries = [Entry(name, "fusion" if number else "solo", 50 + number, 0.5, 10) for number, name in enumerate(HOSTILE)]
    return results(entries, tasks=22, name=HOSTILE[0], unfinished=list(HOSTILE))


KINDS: dict[str, Callable[[], Results]] = {
    "draco": results,
    "simulated": lambda: results(
        ENTRIES[:4], tasks=12, is_simulated=True, unfinished=["2 tasks: fusion draco run --out DIR"]
    ),
    "pairs": in_pairs,
    "one": lambda: results(ENTRIES[8:9], tasks=1, comparisons=[]),
    "hostile": dangerous,
}

Open = Callable[..., Page]


@pytest.fixture
def open_report(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """What opens a report from its file: `open_report("draco", color_scheme="dark")`; nothing may go wrong in it."""
    watched: list[Faults] = []
    with ExitStack() as tabs:

        def open_report(kind: str, width: int = 1280, **options: Any) -> Page:
            path, _ = write_report(KINDS[kind](), tmp_path / kind)
            context = browser.new_context(viewport={"width": width, "height": 900}, **options)
            tabs.callback(context.close)
            watched.append(Faults(path.as_uri()))
            watched[-1].watch(context)
            page = context.new_page()
            page.goto(path.as_uri())
            return page

        yield open_report
    assert [fault for faults in watched for fault in faults.found] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_wrong_for_readers_with_other_senses_and_hands(open_report: Open, kind: str, scheme: str) -> None:
    page = open_report(kind, color_scheme=scheme)
    assert_accessible(page, f"{kind}, wide, {scheme}")
    page.set_viewport_size({"width": 390, "height": 844})

    assert_accessible(page, f"{kind}, narrow, {scheme}")


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_is_not_wider_than_its_window(open_report: Open, kind: str) -> None:
    page = open_report(kind)

    for width in (320, 390, 768, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        assert overflow(page) == 0, (width, page.evaluate(script("sticking_out")))


@pytest.mark.parametrize("kind", KINDS)
def test_words_in_charts_do_not_lie_over_one_another(open_report: Open, kind: str) -> None:
    page = open_report(kind)

    assert page.evaluate(OVERLAPPING, "text") == []


def test_a_keyboard_reaches_what_scrolls_and_what_is_folded(open_report: Open) -> None:
    page = open_report("draco", width=390)

    page.get_by_text("Show the manifest").focus()
    page.keyboard.press("Enter")

    assert page.get_by_text('"fusion_graph": "0.1.0"').is_visible()
    assert page.evaluate("[...document.querySelectorAll('.scroll')].every((box) => box.tabIndex === 0)")


@pytest.mark.parametrize("kind", KINDS)
def test_on_paper_it_is_light_whole_and_open(open_report: Open, kind: str, tmp_path: Path) -> None:
    page = open_report(kind, width=PAPER, color_scheme="dark")
    page.emulate_media(media="print")

    assert page.evaluate(CUT) == []
    assert overflow(page) == 0
    assert page.evaluate("getComputedStyle(document.documentElement).color") == "rgb(28, 27, 25)"
    assert page.get_by_text('"fusion_graph": "0.1.0"').bounding_box() is not None
    shoot(page, tmp_path, f"report-{kind}-print")
    margins = dict.fromkeys(("top", "right", "bottom", "left"), "10mm")
    assert page.pdf(format="A4", margin=margins).startswith(b"%PDF")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_it_are_kept(open_report: Open, kind: str, tmp_path: Path) -> None:
    page = open_report(kind)
    for width, scheme in ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert shoot(page, tmp_path, f"report-{kind}-{width}-{scheme}").stat().st_size > 0
    page.emulate_media(forced_colors="active")
    shoot(page, tmp_path, f"report-{kind}-forced-colors")
