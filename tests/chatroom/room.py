"""The page as its readers know it: by roles and names."""

import re
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.chatroom.watching import Faults

QUESTION = "When did the bridge open, and how long is its span?"


@dataclass
class Room:
    """The page in one tab."""

    page: Page
    url: str
    faults: Faults

    def go(self, path: str = "/") -> "Room":
        """Open a path of the page."""
        self.page.goto(self.url + path)
        return self

    def another_tab(self) -> "Room":
        """Open the same address in one more tab of the same browser."""
        other = Room(self.page.context.new_page(), self.url, self.faults)
        other.page.goto(self.page.url)
        return other

    def ask(self, question: str = QUESTION) -> "Room":
        """Ask, and wait for the page of the run."""
        self.question.fill(question)
        self.button("Ask").click()
        expect(self.title).to_have_text(question)
        return self

    def ended(self, word: str = "Answered") -> "Room":
        """Wait until the run has ended in some way."""
        expect(self.status).to_contain_text(f"{word} ·")
        return self

    @property
    def run_id(self) -> str:
        """The id of the run that is shown."""
        return self.page.url.rsplit("/", 1)[-1].partition("?")[0].partition("#")[0]

    def options(self, field: str) -> Locator:
        """Return the models that a field offers."""
        return self.page.get_by_role("listbox", name=field, exact=True).get_by_role("option")

    @property
    def question(self) -> Locator:
        return self.page.get_by_role("textbox", name="Your question")

    @property
    def title(self) -> Locator:
        return self.page.get_by_role("heading", level=1)

    @property
    def status(self) -> Locator:
        return self.section("Status")

    @property
    def told(self) -> Locator:
        """What screen readers were told last."""
        return self.page.locator("#told")

    @property
    def answer(self) -> Locator:
        return self.section("Answer")

    @property
    def comparison(self) -> Locator:
        return self.section("Comparison")

    @property
    def panel(self) -> Locator:
        return self.section("Panel")

    @property
    def sources(self) -> Locator:
        return self.section("Sources")

    @property
    def cost(self) -> Locator:
        return self.section("Cost")

    def section(self, name: str) -> Locator:
        """Return a part of the page by its heading."""
        return self.page.get_by_role("region", name=name, exact=True)

    def seat(self, number: int, model: str) -> Locator:
        """Return a seat of the panel."""
        return self.panel.get_by_role("region", name=_of_seat(number, model))

    def opener(self, number: int, model: str) -> Locator:
        """Return the button that a seat is opened and closed with."""
        return self.panel.get_by_role("button", name=_of_seat(number, model))

    def text_of(self, number: int) -> Locator:
        """Return the text of a seat."""
        return self.page.get_by_role("region", name=f"Text of seat {number}", exact=True)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def redo(self, name: str) -> Locator:
        """Return a button that does part of a run again; its name ends with what that costs."""
        return self.page.get_by_role("button", name=re.compile(f"^{name}")).first

    @property
    def versions(self) -> Locator:
        return self.page.get_by_role("navigation", name="Versions")

    def link(self, name: str) -> Locator:
        return self.page.get_by_role("link", name=name, exact=True)

    def field(self, name: str) -> Locator:
        """Return a field that a model is named in."""
        return self.page.get_by_role("combobox", name=name, exact=True)

    def press(self, *keys: str) -> None:
        """Press keys, one after another."""
        for key in keys:
            self.page.keyboard.press(key)

    def tab_to(self, target: Locator, *, most: int = 80) -> None:
        """Go to something with the Tab key alone."""
        for _ in range(most):
            self.press("Tab")
            if target.evaluate("element => element === document.activeElement"):
                return
        raise AssertionError(f"the Tab key does not lead to {target}")

    def recorded(self, name: str) -> Any:
        """Return what `scripts/recording.js` has noted."""
        return self.page.evaluate(f"recorded.{name}")

    @property
    def focused(self) -> str:
        """What has the focus, by its first words."""
        words: str = self.page.evaluate("(document.activeElement.ariaLabel ?? document.activeElement.innerText).trim()")
        return words.partition("\n")[0]


def _of_seat(number: int, model: str) -> re.Pattern[str]:
    return re.compile(rf"^{number} {re.escape(model)}(?: [▸▾])?$")
